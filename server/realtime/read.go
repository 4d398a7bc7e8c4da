package realtime

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"github.com/fasthttp/websocket"

	"portcullis/admission"
	"portcullis/admission/registry"
	"portcullis/engine"
	"portcullis/server/realtime/frame"
)

var errDropped = errors.New("realtime: the connection's state is gone")

// inbox is what one frame is read with. An idle connection has none.
type inbox struct {
	text  bytes.Buffer
	frame frame.Frame
}

// maxKeptInbox is how large a buffer for reading may be to be used again.
const maxKeptInbox = 64 << 10

var inboxes = sync.Pool{New: func() any { return new(inbox) }}

// read reads frames until there are no more, and returns why.
func (c *connection) read(s *socket) cause {
	for {
		kind, r, err := s.ws.NextReader()
		if err != nil {
			s.abandon()
			return causeLost
		}
		now := c.hub.options.Now()
		s.heard.Store(int64(now))
		if wait := s.inbound.take(now); wait > 0 {
			time.Sleep(wait) // it is read no faster, so its own socket fills up
		}
		in := inboxes.Get().(*inbox)
		in.text.Reset()
		_, err = in.text.ReadFrom(r)
		switch {
		case errors.Is(err, websocket.ErrReadLimit):
			c.misbehave(s, engine.ErrFrameSize)
		case err != nil:
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
		if err != nil {
			s.abandon()
			return causeLost
		}
		if s.finishing() {
			s.drain()
			return causeLost
		}
	}
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
		c.attach(f)
	case frame.ActionDetach:
		c.detach(f)
	case frame.ActionMessage:
		c.answer(f, c.publish)
	case frame.ActionPresence:
		c.answer(f, c.present)
	case frame.ActionObject, frame.ActionAnnotation:
		c.answer(f, func(*frame.Frame) ([][]string, error) { return nil, engine.ErrNotServed })
	case frame.ActionAuth:
		c.reauthenticate(s, f)
	case frame.ActionClose:
		c.mu.Lock()
		c.finish(causeClient, frame.AppendClosed)
		c.mu.Unlock()
		c.drop()
	case frame.ActionDisconnect:
		c.mu.Lock()
		c.finish(causeClient, func(dst []byte, f frame.Format) []byte { return frame.AppendDisconnected(dst, f, nil) })
		c.mu.Unlock()
		c.away()
	}
}

// reauthenticate puts another token in the place of the credential in force
// (RTC8).
func (c *connection) reauthenticate(s *socket, f *frame.Frame) {
	now := c.hub.options.Now()
	if s.auths.take(now) > 0 {
		c.refuse(engine.ErrRefusals, causeFlood)
		return
	}
	if len(f.AccessToken) == 0 {
		c.fail(engine.ErrNoCredentials, causeRefused)
		return
	}
	var g engine.Grant
	if err := c.hub.options.Verify(&g, f.AccessToken); err != nil {
		c.refuse(reauthError(err.(*engine.ErrorInfo)), causeRefused)
		return
	}
	err := c.hub.live.Update(c, &g, registry.FingerprintOf(g.Token(f.AccessToken)), c.hub.settings.Load().Limits)
	var lost []*admission.Attachment
	if err == nil {
		c.mu.Lock()
		lost, err = c.session.Reauthenticate(&g, now)
		c.mu.Unlock()
	}
	if err != nil {
		c.refuse(err.(*engine.ErrorInfo), causeRefused)
		return
	}
	c.hub.metrics.reauthenticated()
	c.mu.Lock()
	c.connected(nil)
	c.schedule(now)
	c.mu.Unlock()
	c.lose(lost)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.channels {
		a.catchUp(now)
	}
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
