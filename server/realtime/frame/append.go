package frame

import (
	"time"

	"portcullis/engine"
)

// begin begins a frame.
func begin(dst []byte, f Format, a Action) (writer, object) {
	w := writer{dst: dst, format: f}
	o := w.open()
	w.integer(o, "action", int64(a))
	return w, o
}

// done ends a frame.
func (w *writer) done() []byte {
	w.close()
	return w.dst
}

// AppendHeartbeat appends a HEARTBEAT; with an id, unless nil, that answers a ping
// (RTN13e).
func AppendHeartbeat(dst []byte, f Format, id []byte) []byte {
	w, o := begin(dst, f, ActionHeartbeat)
	if id != nil {
		w.text(o, "id", id)
	}
	return w.done()
}

// Connected is what a CONNECTED says (CD1).
type Connected struct {
	ID              string
	Key             string
	ClientID        string // "" when anonymous, "*" for a wildcard
	ServerID        string
	MaxMessageBytes int
	MaxFrameBytes   int
	MaxInboundRate  int // messages a second
	StateTTL        time.Duration
	MaxIdleInterval time.Duration
	Error           *engine.ErrorInfo // why it is not the one that was to be resumed, or nil
}

// AppendConnected appends a CONNECTED.
func AppendConnected(dst []byte, f Format, c *Connected) []byte {
	w, o := begin(dst, f, ActionConnected)
	w.string(o, "connectionId", c.ID)
	w.name(o, "connectionDetails")
	d := w.open()
	w.optional(d, "clientId", c.ClientID)
	w.string(d, "connectionKey", c.Key)
	w.integer(d, "maxMessageSize", int64(c.MaxMessageBytes))
	w.integer(d, "maxFrameSize", int64(c.MaxFrameBytes))
	w.integer(d, "maxInboundRate", int64(c.MaxInboundRate))
	w.integer(d, "connectionStateTtl", c.StateTTL.Milliseconds())
	w.integer(d, "maxIdleInterval", c.MaxIdleInterval.Milliseconds())
	w.string(d, "serverId", c.ServerID)
	w.close()
	w.error(o, c.Error)
	return w.done()
}

// AppendDisconnected appends a DISCONNECTED. info may be nil.
func AppendDisconnected(dst []byte, f Format, info *engine.ErrorInfo) []byte {
	w, o := begin(dst, f, ActionDisconnected)
	w.error(o, info)
	return w.done()
}

// AppendError appends an ERROR of a channel, or of the connection if channel is nil:
// SDKs tell them apart by whether there is a channel at all.
func AppendError(dst []byte, f Format, channel []byte, info *engine.ErrorInfo) []byte {
	w, o := begin(dst, f, ActionError)
	if channel != nil {
		w.text(o, "channel", channel)
	}
	w.error(o, info)
	return w.done()
}

// AppendAck appends an ACK of count frames from msgSerial on. serials holds those of
// each frame's messages, and is nil when there are none, as for presence.
func AppendAck(dst []byte, f Format, msgSerial int64, count int, serials [][]string) []byte {
	w, o := begin(dst, f, ActionAck)
	w.integer(o, "msgSerial", msgSerial)
	w.integer(o, "count", int64(count))
	if serials == nil {
		return w.done()
	}
	w.name(o, "res")
	w.array(len(serials))
	for i, ofFrame := range serials {
		w.next(i)
		r := w.open()
		w.name(r, "serials")
		w.array(len(ofFrame))
		for j, serial := range ofFrame {
			w.next(j)
			w.bareString(serial)
		}
		w.end()
		w.close()
	}
	w.end()
	return w.done()
}

// AppendNack appends a NACK of count frames from msgSerial on.
func AppendNack(dst []byte, f Format, msgSerial int64, count int, info *engine.ErrorInfo) []byte {
	w, o := begin(dst, f, ActionNack)
	w.integer(o, "msgSerial", msgSerial)
	w.integer(o, "count", int64(count))
	w.error(o, info)
	return w.done()
}

// Attached is what an ATTACHED says.
type Attached struct {
	Channel       []byte // its name as the client writes it
	ChannelSerial string
	Flags         uint32
	Params        []Param           // those that are in force, at most MaxParams
	Error         *engine.ErrorInfo // why continuity is lost, or nil
}

// AppendAttached appends an ATTACHED.
func AppendAttached(dst []byte, f Format, a *Attached) []byte {
	w, o := begin(dst, f, ActionAttached)
	w.text(o, "channel", a.Channel)
	w.integer(o, "flags", int64(a.Flags))
	w.optional(o, "channelSerial", a.ChannelSerial)
	if len(a.Params) > 0 {
		w.name(o, "params")
		w.params(a.Params)
	}
	w.error(o, a.Error)
	return w.done()
}

// AppendDetached appends a DETACHED. info may be nil.
func AppendDetached(dst []byte, f Format, channel []byte, info *engine.ErrorInfo) []byte {
	w, o := begin(dst, f, ActionDetached)
	w.text(o, "channel", channel)
	w.error(o, info)
	return w.done()
}

// AppendClosed appends a CLOSED.
func AppendClosed(dst []byte, f Format) []byte {
	w, _ := begin(dst, f, ActionClosed)
	return w.done()
}

// AppendAuth appends an AUTH, which asks the client to authenticate again (RTN22).
func AppendAuth(dst []byte, f Format) []byte {
	w, _ := begin(dst, f, ActionAuth)
	return w.done()
}

// AppendErrorInfo appends an object with nothing but an error: what a refusal over
// HTTP says.
func AppendErrorInfo(dst []byte, f Format, info *engine.ErrorInfo) []byte {
	w := writer{dst: dst, format: f}
	w.error(w.open(), info)
	return w.done()
}
