package realtime_test

import (
	"encoding/json"
	"maps"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"portcullis/server/realtime/frame"
)

// message is a frame as it goes over the wire, in either format. Numbers are
// float64, and binary data is its base64.
type message map[string]any

func (m message) action() frame.Action {
	n, ok := m["action"].(float64)
	if !ok {
		return frame.ActionUnknown
	}
	return frame.Action(n)
}

func (m message) number(name string) int {
	n, ok := m[name].(float64)
	if !ok {
		return -1
	}
	return int(n)
}

func (m message) text(name string) string {
	s, _ := m[name].(string)
	return s
}

func (m message) object(name string) message {
	o, _ := m[name].(map[string]any)
	return o
}

// list returns the items of a frame.
func (m message) list(name string) (items []message) {
	all, _ := m[name].([]any)
	for _, item := range all {
		items = append(items, item.(map[string]any))
	}
	return items
}

// code returns the code of the frame's error, 0 if there is none.
func (m message) code() int {
	if m["error"] == nil {
		return 0
	}
	return m.object("error").number("code")
}

// has says whether ATTACHED has a flag.
func (m message) has(flag int) bool { return m.number("flags")&flag != 0 }

// client is a client that speaks frames and nothing above them.
type client struct {
	*world
	ws      *websocket.Conn
	msgpack bool
	id, key string // of the connection, once it is connected
	serial  int    // the next msgSerial

	mu     sync.Mutex
	frames []message
	pings  int
	beats  int   // HEARTBEAT frames that answer nothing; they come with time
	err    error // why there will be no more frames
}

// Actions of presence (TP2).
const (
	enter  = 2
	leave  = 3
	update = 4
)

// open opens a WebSocket with the credential token, or the first key if it is nil,
// and query parameters such as "echo=false". It reads nothing yet.
func (w *world) open(token []byte, query ...string) *client {
	w.Helper()
	values := url.Values{}
	if token != nil {
		values.Set("access_token", string(token))
	} else {
		values.Set("key", keyName+":"+secret)
	}
	for _, q := range query {
		name, value, _ := strings.Cut(q, "=")
		values.Set(name, value)
	}
	dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return w.connect(), nil }}
	ws, _, err := dialer.Dial("ws://server/?"+values.Encode(), nil)
	require.NoError(w, err)
	c := &client{world: w, ws: ws, msgpack: values.Get("format") == "msgpack"}
	ws.SetPingHandler(func(data string) error {
		c.mu.Lock()
		c.pings++
		c.mu.Unlock()
		_ = ws.WriteControl(websocket.PongMessage, []byte(data), time.Time{})
		return nil
	})
	w.clients = append(w.clients, c)
	return c
}

// dial is open for a client that reads all that comes.
func (w *world) dial(token []byte, query ...string) *client {
	w.Helper()
	c := w.open(token, query...)
	go c.read()
	return c
}

// dialling is dial by another goroutine. What it returns waits for it.
func (w *world) dialling(token []byte, query ...string) func() *client {
	dialled := make(chan *client, 1)
	go func() { dialled <- w.dial(token, query...) }()
	return func() *client { return <-dialled }
}

// connected is dial for a client that is let in.
func (w *world) connected(token []byte, query ...string) *client {
	w.Helper()
	c := w.dial(token, query...)
	c.welcome()
	return c
}

// resume comes back as the connection of c, over another WebSocket.
func (c *client) resume(token []byte, query ...string) *client {
	c.Helper()
	next := c.dial(token, append(query, "resume="+c.key)...)
	next.serial = c.serial
	return next
}

func (c *client) read() {
	for {
		kind, data, err := c.ws.ReadMessage()
		c.mu.Lock()
		if err != nil {
			c.err = err
			c.mu.Unlock()
			_ = c.ws.Close()
			return
		}
		if m := c.decode(kind, data); len(m) == 1 && m.action() == frame.ActionHeartbeat {
			c.beats++
		} else {
			c.frames = append(c.frames, m)
		}
		c.mu.Unlock()
	}
}

// decode reads a frame. What cannot be read is a frame without an action.
func (c *client) decode(kind int, data []byte) (m message) {
	if (kind == websocket.BinaryMessage) != c.msgpack {
		return message{"wrong kind of WebSocket message": kind}
	}
	if c.msgpack {
		value, rest, err := msgp.ReadIntfBytes(data)
		if err != nil || len(rest) > 0 {
			return message{"malformed msgpack": string(data)}
		}
		data, _ = json.Marshal(value)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return message{"malformed": err.Error(), "data": string(data)}
	}
	return m
}

// next returns the next frame, which must have come.
func (c *client) next() message {
	c.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.NotEmpty(c, c.frames, "nothing has come (%v)", c.err)
	m := c.frames[0]
	c.frames = c.frames[1:]
	return m
}

// expect returns the next frame, which must have that action.
func (c *client) expect(a frame.Action) message {
	c.Helper()
	m := c.next()
	require.Equal(c, a, m.action(), "%v", m)
	return m
}

// quiet wants that nothing has come.
func (c *client) quiet() {
	c.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Empty(c, c.frames)
}

// all returns whatever has come.
func (c *client) all() []message {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	frames := c.frames
	c.frames = nil
	return frames
}

// closed wants that the server has closed the WebSocket and has said nothing more.
func (c *client) closed() {
	c.Helper()
	c.quiet()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Error(c, c.err, "it is still open")
}

// opened wants that the WebSocket is still there.
func (c *client) opened() {
	c.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.NoError(c, c.err)
}

