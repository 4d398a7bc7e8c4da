package realtime

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"portcullis/admission"
	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// connection is one connection, which may lose its WebSocket and get another one.
type connection struct {
	hub    *Hub
	id     string
	secret string // of the connection key
	app    string

	ops sync.Mutex // held for a whole operation, taken before mu

	mu      sync.Mutex // never held while the fanout or the registry is called
	session admission.Session
	socket  *socket // nil while there is none
	timer   *time.Timer
	leaveAt engine.UnixMilli // when its members leave, 0 for never
	dropAt  engine.UnixMilli // when its state is forgotten, 0 for never
	dropped bool

	// The rest belongs to whoever holds ops.
	channels map[*admission.Attachment]*attachment
	members  map[fanout.Channel]map[string]fanout.Item // whom it has entered, by clientId
	answers  answers
}

// socket is one WebSocket and what its client wants over it.
type socket struct {
	outbox
	format     frame.Format
	echo       bool // messages come back to who has published them
	heartbeats bool // HEARTBEAT frames, not only pings, break a silence
	beatAt     engine.UnixMilli
	heard      atomic.Int64 // UnixMilli of the last sign of life
	inbound    bucket
	auths      bucket
}

// key returns the connection key: whoever has it may come back as this connection.
func (c *connection) key() string { return c.id + "!" + c.secret }

// send adds a frame to the WebSocket's, if there is one. The caller holds mu.
func (c *connection) send(append func(dst []byte, f frame.Format) []byte) {
	if c.socket != nil {
		c.socket.send(append(nil, c.socket.format))
	}
}

// finish sends a last frame and lets go of the WebSocket. The caller holds mu.
func (c *connection) finish(why cause, append func(dst []byte, f frame.Format) []byte) {
	if s := c.socket; s != nil {
		c.socket = nil
		c.hub.metrics.closed(why)
		s.finish(append(nil, s.format))
	}
}

// disconnect tells the client why it must come back, and keeps its state.
func (c *connection) disconnect(info *engine.ErrorInfo, why cause) {
	c.ops.Lock()
	defer c.ops.Unlock()
	c.mu.Lock()
	c.finish(why, func(dst []byte, f frame.Format) []byte { return frame.AppendDisconnected(dst, f, info) })
	c.mu.Unlock()
	c.away()
}

// fail tells the client why it must not come back, and forgets its state. The
// caller holds ops.
func (c *connection) fail(info *engine.ErrorInfo, why cause) {
	c.mu.Lock()
	c.finish(why, func(dst []byte, f frame.Format) []byte { return frame.AppendError(dst, f, nil, info) })
	c.mu.Unlock()
	c.drop()
}

// refuse ends a connection for a fault of its client or of ours. Of ours, and of
// limits that pass, SDKs are told so that they come back: after ERROR they would
// never. The caller holds ops.
func (c *connection) refuse(info *engine.ErrorInfo, why cause) {
	if !passes(info) {
		c.fail(info, why)
		return
	}
	c.mu.Lock()
	c.finish(why, func(dst []byte, f frame.Format) []byte { return frame.AppendDisconnected(dst, f, info) })
	c.mu.Unlock()
	c.away()
}

// passes says whether the same request may succeed later.
func passes(info *engine.ErrorInfo) bool {
	switch info.Code {
	case 40111, 40150, 40151:
		return true
	}
	return info.StatusCode >= 500 || info.StatusCode == 429
}

// lost notes that a WebSocket is gone, unless another one has taken its place.
func (c *connection) lost(s *socket, why cause) {
	c.ops.Lock()
	defer c.ops.Unlock()
	c.mu.Lock()
	present := c.socket == s
	if present {
		c.socket = nil
		c.hub.metrics.closed(why)
	}
	c.mu.Unlock()
	if present {
		c.away()
	}
}

// away begins the time that a connection without a WebSocket has left. Nothing is
// delivered to it meanwhile: what it misses is in the logs of its channels. The
// caller holds ops.
func (c *connection) away() {
	for _, a := range c.channels {
		a.unsubscribe()
	}
	c.hub.live.Remove(c) // whoever is away counts for no limit
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return
	}
	now := c.hub.options.Now()
	c.leaveAt, c.dropAt = now.Add(presenceGrace), now.Add(StateTTL)
	c.schedule(now)
}

