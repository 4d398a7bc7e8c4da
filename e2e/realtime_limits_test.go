package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"
)

const maxFrameSize = 524288 // bytes, as CONNECTED says

func refusesLongMessages(t *testing.T, server *process, format string) {
	room := ofTest(t)
	eve, _ := withJWT(t, format, "full", nil).connect(t, server)
	eve.attach(t, room)
	c, _ := withJWT(t, format, "full", nil).connect(t, server)
	text := func(n int) object { return object{"name": "n", "data": strings.Repeat("x", n)} }
	c.send(t,
		c.message(room, text(65535)),              // name and data are 65536
		c.message(room, text(65536)),              // one too long
		c.message(room, text(40000), text(40000)), // together
		c.message(room, object{"name": strings.Repeat("x", 65537)}),
		c.message(room, object{"extras": object{"headers": object{"a": strings.Repeat("x", 65536)}}}),
		c.message(room, text(1)),
	)
	c.requireAnswers(t, 0, "ok", "40009/413", "40009/413", "40009/413", "40009/413", "ok")
	require.Len(t, eve.await(t, actMessage).Messages[0].Data, 65535)
	require.Len(t, eve.await(t, actMessage).Messages[0].Data, 1)
	require.Empty(t, eve.requireAlive(t))
}

func refusesLongFrames(t *testing.T, server *process, format string) {
	room := ofTest(t)
	eve, _ := withJWT(t, format, "full", nil).connect(t, server)
	eve.attach(t, room)
	c, _ := withJWT(t, format, "full", nil).connect(t, server)
	// The connection may be closed before all of it is written.
	_ = c.WriteMessage(c.op(), encodeAs(t, c.message(room, object{"data": strings.Repeat("x", maxFrameSize)}), c.binary))
	f, err := c.read(patience)
	if err == nil {
		require.Contains(t, []int{actError, actDisconnected}, f.Action, "%s", f)
		require.Equal(t, 40009, f.Error.Code, "%s", f)
		require.False(t, f.has("channel"))
		c.requireEnd(t)
	} else {
		require.NotContains(t, err.Error(), "timeout")
	}
	require.Empty(t, eve.requireAlive(t))
}

func takesFragments(t *testing.T, server *process, format string) {
	room := ofTest(t)
	u := withJWT(t, format, "full", nil)
	u.dialer.WriteBufferSize = 256
	c, _ := u.connect(t, server)
	c.attach(t, room)
	w, err := c.NextWriter(c.op())
	require.NoError(t, err)
	_, err = w.Write(encodeAs(t, c.message(room, object{"name": "n", "data": strings.Repeat("x", 5000)}), c.binary))
	require.NoError(t, err)
	require.NoError(t, c.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience)), "between the parts")
	require.NoError(t, w.Close())
	require.Len(t, c.await(t, actMessage).Messages[0].Data, 5000)
	c.requireAnswers(t, 0, "ok")
}

// limitsRate publishes faster than the token's claim allows.
func limitsRate(t *testing.T, server *process, format string) {
	room := ofTest(t)
	claims := object{"x-ably-clientId": "ana", "ably.limits.publish.perAttachment.maxRate." + room: 5}
	c, _ := withJWT(t, format, "full", claims).connect(t, server)
	const burst = 8
	for range burst {
		c.send(t, c.message(room, object{"name": "n", "data": "d"}))
	}
	accepted, refused := 0, 0
	for accepted+refused < burst {
		f := c.next(t)
		if f.Action == actAck {
			require.Zero(t, refused, "it is the excess that is refused")
			accepted += int(f.Count)
			continue
		}
		require.Equal(t, actNack, f.Action, "%s", f)
		require.Equal(t, []int{42911, 429}, []int{f.Error.Code, f.Error.StatusCode}, "%s", f)
		refused += int(f.Count)
	}
	require.GreaterOrEqual(t, accepted, 5)
	require.Positive(t, refused)
	c.send(t, c.message(room+" another", object{"name": "n", "data": "d"}))
	c.requireAnswers(t, burst, "ok") // the limit is of that channel
}

