package realtime

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portcullis/admission"
	"portcullis/admission/registry"
	"portcullis/engine"
	"portcullis/fanout"
)

// Limits on a connection, which clients learn from CONNECTED.
const (
	// StateTTL is how long a connection's state is kept without a WebSocket.
	StateTTL = 2 * time.Minute
	// maxIdleInterval is how long a client hears nothing at most.
	maxIdleInterval = 15 * time.Second
	// silence is after how long a WebSocket counts as dead whose client answers no
	// ping.
	silence = 2*maxIdleInterval + 5*time.Second
	// presenceGrace is how long the members of a connection without a WebSocket stay
	// present.
	presenceGrace = 15 * time.Second
	// maxInboundRate is how many frames a second are read of one client, after a
	// burst of as many. Faster ones wait in its own socket.
	maxInboundRate = 1000
	// maxAuthRate is how many AUTH frames a second.
	maxAuthRate = 10
	// frameTimeout is how long a client may take to send a frame that it has begun.
	frameTimeout = 30 * time.Second
	// closeWait is how long a client has to close its side.
	closeWait = 2 * time.Second
)

// Options are what a Hub is made from.
type Options struct {
	// Verify verifies the token of an AUTH frame into g.
	Verify  func(g *engine.Grant, token []byte) error
	Fanout  fanout.Fanout
	Now     func() engine.UnixMilli
	Log     *slog.Logger          // nil means none
	Metrics prometheus.Registerer // nil means none
}

// Settings are what can change while the hub runs.
type Settings struct {
	Limits     registry.Limits
	Namespaces map[string]*admission.Namespaces // by app; an app without any needs none
}

// Hub holds the realtime connections of this node.
type Hub struct {
	options  Options
	serverID string
	settings atomic.Pointer[Settings]
	metrics  *metrics
	live     *registry.Registry[*connection]
	logs     logs
	away     away
	queued   atomic.Int64 // bytes that wait for clients to read
	members  atomic.Int64 // bytes of all that connections have entered

	renderings renderings

	mu          sync.Mutex
	connections map[string]*connection // by id, those without a WebSocket too
	sockets     map[*socket]struct{}
	closing     bool
	closed      chan struct{} // closed when it is closing and there are no WebSockets
}

// New returns a Hub without connections.
func New(o Options) *Hub {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &Hub{
		options: o, serverID: random(6), live: registry.New[*connection](),
		connections: make(map[string]*connection), sockets: make(map[*socket]struct{}), closed: make(chan struct{}),
	}
	h.logs.fanout = o.Fanout
	h.away.max, h.away.apps = maxAway, make(map[string]map[*connection]struct{})
	h.Apply(Settings{})
	h.metrics = newMetrics(h, o.Metrics)
	return h
}

// random returns that many random bytes in hexadecimal.
func random(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails: the process ends where there is no randomness
	return hex.EncodeToString(b)
}

// Apply makes settings the present ones. Limits concern new connections.
func (h *Hub) Apply(s Settings) {
	h.settings.Store(&s)
	h.each(func(c *connection) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.session.SetNamespaces(h.settings.Load().Namespaces[c.app])
	})
}

// each calls f with every connection.
func (h *Hub) each(f func(c *connection)) {
	h.mu.Lock()
	all := make([]*connection, 0, len(h.connections))
	for _, c := range h.connections {
		all = append(all, c)
	}
	h.mu.Unlock()
	for _, c := range all {
		f(c)
	}
}

// Revoked tells the connections that a revocation of that key may concern. What
// their credentials no longer permit is refused whether or not they are told.
func (h *Hub) Revoked(keyName string, r engine.Revocation) {
	for _, c := range h.live.Matching(nil, keyName, r) {
		c.review()
	}
}

// KeysChanged has every connection look at its key again.
func (h *Hub) KeysChanged() { h.each((*connection).review) }

// Close tells every client to come back elsewhere, and waits until the WebSockets are
// closed; when ctx is done first, it cuts them. No connection is accepted any more.
func (h *Hub) Close(ctx context.Context) (err error) {
	h.close()
	h.each(func(c *connection) {
		c.ops.Lock()
		defer c.ops.Unlock()
		c.disconnect(engine.ErrDraining, causeDraining)
	})
	select {
	case <-h.closed:
	case <-ctx.Done():
		err = ctx.Err()
		h.cutAll()
	}
	h.each((*connection).discard)
	return err
}

func (h *Hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return
	}
	if h.closing = true; len(h.sockets) == 0 {
		close(h.closed)
	}
}

func (h *Hub) isClosing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closing
}

// begin notes a WebSocket, and says whether it may be served.
func (h *Hub) begin(s *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return false
	}
	h.sockets[s] = struct{}{}
	return true
}

// done forgets a WebSocket.
func (h *Hub) done(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.sockets, s); h.closing && len(h.sockets) == 0 {
		close(h.closed)
	}
}

func (h *Hub) cutAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sockets {
		s.cut()
	}
}