// drop forgets the connection: its members leave at once. The caller holds ops.
func (c *connection) drop() {
	c.mu.Lock()
	if c.dropped {
		c.mu.Unlock()
		return
	}
	c.dropped = true
	c.timer.Stop()
	c.mu.Unlock()
	c.hub.live.Remove(c)
	c.hub.forget(c)
	c.leaveAll()
	for _, a := range c.channels {
		a.close()
	}
}

// discard is drop for a caller that does not hold ops.
func (c *connection) discard() {
	c.ops.Lock()
	defer c.ops.Unlock()
	c.drop()
}

// leaveAll has all members of the connection leave. A channel that loses members
// so has lost continuity: its client must enter them again. The caller holds ops.
func (c *connection) leaveAll() {
	for channel := range c.members {
		c.leave(channel)
	}
	c.mu.Lock()
	c.leaveAt = 0
	c.mu.Unlock()
}

// leave has the connection's members of one channel leave.
func (c *connection) leave(channel fanout.Channel) {
	members := c.members[channel]
	delete(c.members, channel)
	if len(members) == 0 {
		return
	}
	for _, a := range c.channels {
		a.broken = a.broken || a.channel == channel
	}
	now := int64(c.hub.options.Now())
	// An id that does not begin with the connection's tells clients that the server
	// says so, and that only the time decides what is newer (RTP2b1).
	e := &fanout.Event{Channel: channel, Kind: fanout.Presence, ID: "left-" + random(8), ConnectionID: c.id, Timestamp: now}
	for _, m := range members {
		m.ID = e.ID + ":" + strconv.Itoa(len(e.Items))
		m.Action, m.Timestamp = fanout.Leave, now
		e.Items = append(e.Items, m)
	}
	if err := c.hub.options.Fanout.Present(context.Background(), e); err != nil {
		c.hub.options.Log.Error("members could not leave", "error", err)
	}
}

// review has the connection's timer look at what has become of its credential.
func (c *connection) review() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.hub.options.Now()
	c.session.Review(now)
	c.schedule(now)
}

// schedule sets the timer to when something is due. The caller holds mu.
func (c *connection) schedule(now engine.UnixMilli) {
	if c.dropped {
		return
	}
	next := c.session.Next()
	earliest := func(at engine.UnixMilli) {
		if at != 0 && (next == 0 || at < next) {
			next = at
		}
	}
	earliest(c.leaveAt)
	earliest(c.dropAt)
	if c.socket != nil {
		earliest(c.socket.beatAt)
	}
	if next != 0 {
		c.timer.Reset(max(0, next.Sub(now)))
	}
}

// tick does what is due.
func (c *connection) tick() {
	c.ops.Lock()
	defer c.ops.Unlock()
	c.mu.Lock()
	now := c.hub.options.Now()
	if c.dropped {
		c.mu.Unlock()
		return
	}
	action := c.session.Tick(now)
	if action.Kind == admission.AskReauth {
		c.send(frame.AppendAuth)
	}
	if action.Kind == admission.Disconnect {
		c.finish(causeOf(action.Err), func(dst []byte, f frame.Format) []byte {
			return frame.AppendDisconnected(dst, f, action.Err.(*engine.ErrorInfo))
		})
	}
	c.beat(now)
	leave, drop := c.leaveAt != 0 && now >= c.leaveAt, c.dropAt != 0 && now >= c.dropAt
	c.mu.Unlock()
	switch {
	case action.Kind == admission.Fail:
		c.fail(action.Err.(*engine.ErrorInfo), causeOf(action.Err))
		return
	case action.Kind == admission.Disconnect:
		c.away()
	case drop:
		c.drop()
		return
	case leave:
		c.leaveAll()
	}
	c.mu.Lock()
	c.schedule(now)
	c.mu.Unlock()
}

// beat breaks the silence when it is due, and gives up a client that breaks none
// itself. The caller holds mu.
func (c *connection) beat(now engine.UnixMilli) {
	s := c.socket
	if s == nil || now < s.beatAt {
		return
	}
	s.beatAt = now.Add(maxIdleInterval)
	if now.Sub(engine.UnixMilli(s.heard.Load())) > silence {
		s.abandon() // its reader notices
		return
	}
	s.ping()
	if s.heartbeats {
		s.send(frame.AppendHeartbeat(nil, s.format, nil))
	}
}
