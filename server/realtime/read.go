package realtime

import (
	"bytes"
	"io"
	"sync"
	"time"

	"portcullis/admission"
	"portcullis/admission/registry"
	"portcullis/engine"
	"portcullis/server/realtime/frame"
)

// inbox is what one frame is read with. An idle connection has none.
type inbox struct {
	text  bytes.Buffer
	frame frame.Frame
}

// maxKeptInbox is how large a buffer for reading may be to be used again.
const maxKeptInbox = 64 << 10

var inboxes = sync.Pool{New: func() any { return new(inbox) }}

// read reads frames until there are no more.
func (c *connection) read(s *socket) {
	for c.readOne(s) {
		if s.ready() {
			s.hear(time.Now()) // it has read all that while
		}
		if s.finishing() {
			s.drain()
			return
		}
	}
}

// readOne reads one frame and does what it asks for. It says whether there may be
// another one.
func (c *connection) readOne(s *socket) bool {
	kind, r, err := s.ws.NextReader()
	if err != nil {
		return false
	}
	s.arrived()
	in := inboxes.Get().(*inbox)
	err = in.fill(s, r)
	s.charge(in.text.Len() / frame.MaxMessageBytes) // maxInboundRate is of messages that are no larger
	switch {
	case err != nil:
	case in.text.Len() > frame.MaxFrameBytes:
		c.misbehave(s, engine.ErrFrameSize)
	case kind != s.kind:
		c.misbehave(s, engine.ErrFrame)
	default:
		if err := frame.Read(&in.frame, s.format, in.text.Bytes()); err != nil {
			c.misbehave(s, err.(*engine.ErrorInfo))
		} else {
			c.handle(s, &in.frame)
		}
	}
	if in.text.Cap() <= maxKeptInbox {
		inboxes.Put(in)
	}
	return err == nil
}

// fill reads a frame, or as much of it as shows that it is too large.
func (in *inbox) fill(s *socket, r io.Reader) error {
	_ = s.ws.SetReadDeadline(time.Now().Add(frameTimeout))
	in.text.Reset()
	_, err := in.text.ReadFrom(io.LimitReader(r, frame.MaxFrameBytes+1))
	// Who has cut the WebSocket meanwhile has said so first: it is looked at before
	// anything more is read.
	_ = s.ws.SetReadDeadline(time.Time{})
	return err
}

// misbehave ends a connection whose client does not speak the protocol.
func (c *connection) misbehave(s *socket, info *engine.ErrorInfo) {
	c.ops.Lock()
	defer c.ops.Unlock()
	if c.has(s) {
		c.fail(info, causeProtocol)
	}
}

// has says whether s is still the connection's WebSocket.
func (c *connection) has(s *socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socket == s
}

// handle does what a frame asks for. What is not known is ignored, as the protocol
// wants (RTF1).
func (c *connection) handle(s *socket, f *frame.Frame) {
	c.ops.Lock()
	defer c.ops.Unlock()
	if !c.has(s) {
		return
	}
	switch f.Action {
	case frame.ActionHeartbeat:
		if f.ID != nil {
			s.send(frame.AppendHeartbeat(nil, s.format, f.ID)) // RTN13e
		}
	case frame.ActionAttach:
		c.attach(s, f)
	case frame.ActionDetach:
		c.detach(f)
	case frame.ActionMessage:
		c.answer(f, c.publish)
	case frame.ActionPresence:
		c.answer(f, c.present)
	case frame.ActionObject, frame.ActionAnnotation:
		c.answer(f, func(*frame.Frame) (published, error) { return published{}, engine.ErrNotServed })
	case frame.ActionAuth:
		c.reauthenticate(s, f)
	case frame.ActionClose:
		c.part(causeClient, frame.AppendClosed)
		c.drop()
	case frame.ActionDisconnect:
		c.disconnect(nil, causeClient)
	}
}

// reauthenticate puts another token in the place of the credential in force
// (RTC8).
func (c *connection) reauthenticate(s *socket, f *frame.Frame) {
	if s.auths.take(time.Now()) > 0 {
		c.refuse(engine.ErrRefusals, causeFlood)
		return
	}
	if len(f.AccessToken) == 0 {
		c.fail(engine.ErrNoCredentials, causeRefused)
		return
	}
	var g engine.Grant
	if err := c.hub.options.Verify(&g, f.AccessToken); err != nil {
		c.refuse(reauthError(c.hub.infoOf(err)), causeRefused)
		return
	}
	err := c.hub.live.Update(c, &g, registry.FingerprintOf(g.Token(f.AccessToken)), c.hub.settings.Load().Limits)
	var lost []*admission.Attachment
	if err == nil {
		lost, err = c.adopt(&g)
	}
	if err != nil {
		c.refuse(c.hub.infoOf(err), causeRefused)
		return
	}
	c.endAll(lost)
	c.failAll(lost)
	c.renewAll(s)
}

// adopt makes g the credential in force and says so. It returns the attachments that
// are lost by it.
func (c *connection) adopt(g *engine.Grant) ([]*admission.Attachment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	lost, err := c.session.Reauthenticate(g, c.hub.options.Now())
	if err != nil {
		return nil, err
	}
	c.hub.metrics.reauthenticated()
	c.connected(nil)
	c.schedule()
	return lost, nil
}

// reauthError is what a client is told whose new token was refused: 40101, for a
// code that makes SDKs fetch another one would keep them fetching, unless the
// token has only ended, or the fault is not the token's.
func reauthError(info *engine.ErrorInfo) *engine.ErrorInfo {
	if info.Code == 40141 || info.Code == 40142 || passes(info) {
		return info
	}
	return engine.ErrReauthentication
}
