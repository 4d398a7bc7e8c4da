package server

import (
	"bytes"

	"github.com/segmentio/encoding/json"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
)

// Limits on one publish.
const (
	maxPublishBytes = 256 << 10
	maxMessages     = 1000
)

// message is what admission looks at in a message. A clientId that is present
// and null is absent.
type message struct {
	ClientID      *string `json:"clientId"`
	ConnectionKey string  `json:"connectionKey"`
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
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, false
	}
	if !bytes.HasPrefix(body, []byte{'['}) {
		body = append(append([]byte{'['}, body...), ']')
	}
	var all []json.RawMessage
	if json.Unmarshal(body, &all) != nil || len(all) > maxMessages {
		return nil, false
	}
	messages := make([]message, len(all))
	for i, raw := range all {
		if raw[0] != '{' || json.Unmarshal(raw, &messages[i]) != nil {
			return nil, false
		}
	}
	return messages, true
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

// readMsgpackMessage reads a map with string keys, none of them twice.
func readMsgpackMessage(body []byte, m *message) (rest []byte, ok bool) {
	size, rest, err := msgp.ReadMapHeaderBytes(body)
	if err != nil || int(size) > len(rest) {
		return nil, false
	}
	seen := make(map[string]bool)
	for range size {
		var name []byte
		if name, rest, err = msgp.ReadStringZC(rest); err != nil || seen[string(name)] {
			return nil, false
		}
		seen[string(name)] = true
		isString := msgp.NextType(rest) == msgp.StrType
		switch {
		case msgp.NextType(rest) == msgp.NilType:
			rest, err = msgp.ReadNilBytes(rest)
		case string(name) == "clientId" && isString:
			m.ClientID = new(string)
			*m.ClientID, rest, err = msgp.ReadStringBytes(rest)
		case string(name) == "connectionKey" && isString:
			m.ConnectionKey, rest, err = msgp.ReadStringBytes(rest)
		case string(name) == "clientId", string(name) == "connectionKey":
			return nil, false
		default:
			rest, err = msgp.Skip(rest)
		}
		if err != nil {
			return nil, false
		}
	}
	return rest, true
}
