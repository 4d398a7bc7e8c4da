package realtime_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/fanout"
	"portcullis/server/realtime"
	"portcullis/server/realtime/frame"
)

// entered enters a member and reads what comes back, to a client that is attached.
func (c *client) entered(channel, clientID string) {
	c.Helper()
	c.presence(channel, enter, clientID)
	c.expect(frame.ActionPresence)
	c.acked()
}

// left wants a PRESENCE in which these members leave.
func (c *client) left(channel string, clientIDs ...string) message {
	c.Helper()
	m := c.expect(frame.ActionPresence)
	require.Equal(c, channel, m.text("channel"))
	var ids []string
	for _, item := range m.list("presence") {
		require.EqualValues(c, leave, item["action"])
		ids = append(ids, item.text("clientId"))
	}
	require.ElementsMatch(c, clientIDs, ids)
	return m
}

// fill has a connection enter that many members, which are not told to it.
func (c *client) fill(channel string, n int, data string) {
	c.Helper()
	c.attach(channel, message{"flags": frame.FlagPresence})
	for from := 0; from < n; {
		var items []any
		for size := 0; from < n && len(items) < frame.MaxItems && size < frame.MaxMessageBytes-1000; from++ {
			items = append(items, map[string]any{"action": enter, "clientId": fmt.Sprintf("member-%05d", from), "data": data})
			size += len(data) + 12
		}
		c.say(message{"action": frame.ActionPresence, "channel": channel, "presence": items})
		c.acked()
	}
}

// A member enters, updates and leaves (RTP8, RTP9, RTP10), in the form of §9.2.
func TestPresence(t *testing.T) {
	both(t, func(w *world, format string) {
		c, watcher := w.connected(w.jwt(claims{clientID: "ana"}), format), w.connected(nil, format)
		c.attach("room")
		require.False(t, watcher.attach("room").has(frame.FlagHasPresence))
		for i, action := range []int{enter, update, leave} {
			c.presence("room", action, "", message{"data": fmt.Sprint(action)})
			for _, receiver := range []*client{c, watcher} {
				m := receiver.expect(frame.ActionPresence)
				require.Equal(t, "room", m["channel"])
				require.Equal(t, fmt.Sprint(c.id, ":", i), m["id"])
				require.EqualValues(t, time.Now().UnixMilli(), m["timestamp"])
				require.Len(t, m.list("presence"), 1)
				require.Equal(t, message{
					"id": fmt.Sprint(c.id, ":", i, ":0"), "action": float64(action), "clientId": "ana", "connectionId": c.id,
					"timestamp": float64(time.Now().UnixMilli()), "data": fmt.Sprint(action),
				}, m.list("presence")[0])
			}
			require.NotContains(t, c.acked(), "res")
		}
		// LEAVE of who is not there is acknowledged (RTP10d), and nobody hears of it.
		c.presence("room", leave, "")
		c.acked()
		watcher.quiet()
		// Absent and present are not a client's to say.
		for _, action := range []int{0, 1, 5} {
			c.presence("room", action, "")
			c.nacked(40000)
		}
	})
}

