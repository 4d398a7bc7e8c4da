package fanout

import (
	"strconv"
	"sync"
)

// Kind is what an event carries.
type Kind uint8

// The kinds.
const (
	Messages Kind = iota
	Presence
)

// Event is what one frame or one request publishes on a channel. It must not be
// copied.
type Event struct {
	Channel      Channel
	Kind         Kind
	ID           string // of the frame; an item without an ID of its own has ID:index
	ConnectionID string // of the publisher, empty when there is no connection
	Serial       string // its place in the channel's order, see Stamp
	Timestamp    int64  // when the server took it, in milliseconds since 1970
	Items        []Item

	encoded [encodings]struct {
		once sync.Once
		text []byte
	}
}

// encodings is how many encodings of an event are kept.
const encodings = 2

// Encoded returns what encode makes of the event. It calls encode once for each
// of the numbers 0 and 1, whoever asks and however often, so that an event is
// encoded once for all who get it in the same format. The result must not be
// changed.
func (e *Event) Encoded(number uint8, encode func(*Event) []byte) []byte {
	m := &e.encoded[number]
	m.once.Do(func() { m.text = encode(e) })
	return m.text
}

// Stamp gives the event its serial and each message its own: the event's, a colon
// and the message's index. Fanouts call it once they know the order. Serials of one
// channel increase strictly, as text.
func (e *Event) Stamp(serial string) {
	e.Serial = serial
	if e.Kind != Messages {
		return
	}
	for i := range e.Items {
		e.Items[i].Serial = string(appendPadded(append([]byte(serial), ':'), uint64(i), 3))
	}
}

// AppendSerial appends the serial of that number in an epoch to dst. Serials are
// opaque to clients; as text they are in the order of (epoch, number). They hold
// letters, digits and hyphens only, for SDKs take what stands before a colon in the
// serial of a SYNC for the name of the sync.
func AppendSerial(dst []byte, epoch, number uint64) []byte {
	dst = appendPadded(dst, epoch, 14)
	dst = append(dst, '-')
	return appendPadded(dst, number, 16)
}

// appendPadded appends n with at least that many digits.
func appendPadded(dst []byte, n uint64, digits int) []byte {
	var buffer [20]byte
	text := strconv.AppendUint(buffer[:0], n, 10)
	for range digits - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}
