package server_test

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"

	"portcullis/server"
)

const apiKey = "appId.keyId:0123456789abcdef0123456789abcdef"

// handshake is the request that RFC 6455 §1.2 shows, but for its path.
func handshake(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
}

// answerTo sends raw bytes and returns the first answer, nil when the connection was
// closed without one.
func answerTo(t *testing.T, address, raw string) (*http.Response, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = conn.Write([]byte(raw))
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, nil
	}
	return response, r
}

// A proper request for a WebSocket gets one, with the answer of RFC 6455 §1.3,
// whatever becomes of the credential; anything else gets an HTTP error.
func TestHandshakes(t *testing.T) {
	address := newTCPSite(t, server.Options{Settings: server.Settings{AllowInsecureBasic: true}})
	good := handshake("/?key=" + apiKey)
	for _, raw := range []string{good, handshake("/?key=x"), handshake("/"), strings.Replace(good, "Connection: Upgrade", "Connection: keep-alive, upgrade", 1)} {
		response, _ := answerTo(t, address, raw)
		require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
		require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", response.Header.Get("Sec-WebSocket-Accept"))
		require.Equal(t, "websocket", response.Header.Get("Upgrade"))
	}
	without := func(header string) string {
		var kept []string
		for line := range strings.Lines(good) {
			if !strings.HasPrefix(line, header) {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	for name, c := range map[string]struct {
		raw    string
		status int
	}{
		"no key":         {without("Sec-WebSocket-Key"), 400},
		"no version":     {without("Sec-WebSocket-Version"), 400},
		"no upgrade":     {without("Upgrade"), 404},
		"no connection":  {without("Connection"), 404},
		"version 12":     {strings.Replace(good, "Version: 13", "Version: 12", 1), 400},
		"a short key":    {strings.Replace(good, "dGhlIHNhbXBsZSBub25jZQ==", "dGhl", 1), 400},
		"a key in plain": {strings.Replace(good, "dGhlIHNhbXBsZSBub25jZQ==", "the sample nonce", 1), 400},
		"POST":           {strings.Replace(good, "GET", "POST", 1), 404},
		"another path":   {strings.Replace(good, "GET /", "GET /time", 1), 200},
	} {
		response, _ := answerTo(t, address, c.raw)
		require.NotNil(t, response, name)
		require.Equal(t, c.status, response.StatusCode, name)
		if c.status == 400 {
			require.Equal(t, "13", response.Header.Get("Sec-WebSocket-Version"), name)
			require.Equal(t, "40000", response.Header.Get("X-Ably-Errorcode"), name)
		}
	}
}

// A client must not send frames before it has the answer (RFC 6455 §4.1). What would
// be lost, or be read as another request, is not served at all.
func TestBytesBehindAHandshake(t *testing.T) {
	address := newTCPSite(t, server.Options{Settings: server.Settings{AllowInsecureBasic: true}})
	for _, more := range []string{"\x81", "\x81\x80\x00\x00\x00\x00", "GET /time HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", strings.Repeat("x", 10_000)} {
		response, _ := answerTo(t, address, handshake("/?key="+apiKey)+more)
		require.Nil(t, response)
	}
}

// What the query says of a connection (RTN2), through the whole server.
func TestOpenings(t *testing.T) {
	address := newTCPSite(t, server.Options{Settings: server.Settings{AllowInsecureBasic: true}})
	connect := func(query string) (kind int, fields map[string]any) {
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/?"+query, nil)
		require.NoError(t, err)
		defer ws.Close()
		kind, text, err := ws.ReadMessage()
		require.NoError(t, err)
		if kind == websocket.TextMessage {
			require.NoError(t, json.Unmarshal(text, &fields))
		}
		return kind, fields
	}
	key := "key=" + url.QueryEscape(apiKey)
	for query, action := range map[string]float64{
		key: 4, key + "&v=6&format=json&agent=x&clientId=ana&echo=false&heartbeats=true&novel=1": 4, key + "&format=novel": 4,
		"": 9, "key=x": 9, key + "&echo=true&echo=false": 9, key + "&clientId=*": 9, key + "&resume=a&resume=b": 9,
	} {
		kind, fields := connect(query)
		require.Equal(t, websocket.TextMessage, kind, query)
		require.Equal(t, action, fields["action"], query)
		require.NotContains(t, fields, "channel")
	}
	kind, _ := connect(key + "&format=msgpack")
	require.Equal(t, websocket.BinaryMessage, kind)
	_, fields := connect(key + "&recover=x")
	require.EqualValues(t, 4, fields["action"])
	require.EqualValues(t, 80018, fields["error"].(map[string]any)["code"], "recover is resume by another name")
}
