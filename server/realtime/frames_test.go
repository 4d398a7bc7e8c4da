package realtime_test

import (
	"strings"
	"testing"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/server/realtime/frame"
)

// both runs test with a client of each format.
func both(t *testing.T, test func(w *world, format string)) {
	t.Helper()
	for _, format := range []string{"format=json", "format=msgpack"} {
		t.Run(format, func(t *testing.T) { run(t, func(w *world) { test(w, format) }) })
	}
}

func TestHeartbeatIsAnswered(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(nil, format)
		c.send(message{"action": frame.ActionHeartbeat, "id": "r"})
		require.Equal(t, message{"action": 0.0, "id": "r"}, c.next())
		c.send(message{"action": frame.ActionHeartbeat}) // a sign of life, no question
		c.quiet()
	})
}

func TestAttachAndDetach(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(w.jwt(claims{clientID: "ana"}), format)
		a := c.attach("room")
		require.NotEmpty(t, a.text("channelSerial"))
		for _, flag := range []int{frame.FlagPresence, frame.FlagPublish, frame.FlagSubscribe, frame.FlagPresenceSubscribe} {
			require.True(t, a.has(flag))
		}
		require.False(t, a.has(frame.FlagResumed))
		require.False(t, a.has(frame.FlagHasPresence))
		c.send(message{"action": frame.ActionDetach, "channel": "room"})
		require.Equal(t, message{"action": 13.0, "channel": "room"}, c.next())
		c.send(message{"action": frame.ActionDetach, "channel": "never"})
		require.Equal(t, message{"action": 13.0, "channel": "never"}, c.next())
		c.send(message{"action": frame.ActionDetach, "channel": "[no"})
		require.Equal(t, message{"action": 13.0, "channel": "[no"}, c.next())

		w.connected(nil).post("room", "x")
		c.quiet()
	})
}

// Modes are those that are asked for and permitted (TR3q-t); none of them permitted
// is an error of the channel only (RTL14).
func TestModes(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana", capability: `{"read":["subscribe"],"write":["publish"],"both":["subscribe","publish"]}`}))
		const modes = frame.FlagPresence | frame.FlagPublish | frame.FlagSubscribe | frame.FlagPresenceSubscribe
		require.Equal(t, frame.FlagSubscribe|frame.FlagPresenceSubscribe, c.attach("read").number("flags")&modes)
		require.Equal(t, frame.FlagPublish, c.attach("write").number("flags")&modes)
		require.Equal(t, frame.FlagPublish, c.attach("both", message{"flags": frame.FlagPublish}).number("flags")&modes)
		for name, flags := range map[string]int{"none": 0, "read": frame.FlagPublish} {
			c.send(message{"action": frame.ActionAttach, "channel": name, "flags": flags})
			m := c.expect(frame.ActionError)
			require.Equal(t, 40160, m.code())
			require.Equal(t, 401, m.object("error").number("statusCode"))
			require.Equal(t, name, m.text("channel"))
		}
		// Attached for publishing only: nothing is delivered.
		w.connected(nil).post("both", "x")
		c.quiet()
		c.post("both", "y")
		c.acked()
		// "read" was attached, and has failed.
		w.connected(nil).post("read", "x")
		c.quiet()
	})
}

// §0.18: names of channels that are none.
func TestBadChannelNames(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(nil, format)
		for _, name := range []string{"", ":x", "[foo]x", "[*]x", "[queue]x", "[?a]]x", "[meta", "a\nb", strings.Repeat("x", frame.MaxChannelBytes+1)} {
			c.send(message{"action": frame.ActionAttach, "channel": name})
			m := c.expect(frame.ActionError)
			require.Equal(t, 40010, m.code(), "%.20q", name)
			require.Equal(t, name, m["channel"], "%.20q", name)
			c.post(name, "x")
			c.nacked(40010)
		}
		c.opened()
	})
}

// An ERROR without a channel is the connection's, and the last frame: an ATTACH that
// names none must not be answered by one.
func TestFramesWithoutWhatTheyNeed(t *testing.T) {
	both(t, func(w *world, format string) {
		for name, m := range map[string]message{
			"ATTACH without a channel":     {"action": frame.ActionAttach},
			"ATTACH of null":               {"action": frame.ActionAttach, "channel": nil},
			"DETACH without a channel":     {"action": frame.ActionDetach},
			"MESSAGE without a msgSerial":  {"action": frame.ActionMessage, "channel": "c", "messages": []any{}},
			"PRESENCE without a msgSerial": {"action": frame.ActionPresence, "channel": "c", "presence": []any{}},
			"no action":                    {"channel": "c"},
			"an action that is no number":  {"action": "10", "channel": "c"},
			"a negative msgSerial":         {"action": frame.ActionMessage, "msgSerial": -1, "channel": "c"},
			"a msgSerial above 2^53":       {"action": frame.ActionMessage, "msgSerial": uint64(1)<<53 + 2, "channel": "c"},
		} {
			c := w.connected(nil, format)
			c.send(m)
			t.Log(name)
			c.failed(40000)
		}
		require.Zero(t, w.hub.Kept().Connections, "an ERROR is for good")
	})
}

