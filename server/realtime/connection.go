package realtime

import (
	"sync"
	"time"

	"portcullis/admission"
	"portcullis/engine"
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
	leaveAt time.Time // when its members leave, zero for never
	dropAt  time.Time // when its state is forgotten; zero while there is a WebSocket
	dropped bool

	// The rest belongs to whoever holds ops.
	channels map[*admission.Attachment]*attachment
	entered  presence // of all channels
	answers  answers
}

// key returns the connection key: whoever has it may come back as this connection.
func (c *connection) key() string { return c.id + "!" + c.secret }

// send adds a frame to the WebSocket's, if there is one. The caller holds mu.
func (c *connection) send(append func(dst []byte, f frame.Format) []byte) {
	if c.socket != nil {
		c.socket.send(append(nil, c.socket.format))
	}
}

// tell is send for a caller that does not hold mu.
func (c *connection) tell(append func(dst []byte, f frame.Format) []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send(append)
}

// finish sends a last frame and lets go of the WebSocket. It says whether there was
// one. The caller holds mu.
func (c *connection) finish(why cause, append func(dst []byte, f frame.Format) []byte) bool {
	s := c.socket
	if s == nil {
		return false
	}
	c.socket = nil
	c.hub.metrics.closed(why)
	s.finish(append(nil, s.format))
	return true
}

// part is finish for a caller that does not hold mu.
func (c *connection) part(why cause, append func(dst []byte, f frame.Format) []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish(why, append)
}

// disconnect tells the client why it must come back, nil for nothing, and keeps its
// state. The caller holds ops.
func (c *connection) disconnect(info *engine.ErrorInfo, why cause) {
	c.part(why, func(dst []byte, f frame.Format) []byte { return frame.AppendDisconnected(dst, f, info) })
	c.away()
}

// fail tells the client why it must not come back, and forgets its state. The
// caller holds ops.
func (c *connection) fail(info *engine.ErrorInfo, why cause) {
	c.part(why, func(dst []byte, f frame.Format) []byte { return frame.AppendError(dst, f, nil, info) })
	c.drop()
}

// refuse ends a connection for a fault of its client or of ours. Of ours, and of
// limits that pass, SDKs are told so that they come back: after ERROR they would
// never. The caller holds ops.
func (c *connection) refuse(info *engine.ErrorInfo, why cause) {
	if passes(info) {
		c.disconnect(info, why)
	} else {
		c.fail(info, why)
	}
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
func (c *connection) lost(s *socket) {
	c.ops.Lock()
	defer c.ops.Unlock()
	if c.release(s) {
		c.away()
	}
}

// release lets go of s, if it is the connection's.
func (c *connection) release(s *socket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != s {
		return false
	}
	c.socket = nil
	c.hub.metrics.closed(causeLost)
	return true
}

// away begins the time that a connection without a WebSocket has left, unless it has
// begun. Nothing is delivered to it meanwhile: what it misses is in the logs of its
// channels. The caller holds ops.
func (c *connection) away() {
	for _, a := range c.channels {
		a.unsubscribe()
	}
	c.hub.live.Remove(c) // whoever is away counts for no limit
	if !c.markAway() {
		return
	}
	if other := c.hub.away.add(c); other != nil {
		go other.discardAway() // which takes another connection's lock
	}
}

// markAway says until when the connection is kept, and whether that is new.
func (c *connection) markAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped || !c.dropAt.IsZero() {
		return false
	}
	now := time.Now()
	c.leaveAt, c.dropAt = now.Add(presenceGrace), now.Add(StateTTL)
	c.schedule()
	return true
}

// discardAway forgets the connection, unless its client has come back.
func (c *connection) discardAway() {
	c.ops.Lock()
	defer c.ops.Unlock()
	if c.isAway() {
		c.drop()
	}
}

func (c *connection) isAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.dropAt.IsZero()
}

// drop forgets the connection: its members leave at once. The caller holds ops.
func (c *connection) drop() {
	if !c.markDropped() {
		return
	}
	c.hub.live.Remove(c)
	c.hub.away.remove(c)
	c.hub.forget(c)
	for _, a := range c.channels {
		a.close()
	}
}

// markDropped marks the connection as dropped, and says whether it was not before.
func (c *connection) markDropped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return false
	}
	c.dropped = true
	c.timer.Stop()
	return true
}

// discard is drop for a caller that does not hold ops.
func (c *connection) discard() {
	c.ops.Lock()
	defer c.ops.Unlock()
	c.drop()
}

// review has the connection's timer look at what has become of its credential.
func (c *connection) review() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session.Review(c.hub.options.Now())
	c.schedule()
}

// schedule sets the timer to when something is due. Tokens end by the wall clock,
// all else by the monotonic one. The caller holds mu.
func (c *connection) schedule() {
	if c.dropped {
		return
	}
	const never = time.Duration(1<<63 - 1)
	wait := never
	if next := c.session.Next(); next != 0 {
		wait = next.Sub(c.hub.options.Now())
	}
	now := time.Now()
	times := [...]time.Time{c.leaveAt, c.dropAt, {}}
	if c.socket != nil {
		times[2] = c.socket.beatAt
	}
	for _, at := range times {
		if !at.IsZero() {
			wait = min(wait, at.Sub(now))
		}
	}
	if wait != never {
		c.timer.Reset(max(0, wait))
	}
}

// tick does what is due.
func (c *connection) tick() {
	c.ops.Lock()
	defer c.ops.Unlock()
	if rest := c.due(); rest != nil {
		rest()
	}
	c.reschedule()
}

func (c *connection) reschedule() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.schedule()
}

// due does what is due over the WebSocket, and returns what else is, nil for
// nothing. The caller holds ops.
func (c *connection) due() (rest func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return nil
	}
	switch action := c.session.Tick(c.hub.options.Now()); action.Kind {
	case admission.AskReauth:
		c.send(frame.AppendAuth)
	case admission.Disconnect:
		info := action.Err.(*engine.ErrorInfo)
		if c.finish(causeOf(info), func(dst []byte, f frame.Format) []byte { return frame.AppendDisconnected(dst, f, info) }) {
			return c.away
		}
	case admission.Fail:
		info := action.Err.(*engine.ErrorInfo)
		c.finish(causeOf(info), func(dst []byte, f frame.Format) []byte { return frame.AppendError(dst, f, nil, info) })
		return c.drop
	}
	now := time.Now()
	if c.socket != nil {
		c.socket.beat(now)
	}
	switch {
	case isDue(c.dropAt, now):
		return c.drop
	case isDue(c.leaveAt, now):
		c.leaveAt = time.Time{}
		return c.leaveAll
	}
	return nil
}

func isDue(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }
