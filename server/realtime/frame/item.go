package frame

import (
	"bytes"

	"portcullis/engine"
	"portcullis/fanout"
)

// ReadMessages reads the body of a publish over HTTP, one message or an array of
// them, into the Items and the ConnectionKey of dst. The error is an
// *engine.ErrorInfo.
func ReadMessages(dst *Frame, format Format, body []byte) error {
	dst.reset(len(body))
	dst.Action = ActionMessage
	v, ok := wholeValue(format, body)
	if !ok {
		return engine.ErrMessage
	}
	var err error
	if v.isArray() {
		err = dst.readItems(v)
	} else if err = dst.readItem(v); err == nil {
		err = dst.checkSize()
	}
	if err != nil {
		dst.reset(len(body))
	}
	return err
}

// readItems reads an array of messages or presence items, or none at all.
func (f *Frame) readItems(v value) error {
	if v.absent() {
		return nil
	}
	if !v.isArray() {
		return engine.ErrMessage
	}
	for f.elements.resetTo(v); ; {
		item, ok := f.elements.next()
		if !ok {
			break
		}
		if len(f.Items) == MaxItems {
			return engine.ErrMessage
		}
		if err := f.readItem(item); err != nil {
			return err
		}
	}
	if f.elements.err() != nil {
		return engine.ErrMessage
	}
	return f.checkSize()
}

func (f *Frame) checkSize() error {
	if Size(f.Items) > MaxMessageBytes {
		return engine.ErrMessageSize
	}
	return nil
}

// readItem reads one item and appends it to the frame's.
func (f *Frame) readItem(v value) error {
	if !v.isObject() {
		return engine.ErrMessage
	}
	var i fanout.Item
	var data value
	m := &f.inner
	for m.resetTo(v); m.next(); {
		v := m.value()
		if v.isNull() {
			continue
		}
		if string(m.name()) == "data" {
			data = v // read with the encoding, which may stand behind it
		} else if err := f.readField(&i, m.name(), v); err != nil {
			return err
		}
	}
	if m.err() != nil || !readData(&i, data) {
		return engine.ErrMessage
	}
	f.Items = append(f.Items, i)
	return nil
}

// readField reads one member of an item that is not null.
func (f *Frame) readField(i *fanout.Item, name []byte, v value) error {
	ok := true
	switch string(name) {
	case "id":
		i.ID, ok = v.text(maxIDBytes)
	case "name":
		i.Name, ok = v.text(MaxFrameBytes) // Size says when it is too long
	case "encoding":
		i.Encoding, ok = v.text(maxEncoding)
	case "connectionId":
		i.ConnectionID, ok = v.text(maxIDBytes)
	case "clientId":
		i.ClientID, ok = v.text(MaxFrameBytes)
		i.HasClientID = true
	case "action":
		var n int64
		n, ok = v.integer()
		i.Action = uint8(n)
		ok = ok && n <= 255
	case "extras":
		i.Extras, i.Privileged, ok = f.readExtras(v)
	case "connectionKey":
		var key []byte
		if key, ok = v.str(); !ok || len(key) == 0 {
			break
		}
		if f.ConnectionKey != nil && !bytes.Equal(f.ConnectionKey, key) {
			return engine.ErrConnectionKey
		}
		f.ConnectionKey = key
	}
	if !ok {
		return engine.ErrMessage
	}
	return nil
}

// text returns what a string of at most that many bytes spells.
func (v value) text(maxBytes int) (string, bool) {
	text, ok := v.str()
	if !ok || len(text) > maxBytes {
		return "", false
	}
	return string(text), true
}
