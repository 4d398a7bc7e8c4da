package realtime

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"portcullis/admission"
	"portcullis/admission/registry"
	"portcullis/engine"
	"portcullis/server/realtime/frame"
)

// Opening is a request for a connection, as the server has judged it.
type Opening struct {
	Refused *engine.ErrorInfo // why there will be none, or nil
	Grant   engine.Grant      // a clone of what the credential grants
	Peer    admission.Peer    // in memory of its own
	Token   registry.Fingerprint

	Format     frame.Format
	NoEcho     bool
	Heartbeats bool
	Resume     string // the connection key that the client comes back with, or ""
}

// Accept answers the request of ctx, which Upgradable has let pass, with a
// WebSocket, and serves it until it is closed.
func (h *Hub) Accept(ctx *fasthttp.RequestCtx, o *Opening) {
	upgrade(ctx, func(ws *websocket.Conn) { h.serve(ws, o) })
}

// serve serves one WebSocket. Only here it is closed: over TLS that can take its time.
func (h *Hub) serve(ws *websocket.Conn, o *Opening) {
	defer ws.Close()
	s := h.newSocket(ws, o)
	if !h.begin(s) {
		s.finish(frame.AppendDisconnected(nil, s.format, engine.ErrDraining))
		s.drain()
		return
	}
	defer h.done(s)
	defer h.guard()
	c := h.open(s, o)
	if c == nil {
		s.drain()
		return
	}
	defer c.lost(s)
	c.read(s)
}

// guard keeps a panic over one connection from ending the process. The log has the
// stack, without any value that the client has sent.
func (h *Hub) guard() {
	if p := recover(); p != nil {
		h.options.Log.Error("panic", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
	}
}

// open makes the connection that a client asks for, or finds the one that it comes
// back to. It returns nil when there is none for it; it has been told why.
func (h *Hub) open(s *socket, o *Opening) *connection {
	c, err := h.admit(s, o)
	if err == nil {
		return c
	}
	info := h.infoOf(err)
	if passes(info) {
		s.finish(frame.AppendDisconnected(nil, s.format, info))
	} else {
		s.finish(frame.AppendError(nil, s.format, nil, info))
	}
	return nil
}

func (h *Hub) admit(s *socket, o *Opening) (*connection, error) {
	if o.Refused != nil {
		return nil, o.Refused
	}
	if o.Resume == "" {
		return h.connect(s, o, nil)
	}
	if c := h.find([]byte(o.Resume)); c != nil {
		if err := c.resume(s, o); err != errDropped {
			return c, err
		}
	}
	return h.connect(s, o, engine.ErrConnectionKeyUnknown)
}

// connect makes a new connection. unknown is why it is not the one that was asked
// for, or nil.
func (h *Hub) connect(s *socket, o *Opening, unknown *engine.ErrorInfo) (*connection, error) {
	c := &connection{
		hub: h, id: random(8), secret: random(16), app: o.Grant.App(),
		channels: make(map[*admission.Attachment]*attachment),
	}
	if err := admission.Admit(&c.session, &o.Grant, o.Peer); err != nil {
		return nil, err
	}
	c.ops.Lock()
	defer c.ops.Unlock()
	c.timer = time.AfterFunc(maxIdleInterval, c.tick)
	// First of all: what is revoked from now on reaches it.
	err := h.live.Add(c, &o.Grant, o.Token, h.settings.Load().Limits)
	if err == nil {
		c.beginSession()
		err = h.remember(c)
	}
	if err != nil {
		c.drop()
		return nil, err
	}
	c.bind(s, unknown)
	return c, nil
}

func (c *connection) beginSession() {
	c.mu.Lock() // it is among the live ones
	defer c.mu.Unlock()
	c.session.Begin(c.hub.options.Now())
}

// remember puts a new connection among those that are found.
func (h *Hub) remember(c *connection) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return engine.ErrDraining
	}
	h.connections[c.id] = c
	return nil
}

// find returns the connection of that key, nil when there is none.
func (h *Hub) find(key []byte) *connection {
	id, secret, _ := bytes.Cut(key, []byte{'!'})
	h.mu.Lock()
	c := h.connections[string(id)]
	h.mu.Unlock()
	if c == nil || subtle.ConstantTimeCompare(secret, []byte(c.secret)) != 1 {
		return nil
	}
	return c
}

func (h *Hub) forget(c *connection) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.connections, c.id)
}

var errDropped = errors.New("realtime: the connection's state is gone")

// resume gives the connection another WebSocket, whose credential must be of the
// same key and the same client. The old one, if it is still there, is closed: a
// client that has lost its network comes back before anybody notices.
func (c *connection) resume(s *socket, o *Opening) error {
	c.ops.Lock()
	defer c.ops.Unlock()
	if c.hub.isClosing() {
		return engine.ErrDraining // Close has told it already, or is about to
	}
	lost, err := c.takeOver(o)
	if err != nil {
		return err
	}
	c.hub.away.remove(c)
	c.endAll(lost)
	for _, a := range c.channels {
		a.unsubscribe() // until the client attaches again (RTN15c6)
	}
	if err := c.hub.live.Add(c, &o.Grant, o.Token, c.hub.settings.Load().Limits); err != nil {
		c.away()
		return err
	}
	c.bind(s, nil)
	c.failAll(lost)
	return nil
}

// takeOver puts another credential in the place of the connection's, and ends the
// WebSocket that it has. It returns the attachments that the session has lost.
func (c *connection) takeOver(o *Opening) ([]*admission.Attachment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return nil, errDropped
	}
	for _, a := range c.channels {
		a.deny()
	}
	lost, err := c.session.Resume(&o.Grant, o.Peer, c.hub.options.Now())
	if err != nil {
		return nil, err
	}
	if c.socket != nil {
		c.hub.metrics.closed(causeReplaced)
		c.socket.cut()
	}
	c.socket, c.leaveAt, c.dropAt = nil, time.Time{}, time.Time{}
	return lost, nil
}

// bind makes s the connection's WebSocket and says so. The caller holds ops.
func (c *connection) bind(s *socket, unknown *engine.ErrorInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.socket = s
	c.hub.metrics.opened()
	// What has changed before it was among those that are told.
	c.session.SetNamespaces(c.hub.settings.Load().Namespaces[c.app])
	c.session.Review(c.hub.options.Now())
	c.connected(unknown)
	c.schedule()
}

// connected sends CONNECTED. The caller holds mu.
func (c *connection) connected(unknown *engine.ErrorInfo) {
	c.send(func(dst []byte, f frame.Format) []byte {
		return frame.AppendConnected(dst, f, &frame.Connected{
			ID: c.id, Key: c.key(), ClientID: string(c.session.Identity().AppendClientID(nil)), ServerID: c.hub.serverID,
			MaxMessageBytes: frame.MaxMessageBytes, MaxFrameBytes: frame.MaxFrameBytes, MaxInboundRate: maxInboundRate,
			StateTTL: StateTTL, MaxIdleInterval: maxIdleInterval, Error: unknown,
		})
	})
}
