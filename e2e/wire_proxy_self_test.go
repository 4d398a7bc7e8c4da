package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
)

// startEcho is a server that sends back every message, and answers GET /time.
func startEcho(t testing.TB) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	upgrader := websocket.FastHTTPUpgrader{}
	server := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		if !websocket.FastHTTPIsWebSocketUpgrade(ctx) {
			ctx.SetBodyString("now")
			return
		}
		_ = upgrader.Upgrade(ctx, func(c *websocket.Conn) {
			for {
				kind, payload, err := c.ReadMessage()
				if err != nil || c.WriteMessage(kind, payload) != nil {
					return
				}
			}
		})
	}}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func dialEcho(t testing.TB, address string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/?key=a.b:c", nil)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	return c
}

func requireEcho(t testing.TB, c *websocket.Conn, kind int, payload string) {
	t.Helper()
	require.NoError(t, c.WriteMessage(kind, []byte(payload)))
	got, back, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, kind, got)
	require.Equal(t, payload, string(back))
}

// TestWireProxyRecords shows that what passes is recorded: HTTP requests on one
// connection, then an upgrade, and frames of every size in either format.
func TestWireProxyRecords(t *testing.T) {
	p := startWireProxy(t, startEcho(t))
	for range 2 {
		a := request{path: "/time"}.send(t, "http://"+p.address())
		require.Equal(t, "now", string(a.body))
	}
	c := dialEcho(t, p.address())
	long := strings.Repeat("x", 70_000)
	requireEcho(t, c, websocket.TextMessage, `{"action":15,"channel":"c","msgSerial":0,"messages":[{"name":"`+long+`"}]}`)
	requireEcho(t, c, websocket.TextMessage, `{"action":9,"channel":"`+long[:300]+`","error":{"code":40160,"statusCode":401,"message":"m"}}`)
	requireEcho(t, c, websocket.BinaryMessage, "\x83\xa6action\x04\xb1connectionDetails\x81\xa8clientId\xa3ana\xa9msgSerial\xcd\x01\x00")
	require.NoError(t, c.WriteControl(websocket.PingMessage, []byte("p"), time.Now().Add(patience)))
	requireEcho(t, c, websocket.TextMessage, `{"action":0}`)
	p.close()

	taps := p.connections()
	require.Len(t, taps, 2)
	require.Len(t, taps[0].requests, 2)
	require.Equal(t, []any{"GET", "/time", 200}, []any{taps[0].requests[1].method, taps[0].requests[1].path, taps[0].requests[1].status})
	require.False(t, taps[0].upgraded)

	require.NoError(t, taps[1].broken)
	require.True(t, taps[1].upgraded)
	require.Equal(t, "a.b:c", taps[1].requests[0].query.Get("key"))
	require.Equal(t, 101, taps[1].requests[0].status)
	var got []string
	var frames []tappedFrame
	for _, f := range taps[1].frames {
		if f.op != opPong { // comes when it likes
			frames = append(frames, f)
			got = append(got, fmt.Sprint(f.fromServer, f.op, f.Action))
		}
	}
	require.Len(t, taps[1].frames, len(frames)+1)
	require.Equal(t, []string{
		"false 1 15", "true 1 15", "false 1 9", "true 1 9", "false 2 4", "true 2 4", "false 9 0", "false 1 0", "true 1 0",
	}, got)
	message, refused, connected := frames[1], frames[3], frames[5]
	require.Equal(t, long, message.Messages[0].Name)
	require.EqualValues(t, 0, *message.MsgSerial)
	require.Equal(t, &fault{Code: 40160, StatusCode: 401, Message: "m"}, refused.Error)
	require.True(t, refused.has("channel"))
	require.Equal(t, "ana", connected.Details.ClientID)
	require.EqualValues(t, 256, *connected.MsgSerial)
	require.True(t, connected.hasDetail("clientId"))
	require.False(t, connected.hasDetail("connectionKey"))
	require.False(t, connected.has("channel"))
	require.Nil(t, frames[8].MsgSerial)
}

// TestWireProxyDisturbs shows that the proxy cuts, refuses, holds back and leads
// elsewhere as it is told, and undoes it.
func TestWireProxyDisturbs(t *testing.T) {
	p := startWireProxy(t, startEcho(t))
	c := dialEcho(t, p.address())
	requireEcho(t, c, websocket.TextMessage, `{"action":0}`)

	p.hold(fromServer, true)
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(`{"action":0,"id":"a"}`)))
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, _, err := c.ReadMessage()
	require.ErrorContains(t, err, "timeout")

	p.hold(fromServer, false)
	c = dialEcho(t, p.address())
	requireEcho(t, c, websocket.TextMessage, `{"action":0}`)
	p.refuse(true)
	p.cut()
	_, _, err = c.ReadMessage()
	require.Error(t, err)
	_, _, err = websocket.DefaultDialer.Dial("ws://"+p.address()+"/", nil)
	require.Error(t, err)

	p.refuse(false)
	requireEcho(t, dialEcho(t, p.address()), websocket.TextMessage, `{"action":0}`)

	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "elsewhere") }))
	defer other.Close()
	p.lead(strings.TrimPrefix(other.URL, "http://"))
	require.Equal(t, "elsewhere", string(request{path: "/"}.send(t, "http://"+p.address()).body))
}