// signs returns how many pings and how many HEARTBEATs have come unasked.
func (c *client) signs() (pings, beats int) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pings, c.beats
}

// welcome reads CONNECTED.
func (c *client) welcome() message {
	c.Helper()
	m := c.expect(frame.ActionConnected)
	c.id, c.key = m.text("connectionId"), m.object("connectionDetails").text("connectionKey")
	require.NotEmpty(c, c.id)
	require.NotEmpty(c, c.key)
	return m
}

// failed wants an ERROR of the connection with that code, and the end. SDKs take an
// ERROR for a channel's as soon as there is a member channel, whatever it holds.
func (c *client) failed(code int) {
	c.Helper()
	m := c.expect(frame.ActionError)
	require.Equal(c, code, m.code(), "%v", m)
	require.NotContains(c, m, "channel")
	c.closed()
}

// disconnected wants a DISCONNECTED with that code, 0 for none, and the end.
func (c *client) disconnected(code int) {
	c.Helper()
	m := c.expect(frame.ActionDisconnected)
	require.Equal(c, code, m.code(), "%v", m)
	require.NotContains(c, m, "channel")
	c.closed()
}

// cut ends the client's side as a network does that is gone, and waits until the
// server knows.
func (c *client) cut() {
	_ = c.ws.Close()
	synctest.Wait()
}

// send sends a frame.
func (c *client) send(m message) {
	c.Helper()
	require.NoError(c, c.trySend(m))
}

func (c *client) trySend(m message) error {
	if !c.msgpack {
		data, err := json.Marshal(m)
		require.NoError(c, err)
		return c.ws.WriteMessage(websocket.TextMessage, data)
	}
	plain := maps.Clone(m)
	if a, ok := m["action"].(frame.Action); ok {
		plain["action"] = int(a)
	}
	data, err := msgp.AppendIntf(nil, map[string]any(plain))
	require.NoError(c, err)
	return c.ws.WriteMessage(websocket.BinaryMessage, data)
}

// raw sends a WebSocket message as it is.
func (c *client) raw(kind int, data string) {
	c.Helper()
	require.NoError(c, c.ws.WriteMessage(kind, []byte(data)))
}

// attach attaches to a channel, which must succeed, and returns ATTACHED.
func (c *client) attach(channel string, more ...message) message {
	c.Helper()
	c.send(merge(message{"action": frame.ActionAttach, "channel": channel}, more...))
	m := c.expect(frame.ActionAttached)
	require.Equal(c, channel, m.text("channel"))
	require.Zero(c, m.code())
	return m
}

func merge(m message, more ...message) message {
	for _, o := range more {
		for name, value := range o {
			m[name] = value
		}
	}
	return m
}

// post sends a MESSAGE with the client's next msgSerial, one message for each datum.
func (c *client) post(channel string, data ...string) {
	c.Helper()
	items := []any{}
	for _, d := range data {
		items = append(items, map[string]any{"name": "n", "data": d})
	}
	c.say(message{"action": frame.ActionMessage, "channel": channel, "messages": items})
}

// enter sends a PRESENCE with the client's next msgSerial, of one member.
func (c *client) presence(channel string, action int, clientID string, more ...message) {
	c.Helper()
	item := map[string]any{"action": action}
	if clientID != "" {
		item["clientId"] = clientID
	}
	for _, m := range more {
		for name, value := range m {
			item[name] = value
		}
	}
	c.say(message{"action": frame.ActionPresence, "channel": channel, "presence": []any{item}})
}

// say sends a frame with the client's next msgSerial.
func (c *client) say(m message) {
	c.Helper()
	m["msgSerial"] = c.serial
	c.serial++
	c.send(m)
}

// synced reads a whole SYNC of a channel and returns who is present. Its pages have
// one name, and the last of them has no cursor (RTP18).
func (c *client) synced(channel string) (ids []string) {
	c.Helper()
	for name := ""; ; {
		m := c.expect(frame.ActionSync)
		require.Equal(c, channel, m.text("channel"))
		of, cursor, found := strings.Cut(m.text("channelSerial"), ":")
		require.True(c, found)
		require.True(c, name == "" || name == of, "another SYNC")
		name = of
		for _, member := range m.list("presence") {
			require.EqualValues(c, 1, member["action"], "present")
			require.NotEmpty(c, member["id"])
			ids = append(ids, member.text("clientId"))
		}
		if cursor == "" {
			return ids
		}
	}
}

// auth sends an AUTH.
func (c *client) auth(token []byte) {
	c.Helper()
	c.send(message{"action": frame.ActionAuth, "auth": map[string]any{"accessToken": string(token)}})
}

// acked wants an ACK of the frame that was sent last, and returns it.
func (c *client) acked() message {
	c.Helper()
	m := c.expect(frame.ActionAck)
	require.Equal(c, c.serial-1, m.number("msgSerial"))
	require.Equal(c, 1, m.number("count"))
	return m
}

// nacked wants a NACK of the frame that was sent last.
func (c *client) nacked(code int) {
	c.Helper()
	m := c.expect(frame.ActionNack)
	require.Equal(c, c.serial-1, m.number("msgSerial"))
	require.Equal(c, 1, m.number("count"))
	require.Equal(c, code, m.code(), "%v", m)
}

// got wants a MESSAGE with that data on a channel, and returns it.
func (c *client) got(channel string, data ...string) message {
	c.Helper()
	m := c.expect(frame.ActionMessage)
	require.Equal(c, channel, m.text("channel"))
	var have []string
	for _, item := range m.list("messages") {
		have = append(have, item.text("data"))
	}
	require.Equal(c, data, have)
	return m
}
