package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portcullis/engine"
)

// limitedListener bounds how many connections are served at once, in all and
// from one address. One too many is told so and closed without being read: to
// read it would cost as much as to serve it.
type limitedListener struct {
	net.Listener
	max, maxPerIP int // 0 means no limit
	shed          prometheus.Counter

	mu    sync.Mutex
	open  int
	perIP map[netip.Addr]int
}

func newLimitedListener(ln net.Listener, max, maxPerIP int, shed prometheus.Counter) *limitedListener {
	return &limitedListener{Listener: ln, max: max, maxPerIP: maxPerIP, shed: shed, perIP: make(map[netip.Addr]int)}
}

// full says whether another connection would be one too many.
func (l *limitedListener) full() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.max > 0 && l.open >= l.max
}

// overloaded is the whole answer to a connection that is one too many.
var overloaded = func() []byte {
	r := refusals[engine.ErrOverloaded]
	return fmt.Appendf(nil, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: %s\r\nContent-Length: %d\r\nRetry-After: 1\r\nCache-Control: no-store\r\n%s: %s\r\n%s: %s\r\nConnection: close\r\n\r\n%s",
		contentTypes[formatJSON], len(r.bodies[formatJSON]), headerErrorCode, r.code, headerErrorMessage, r.message, r.bodies[formatJSON])
}()

// Accept returns the next connection that may be served.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ip := addressOf(conn)
		if l.take(ip) {
			release := sync.OnceFunc(func() { l.release(ip) })
			if secure, ok := conn.(*tls.Conn); ok {
				return &countedTLSConn{secure, release}, nil
			}
			return &countedConn{conn, release}, nil
		}
		l.shed.Inc()
		if _, secure := conn.(*tls.Conn); !secure {
			// It fits the empty send buffer of a new connection.
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = conn.Write(overloaded)
		}
		_ = conn.Close()
	}
}

func addressOf(conn net.Conn) netip.Addr {
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		ip, _ := netip.AddrFromSlice(tcp.IP)
		return ip.Unmap()
	}
	return netip.Addr{}
}

func (l *limitedListener) take(ip netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.max > 0 && l.open >= l.max || l.maxPerIP > 0 && l.perIP[ip] >= l.maxPerIP {
		return false
	}
	l.open++
	l.perIP[ip]++
	return true
}

func (l *limitedListener) release(ip netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.perIP[ip]--; l.perIP[ip] == 0 {
		delete(l.perIP, ip)
	}
}

// countedConn tells its listener when it is closed.
type countedConn struct {
	net.Conn
	release func()
}

func (c *countedConn) Close() error {
	c.release()
	return c.Conn.Close()
}

// countedTLSConn is a countedConn that still shows that it is a TLS connection.
type countedTLSConn struct {
	*tls.Conn
	release func()
}

func (c *countedTLSConn) Close() error {
	c.release()
	return c.Conn.Close()
}
