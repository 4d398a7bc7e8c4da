package realtime

import (
	"bytes"
	"crypto/subtle"
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

func (h *Hub) serve(ws *websocket.Conn, o *Opening) {
	now := h.options.Now()
	s := &socket{
		outbox: outbox{ws: ws, kind: websocket.TextMessage}, format: o.Format, echo: !o.NoEcho,
		heartbeats: o.Heartbeats, beatAt: now.Add(maxIdleInterval), inbound: newBucket(maxInboundRate, now), auths: newBucket(maxAuthRate, now),
	}
	if o.Format == frame.Msgpack {
		s.kind = websocket.BinaryMessage
	}
	s.heard.Store(int64(now))
	ws.SetReadLimit(frame.MaxFrameBytes)
	ws.SetPongHandler(func(string) error {
		s.heard.Store(int64(h.options.Now()))
		return nil
	})
	if !h.begin() {
		s.finish(frame.AppendDisconnected(nil, s.format, engine.ErrDraining))
		s.drain()
		return
	}
	defer h.sockets.Done()
	c := h.open(s, o, now)
	if c == nil {
		s.drain()
		return
	}
	c.lost(s, c.read(s))
}

// begin counts a WebSocket, and says whether it may be served.
func (h *Hub) begin() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return false
	}
	h.sockets.Add(1)
	return true
}

// drain waits until the client has read what was written and has closed its side,
// or for closeWait: what it still sends would otherwise make the kernel throw away
// what it has not read yet.
func (s *socket) drain() {
	_ = s.ws.SetReadDeadline(time.Now().Add(closeWait))
	for {
		if _, _, err := s.ws.NextReader(); err != nil {
			break
		}
	}
	s.abandon()
}

// open makes the connection that a client asks for, or finds the one that it comes
// back to. It returns nil when there is none for it; it has been told why.
func (h *Hub) open(s *socket, o *Opening, now engine.UnixMilli) *connection {
	refuse := func(info *engine.ErrorInfo) *connection {
		if passes(info) {
			s.finish(frame.AppendDisconnected(nil, s.format, info))
		} else {
			s.finish(frame.AppendError(nil, s.format, nil, info))
		}
		return nil
	}
	if o.Refused != nil {
		return refuse(o.Refused)
	}
	var unknown *engine.ErrorInfo
	if o.Resume != "" {
		c := h.find([]byte(o.Resume))
		if c != nil {
			err := c.resume(s, o, now)
			if err == nil {
				return c
			}
			if err != errDropped {
				return refuse(err.(*engine.ErrorInfo))
			}
		}
		unknown = engine.ErrConnectionKeyUnknown
	}
	c, err := h.connect(s, o, unknown, now)
	if err != nil {
		return refuse(err.(*engine.ErrorInfo))
	}
	return c
}

// connect makes a new connection. unknown is why it is not the one that was asked
// for, or nil.
func (h *Hub) connect(s *socket, o *Opening, unknown *engine.ErrorInfo, now engine.UnixMilli) (*connection, error) {
	c := &connection{
		hub: h, id: random(8), secret: random(16), app: o.Grant.App(),
		channels: make(map[*admission.Attachment]*attachment),
	}
	if err := admission.Admit(&c.session, &o.Grant, o.Peer); err != nil {
		return nil, err
	}
	c.session.SetNamespaces(h.settings.Load().Namespaces[c.app])
	c.ops.Lock()
	defer c.ops.Unlock()
	c.timer = time.AfterFunc(maxIdleInterval, c.tick)
	// First of all: what is revoked from now on reaches it.
	err := h.live.Add(c, &o.Grant, o.Token, h.settings.Load().Limits)
	if err == nil {
		c.session.Begin(now)
		err = h.remember(c)
	}
	if err != nil {
		c.drop()
		return nil, err
	}
	c.bind(s, unknown, now)
	return c, nil
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

// resume gives the connection another WebSocket, whose credential must be of the
// same key and the same client. The old one, if it is still there, is closed: a
// client that has lost its network comes back before anybody notices.
func (c *connection) resume(s *socket, o *Opening, now engine.UnixMilli) error {
	c.ops.Lock()
	defer c.ops.Unlock()
	c.mu.Lock()
	if c.dropped {
		c.mu.Unlock()
		return errDropped
	}
	lost, err := c.session.Resume(&o.Grant, o.Peer, now)
	old := c.socket
	if err == nil {
		c.socket, c.leaveAt, c.dropAt = nil, 0, 0
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if old != nil {
		c.hub.metrics.closed(causeReplaced)
		old.abandon()
	}
	for _, a := range c.channels {
		a.unsubscribe()
	}
	if err := c.hub.live.Add(c, &o.Grant, o.Token, c.hub.settings.Load().Limits); err != nil {
		c.away()
		return err
	}
	c.bind(s, nil, now)
	c.lose(lost)
	return nil
}

// bind makes s the connection's WebSocket and says so. The caller holds ops.
func (c *connection) bind(s *socket, unknown *engine.ErrorInfo, now engine.UnixMilli) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.socket = s
	c.hub.metrics.opened()
	c.session.Review(now) // for what was revoked before it was among the live ones
	c.connected(unknown)
	c.schedule(now)
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
