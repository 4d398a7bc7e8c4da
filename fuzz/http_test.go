package fuzz

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	fanout "portcullis/fanout/memory"
	"portcullis/internal/vectors"
	"portcullis/server"
	"portcullis/store/memory"
)

// wire is a connection whose client has sent everything and then closed its side.
type wire struct {
	in   *bytes.Reader
	done chan struct{}
	once sync.Once

	mu  sync.Mutex
	out bytes.Buffer
}

func (w *wire) Read(p []byte) (int, error) { return w.in.Read(p) }

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

func (w *wire) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080} }
func (w *wire) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000} }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// wires is a listener of connections that are handed to it.
type wires struct {
	next   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *wires) Accept() (net.Conn, error) {
	select {
	case c := <-l.next:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *wires) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *wires) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080} }

// exchange hands a connection with these bytes to the server, and returns what it
// has answered until it closed the connection.
func (l *wires) exchange(t testing.TB, stream []byte) []byte {
	t.Helper()
	w := &wire{in: bytes.NewReader(stream), done: make(chan struct{})}
	l.next <- w
	select {
	case <-w.done:
	case <-time.After(20 * time.Second):
		require.Fail(t, "the server does not let go of a connection that its client has closed", "%q", stream)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Clone(w.out.Bytes())
}

// newWires serves the fixture keys, with everything that a server can serve.
func newWires(f testing.TB) *wires {
	keys, err := vectors.EngineKeys(vectors.Keys())
	require.NoError(f, err)
	seal, err := engine.NewSealSecret("a sealing secret of the raw requests")
	require.NoError(f, err)
	v, err := engine.NewVerifier(engine.Options{Keys: keys, Seal: []engine.SealSecret{seal}, CacheBytes: 1 << 20})
	require.NoError(f, err)
	now := func() engine.UnixMilli { return vectors.DefaultNow }
	s := server.New(server.Options{
		Verifier: v, Now: now, Fanout: fanout.New(fanout.Options{}), Store: memory.New(memory.Options{Now: now}),
		Sandbox: true, LoopbackOnly: true, RevocationsPerMinute: 60, Settings: server.Settings{AllowInsecureBasic: true, ChannelRevocation: true},
	})
	require.NoError(f, s.Configure(keys, engine.TokenRules{}, []engine.SealSecret{seal}))
	l := &wires{next: make(chan net.Conn), closed: make(chan struct{})}
	served := make(chan error, 1)
	serve := s.Serve
	if planted == "bare-http" || planted == "internal-error" { // the library alone
		bare := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
			if planted == "internal-error" && bytes.Contains(ctx.RequestURI(), []byte("%2")) {
				ctx.SetStatusCode(fasthttp.StatusInternalServerError)
			} else if planted == "internal-error" && ctx.Request.Header.ContentLength() < 0 {
				ctx.SetConnectionClose()
			}
		}}
		serve = bare.Serve
	}
	go func() { served <- serve(l) }()
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		l.Close()
		<-served
		v.Close()
	})
	return l
}

// sentinel follows every stream: if a server is out of step with its client, it is
// here that it shows.
const sentinel = "POST /v1/admit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"

// maxStream bounds what one connection sends.
const maxStream = 64 << 10

// FuzzHTTP holds the server, from the bytes of a connection to those of the answer,
// against a careful reader of the same bytes.
func FuzzHTTP(f *testing.F) {
	l := newWires(f)
	for _, seed := range httpSeeds(f) {
		f.Add([]byte(seed))
		f.Add([]byte(seed + seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) > maxStream {
			return
		}
		stream = append(bytes.Clone(stream), sentinel...)
		requireInStep(t, frames(stream), l.exchange(t, stream), stream)
	})
}

