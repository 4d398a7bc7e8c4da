package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// The tests named TestRealtime speak frames that no SDK would send.

// rawConn is a WebSocket connection of a client that sends what it likes.
type rawConn struct {
	*websocket.Conn
	binary bool
	serial int64
	ahead  []frame // what came while something else was awaited
}

// upgrade describes a connection that is to be made.
type upgrade struct {
	format string // "" leaves the parameter out, and means json
	query  url.Values
	header http.Header
	dialer websocket.Dialer
}

// withQuery returns the upgrade with query parameters, name and value in turn.
func (u upgrade) withQuery(pairs ...string) upgrade {
	query := url.Values{}
	for name, values := range u.query {
		query[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		query.Add(pairs[i], pairs[i+1])
	}
	u.query = query
	return u
}

// dial makes the connection, which must succeed: that a credential is bad is said
// in a frame.
func (u upgrade) dial(t testing.TB, server *process) *rawConn {
	t.Helper()
	query := url.Values{"v": {"6"}}
	for name, values := range u.query {
		query[name] = values
	}
	if u.format != "" {
		query.Set("format", u.format)
	}
	u.dialer.HandshakeTimeout = patience
	c, response, err := u.dialer.Dial("ws"+strings.TrimPrefix(server.public, "http")+"/?"+query.Encode(), u.header)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
	t.Cleanup(func() { c.Close() })
	return &rawConn{Conn: c, binary: u.format == "msgpack"}
}

// in is the upgrade in that format.
func (u upgrade) in(format string) upgrade {
	u.format = format
	return u
}

// connect makes the connection and reads its CONNECTED.
func (u upgrade) connect(t testing.TB, server *process) (*rawConn, frame) {
	t.Helper()
	c := u.dial(t, server)
	f := c.next(t)
	require.Equal(t, actConnected, f.Action, "%s", f)
	requireConnected(t, "raw", f)
	return c, f
}

// withJWT is an upgrade with a JWT of a key of the realtime tests.
func withJWT(t testing.TB, format, keyName string, claims object) upgrade {
	t.Helper()
	return upgrade{format: format}.withQuery("access_token", mintRealtime(t, keyName, claims))
}

// mintRealtime mints a JWT of ten minutes.
func mintRealtime(t testing.TB, keyName string, claims object) string {
	t.Helper()
	name, secret, _ := strings.Cut(realtimeKeys[keyName], ":")
	now := nowSeconds()
	all := jwt.MapClaims{"iat": now, "exp": now + 600}
	for claim, value := range claims {
		all[claim] = value
	}
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, all)
	token.Header["kid"] = name
	text, err := token.SignedString([]byte(secret))
	require.NoError(t, err)
	return text
}

// send sends a frame in the connection's format.
func (c *rawConn) send(t testing.TB, frames ...object) {
	t.Helper()
	for _, f := range frames {
		require.NoError(t, c.SetWriteDeadline(time.Now().Add(patience)))
		require.NoError(t, c.WriteMessage(c.op(), encodeAs(t, f, c.binary)))
	}
}

func (c *rawConn) op() int {
	if c.binary {
		return websocket.BinaryMessage
	}
	return websocket.TextMessage
}

func encodeAs(t testing.TB, v any, binary bool) []byte {
	t.Helper()
	encode := json.Marshal
	if binary {
		encode = msgpack.Marshal
	}
	payload, err := encode(v)
	require.NoError(t, err)
	return payload
}

// sendText sends text as it is, where the format is JSON.
func (c *rawConn) sendText(t testing.TB, text string) {
	t.Helper()
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte(text)))
}

// next is the next frame of the server.
func (c *rawConn) next(t testing.TB) frame {
	t.Helper()
	if len(c.ahead) > 0 {
		f := c.ahead[0]
		c.ahead = c.ahead[1:]
		return f
	}
	f, err := c.read(patience)
	require.NoError(t, err)
	return f
}

// read reads a frame, for so long at most.
func (c *rawConn) read(within time.Duration) (f frame, err error) {
	if err = c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return f, err
	}
	kind, payload, err := c.ReadMessage()
	if err != nil {
		return f, err
	}
	if kind != c.op() {
		return f, fmt.Errorf("an answer in the other format: %q", payload)
	}
	return decodeFrame(payload, c.binary)
}

