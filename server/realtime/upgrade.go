package realtime

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// Sizes of a WebSocket's buffers. A connection that is idle keeps the one for
// reading and takes one for writing only while it writes.
const (
	readBufferBytes  = 512
	writeBufferBytes = 4 << 10
	handshakeTimeout = 5 * time.Second
)

var upgrader = websocket.Upgrader{
	HandshakeTimeout: handshakeTimeout,
	ReadBufferSize:   readBufferBytes,
	WriteBufferSize:  writeBufferBytes,
	WriteBufferPool:  new(sync.Pool),
	// No cookie decides anything, so a page gains nothing by connecting from afar.
	CheckOrigin: func(*http.Request) bool { return true },
	Error:       func(http.ResponseWriter, *http.Request, int, error) {}, // Upgradable has looked
}

// Upgradable says whether a request asks for a WebSocket (RFC 6455 §4.2.1).
func Upgradable(ctx *fasthttp.RequestCtx) bool {
	return ctx.IsGet() && websocket.FastHTTPIsWebSocketUpgrade(ctx)
}

// upgrade answers the request of ctx with a WebSocket, and calls serve with it in
// a goroutine of its own once ctx is gone. fasthttp would keep the request and its
// 16 KiB buffer for the life of a connection that it hijacks, which is more than
// all the rest of an idle one (BenchmarkConnections; `make connections` measures
// the whole), so it is told to let go.
func upgrade(ctx *fasthttp.RequestCtx, serve func(*websocket.Conn)) {
	request := requestOf(ctx)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(conn net.Conn) {
		raw := conn.(interface{ UnsafeConn() net.Conn }).UnsafeConn()
		go func() {
			if pipelined(conn, raw) {
				_ = raw.Close()
				return
			}
			ws, err := upgrader.Upgrade(response{conn: raw}, request, nil)
			if err != nil {
				_ = raw.Close()
				return
			}
			serve(ws)
		}()
	})
}

// requestOf returns what the upgrader looks at, in memory of its own.
func requestOf(ctx *fasthttp.RequestCtx) *http.Request {
	r := &http.Request{Method: http.MethodGet, Header: make(http.Header, 4)}
	for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Version", "Sec-Websocket-Key"} {
		r.Header.Set(name, string(ctx.Request.Header.Peek(name)))
	}
	return r
}

// pipelined says whether the client has sent more than its request. It must not,
// before it has the answer (RFC 6455 §4.1), and what it has sent is in a buffer
// that is about to go.
func pipelined(buffered, raw net.Conn) bool {
	if raw.SetReadDeadline(time.Unix(1, 0)) != nil { // long past: only what is buffered is read
		return true
	}
	var one [1]byte
	n, _ := buffered.Read(one[:])
	return n > 0 || raw.SetReadDeadline(time.Time{}) != nil
}

// response is what the upgrader writes its answer to.
type response struct{ conn net.Conn }

// Hijack implements http.Hijacker.
func (r response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return r.conn, bufio.NewReadWriter(bufio.NewReaderSize(nil, 16), bufio.NewWriterSize(nil, 256)), nil
}

func (response) Header() http.Header       { return http.Header{} }
func (response) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }
func (response) WriteHeader(int)           {}