// requireInStep wants one answer at most to every request that is there, none of
// them an internal error, and no answer behind a request of which it is in doubt
// where it ends.
func requireInStep(t *testing.T, requests []framed, answered, stream []byte) {
	t.Helper()
	answers := bufio.NewReader(bytes.NewReader(answered))
	for n := 0; ; {
		if _, err := answers.Peek(1); errors.Is(err, io.EOF) {
			return
		}
		require.Less(t, n, len(requests), "more answers than requests: %q to %q", answered, stream)
		r := requests[n]
		if !r.proper {
			r.method = http.MethodHead // whose answer may have content, if the server did not see what it is
		}
		response, err := http.ReadResponse(answers, &http.Request{Method: r.method})
		require.NoError(t, err, "not HTTP: %q to %q", answered, stream)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err, "%q to %q", answered, stream)
		requireNoFault(t, response, stream)
		switch response.StatusCode {
		case http.StatusContinue:
			continue // the answer is to come
		case http.StatusSwitchingProtocols:
			return // what follows are WebSocket frames
		}
		if !r.proper {
			require.GreaterOrEqual(t, response.StatusCode, 400, "request %d of %q is malformed", n, stream)
			require.True(t, response.Close, "the connection goes on behind a malformed request, %q", stream)
		}
		if response.Close {
			rest, _ := io.ReadAll(answers)
			require.NotContains(t, string(rest), "HTTP/1.", "an answer behind the last, %q", stream)
			return
		}
		n++
	}
}

// requireNoFault wants no answer that says that the server is at fault, apart from
// its not knowing the version, and from its being asked too much.
func requireNoFault(t *testing.T, response *http.Response, stream []byte) {
	t.Helper()
	switch response.StatusCode {
	case http.StatusHTTPVersionNotSupported:
	case http.StatusServiceUnavailable:
		require.Equal(t, strconv.Itoa(engine.ErrOverloaded.Code), response.Header.Get("X-Ably-Errorcode"), "%q", stream)
	default:
		require.Less(t, response.StatusCode, 500, "%q", stream)
	}
}

// httpSeeds are requests for every endpoint, and some that are no proper ones.
func httpSeeds(f testing.TB) (seeds []string) {
	const host = "Host: 127.0.0.1\r\n"
	key := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("appId.keyId:0123456789abcdef0123456789abcdef")) + "\r\n"
	revocable := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("appId.revocable:revocable-3JqvWc8nTzL5yRk2")) + "\r\n"
	request := func(method, target, headers, body string) string {
		if body != "" {
			headers += fmt.Sprintf("Content-Length: %d\r\n", len(body))
		}
		return method + " " + target + " HTTP/1.1\r\n" + host + headers + "\r\n" + body
	}
	for _, target := range []string{"/time", "/stats", "/v1/admit", "/v1/admit?channel=a&op=publish", "/channels/a", "/channels/a%2Fb/messages", "/channels/a/presence?limit=1", "/channels/a/presence/history", "/channels/a/history", "/push/deviceRegistrations", "/push/deviceRegistrations/d1", "/push/channelSubscriptions", "/push/channels", "/livez", "/readyz", "/none"} {
		seeds = append(seeds, request("GET", target, key, ""), request("HEAD", target, key, ""), request("OPTIONS", target, "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n", ""))
	}
	for target, body := range map[string]string{
		"/v1/admit/batch": `[{"token":"a.b.c"}]`, "/channels/a/messages": `{"name":"n","data":"d"}`, "/apps": `{"keys":[{}]}`,
		"/keys/appId.keyId/requestToken": `{"keyName":"appId.keyId","timestamp":1700000100000}`, "/push/deviceRegistrations": `{"id":"d1","platform":"ios","formFactor":"phone","push":{"recipient":{}}}`,
		"/push/channelSubscriptions": `{"channel":"a","deviceId":"d1"}`, "/stats": "[]",
	} {
		seeds = append(seeds, request("POST", target, key+"Content-Type: application/json\r\n", body), request("POST", target, key+"Content-Type: application/x-msgpack\r\nAccept: application/x-msgpack\r\n", "\x81\xa4name\xa1n"))
		seeds = append(seeds, "POST "+target+" HTTP/1.1\r\n"+host+key+"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n")
	}
	seeds = append(seeds,
		request("POST", "/keys/appId.revocable/revokeTokens", revocable, `{"targets":["clientId:ana"]}`),
		request("DELETE", "/apps/a", key, ""), request("PUT", "/push/deviceRegistrations/d1", key, `{"id":"d1"}`), request("PATCH", "/push/deviceRegistrations/d1", key, "{}"),
		request("GET", "/time", "Expect: 100-continue\r\n", ""), request("POST", "/v1/admit", "Expect: 100-continue\r\n", "{}"), request("GET", "/time", "Connection: close\r\n", ""),
		request("GET", "/time", "", "GET /livez HTTP/1.1\r\n"+host+"\r\n"), request("HEAD", "/time", "", "GET /livez HTTP/1.1\r\n"+host+"\r\n"),
		"GET /time HTTP/1.0\r\n"+host+"Connection: keep-alive\r\n\r\n", "GET /time HTTP/9.9\r\n"+host+"\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST /v1/admit HTTP/1.1\r\n"+host+"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\n"+host+"\r\n",
		"POST /v1/admit HTTP/1.1\r\n"+host+"Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\nX-Trailer: a\r\n\r\n",
		"GET /time HTTP/1.1\r\n"+host+"X-A: b\r\n c\r\n\r\n", "GET /time HTTP/1.1\n"+host+"\n",
	)
	for _, query := range []string{"key=appId.keyId:0123456789abcdef0123456789abcdef", "key=bad", "access_token=a.b.c&format=msgpack", ""} {
		upgrade := "GET /?v=6&" + query + " HTTP/1.1\r\n" + host + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
		seeds = append(seeds, upgrade, upgrade+webSocketFrame(`{"action":10,"channel":"a"}`)+webSocketFrame(`{"action":15,"channel":"a","msgSerial":0,"messages":[{"data":"x"}]}`)+webSocketFrame(`{"action":7}`))
	}
	require.Greater(f, len(seeds), 60)
	return seeds
}

