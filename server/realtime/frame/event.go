package frame

import (
	"portcullis/fanout"
	"portcullis/internal/jsonscan"
)

// AppendEvent appends the MESSAGE or PRESENCE of an event. channel is the name that
// the receiver has attached; all else is encoded once, whoever receives it.
func AppendEvent(dst []byte, f Format, channel []byte, e *fanout.Event) []byte {
	a, rest := ActionMessage, encodeJSON
	if e.Kind == fanout.Presence {
		a = ActionPresence
	}
	if f == Msgpack {
		rest = encodeMsgpack
	}
	w, o := begin(dst, f, a)
	w.text(o, "channel", channel)
	return w.members(o, e.Encoded(uint8(f), rest))
}

// members closes o with the members of text, a map of at least one and at most 12.
func (w *writer) members(o object, text []byte) []byte {
	if w.format == JSON {
		w.dst = append(w.dst, ',')
	} else {
		w.dst[o] += text[0] - fixmap
	}
	return append(w.dst, text[1:]...)
}

func encodeJSON(e *fanout.Event) []byte    { return encode(e, JSON) }
func encodeMsgpack(e *fanout.Event) []byte { return encode(e, Msgpack) }

// encode returns what the frames of an event have in common, as a map.
func encode(e *fanout.Event, f Format) []byte {
	const frameBytes, itemBytes = 256, 256 // about what names, ids and numbers take
	w := writer{dst: make([]byte, 0, frameBytes+len(e.Items)*itemBytes+Size(e.Items)*4/3), format: f}
	o := w.open()
	w.optional(o, "id", e.ID)
	w.optional(o, "connectionId", e.ConnectionID)
	w.optional(o, "channelSerial", e.Serial)
	if e.Timestamp != 0 {
		w.integer(o, "timestamp", e.Timestamp)
	}
	w.items(o, e.Kind, e.Items)
	return w.done()
}

// AppendSync appends one page of a SYNC: members that are present. serial is the
// name of the sync, a colon and a cursor, which is empty on the last page (RTP18).
func AppendSync(dst []byte, f Format, channel []byte, serial string, members []fanout.Item) []byte {
	w, o := begin(dst, f, ActionSync)
	w.text(o, "channel", channel)
	w.string(o, "channelSerial", serial)
	w.items(o, fanout.Presence, members)
	return w.done()
}

// AppendMembers appends a list of members that are present, as the body of an answer
// over HTTP.
func AppendMembers(dst []byte, f Format, members []fanout.Item) []byte {
	w := writer{dst: dst, format: f}
	w.list(fanout.Presence, members)
	return w.dst
}

func (w *writer) items(o object, k fanout.Kind, items []fanout.Item) {
	if k == fanout.Presence {
		w.name(o, "presence")
	} else {
		w.name(o, "messages")
	}
	w.list(k, items)
}

func (w *writer) list(k fanout.Kind, items []fanout.Item) {
	w.array(len(items))
	for i := range items {
		w.next(i)
		w.item(k, &items[i])
	}
	w.end()
}

func (w *writer) item(k fanout.Kind, i *fanout.Item) {
	o := w.open()
	w.optional(o, "id", i.ID)
	if k == fanout.Presence || i.Action != fanout.Create {
		w.integer(o, "action", int64(i.Action))
	}
	w.optional(o, "clientId", i.ClientID)
	w.optional(o, "connectionId", i.ConnectionID)
	w.optional(o, "name", i.Name)
	w.data(o, i)
	if i.Timestamp != 0 {
		w.integer(o, "timestamp", i.Timestamp)
	}
	w.optional(o, "serial", i.Serial)
	w.extras(o, i)
	w.close()
}

// data writes the payload and its encoding (RSL4c, RSL4d).
func (w *writer) data(o object, i *fanout.Item) {
	encoding := i.Encoding
	switch i.Data.Kind {
	case fanout.Text:
		w.text(o, "data", i.Data.Bytes)
	case fanout.Binary:
		if w.binary(o, "data", i.Data.Bytes); w.format == JSON {
			encoding = join(encoding, "base64")
		}
	}
	w.optional(o, "encoding", encoding)
}

// extras writes the extras, with the claim of the publisher's token if there is one.
func (w *writer) extras(o object, i *fanout.Item) {
	if i.Extras == nil && i.UserClaim == "" {
		return
	}
	w.name(o, "extras")
	text := i.Extras
	if i.UserClaim != "" {
		text = withUserClaim(text, i.UserClaim)
	}
	if w.format == JSON {
		w.dst = append(w.dst, text...)
	} else {
		w.dst = appendMsgpack(w.dst, jsonscan.Value{Kind: jsonscan.Object, Text: text})
	}
}

// withUserClaim returns extras, a compact object or nil, with one member more.
func withUserClaim(extras []byte, claim string) []byte {
	text := append(make([]byte, 0, len(extras)+len(claim)+32), '{')
	if len(extras) > len("{}") {
		text = append(append(text, extras[1:len(extras)-1]...), ',')
	}
	text = append(text, `"`+userClaim+`":`...)
	return append(jsonscan.AppendQuoted(text, claim), '}')
}
