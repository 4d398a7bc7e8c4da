package e2e

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// wireProxy stands between a client and a server. It cuts, stalls and refuses
// connections as it is told, and records what passes.
type wireProxy struct {
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex
	moved    *sync.Cond // something below has changed
	upstream string
	refusing bool
	held     [2]bool // what a side sends is kept back
	open     map[net.Conn]net.Conn
	taps     []*tap
	closed   bool
}

func newWireProxy(upstream string) (*wireProxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &wireProxy{listener: listener, upstream: upstream, open: map[net.Conn]net.Conn{}}
	p.moved = sync.NewCond(&p.mu)
	p.running.Go(p.accept)
	return p, nil
}

// startWireProxy starts a proxy that ends with the test.
func startWireProxy(t testing.TB, upstream string) *wireProxy {
	t.Helper()
	p, err := newWireProxy(upstream)
	require.NoError(t, err)
	t.Cleanup(p.close)
	return p
}

func (p *wireProxy) address() string { return p.listener.Addr().String() }

// close ends every connection and waits until everything that passed is recorded.
func (p *wireProxy) close() {
	p.change(func() { p.closed = true })
	p.listener.Close()
	p.cut()
	p.running.Wait()
}

func (p *wireProxy) change(what func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what()
	p.moved.Broadcast()
}

// cut ends every connection at once, with a reset: nobody says goodbye.
func (p *wireProxy) cut() {
	p.change(func() {
		for client, server := range p.open {
			for _, c := range []net.Conn{client, server} {
				_ = c.(*net.TCPConn).SetLinger(0)
				_ = c.Close()
			}
			delete(p.open, client)
		}
	})
}

// refuse lets new connections in or not. A refused one is reset.
func (p *wireProxy) refuse(refuse bool) { p.change(func() { p.refusing = refuse }) }

// hold keeps back, or lets go, what a side sends on every connection.
func (p *wireProxy) hold(side int, hold bool) { p.change(func() { p.held[side] = hold }) }

// lead leads new connections elsewhere.
func (p *wireProxy) lead(upstream string) { p.change(func() { p.upstream = upstream }) }

// connections returns what was recorded of each connection, in their order.
func (p *wireProxy) connections() []*tap {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*tap(nil), p.taps...)
}

func (p *wireProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *wireProxy) serve(client net.Conn) {
	record := &tap{}
	p.mu.Lock()
	upstream, refusing := p.upstream, p.refusing || p.closed
	p.mu.Unlock()
	var server net.Conn
	if !refusing {
		var err error
		server, err = net.Dial("tcp", upstream)
		refusing = err != nil
	}
	if refusing {
		_ = client.(*net.TCPConn).SetLinger(0)
		_ = client.Close()
		return
	}
	p.change(func() {
		p.open[client] = server
		p.taps = append(p.taps, record)
		if p.closed {
			client.Close()
			server.Close()
		}
	})
	var both sync.WaitGroup
	both.Go(func() { p.carry(record, fromClient, server, client) })
	both.Go(func() { p.carry(record, fromServer, client, server) })
	both.Wait()
	p.change(func() { delete(p.open, client) })
}

// carry carries what a side sends, and its end, to the other one.
func (p *wireProxy) carry(record *tap, side int, to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		for p.held[side] && !p.closed && p.isOpen(to, from) {
			p.moved.Wait()
		}
		p.mu.Unlock()
		record.feed(side, buffer[:n])
		if n > 0 {
			if _, werr := to.Write(buffer[:n]); werr != nil {
				err = werr
			}
		}
		if err != nil {
			// The other direction ends too: no end of the protocols here goes on
			// alone.
			_ = to.Close()
			_ = from.Close()
			return
		}
	}
}

func (p *wireProxy) isOpen(a, b net.Conn) bool { return p.open[a] == b || p.open[b] == a }
