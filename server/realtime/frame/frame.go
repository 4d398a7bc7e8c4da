package frame

import (
	"math"

	"portcullis/engine"
	"portcullis/fanout"
)

// Frame is a frame that a client has sent. What it does not say is nil or 0. A Frame
// keeps some memory from one Read to the next, so use it again.
type Frame struct {
	Action        Action
	ID            []byte // of a HEARTBEAT, to be sent back
	Channel       []byte // its name as the client writes it
	ChannelSerial []byte
	ConnectionID  []byte
	MsgSerial     int64
	HasMsgSerial  bool
	Count         int64
	Flags         uint32
	Params        []Param
	AccessToken   []byte        // of an AUTH
	Items         []fanout.Item // of a MESSAGE or PRESENCE; none if Err is set
	ConnectionKey []byte        // that a message names, to speak for another connection

	// Err is why the frame is refused though it could be read: an *engine.ErrorInfo
	// for a NACK or for the channel's ERROR.
	Err error

	size                       int   // of what was read
	params, messages, presence value // not yet looked at
	outer, inner, extras       members
	elements                   elements
}

// Param is a channel parameter.
type Param struct{ Name, Value []byte }

var errParams = engine.ErrFrame.WithDetail("params must be strings")

// reset makes f ready for a frame of that size.
func (f *Frame) reset(size int) {
	if f.size > keptBytes {
		*f = Frame{}
	}
	*f = Frame{Params: f.Params[:0], size: size, outer: f.outer, inner: f.inner, extras: f.extras, elements: f.elements}
}

// Read reads one frame. The error is an *engine.ErrorInfo, after which the connection
// is of no use.
func Read(dst *Frame, format Format, data []byte) error {
	dst.reset(len(data))
	if len(data) > MaxFrameBytes {
		return engine.ErrFrameSize
	}
	ok, hasAction := true, false
	m := &dst.outer
	for m.reset(format, data); ok && m.next(); {
		v := m.value()
		if v.isNull() {
			continue
		}
		name := m.name()
		ok = dst.read(name, v)
		hasAction = hasAction || string(name) == "action"
	}
	if !ok || m.err() != nil || !hasAction {
		dst.reset(len(data))
		return engine.ErrFrame
	}
	if err := dst.readRest(); err != nil {
		dst.Items, dst.Err = nil, err
	}
	return nil
}

// read reads one member that is not null, and says whether it is what it should be.
func (f *Frame) read(name []byte, v value) (ok bool) {
	var n int64
	switch string(name) {
	case "action":
		n, ok = v.integer()
		f.Action = Action(min(n, int64(ActionUnknown)))
	case "id":
		f.ID, ok = v.str()
	case "channel":
		f.Channel, ok = v.str()
	case "channelSerial":
		f.ChannelSerial, ok = v.str()
	case "connectionId":
		f.ConnectionID, ok = v.str()
	case "msgSerial":
		f.MsgSerial, ok = v.integer()
		f.HasMsgSerial = true
	case "count":
		f.Count, ok = v.integer()
	case "flags":
		n, ok = v.integer()
		f.Flags = uint32(n & math.MaxUint32) // the flags above are of a later protocol
	case "auth":
		f.AccessToken, ok = f.readAuth(v)
	case "params":
		f.params, ok = v, true
	case "messages":
		f.messages, ok = v, true
	case "presence":
		f.presence, ok = v, true
	default:
		ok = true
	}
	return ok
}

func (f *Frame) readAuth(v value) (token []byte, ok bool) {
	if !v.isObject() {
		return nil, false
	}
	ok = true
	m := &f.inner
	for m.resetTo(v); ok && m.next(); {
		if v := m.value(); string(m.name()) == "accessToken" && !v.isNull() {
			token, ok = v.str()
		}
	}
	return token, ok && m.err() == nil
}

// readRest reads what depends on the action, which may stand behind it.
func (f *Frame) readRest() error {
	if len(f.Channel) > MaxChannelBytes {
		return engine.ErrChannel
	}
	switch f.Action {
	case ActionAttach, ActionAttached:
		return f.readParams()
	case ActionMessage:
		return f.readItems(f.messages)
	case ActionPresence:
		return f.readItems(f.presence)
	}
	return nil
}

func (f *Frame) readParams() error {
	if f.params.absent() {
		return nil
	}
	if !f.params.isObject() {
		return errParams
	}
	m := &f.inner
	for m.resetTo(f.params); m.next(); {
		v := m.value()
		if v.isNull() {
			continue
		}
		text, ok := v.str()
		if !ok || len(f.Params) == MaxParams {
			return errParams
		}
		f.Params = append(f.Params, Param{m.name(), text})
	}
	if m.err() != nil {
		return errParams
	}
	return nil
}