// §5: who may be present, and what is wrong first.
func TestWhoMayBePresent(t *testing.T) {
	run(t, func(w *world) {
		for _, c := range []struct {
			token  []byte
			named  string
			code   int
			member string
		}{
			{w.jwt(claims{clientID: "ana"}), "", 0, "ana"},
			{w.jwt(claims{clientID: "ana"}), "ana", 0, "ana"},
			{w.jwt(claims{clientID: "ana"}), "bob", 40012, ""},
			{w.jwt(claims{clientID: "*"}), "", 91000, ""},
			{w.jwt(claims{clientID: "*"}), "bob", 0, "bob"},
			{w.jwt(claims{}), "", 91000, ""},
			{w.jwt(claims{}), "bob", 40012, ""},
			{w.jwt(claims{clientID: "ana", capability: `{"*":["subscribe"]}`}), "", 40160, ""},
		} {
			client := w.connected(c.token)
			client.attach("room")
			client.presence("room", enter, c.named)
			if c.code != 0 {
				client.nacked(c.code)
				require.Empty(t, w.members("room"))
			} else {
				require.Equal(t, c.member, client.expect(frame.ActionPresence).list("presence")[0]["clientId"])
				client.acked()
				require.Equal(t, []string{c.member}, w.members("room"))
			}
			client.opened()
			client.send(message{"action": frame.ActionClose})
			client.expect(frame.ActionClosed)
		}
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		c.presence("room", enter, "")
		c.nacked(90001) // not attached
		c.attach("room", message{"flags": frame.FlagSubscribe})
		c.presence("room", enter, "")
		c.nacked(40165)
	})
}

// A frame's items are all done or none of them.
func TestPresenceIsAllOrNothing(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		c.attach("room")
		c.say(message{"action": frame.ActionPresence, "channel": "room", "presence": []any{
			map[string]any{"action": enter}, map[string]any{"action": enter, "clientId": "bob"},
		}})
		c.nacked(40012)
		require.Empty(t, w.members("room"))
		c.quiet()
	})
}

// Whoever attaches later learns who is there, in pages that fit a frame, and then
// what changes. Of more members than may wait for a client it gets all the same.
func TestLateJoiner(t *testing.T) {
	both(t, func(w *world, format string) {
		const members = 5_000
		first := w.connected(nil)
		first.fill("room", members, strings.Repeat("x", 600))
		c := w.connected(w.jwt(claims{clientID: "ana"}), format)
		require.True(t, c.attach("room").has(frame.FlagHasPresence))
		seen := map[string]int{}
		for _, id := range c.synced("room") {
			seen[id]++
		}
		require.Len(t, seen, members)
		for id, times := range seen {
			require.Equal(t, 1, times, id)
		}
		first.presence("room", leave, "member-00007")
		c.left("room", "member-00007")
		c.opened()
	})
}

// No page is larger than a frame may be, nor is what is said when many leave at once.
func TestPagesFitAFrame(t *testing.T) {
	run(t, func(w *world) {
		c, watcher := w.connected(nil), w.connected(w.jwt(claims{clientID: "ana"}))
		c.fill("room", 2_000, strings.Repeat("x", 1000))
		watcher.attach("room")
		c.cut()
		time.Sleep(realtime.PresenceGrace)
		left := 0
		for _, m := range watcher.all() {
			text, err := json.Marshal(m)
			require.NoError(t, err)
			require.Less(t, len(text), frame.MaxFrameBytes)
			require.LessOrEqual(t, len(m.list("presence")), 100)
			if m.action() == frame.ActionPresence {
				left += len(m.list("presence"))
			}
		}
		require.Equal(t, 2_000, left)
		require.Empty(t, w.members("room"))
		watcher.opened()
	})
}

