package realtime_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/server/realtime"
	"portcullis/server/realtime/frame"
)

// The form of what is published, delivered and acknowledged (§9.2).
func TestPublish(t *testing.T) {
	both(t, func(w *world, format string) {
		sender, receiver := w.connected(w.jwt(claims{clientID: "ana"})), w.connected(nil, format)
		receiver.attach("room")
		now := time.Now().UnixMilli()
		sender.post("room", "first", "second")
		serials := sender.acked().list("res")[0]["serials"].([]any)
		m := receiver.got("room", "first", "second")
		require.Equal(t, sender.id, m["connectionId"])
		require.Equal(t, sender.id+":0", m["id"])
		require.EqualValues(t, now, m["timestamp"])
		require.NotEmpty(t, m["channelSerial"])
		for i, item := range m.list("messages") {
			require.Equal(t, fmt.Sprint(sender.id, ":0:", i), item["id"])
			require.Equal(t, "ana", item["clientId"])
			require.Equal(t, sender.id, item["connectionId"])
			require.EqualValues(t, now, item["timestamp"])
			require.Equal(t, serials[i], item["serial"])
		}
	})
}

// §0.30: what only the server may say is never what a client says, and to speak for
// another connection is an error.
func TestNothingIsForged(t *testing.T) {
	both(t, func(w *world, format string) {
		claim := claims{clientID: "ana", more: map[string]any{"ably.channel.room": "guest"}}
		sender, victim := w.connected(w.jwt(claim), format), w.connected(nil)
		victim.attach("room")
		item := map[string]any{
			"timestamp": 1, "serial": "forged", "userClaim": "admin", "name": "n", "data": "d", "createdAt": 1, "version": "x",
			"extras": map[string]any{"userClaim": "admin", "kept": 1},
		}
		sender.say(message{"action": frame.ActionMessage, "channel": "room", "messages": []any{item}, "timestamp": 1, "channelSerial": "forged", "id": "forged"})
		sender.acked()
		m := victim.got("room", "d")
		require.Equal(t, sender.id+":0", m["id"])
		require.NotEqual(t, "forged", m["channelSerial"])
		require.EqualValues(t, time.Now().UnixMilli(), m["timestamp"])
		got := m.list("messages")[0]
		require.Equal(t, map[string]any{"userClaim": "guest", "kept": 1.0}, got["extras"])
		require.NotEqual(t, "forged", got["serial"])
		require.EqualValues(t, time.Now().UnixMilli(), got["timestamp"])
		require.NotContains(t, got, "userClaim")
		require.NotContains(t, got, "version")

		for name, forged := range map[string]message{
			"the frame's connectionId": {"connectionId": victim.id, "messages": []any{map[string]any{}}},
			"a message's connectionId": {"messages": []any{map[string]any{}, map[string]any{"connectionId": victim.id}}},
			"a connectionKey":          {"messages": []any{map[string]any{"connectionKey": victim.key}}},
		} {
			sender.say(merge(message{"action": frame.ActionMessage, "channel": "room"}, forged))
			t.Log(name)
			sender.nacked(40006)
		}
		sender.say(message{"action": frame.ActionMessage, "channel": "room", "connectionId": sender.id, "messages": []any{
			map[string]any{"data": "own", "connectionId": sender.id, "connectionKey": sender.key},
		}})
		sender.acked()
		victim.got("room", "own")
		sender.attach("room")
		sender.presence("room", enter, "", message{"connectionId": victim.id})
		sender.nacked(40006)
		sender.presence("room", enter, "", message{"id": "forged", "timestamp": 1, "extras": map[string]any{"userClaim": "admin"}})
		p := sender.expect(frame.ActionPresence).list("presence")[0]
		require.Equal(t, fmt.Sprint(sender.id, ":", sender.serial-1, ":0"), p["id"], "SDKs tell by it what is newer")
		require.Equal(t, map[string]any{"userClaim": "guest"}, p["extras"])
		require.EqualValues(t, time.Now().UnixMilli(), p["timestamp"])
	})
}

