package realtime

import (
	"sync"
	"time"

	"github.com/fasthttp/websocket"
)

// Limits on one WebSocket.
const (
	// maxQueuedBytes is how much may wait for a client to read. A client that is
	// slower loses its WebSocket, and learns from its next ATTACHED what it has
	// missed.
	maxQueuedBytes = 1 << 20
	writeTimeout   = 10 * time.Second
)

// outbox writes frames to a WebSocket in order. Whoever adds one never waits: a
// goroutine writes for as long as there is something to write, so that an idle
// connection has none.
type outbox struct {
	ws   *websocket.Conn
	kind int // websocket.TextMessage or websocket.BinaryMessage

	mu      sync.Mutex
	queue   []outgoing
	bytes   int
	writing bool
	closed  bool // nothing more is taken
}

// outgoing is one frame.
type outgoing struct {
	frame []byte
	kind  int  // of WebSocket message
	last  bool // close when it is written
}

// send adds a frame, which must not change any more.
func (o *outbox) send(frame []byte) { o.add(outgoing{frame: frame, kind: o.kind}) }

// ping asks the client for a sign of life below the protocol (RFC 6455 §5.5.2).
func (o *outbox) ping() { o.add(outgoing{kind: websocket.PingMessage}) }

// finish adds a last frame and then says goodbye. The WebSocket is closed by its
// reader, when the client has said so too.
func (o *outbox) finish(frame []byte) { o.add(outgoing{frame: frame, kind: o.kind, last: true}) }

func (o *outbox) add(f outgoing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.closed = f.last
	o.bytes += len(f.frame)
	if o.bytes > maxQueuedBytes {
		o.closed, o.queue = true, nil
		_ = o.ws.NetConn().Close() // ends the writer, if it waits, and the reader
		return
	}
	o.queue = append(o.queue, f)
	if !o.writing {
		o.writing = true
		go o.write()
	}
}

// write writes what waits, until nothing does.
func (o *outbox) write() {
	for {
		o.mu.Lock()
		batch := o.queue
		o.queue = nil
		if len(batch) == 0 {
			o.writing = false
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		for _, f := range batch {
			if !o.writeOne(f) {
				o.abandon()
				return
			}
			o.mu.Lock()
			o.bytes -= len(f.frame)
			o.mu.Unlock()
		}
	}
}

func (o *outbox) writeOne(f outgoing) bool {
	deadline := time.Now().Add(writeTimeout)
	if f.kind == websocket.PingMessage {
		return o.ws.WriteControl(f.kind, nil, deadline) == nil
	}
	_ = o.ws.SetWriteDeadline(deadline)
	if o.ws.WriteMessage(f.kind, f.frame) != nil {
		return false
	}
	if f.last {
		_ = o.ws.SetReadDeadline(time.Now().Add(closeWait))
		return o.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), deadline) == nil
	}
	return true
}

// abandon closes the WebSocket, written or not.
func (o *outbox) abandon() {
	o.mu.Lock()
	o.closed, o.queue = true, nil
	o.mu.Unlock()
	_ = o.ws.Close()
}

// finishing says whether the last frame has been added.
func (o *outbox) finishing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}