// However a connection ends, its members leave: at once when it is over, after a
// grace when it may come back. What is told is the server's word (RTP2b1).
func TestNoGhostsRemain(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(c *client)
		grace time.Duration
	}{
		"close":      {func(c *client) { c.send(message{"action": frame.ActionClose}) }, 0},
		"disconnect": {func(c *client) { c.send(message{"action": frame.ActionDisconnect}) }, realtime.PresenceGrace},
		"a cut":      {func(c *client) { c.cut() }, realtime.PresenceGrace},
		"an error":   {func(c *client) { c.send(message{"action": frame.ActionAttach}) }, 0},
		"detach":     {func(c *client) { c.send(message{"action": frame.ActionDetach, "channel": "room"}) }, 0},
		"an ATTACH that fails": {func(c *client) {
			c.send(message{"action": frame.ActionAttach, "channel": "room", "flags": 1 << 25})
		}, 0},
		"a downgrade":  {func(c *client) { c.auth(c.jwt(claims{clientID: "ana", capability: `{"other":["*"]}`})) }, 0},
		"a refusal":    {func(c *client) { c.auth(nil) }, 0},
		"a revocation": {func(c *client) { time.Sleep(time.Millisecond); c.revoke("ana", 0) }, time.Second + 49*time.Millisecond + realtime.PresenceGrace},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				limited := `{"room":["publish","subscribe","presence"],"other":["*"]}`
				client, watcher := w.connected(w.jwt(claims{clientID: "ana", capability: limited})), w.connected(nil)
				client.attach("room")
				client.entered("room", "ana")
				watcher.attach("room")
				require.Equal(t, []string{"ana"}, watcher.synced("room"))
				c.end(client)
				if c.grace > 0 {
					time.Sleep(c.grace - time.Millisecond)
					watcher.quiet()
					require.Equal(t, []string{"ana"}, w.members("room"))
					time.Sleep(time.Millisecond)
				}
				m := watcher.left("room", "ana")
				item := m.list("presence")[0]
				require.Equal(t, client.id, item["connectionId"])
				require.False(t, strings.HasPrefix(item.text("id"), client.id), "or SDKs compare msgSerials")
				require.EqualValues(t, time.Now().UnixMilli(), item["timestamp"])
				require.Empty(t, w.members("room"))
				time.Sleep(realtime.StateTTL)
				watcher.quiet()
			})
		})
	}
}

// Two connections of one client are two members.
func TestTwoConnectionsOfOneClient(t *testing.T) {
	run(t, func(w *world) {
		token := w.jwt(claims{clientID: "ana"})
		one, two, watcher := w.connected(token), w.connected(token), w.connected(nil)
		one.attach("room")
		one.entered("room", "ana")
		two.attach("room")
		two.synced("room")
		two.entered("room", "ana")
		watcher.attach("room")
		require.Equal(t, []string{"ana", "ana"}, watcher.synced("room"))
		one.send(message{"action": frame.ActionClose})
		require.Equal(t, one.id, watcher.left("room", "ana")["connectionId"])
		require.Equal(t, []string{"ana"}, w.members("room"))
	})
}

// Who comes back within the grace has never left. Who comes later has lost
// continuity, so that its SDK enters again (RTP17i).
func TestPresenceAfterResume(t *testing.T) {
	for _, away := range []time.Duration{realtime.PresenceGrace - time.Millisecond, realtime.PresenceGrace} {
		run(t, func(w *world) {
			c, watcher := w.connected(w.jwt(claims{clientID: "ana"})), w.connected(nil)
			watcher.attach("room")
			quiet := c.attach("quiet").text("channelSerial")
			serial := c.attach("room").text("channelSerial")
			c.entered("room", "ana")
			watcher.expect(frame.ActionPresence)
			c.cut()
			time.Sleep(away)
			synctest.Wait()
			c = c.back(w.jwt(claims{clientID: "ana"}))
			c.reattach("quiet", quiet, true) // where nobody was entered nothing is lost
			stays := away < realtime.PresenceGrace
			c.reattach("room", serial, stays)
			if !stays {
				watcher.left("room", "ana")
				c.quiet()
				c.entered("room", "ana")
				watcher.expect(frame.ActionPresence)
			} else {
				c.expect(frame.ActionPresence) // its own, which it has had after the serial that it names
				require.Equal(t, []string{"ana"}, c.synced("room"))
			}
			time.Sleep(time.Hour - 2*time.Minute)
			require.Equal(t, []string{"ana"}, w.members("room"))
			watcher.quiet()
		})
	}
}

