package realtime

import (
	"fmt"

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
	published
	err *engine.ErrorInfo
}

// published is what an ACK says of a frame's messages: the serial of their event and
// how many they are, from which the rest follows.
type published struct {
	serial   string
	messages int
}

// serials returns what ACK lists: one list for the one frame, nil for no messages.
func (p published) serials() [][]string {
	if p.messages == 0 {
		return nil
	}
	e := fanout.Event{Kind: fanout.Messages, Items: make([]fanout.Item, p.messages)}
	e.Stamp(p.serial)
	serials := make([]string, p.messages)
	for i := range e.Items {
		serials[i] = e.Items[i].Serial
	}
	return [][]string{serials}
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
func (c *connection) answer(f *frame.Frame, do func(*frame.Frame) (published, error)) {
	if !f.HasMsgSerial {
		c.fail(engine.ErrFrame, causeProtocol)
		return
	}
	given, repeated := c.answers.find(f.MsgSerial)
	if !repeated {
		err := f.Err
		if err == nil {
			given.published, err = do(f)
		}
		if err != nil {
			given = answer{err: c.hub.infoOf(err)}
		}
		c.answers.add(f.MsgSerial, given)
	}
	c.tell(func(dst []byte, format frame.Format) []byte {
		if given.err != nil {
			return frame.AppendNack(dst, format, f.MsgSerial, 1, given.err)
		}
		return frame.AppendAck(dst, format, f.MsgSerial, 1, given.serials())
	})
}

// infoOf returns what a client is told of an error. One that is no ErrorInfo is a
// fault of ours.
func (h *Hub) infoOf(err error) *engine.ErrorInfo {
	if info, ok := err.(*engine.ErrorInfo); ok {
		return info
	}
	h.options.Log.Error("unexpected error", "error", err, "type", fmt.Sprintf("%T", err))
	return engine.ErrUnavailable
}