// §5: whose name a message may bear.
func TestClientIDsOfMessages(t *testing.T) {
	run(t, func(w *world) {
		receiver := w.connected(nil)
		receiver.attach("room")
		for _, c := range []struct {
			token     []byte
			named     any // nil for none
			code      int
			delivered any
		}{
			{w.jwt(claims{clientID: "ana"}), nil, 0, "ana"},
			{w.jwt(claims{clientID: "ana"}), "ana", 0, "ana"},
			{w.jwt(claims{clientID: "ana"}), "bob", 40012, nil},
			{w.jwt(claims{clientID: "*"}), nil, 0, nil},
			{w.jwt(claims{clientID: "*"}), "bob", 0, "bob"},
			{w.jwt(claims{clientID: "*"}), "*", 40012, nil},
			{w.jwt(claims{}), nil, 0, nil},
			{w.jwt(claims{}), "bob", 40012, nil},
		} {
			sender := w.connected(c.token)
			item := map[string]any{"data": "x"}
			if c.named != nil {
				item["clientId"] = c.named
			}
			sender.say(message{"action": frame.ActionMessage, "channel": "room", "messages": []any{item}})
			if c.code != 0 {
				sender.nacked(c.code)
				continue
			}
			sender.acked()
			require.Equal(t, c.delivered, receiver.got("room", "x").list("messages")[0]["clientId"])
		}
		receiver.quiet()
	})
}

// Each MESSAGE and PRESENCE gets exactly one answer, in the order of msgSerials
// (RTN7a, RTN7b), whatever becomes of it.
func TestOneAnswerEachInOrder(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(w.jwt(claims{clientID: "ana", capability: `{"room":["*"]}`}), format)
		c.attach("room", message{"flags": frame.FlagPublish | frame.FlagPresence})
		want := []frame.Action{}
		for i := range 300 {
			switch i % 6 {
			case 0:
				c.post("room", "x")
			case 1:
				c.post("denied", "x")
			case 2:
				c.presence("room", enter, "")
			case 3:
				c.presence("elsewhere", enter, "")
			case 4:
				c.post("[bad", "x")
			case 5:
				c.say(message{"action": frame.ActionMessage, "channel": "room", "messages": 1})
			}
			want = append(want, []frame.Action{frame.ActionAck, frame.ActionNack, frame.ActionAck, frame.ActionNack, frame.ActionNack, frame.ActionNack}[i%6])
		}
		answers := c.all()
		require.Len(t, answers, len(want))
		for i, m := range answers {
			require.Equal(t, want[i], m.action(), "%d: %v", i, m)
			require.Equal(t, i, m.number("msgSerial"))
			require.Equal(t, 1, m.number("count"))
		}
	})
}

// A publish that is repeated after a resume (RTN19a) gets the answer that it had, and
// reaches nobody again.
func TestRepeatedPublishes(t *testing.T) {
	run(t, func(w *world) {
		receiver := w.connected(nil)
		receiver.attach("room")
		c := w.connected(w.jwt(claims{clientID: "ana", capability: `{"room":["*"]}`}))
		c.post("room", "a", "b")
		first := c.acked()
		c.post("denied", "x")
		c.nacked(40160)
		receiver.got("room", "a", "b")
		c.cut()

		c = c.back(w.jwt(claims{clientID: "ana"})) // which would permit the second
		c.serial = 0
		c.post("room", "a", "b")
		require.Equal(t, first, c.acked(), "with the serials that it had")
		c.post("denied", "x")
		c.nacked(40160)
		c.post("room", "c")
		c.acked()
		receiver.got("room", "c")
		receiver.quiet()
	})
}

// Only so many answers are remembered. What became of an older publish is not known
// any more, and it is not done again.
func TestForgottenAnswers(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		for range realtime.MaxAnswers + 1 {
			c.post("room", "x")
			c.acked()
		}
		c.attach("room")
		c.serial = 0
		c.post("room", "x")
		c.nacked(engine.ErrForgotten.Code)
		c.post("room", "x")
		c.acked()
		c.quiet()
		// Serials may be left out; those that were are not done afterwards.
		c.serial = 1 << 50
		c.post("room", "y")
		c.got("room", "y")
		c.acked()
		c.serial -= 2
		c.post("room", "x")
		c.nacked(engine.ErrForgotten.Code)
		c.quiet()
	})
}

// A new connection counts from 0 again, and has no answers of another one.
func TestAnotherConnectionHasNoAnswers(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		c.post("denied-to-nobody", "x")
		c.acked()
		other := w.connected(nil)
		other.attach("room")
		other.post("room", "new")
		other.got("room", "new")
		other.acked()
	})
}