// await is the next frame of that action. What comes before it is kept.
func (c *rawConn) await(t testing.TB, action int) frame {
	t.Helper()
	for i, f := range c.ahead {
		if f.Action == action {
			c.ahead = append(c.ahead[:i:i], c.ahead[i+1:]...)
			return f
		}
	}
	for deadline := time.Now().Add(patience); ; {
		f, err := c.read(time.Until(deadline))
		require.NoError(t, err, "waiting for action %d; before it came %v", action, c.ahead)
		if f.Action == action {
			return f
		}
		c.ahead = append(c.ahead, f)
	}
}

// requireAlive requires that the connection is of use, and returns what had come
// before the answer to a ping.
func (c *rawConn) requireAlive(t testing.TB) (before []frame) {
	t.Helper()
	id := fmt.Sprint("alive", time.Now().UnixNano())
	c.send(t, object{"action": actHeartbeat, "id": id})
	for deadline := time.Now().Add(patience); ; {
		require.True(t, time.Now().Before(deadline), "no answer, but %v", before)
		f := c.next(t)
		if f.Action == actHeartbeat && f.ID == id {
			return before
		}
		before = append(before, f)
	}
}

// requireEnd requires that nothing more comes, and the connection is closed.
func (c *rawConn) requireEnd(t testing.TB) {
	t.Helper()
	require.Empty(t, c.ahead)
	f, err := c.read(patience)
	require.Error(t, err, "after the end comes %s", f)
	var timeout net.Error
	require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "it stays open")
}

// requireFatal requires an ERROR of the connection, and its end.
func (c *rawConn) requireFatal(t testing.TB, code, status int) {
	t.Helper()
	c.requireEnding(t, actError, code, status)
}

func (c *rawConn) requireEnding(t testing.TB, action, code, status int) {
	t.Helper()
	f := c.next(t)
	require.Equal(t, action, f.Action, "%s", f)
	require.False(t, f.has("channel"), "%s: the SDK would take it for a channel's", f)
	requireWireError(t, "raw", f)
	require.Equal(t, []int{code, status}, []int{f.Error.Code, f.Error.StatusCode}, "%s", f)
	c.requireEnd(t)
}

// attach attaches a channel and returns ATTACHED.
func (c *rawConn) attach(t testing.TB, channel string, members ...object) frame {
	t.Helper()
	f := object{"action": actAttach, "channel": channel}
	for _, m := range members {
		for name, value := range m {
			f[name] = value
		}
	}
	c.send(t, f)
	attached := c.await(t, actAttached)
	require.Equal(t, channel, attached.Channel)
	return attached
}

// message is a MESSAGE frame with the connection's next msgSerial.
func (c *rawConn) message(channel string, messages ...object) object {
	return c.numbered(object{"action": actMessage, "channel": channel, "messages": messages})
}

// presence is a PRESENCE frame with the connection's next msgSerial.
func (c *rawConn) presence(channel string, items ...object) object {
	return c.numbered(object{"action": actPresence, "channel": channel, "presence": items})
}

func (c *rawConn) numbered(f object) object {
	f["msgSerial"] = c.serial
	c.serial++
	return f
}

// requireAnswers requires the verdicts on the next frames that were sent, in their
// order: "ok", a refusal's code, or "refused" where no rule says with which. It
// returns what else came meanwhile.
func (c *rawConn) requireAnswers(t testing.TB, from int64, want ...string) (others []frame) {
	t.Helper()
	var got []string
	for len(got) < len(want) {
		f := c.next(t)
		if f.Action != actAck && f.Action != actNack {
			others = append(others, f)
			continue
		}
		require.NotNil(t, f.MsgSerial, "%s", f)
		require.Equal(t, from+int64(len(got)), *f.MsgSerial, "%s is out of turn", f)
		require.Positive(t, f.Count, "%s", f)
		verdict := "ok"
		if f.Action == actNack {
			requireWireError(t, "raw", f)
			verdict = fmt.Sprintf("%d/%d", f.Error.Code, f.Error.StatusCode)
		}
		for range f.Count {
			if len(got) < len(want) && want[len(got)] == "refused" && verdict != "ok" {
				verdict = "refused"
			}
			got = append(got, verdict)
		}
	}
	require.Equal(t, want, got)
	return others
}

// inBothFormats runs a test for each, side by side.
func inBothFormats(t *testing.T, name string, test func(t *testing.T, format string)) {
	t.Helper()
	for _, format := range []string{"json", "msgpack"} {
		t.Run(name+"/"+format, func(t *testing.T) {
			t.Parallel()
			test(t, format)
		})
	}
}

// ofTest is a channel name that only this test has.
func ofTest(t testing.TB) string {
	return strings.NewReplacer("/", "-", "#", "-", " ", "-", "*", "-").Replace(t.Name())
}
