package realtime

import (
	"context"
	"fmt"
	"strconv"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// answers remembers how publishes were answered. A client that has lost its
// WebSocket before the answer repeats them with the serials they had (RTN19a), and
// must get the same answer, and nobody a message twice.
type answers struct {
	next int64 // the msgSerial that comes next
	ring []answer
}

type answer struct {
	serials [][]string
	err     *engine.ErrorInfo
}

// maxAnswers is how many answers are remembered. SDKs wait for answers, so few are
// ever outstanding.
const maxAnswers = 256

// find returns how a publish was answered; ok is false for one that is new.
func (a *answers) find(serial int64) (found answer, ok bool) {
	switch {
	case serial >= a.next:
		return answer{}, false
	case serial < a.next-int64(len(a.ring)):
		return answer{err: engine.ErrForgotten}, true
	}
	return a.ring[serial%maxAnswers], true
}

// add remembers an answer. Serials that were left out were never seen.
func (a *answers) add(serial int64, given answer) {
	for a.next < serial && len(a.ring) > 0 { // at most once around: more is forgotten anyway
		if serial-a.next > maxAnswers {
			a.next = serial - maxAnswers
		}
		a.put(a.next, answer{err: engine.ErrForgotten})
		a.next++
	}
	a.put(serial, given)
	a.next = serial + 1
}

func (a *answers) put(serial int64, given answer) {
	at := int(serial % maxAnswers)
	for len(a.ring) <= at {
		a.ring = append(a.ring, answer{err: engine.ErrForgotten})
	}
	a.ring[at] = given
}

// answer does what a MESSAGE or PRESENCE asks for, once, and sends its ACK or NACK.
func (c *connection) answer(f *frame.Frame, do func(*frame.Frame) ([][]string, error)) {
	if !f.HasMsgSerial {
		c.fail(engine.ErrFrame, causeProtocol)
		return
	}
	given, repeated := c.answers.find(f.MsgSerial)
	if !repeated {
		err := f.Err
		if err == nil {
			given.serials, err = do(f)
		}
		if err != nil {
			given = answer{err: c.hub.infoOf(err)}
		}
		c.answers.add(f.MsgSerial, given)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send(func(dst []byte, format frame.Format) []byte {
		if given.err != nil {
			return frame.AppendNack(dst, format, f.MsgSerial, 1, given.err)
		}
		return frame.AppendAck(dst, format, f.MsgSerial, 1, given.serials)
	})
}

// infoOf returns what a client is told of an error. One that is no ErrorInfo is a
// fault of ours.
func (h *Hub) infoOf(err error) *engine.ErrorInfo {
	if info, ok := err.(*engine.ErrorInfo); ok {
		return info
	}
	h.options.Log.Error("a publish failed", "error", err, "type", fmt.Sprintf("%T", err))
	return engine.ErrUnavailable
}

// publish publishes the messages of a MESSAGE, all or none.
func (c *connection) publish(f *frame.Frame) ([][]string, error) {
	if err := c.ownWords(f); err != nil {
		return nil, err
	}
	now := c.hub.options.Now()
	e := c.event(f, fanout.Messages, now)
	c.mu.Lock()
	err := stamp(e, &c.session, f.Channel, now)
	c.mu.Unlock()
	if err == nil {
		err = c.hub.options.Fanout.Publish(context.Background(), e)
	}
	if err != nil {
		return nil, err
	}
	serials := make([]string, len(e.Items))
	for i := range e.Items {
		serials[i] = e.Items[i].Serial
	}
	return [][]string{serials}, nil
}

// stamp checks messages that the bearer of s publishes, and puts in them what only
// this server may say.
func stamp(e *fanout.Event, s *admission.Session, channel []byte, now engine.UnixMilli) error {
	for i := range e.Items {
		item := &e.Items[i]
		if item.Action != fanout.Create {
			return engine.ErrNotServed // there is no history, so no message to change
		}
		stamped, resource, err := s.Publish(channel, item.NamedClientID(), now)
		if err == nil && item.Privileged {
			err = s.Authorize(channel, capability.PrivilegedHeaders)
		}
		if err != nil {
			return err
		}
		item.ClientID, item.Timestamp = string(stamped), int64(now)
		if item.ID == "" {
			item.ID = e.ID + ":" + strconv.Itoa(i)
		}
		item.UserClaim, _ = s.UserClaim(resource)
		e.Channel.Resource = resource.String()
	}
	return nil
}

// ownWords refuses what is sent in another connection's name.
func (c *connection) ownWords(f *frame.Frame) error {
	foreign := len(f.ConnectionID) > 0 && string(f.ConnectionID) != c.id || f.ConnectionKey != nil && string(f.ConnectionKey) != c.key()
	for i := range f.Items {
		foreign = foreign || f.Items[i].ConnectionID != "" && f.Items[i].ConnectionID != c.id
	}
	if foreign {
		return engine.ErrConnectionKey
	}
	return nil
}

// event makes an event of a frame's items.
func (c *connection) event(f *frame.Frame, kind fanout.Kind, now engine.UnixMilli) *fanout.Event {
	e := &fanout.Event{
		Channel: fanout.Channel{App: c.app}, Kind: kind, ID: c.id + ":" + strconv.FormatInt(f.MsgSerial, 10),
		ConnectionID: c.id, Timestamp: int64(now), Items: f.Items,
	}
	f.Items = nil // they are the event's now
	for i := range e.Items {
		e.Items[i].ConnectionID, e.Items[i].Timestamp = c.id, int64(now)
	}
	return e
}