// webSocketFrame is a text frame of a client, masked with nothing (RFC 6455 §5.2).
func webSocketFrame(text string) string {
	if len(text) > 125 {
		panic("a long frame")
	}
	return "\x81" + string([]byte{0x80 | byte(len(text)), 0, 0, 0, 0}) + text
}

// The careful reader is held against requests whose framing is known.
func TestFrames(t *testing.T) {
	const get = "GET /time HTTP/1.1\r\nHost: a\r\n\r\n"
	for stream, want := range map[string]string{
		"": "", get: "GET", get + get: "GET GET", "\r\n" + get: "GET",
		"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" + get: "POST GET", "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc": "!POST",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" + get:              "POST GET",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" + get:    "!POST",
		"POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n" + get:                      "!POST",
		"POST / HTTP/1.1\r\nContent-Length: +0\r\n\r\n" + get:                                          "!POST",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get:                         "!POST",
		"GET / HTTP/1.1\r\nX-A: b\r\n c\r\n\r\n" + get:                                                 "!GET",
		"GET / HTTP/1.1\r\nX-A : b\r\n\r\n" + get:                                                      "!GET",
		"GET / HTTP/1.1\nHost: a\nX: b\r\n\r\n" + get:                                                  "!",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x\ny\r\nab\r\n0\r\n\r\n" + get:         "!POST",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA b\r\n\r\n" + get:                  "!POST",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2 ;x=y\r\nab\r\n0\r\nA: b\r\n\r\n" + get: "POST GET",
		"GET / HTTP/2.0\r\n\r\n" + get:                                                                 "!GET",
	} {
		var got []string
		for _, r := range frames([]byte(stream)) {
			name := r.method
			if !r.proper {
				name = "!" + name
			}
			got = append(got, name)
		}
		require.Equal(t, want, strings.Join(got, " "), "%q", stream)
	}
}
