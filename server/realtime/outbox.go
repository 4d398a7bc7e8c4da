package realtime

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"
)

// Limits on what waits to be written.
const (
	// maxQueuedBytes is how much may wait for one client: the members of a full
	// channel leave in an instant. A client that is slower loses its WebSocket, and
	// learns from its next ATTACHED what it has missed.
	maxQueuedBytes = 4 << 20
	// maxAllQueuedBytes is how much may wait for all clients; what waits for many of
	// them is there once. Beyond it, only who has less than fairQueuedBytes keeps its
	// WebSocket.
	maxAllQueuedBytes = 256 << 20
	fairQueuedBytes   = 256 << 10
	// queuedOverhead is what a frame that waits costs beside its text, in bytes.
	queuedOverhead = 64
	// writeTimeout is how long one frame may take to be written.
	writeTimeout = 10 * time.Second
	// finishTimeout is how long everything may take that waits before the last frame.
	finishTimeout = 5 * time.Second
)

// outbox writes frames to a WebSocket in order. Whoever adds one never waits: a
// goroutine writes for as long as there is something to write, so that an idle
// connection has none.
type outbox struct {
	ws   *websocket.Conn
	kind int           // websocket.TextMessage or websocket.BinaryMessage
	all  *atomic.Int64 // bytes of memory that wait in all outboxes

	mu       sync.Mutex
	changed  sync.Cond // less waits, or it was closed
	queue    []outgoing
	bytes    int64 // that wait
	streams  int   // that wait
	writing  bool
	held     bool      // the reader waits in ready
	closed   bool      // nothing more is taken
	aborted  bool      // nothing more is written
	deadline time.Time // when the last frame must have been written, zero while there is none
}

// outgoing is one frame, or many that are made when it is their turn.
type outgoing struct {
	frame  []byte
	shared *sharedText   // that frame belongs to, nil if it is this queue's alone
	next   func() []byte // returns nil when there are no more
	kind   int           // of WebSocket message
	last   bool          // say goodbye when it is written
}

func (o *outbox) init(ws *websocket.Conn, kind int, all *atomic.Int64) {
	o.ws, o.kind, o.all, o.changed.L = ws, kind, all, &o.mu
}

// send adds a frame, which must not change any more.
func (o *outbox) send(frame []byte) { o.add(outgoing{frame: frame, kind: o.kind}) }

// share adds a frame that others are sent too.
func (o *outbox) share(t *sharedText) { o.add(outgoing{frame: t.text, shared: t, kind: o.kind}) }

// stream adds the frames that next returns until it returns nil. It is called when
// the one before is written, by another goroutine. So they may be more than may
// wait; but no more is read of a client before they are written, see ready.
func (o *outbox) stream(next func() []byte) { o.add(outgoing{next: next, kind: o.kind}) }

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
	o.count(&f)
	o.queue = append(o.queue, f)
	if o.bytes > maxQueuedBytes || o.bytes > fairQueuedBytes && o.all.Load() > maxAllQueuedBytes {
		o.abort()
		return
	}
	if f.last {
		o.closed, o.deadline = true, time.Now().Add(finishTimeout)
		_ = o.ws.NetConn().SetWriteDeadline(o.deadline) // for what is being written now
		o.changed.Broadcast()
	}
	if !o.writing {
		o.writing = true
		go o.write()
	}
}

// count counts a frame that begins to wait.
func (o *outbox) count(f *outgoing) {
	o.bytes += int64(len(f.frame)) + queuedOverhead
	if f.next != nil {
		o.streams++
	}
	o.all.Add(queuedOverhead)
	if f.shared != nil {
		f.shared.hold(o.all)
	} else {
		o.all.Add(int64(len(f.frame)))
	}
}

// discount takes count back.
func (o *outbox) discount(f *outgoing) {
	o.bytes -= int64(len(f.frame)) + queuedOverhead
	if f.next != nil {
		o.streams--
	}
	o.all.Add(-queuedOverhead)
	if f.shared != nil {
		f.shared.drop(o.all)
	} else {
		o.all.Add(-int64(len(f.frame)))
	}
}

// write writes what waits, until nothing does.
func (o *outbox) write() {
	for batch := o.take(); batch != nil; batch = o.take() {
		for i := range batch {
			if !o.writeOne(&batch[i]) {
				o.cut()
			}
			o.written(&batch[i])
		}
	}
}

// take returns what waits. When nothing does, the writer has ended.
func (o *outbox) take() []outgoing {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch := o.queue
	o.queue = nil
	if batch == nil {
		o.writing = false
		o.changed.Broadcast()
	}
	return batch
}

func (o *outbox) written(f *outgoing) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.discount(f)
	*f = outgoing{}
	if o.held {
		o.changed.Broadcast()
	}
}

func (o *outbox) writeOne(f *outgoing) bool {
	if f.next == nil {
		return o.writeFrame(f.kind, f.frame) && (!f.last || o.goodbye())
	}
	for frame := f.next(); frame != nil; frame = f.next() {
		if !o.writeFrame(f.kind, frame) {
			return false
		}
	}
	return true
}

func (o *outbox) writeFrame(kind int, frame []byte) bool {
	deadline, ok := o.until()
	switch {
	case !ok:
		return false
	case kind == websocket.PingMessage:
		return o.ws.WriteControl(kind, nil, deadline) == nil
	}
	_ = o.ws.SetWriteDeadline(deadline)
	return o.ws.WriteMessage(kind, frame) == nil
}

// until returns when the next frame must have been written; ok is false when it must
// not be written at all.
func (o *outbox) until() (deadline time.Time, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	deadline = time.Now().Add(writeTimeout)
	if !o.deadline.IsZero() && o.deadline.Before(deadline) {
		deadline = o.deadline
	}
	return deadline, !o.aborted
}

// goodbye says that there is nothing more to come.
func (o *outbox) goodbye() bool {
	_ = o.ws.SetReadDeadline(time.Now().Add(closeWait))
	deadline, _ := o.until()
	return o.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), deadline) == nil
}

// ready waits until so little waits to be written that the client may ask for more,
// and says whether that took any time.
func (o *outbox) ready() (waited bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.closed && (o.streams > 0 || o.bytes > maxQueuedBytes/2) {
		o.held, waited = true, true
		o.changed.Wait()
	}
	o.held = false
	return waited
}

// flush waits until the last frame is written, and says whether it is: otherwise it
// cannot be.
func (o *outbox) flush() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.writing && !o.aborted {
		o.changed.Wait()
	}
	return !o.aborted
}

// cut ends the WebSocket, whatever is still to be written. It never waits: who reads
// the WebSocket wakes and closes it, which over TLS can take its time.
func (o *outbox) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.abort()
}

// abort is cut for a caller that holds mu.
func (o *outbox) abort() {
	if o.aborted {
		return
	}
	for i := range o.queue {
		o.discount(&o.queue[i])
	}
	o.closed, o.aborted, o.queue = true, true, nil
	_ = o.ws.NetConn().SetDeadline(time.Unix(1, 0)) // long past
	o.changed.Broadcast()
}

// finishing says whether nothing more is taken: the last frame has been added, or
// the WebSocket was cut.
func (o *outbox) finishing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.closed
}

// stalled says whether the reader waits until more is written.
func (o *outbox) stalled() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held
}
