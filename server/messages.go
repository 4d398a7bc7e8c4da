package server

import (
	"bytes"

	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	"portcullis/internal/jsonscan"
)

// Limits on one publish.
const (
	maxPublishBytes = 256 << 10
	maxMessages     = 1000
)

// message is what admission looks at in a message. A clientId that is present
// and null is absent.
type message struct {
	ClientID      *string
	ConnectionKey string
}

// readMessages reads a publish, one message or an array of them, and checks that
// the sender may speak as each names. It returns how many there are.
func readMessages(ctx *fasthttp.RequestCtx, sender engine.Identity) (int, error) {
	read := readJSONMessages
	if isMediaType(ctx.Request.Header.ContentType(), "application/x-msgpack") {
		read = readMsgpackMessages
	}
	messages, ok := read(ctx.Request.Body())
	if !ok {
		return 0, engine.ErrMessage
	}
	for _, m := range messages {
		var named []byte
		if m.ClientID != nil {
			named = []byte(*m.ClientID)
		}
		if _, err := sender.Stamp(named); err != nil {
			return 0, err
		}
		if m.ConnectionKey != "" {
			return 0, engine.ErrConnectionKey // there are no connections to speak for
		}
	}
	return len(messages), nil
}

func readJSONMessages(body []byte) ([]message, bool) {
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte{'['}) {
		m := make([]message, 1)
		return m, m[0].readJSON(body)
	}
	var messages []message
	elements := jsonscan.ReadArray(body)
	for v, ok := elements.Next(); ok; v, ok = elements.Next() {
		var m message
		if len(messages) == maxMessages || !m.readJSON(v.Text) {
			return nil, false
		}
		messages = append(messages, m)
	}
	return messages, elements.Err() == nil
}

// readJSON reads one message. What is not looked at may be anything.
func (m *message) readJSON(text []byte) bool {
	var s jsonscan.Scanner
	for s.Reset(text, 0); s.Next(); {
		v := s.Value()
		switch name := string(s.Name()); {
		case v.Kind == jsonscan.Null:
		case name == "clientId" && v.Kind == jsonscan.String:
			id := string(v.Unescaped())
			m.ClientID = &id
		case name == "connectionKey" && v.Kind == jsonscan.String:
			m.ConnectionKey = string(v.Unescaped())
		case name == "clientId", name == "connectionKey":
			return false
		}
	}
	return s.Err() == nil
}

func readMsgpackMessages(body []byte) (messages []message, ok bool) {
	size, rest, err := uint32(1), body, error(nil)
	if msgp.NextType(body) == msgp.ArrayType {
		size, rest, err = msgp.ReadArrayHeaderBytes(body)
	}
	if err != nil || size > maxMessages {
		return nil, false
	}
	for range size {
		var m message
		if rest, ok = readMsgpackMessage(rest, &m); !ok {
			return nil, false
		}
		messages = append(messages, m)
	}
	return messages, len(rest) == 0
}

// readMsgpackMessage reads one message. What is not looked at may be anything.
func readMsgpackMessage(body []byte, m *message) (rest []byte, ok bool) {
	rest, err := readMap(body, uint32(len(body)), func(name string, value []byte) (rest []byte, err error) {
		isString := msgp.NextType(value) == msgp.StrType
		switch {
		case msgp.NextType(value) == msgp.NilType:
			rest, err = msgp.ReadNilBytes(value)
		case name == "clientId" && isString:
			m.ClientID = new(string)
			*m.ClientID, rest, err = msgp.ReadStringBytes(value)
		case name == "connectionKey" && isString:
			m.ConnectionKey, rest, err = msgp.ReadStringBytes(value)
		case name == "clientId", name == "connectionKey":
			err = errMsgpack
		default:
			rest, err = msgp.Skip(value)
		}
		return rest, err
	})
	return rest, err == nil
}
