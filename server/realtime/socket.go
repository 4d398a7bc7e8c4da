package realtime

import (
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"

	"portcullis/server/realtime/frame"
)

// socket is one WebSocket and what its client wants over it.
type socket struct {
	outbox
	format     frame.Format
	echo       bool // messages come back to who has published them
	heartbeats bool // HEARTBEAT frames, not only pings, break a silence

	born   time.Time
	heard  atomic.Int64 // of the last sign of life, nanoseconds since born
	beatAt time.Time    // when the silence must be broken; under the connection's mu

	// Of the goroutine that reads.
	inbound bucket
	auths   bucket
}

func (h *Hub) newSocket(ws *websocket.Conn, o *Opening) *socket {
	now := time.Now()
	s := &socket{
		format: o.Format, echo: !o.NoEcho, heartbeats: o.Heartbeats, born: now, beatAt: now.Add(maxIdleInterval),
		inbound: newBucket(maxInboundRate), auths: newBucket(maxAuthRate),
	}
	kind := websocket.TextMessage
	if o.Format == frame.Msgpack {
		kind = websocket.BinaryMessage
	}
	s.init(ws, kind, &h.queued)
	ws.SetPongHandler(func(string) error {
		s.arrived()
		return nil
	})
	ws.SetPingHandler(func(data string) error {
		s.arrived()
		// An error is the writer's to meet.
		_ = ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
		return nil
	})
	return s
}

// hear notes a sign of life.
func (s *socket) hear(now time.Time) { s.heard.Store(int64(now.Sub(s.born))) }

// arrived hears that something has come, and holds back a client that sends too much.
func (s *socket) arrived() {
	now := time.Now()
	s.hear(now)
	if wait := s.inbound.take(now); wait > 0 {
		time.Sleep(wait) // it is read no faster, so its own socket fills up
	}
}

// charge counts what the client has caused beside its frames as so many more.
func (s *socket) charge(frames int) { s.inbound.charge(frames, time.Now()) }

// beat breaks the silence when it is due, and gives up a client that breaks none
// itself. The caller holds the connection's mu.
func (s *socket) beat(now time.Time) {
	if now.Before(s.beatAt) {
		return
	}
	s.beatAt = now.Add(maxIdleInterval)
	// Of one that is slow to take what it has asked for nothing is read meanwhile.
	if now.Sub(s.born)-time.Duration(s.heard.Load()) > silence && !s.stalled() {
		s.cut()
		return
	}
	s.ping()
	if s.heartbeats {
		s.send(frame.AppendHeartbeat(nil, s.format, nil))
	}
}

// drain waits until the client has read what was written and has closed its side,
// or for closeWait: what it still sends would otherwise make the kernel throw away
// what it has not read yet.
func (s *socket) drain() {
	if !s.flush() {
		return
	}
	_ = s.ws.SetReadDeadline(time.Now().Add(closeWait))
	for {
		if _, _, err := s.ws.NextReader(); err != nil {
			return
		}
	}
}