// A client attaches while others come and go: it misses none and keeps none that have
// left, in whatever order it is told.
func TestAttachingWhileMembersComeAndGo(t *testing.T) {
	run(t, func(w *world) {
		busy := w.connected(nil, "echo=false")
		busy.attach("room", message{"flags": frame.FlagPresence})
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				action := enter
				if i%3 == 2 {
					action = leave
				}
				_ = busy.trySend(message{"action": frame.ActionPresence, "channel": "room", "msgSerial": i, "presence": []any{
					map[string]any{"action": action, "clientId": fmt.Sprint("m", i%7)},
				}})
			}
		}()
		var watchers []*client
		for range 20 {
			c := w.connected(w.jwt(claims{clientID: "ana"}))
			c.send(message{"action": frame.ActionAttach, "channel": "room"})
			time.Sleep(10 * time.Millisecond)
			watchers = append(watchers, c)
		}
		close(stop)
		<-stopped
		time.Sleep(time.Second)
		for _, c := range watchers {
			present := map[string]bool{}
			for _, m := range c.all() {
				for _, item := range m.list("presence") {
					if item.number("action") == leave {
						delete(present, item.text("clientId"))
					} else {
						present[item.text("clientId")] = true
					}
				}
			}
			var ids []string
			for id := range present {
				ids = append(ids, id)
			}
			require.ElementsMatch(t, w.members("room"), ids)
		}
	})
}

// One connection may enter as many members as a channel may have, in all channels
// together; what it has may be updated and may leave, and leaves make room.
func TestMembersOfOneConnection(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		c.fill("a", fanout.MaxMembers-1, "")
		c.fill("b", 1, "")
		c.presence("b", enter, "one more")
		c.nacked(91003)
		c.presence("b", update, "member-00000")
		c.acked()
		c.presence("a", leave, "member-00000")
		c.acked()
		c.presence("b", enter, "one more")
		c.acked()
		// Another connection finds no room in a, but in b.
		other := w.connected(w.jwt(claims{clientID: "ana"}))
		other.attach("b")
		other.synced("b")
		other.entered("b", "ana")
		require.Len(t, w.members("b"), 3)
		c.send(message{"action": frame.ActionDetach, "channel": "a"})
		c.expect(frame.ActionDetached)
		c.fill("c", fanout.MaxMembers-2, "")
	})
}

// And only so much data with them.
func TestMemberDataOfOneConnection(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		data := strings.Repeat("x", 60_000)
		fits := fanout.MaxMemberBytes / (60_000 + 512)
		for i := range fits {
			if i%100 == 0 {
				c.attach(fmt.Sprint("room", i/100), message{"flags": frame.FlagPresence})
			}
			c.presence(fmt.Sprint("room", i/100), enter, fmt.Sprint("m", i), message{"data": data})
			c.acked()
			time.Sleep(time.Millisecond)
		}
		for range 100 {
			c.presence("room0", update, "m0", message{"data": data})
			c.acked()
		}
		refused := 0
		for i := range 20 {
			c.presence("room0", enter, fmt.Sprint("more", i), message{"data": data})
			if c.next().code() == 91003 {
				refused++
			}
		}
		require.GreaterOrEqual(t, refused, 10)
	})
}

// What the members of all connections take is bounded as well; beyond it everybody may
// still be present, but not with much.
func TestMemberDataOfAll(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		c.attach("room", message{"flags": frame.FlagPresence})
		w.hub.Enter(realtime.MaxAllMemberBytes)
		c.presence("room", enter, "", message{"data": strings.Repeat("x", 20_000)})
		c.nacked(91003)
		c.presence("room", enter, "", message{"data": strings.Repeat("x", 10_000)})
		c.acked()
		w.hub.Enter(-realtime.MaxAllMemberBytes)
		c.presence("room", update, "", message{"data": strings.Repeat("x", 20_000)})
		c.acked()
		w.hub.Enter(realtime.MaxAllMemberBytes)
		c.presence("room", update, "", message{"data": strings.Repeat("x", 19_000)})
		c.acked()
		w.hub.Enter(-realtime.MaxAllMemberBytes)
	})
}