// bearsSlowReaders publishes to one who does not read: he loses what he does not
// fetch, and nobody else loses anything.
func bearsSlowReaders(t *testing.T, server *process, format string) {
	room := ofTest(t)
	slow, _ := withJWT(t, format, "full", nil).connect(t, server)
	slow.attach(t, room)
	good, _ := withJWT(t, format, "full", nil).connect(t, server)
	good.attach(t, room)
	publisher, _ := withJWT(t, format, "full", nil).connect(t, server)
	data := strings.Repeat("x", 60_000)
	const number = 300 // 18 MB
	for i := range number {
		publisher.send(t, publisher.message(room, object{"name": "n", "data": data}))
		require.Equal(t, actAck, publisher.next(t).Action)
		require.Len(t, good.await(t, actMessage).Messages[0].Data, len(data), "message %d", i)
	}
	received := 0
	for {
		f, err := slow.read(patience)
		if err != nil {
			require.NotContains(t, err.Error(), "timeout", "everything is kept for him")
			break
		}
		require.Contains(t, []int{actMessage, actDisconnected}, f.Action)
		received++
	}
	require.Less(t, received, number)
}

// refusesMalformed sends what is no protocol message: the connection ends with an
// error that is the client's, and no other connection is touched.
func refusesMalformed(t *testing.T, server *process) {
	for name, c := range map[string]struct {
		format  string
		payload string
	}{
		"not JSON":                  {"json", `{"action":`},
		"an array":                  {"json", `[]`},
		"a string":                  {"json", `"x"`},
		"nothing":                   {"json", ``},
		"two objects":               {"json", `{"action":0}{"action":0}`},
		"an action in text":         {"json", `{"action":"0"}`},
		"too deep":                  {"json", `{"action":15,"channel":"c","msgSerial":0,"messages":[{"data":` + strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000) + `}]}`},
		"not UTF-8":                 {"json", "{\"action\":0,\"id\":\"\xff\xfe\"}"},
		"a map that ends":           {"msgpack", "\x82\xa6action\x00"},
		"an array in msgpack":       {"msgpack", "\x90"},
		"a promise of four billion": {"msgpack", "\xdf\xff\xff\xff\xff\xa6action\x00"},
		"too deep in msgpack":       {"msgpack", "\x81\xa6action" + strings.Repeat("\x91", 5000) + "\x00"},
		"a key twice":               {"msgpack", "\x82\xa6action\x00\xa6action\x07"},
		"bytes behind":              {"msgpack", "\x81\xa6action\x00\x00"},
	} {
		t.Run("malformed: "+name, func(t *testing.T) {
			t.Parallel()
			witness, _ := withJWT(t, c.format, "full", nil).connect(t, server)
			conn, _ := withJWT(t, c.format, "full", nil).connect(t, server)
			_ = conn.WriteMessage(conn.op(), []byte(c.payload))
			f, err := conn.read(patience)
			if err == nil {
				require.Equal(t, actError, f.Action, "%s", f)
				require.False(t, f.has("channel"), "%s", f)
				requireWireError(t, "raw", f)
				require.True(t, f.Error.Code >= 40000 && f.Error.Code < 40100, "%s", f)
				require.Equal(t, 4, f.Error.StatusCode/100, "%s", f)
				conn.requireEnd(t)
			} else {
				require.True(t, websocket.IsCloseError(err, websocket.CloseInvalidFramePayloadData, websocket.CloseProtocolError, websocket.CloseUnsupportedData), "%v", err)
			}
			require.Empty(t, witness.requireAlive(t))
		})
	}
}

// otherFormats sends text where binary was agreed on, or the reverse: whatever comes
// of it is told in the format that was agreed on.
func otherFormats(t *testing.T, server *process, format string) {
	witness, _ := withJWT(t, format, "full", nil).connect(t, server)
	op := websocket.BinaryMessage
	if witness.binary {
		op = websocket.TextMessage
	}
	for _, binary := range []bool{false, true} {
		if op == websocket.TextMessage && binary {
			continue // RFC 6455 §8.1: it is no UTF-8
		}
		c, _ := withJWT(t, format, "full", nil).connect(t, server)
		require.NoError(t, c.WriteMessage(op, encodeAs(t, object{"action": actHeartbeat, "id": "x"}, binary)))
		f, err := c.read(patience)
		if err != nil {
			require.True(t, websocket.IsCloseError(err, websocket.CloseUnsupportedData, websocket.CloseInvalidFramePayloadData), "%v", err)
			continue
		}
		require.Contains(t, []int{actHeartbeat, actError}, f.Action, "%s", f)
		if f.Action == actError {
			requireWireError(t, "raw", f)
			c.requireEnd(t)
		}
	}
	require.Empty(t, witness.requireAlive(t))
}
