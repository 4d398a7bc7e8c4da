package fanout

// Item is one message, or what one member says of its presence, in no format. A
// string that is empty is absent.
type Item struct {
	ID           string
	ClientID     string
	HasClientID  bool // tells a clientId that a client has left out from an empty one
	ConnectionID string
	Name         string // of messages
	Encoding     string // what was done to Data, outermost last, as in "utf-8/cipher+aes-256-cbc"
	Serial       string // of messages, see [Event.Stamp]
	UserClaim    string // what the publisher's token says of it on this channel
	Data         Data
	Extras       []byte // a compact JSON object, or nil
	Timestamp    int64  // in milliseconds since 1970; 0 means the event's
	Action       uint8  // [Absent] to [Update] of presence, [Create] and others of messages
	Privileged   bool   // Extras holds the member privileged, which not everybody may send
}

// Actions of presence (TP2).
const (
	Absent uint8 = iota
	Present
	Enter
	Leave
	Update
)

// Create is the action of a new message (TM5). The others change a message or speak
// of one.
const Create uint8 = 0

// DataKind is the kind of a payload.
type DataKind uint8

// The kinds. A JSON value is Text, with an encoding that ends in "json".
const (
	None DataKind = iota
	Text
	Binary
)

// Data is a payload. Bytes of a Text are UTF-8.
type Data struct {
	Kind  DataKind
	Bytes []byte
}

// NamedClientID returns the clientId that a client has written, which may be empty, or
// nil if it has written none.
func (i *Item) NamedClientID() []byte {
	if !i.HasClientID {
		return nil
	}
	return append([]byte{}, i.ClientID...)
}

// Bytes returns how much memory an item costs, about.
func (i *Item) Bytes() int {
	const fixed = 256 // the struct, and its place among the members
	return fixed + len(i.ID) + len(i.ClientID) + len(i.ConnectionID) + len(i.Name) + len(i.Encoding) +
		len(i.Serial) + len(i.UserClaim) + len(i.Data.Bytes) + len(i.Extras)
}
