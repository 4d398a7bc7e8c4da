package realtime

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/fanout/memory"
)

// stage is a Hub and a server for conns that are not there: what they are sent is
// counted and thrown away.
type stage struct {
	testing.TB
	hub     *Hub
	http    fasthttp.Server
	fanout  fanout.Fanout
	grant   engine.Grant
	written atomic.Int64 // frames
	conns   []*nowhere
}

func newStage(t testing.TB, upgrade func(*Hub, *fasthttp.RequestCtx, *Opening)) *stage {
	v, err := engine.NewVerifier(engine.Options{Keys: []engine.Key{{Name: "app.key", Secret: "0123456789abcdef0123456789abcdef"}}})
	require.NoError(t, err)
	s := &stage{TB: t, fanout: memory.New(memory.Options{})}
	require.NoError(t, v.VerifyKey(&s.grant, []byte("app.key:0123456789abcdef0123456789abcdef"), engine.Now()))
	s.hub = New(Options{Fanout: s.fanout, Now: engine.Now})
	s.http = fasthttp.Server{KeepHijackedConns: true, ReadBufferSize: 16 << 10, Handler: func(ctx *fasthttp.RequestCtx) {
		upgrade(s.hub, ctx, &Opening{Grant: s.grant.Clone(), NoEcho: true})
	}}
	return s
}

// open opens so many connections, each of which sends frames and then nothing more.
func (s *stage) open(number int, frames ...string) {
	for range number {
		c := &nowhere{stage: s, closed: make(chan struct{}), input: []byte("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")}
		for _, f := range frames { // with a mask of zeroes (RFC 6455 §5.3)
			c.later = append(append(append(c.later, 0x81, 0x80|byte(len(f))), 0, 0, 0, 0), f...)
		}
		s.conns = append(s.conns, c)
		go func() { _ = s.http.ServeConn(c) }()
	}
	s.await(int64(number * (1 + len(frames)))) // CONNECTED, and an answer to each
	runtime.GC()
}

// await waits until so many frames more are written.
func (s *stage) await(frames int64) {
	for s.written.Load() < frames {
		runtime.Gosched()
	}
	s.written.Add(-frames)
}

func (s *stage) close() {
	for _, c := range s.conns {
		_ = c.Close()
	}
	require.NoError(s, s.hub.Close(context.Background()))
}

// nowhere is a client that sends what it is given and reads nothing.
type nowhere struct {
	stage        *stage
	input, later []byte // later is sent once the request is answered
	closed       chan struct{}
	once         sync.Once
	past         atomic.Bool // the deadline for reading is
}

func (c *nowhere) Read(b []byte) (int, error) {
	switch {
	case len(c.input) > 0:
		n := copy(b, c.input)
		c.input = c.input[n:]
		return n, nil
	case c.past.Load():
		return 0, os.ErrDeadlineExceeded
	}
	<-c.closed
	return 0, io.EOF
}

func (c *nowhere) Write(b []byte) (int, error) {
	if b[0] == 'H' { // HTTP/1.1 101
		c.input, c.later = c.later, nil
	} else if b[0] == 0x81 {
		c.stage.written.Add(1)
	}
	return len(b), nil
}

func (c *nowhere) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *nowhere) SetReadDeadline(t time.Time) error {
	c.past.Store(!t.IsZero() && t.Before(time.Now()))
	return nil
}

func (c *nowhere) SetDeadline(t time.Time) error {
	if c.SetReadDeadline(t); c.past.Load() {
		return c.Close()
	}
	return nil
}
func (*nowhere) SetWriteDeadline(time.Time) error { return nil }
func (*nowhere) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*nowhere) RemoteAddr() net.Addr             { return &net.TCPAddr{} }

// One publish to everybody who is attached, until it is written to the last of them.
func BenchmarkPublish(b *testing.B) {
	for _, number := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(number), func(b *testing.B) {
			s := newStage(b, (*Hub).Accept)
			defer s.close()
			s.open(number, `{"action":10,"channel":"room"}`)
			data := make([]byte, 100)
			for i := range data {
				data[i] = 'x'
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				e := &fanout.Event{
					Channel: fanout.Channel{App: "app", Resource: "room"}, ID: "id", Timestamp: 1,
					Items: []fanout.Item{{ID: "id:0", Name: "name", Data: fanout.Data{Kind: fanout.Text, Bytes: data}}},
				}
				if err := s.fanout.Publish(context.Background(), e); err != nil {
					b.Fatal(err)
				}
				s.await(int64(number))
			}
			runtime.ReadMemStats(&after)
			deliveries := float64(b.N) * float64(number)
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/deliveries, "allocs/delivery")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/deliveries, "B/delivery")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/deliveries, "ns/delivery")
		})
	}
}

// The memory of an idle connection that is attached to one channel, without its
// socket: as it is, and as it would be if fasthttp's goroutine served it, with the
// request and the buffer that belong to it.
func BenchmarkConnections(b *testing.B) {
	const number = 4_000
	for name, upgrade := range map[string]func(*Hub, *fasthttp.RequestCtx, *Opening){
		"let go": (*Hub).Accept,
		"kept": func(h *Hub, ctx *fasthttp.RequestCtx, o *Opening) {
			request := requestOf(ctx)
			ctx.HijackSetNoResponse(true)
			ctx.Hijack(func(conn net.Conn) {
				ws, err := upgrader.Upgrade(response{conn}, request, nil)
				if err == nil {
					h.serve(ws, o)
				}
			})
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s := newStage(b, upgrade)
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				s.open(number, `{"action":10,"channel":"room"}`)
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/number, "heap-B/connection")
				b.ReportMetric(float64(after.StackInuse-before.StackInuse)/number, "stack-B/connection")
				s.close()
			}
		})
	}
}