func TestMalformedFrames(t *testing.T) {
	run(t, func(w *world) {
		for format, texts := range map[string][]string{
			"format=json":    {"", "{", "[]", "null", "1", `{"action":0}x`, `{"action":0,"action":1}`, "\x00", "{\"action\":0,\"id\":\"\xff\"}", `{"action":10,"channel":"c","params":` + strings.Repeat("[", 1000)},
			"format=msgpack": {"", "\x90", "\xc1", "\x81\xa6action", "\x82\xa6action\x00\xa6action\x00", "\xdf\xff\xff\xff\xff", "{\"action\":0}"},
		} {
			for _, text := range texts {
				c := w.connected(nil, format)
				kind := websocket.TextMessage
				if c.msgpack {
					kind = websocket.BinaryMessage
				}
				c.raw(kind, text)
				t.Logf("%s %.40q", format, text)
				c.failed(40000)
			}
		}
	})
}

// The format is agreed upon when connecting: the other kind of message is an error.
func TestWrongKindOfMessage(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		c.raw(websocket.BinaryMessage, `{"action":0}`)
		c.failed(40000)
		c = w.connected(nil, "format=msgpack")
		c.raw(websocket.TextMessage, "\x81\xa6action\x00")
		c.failed(40000)
	})
}

// RTF1: what is not known is ignored, whole frames and members of them.
func TestUnknownIsIgnored(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(nil, format)
		for _, action := range []int{1, 2, 3, 4, 6, 8, 9, 11, 13, 16, 18, 22, 99, 1000} {
			c.send(message{"action": action, "channel": "c", "msgSerial": 0, "count": 1})
		}
		c.send(message{"action": frame.ActionAttach, "channel": "c", "novel": map[string]any{"a": []any{1}}, "params": map[string]any{"rewind": "1"}})
		m := c.expect(frame.ActionAttached)
		require.NotContains(t, m, "params", "none is served, so none is confirmed")
		c.quiet()
		c.opened()
	})
}

// §0.37: frames of features that are not served are answered, or the SDK would wait
// for ever.
func TestFeaturesThatAreNotServed(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(nil, format)
		for _, action := range []frame.Action{frame.ActionObject, frame.ActionAnnotation} {
			c.say(message{"action": action, "channel": "c", "state": []any{}, "annotations": []any{}})
			c.nacked(engine.ErrNotServed.Code)
		}
		c.say(message{"action": frame.ActionMessage, "channel": "c", "messages": []any{map[string]any{"action": 1, "serial": "s"}}})
		c.nacked(engine.ErrNotServed.Code)
	})
}

// maxFrameSize is told to clients (524,288 bytes): more is refused so that they do not
// come back with the same, whether it is sent in one piece or in many.
func TestOversizeFrames(t *testing.T) {
	run(t, func(w *world) {
		fits := `{"action":0,"id":"` + strings.Repeat("x", frame.MaxFrameBytes-20) + `"}`
		require.Len(t, fits, frame.MaxFrameBytes)
		c := w.connected(nil)
		c.raw(websocket.TextMessage, fits)
		require.Len(t, c.expect(frame.ActionHeartbeat).text("id"), frame.MaxFrameBytes-20)
		c.raw(websocket.TextMessage, fits+" ")
		c.failed(40009)

		c = w.connected(nil)
		piece, err := c.ws.NextWriter(websocket.TextMessage)
		require.NoError(t, err)
		for range 3 * frame.MaxFrameBytes / 4096 {
			if _, err = piece.Write([]byte(fits[:4096])); err != nil {
				break
			}
		}
		_ = piece.Close()
		c.failed(40009)
	})
}

// A publish that is too large is refused, and the connection goes on.
func TestOversizePublish(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(nil, format)
		c.post("room", strings.Repeat("x", 65536-1))
		c.acked()
		c.post("room", strings.Repeat("x", 65536-1), "")
		c.nacked(40009)
		c.post("room", "x")
		c.acked()
	})
}

func TestClose(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(nil, format)
		c.attach("room")
		c.send(message{"action": frame.ActionClose})
		require.Equal(t, message{"action": 8.0}, c.next())
		c.closed()
		require.Zero(t, w.hub.Kept(), "nothing is kept of who has closed")
		c = c.resume(nil)
		require.Equal(t, 80018, c.welcome().code())
	})
}

func TestDisconnectKeepsTheState(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(nil, format)
		c.send(message{"action": frame.ActionDisconnect})
		c.disconnected(0)
		id := c.id
		require.Equal(t, id, c.resume(nil).welcome().text("connectionId"))
	})
}