func TestEcho(t *testing.T) {
	both(t, func(w *world, format string) {
		loud, silent := w.connected(nil, format), w.connected(nil, format, "echo=false")
		loud.attach("room")
		serial := silent.attach("room").text("channelSerial")
		loud.post("room", "loud")
		loud.got("room", "loud")
		loud.acked()
		silent.got("room", "loud")
		silent.post("room", "silent")
		silent.acked()
		silent.quiet()
		loud.got("room", "silent")
		// Presence comes back all the same: without it an SDK does not know that it is in.
		silent.presence("room", enter, "me")
		silent.expect(frame.ActionPresence)
		silent.acked()
		// Nor do they come back by the log.
		silent.cut()
		silent = silent.back(nil, format, "echo=false")
		silent.reattach("room", serial, true)
		silent.got("room", "loud")
		silent.expect(frame.ActionPresence)
		silent.expect(frame.ActionSync)
		silent.quiet()
	})
}

// Publishing needs no attachment, but the mode if there is one (§4.4).
func TestTransientPublish(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana", capability: `{"write":["publish"],"read":["subscribe"]}`}))
		c.post("write", "x")
		c.acked()
		c.post("read", "x")
		c.nacked(40160)
		c.attach("read")
		c.post("read", "x")
		c.nacked(40160)
		all := w.connected(nil)
		all.attach("room", message{"flags": frame.FlagSubscribe})
		all.post("room", "x")
		all.nacked(40165)
	})
}

// One channel by any of its names; another app's of the same name is another one.
func TestOneChannelHasOneName(t *testing.T) {
	run(t, func(w *world) {
		plain, rewound := w.connected(nil), w.connected(nil)
		stranger := w.connected(w.jwt(claims{key: "second.key"}))
		meta := w.connected(nil)
		plain.attach("foo")
		rewound.attach("[?rewind=1]foo")
		stranger.attach("foo")
		meta.attach("[meta]foo")
		plain.post("[?rewind=2]foo", "x")
		plain.got("foo", "x")
		plain.acked()
		rewound.got("[?rewind=1]foo", "x")
		stranger.quiet()
		meta.quiet()
		// By either name it is one attachment: events bear the last.
		plain.attach("[?rewind=1]foo")
		rewound.post("foo", "y")
		plain.got("[?rewind=1]foo", "y")
		plain.quiet()
		stranger.post("foo", "z")
		stranger.got("foo", "z")
		plain.quiet()
		require.Equal(t, 3, w.hub.Kept().Logs)
	})
}

// The claim ably.limits.publish.perAttachment.maxRate (§3.2).
func TestPublishRate(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana", more: map[string]any{"ably.limits.publish.perAttachment.maxRate.room": 2}}))
		for range 2 {
			c.post("room", "x")
			c.acked()
		}
		c.post("room", "x")
		c.nacked(42911)
		c.post("other", "x")
		c.acked()
		time.Sleep(500 * time.Millisecond)
		c.post("room", "x")
		c.acked()
		c.opened()
	})
}

// A token's claim is repeated in every message. A frame of a thousand empty ones must
// not become megabytes for everybody else.
func TestClaimsAreCounted(t *testing.T) {
	run(t, func(w *world) {
		c, receiver := w.connected(w.jwt(claims{clientID: "ana", more: map[string]any{"ably.channel.*": strings.Repeat("x", 4000)}})), w.connected(nil)
		receiver.attach("room")
		c.post("room", make([]string, 100)...)
		c.acked()
		require.Len(t, receiver.next().list("messages"), 100)
		c.post("room", make([]string, 1000)...)
		c.nacked(40009)
		c.attach("room")
		c.say(message{"action": frame.ActionPresence, "channel": "room", "presence": repeated(map[string]any{"action": update}, 1000)})
		c.nacked(40009)
		receiver.quiet()
	})
}

func repeated(item map[string]any, n int) (items []any) {
	for range n {
		items = append(items, item)
	}
	return items
}

// A frame that publishes nothing is refused: it would pass every check.
func TestNothingToPublish(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(w.jwt(claims{capability: `{"room":["subscribe"]}`}), format)
		for _, m := range []message{
			{"action": frame.ActionMessage, "channel": "denied", "messages": []any{}},
			{"action": frame.ActionMessage, "channel": "denied"},
			{"action": frame.ActionPresence, "channel": "denied", "presence": []any{}},
			{"action": frame.ActionPresence},
		} {
			c.say(m)
			c.nacked(40013)
		}
	})
}
