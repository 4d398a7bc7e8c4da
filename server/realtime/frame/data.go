package frame

import (
	"bytes"
	"encoding/base64"
	"strings"

	"portcullis/fanout"
	"portcullis/internal/jsonscan"
)

// readData reads the payload of i, whose encoding is read already (RSL4): text,
// binary, which JSON spells as base64, or an object or array, which becomes its JSON
// text as SDKs send it.
func readData(i *fanout.Item, v value) bool {
	if v.absent() {
		return true
	}
	if v.isObject() || v.isArray() {
		text, ok := appendJSON(nil, v)
		i.Data = fanout.Data{Kind: fanout.Text, Bytes: text}
		i.Encoding = join(i.Encoding, "json")
		return ok
	}
	if b, ok := v.binary(); ok {
		i.Data = fanout.Data{Kind: fanout.Binary, Bytes: bytes.Clone(b)}
		return true
	}
	text, ok := v.str()
	if !ok {
		return false
	}
	if inner, is := strings.CutSuffix(i.Encoding, "base64"); is && (inner == "" || inner[len(inner)-1] == '/') {
		if b, err := base64.StdEncoding.Strict().AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text); err == nil && !bytes.ContainsAny(text, "\r\n") {
			i.Data = fanout.Data{Kind: fanout.Binary, Bytes: b}
			i.Encoding = strings.TrimSuffix(inner, "/")
			return true
		} // else it stays what it is, for the receiver to make of it what it can
	}
	i.Data = fanout.Data{Kind: fanout.Text, Bytes: append([]byte{}, text...)}
	return true
}

// join appends one encoding to others.
func join(encodings, last string) string {
	if encodings == "" {
		return last
	}
	return encodings + "/" + last
}

// readExtras reads an object, without userClaim, which only the server may give. It
// also says whether it holds privileged.
func (f *Frame) readExtras(v value) (text []byte, privileged, ok bool) {
	if !v.isObject() {
		return nil, false, false
	}
	text = append(make([]byte, 0, len(v.raw())), '{')
	m := &f.extras
	for m.resetTo(v); m.next(); {
		name := m.name()
		if string(name) == userClaim {
			continue
		}
		privileged = privileged || string(name) == "privileged"
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(jsonscan.AppendQuoted(text, name), ':')
		if text, ok = appendJSON(text, m.value()); !ok {
			return nil, false, false
		}
	}
	return append(text, '}'), privileged, m.err() == nil
}

const userClaim = "userClaim"
