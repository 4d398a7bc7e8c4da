package realtime_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/server/realtime"
	"portcullis/server/realtime/frame"
)

// back resumes and wants the same connection.
func (c *client) back(token []byte, query ...string) *client {
	c.Helper()
	next := c.resume(token, query...)
	m := next.welcome()
	require.Zero(c, m.code(), "%v", m)
	require.Equal(c, c.id, next.id, "the connectionId stays")
	return next
}

// reattach attaches with a serial, and wants to be told whether it has resumed.
func (c *client) reattach(channel, serial string, resumed bool) message {
	c.Helper()
	a := c.attach(channel, message{"channelSerial": serial})
	require.Equal(c, resumed, a.has(frame.FlagResumed), "%v", a)
	return a
}

func TestResumeWithNothingMissed(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(nil, format)
		serial := c.attach("room").text("channelSerial")
		c.cut()
		c = c.back(nil, format)
		require.Equal(t, serial, c.reattach("room", serial, true).text("channelSerial"))
		c.quiet()
		w.connected(nil).post("room", "live")
		c.got("room", "live")
	})
}

// Everything that was missed comes, once and in order, and nothing that was had.
func TestResumeWithSomeMissed(t *testing.T) {
	both(t, func(w *world, format string) {
		c, other := w.connected(nil, format), w.connected(nil)
		c.attach("room")
		other.post("room", "had")
		serial := c.got("room", "had").text("channelSerial")
		c.cut()
		for i := range 5 {
			other.post("room", fmt.Sprint("missed ", i))
		}
		other.post("elsewhere", "x")
		c = c.back(nil, format)
		require.Equal(t, serial, c.reattach("room", serial, true).text("channelSerial"), "or who is cut again now would miss them")
		for i := range 5 {
			c.got("room", fmt.Sprint("missed ", i))
		}
		other.post("room", "live")
		c.got("room", "live")
		c.quiet()
	})
}

// What was sent and never arrived comes again: only the client knows what it has.
func TestResumeGoesByWhatTheClientHas(t *testing.T) {
	run(t, func(w *world) {
		c, other := w.connected(nil), w.connected(nil)
		serial := c.attach("room").text("channelSerial")
		other.post("room", "lost on the way")
		c.got("room", "lost on the way")
		c.cut()
		c = c.back(nil)
		c.reattach("room", serial, true)
		c.got("room", "lost on the way")
	})
}

// Continuity is not claimed for serials that prove nothing.
func TestResumeWithASerialThatProvesNothing(t *testing.T) {
	run(t, func(w *world) {
		other := w.connected(nil)
		w.connected(nil).attach("room") // keeps the log
		other.post("room", "before it came")
		c := w.connected(nil)
		first := c.attach("room").text("channelSerial")
		other.post("room", "had")
		before := w.connected(nil).attach("before").text("channelSerial")
		require.Less(t, first, before)
		c.got("room", "had")
		for name, serial := range map[string]string{
			"none": "", "not ours": "x", "from the future": "9" + first[1:], "earlier than its attachment": first[:len(first)-1],
			"huge": first + strings.Repeat("0", 100_000),
		} {
			c.cut()
			c = c.back(nil)
			a := c.reattach("room", serial, false)
			require.Greater(t, a.text("channelSerial"), first, name)
			require.Less(t, len(a.text("channelSerial")), 100, name)
			c.quiet()
		}
	})
}

// The log of a channel has so many events. All of them, and continuity is kept; one
// more, and it is lost: nothing is replayed, for it would look complete.
func TestResumeWithTooManyMissed(t *testing.T) {
	for _, missed := range []int{realtime.MaxLogEvents, realtime.MaxLogEvents + 1} {
		run(t, func(w *world) {
			c, other := w.connected(nil), w.connected(nil)
			serial := c.attach("room").text("channelSerial")
			c.cut()
			for i := range missed {
				other.post("room", fmt.Sprint(i))
			}
			time.Sleep(time.Second) // so many at once are read more slowly
			synctest.Wait()
			c = c.back(nil)
			c.reattach("room", serial, missed == realtime.MaxLogEvents)
			if missed == realtime.MaxLogEvents {
				for i := range missed {
					c.got("room", fmt.Sprint(i))
				}
			}
			c.quiet()
			other.post("room", "live")
			c.got("room", "live")
		})
	}
}

// And so many bytes.
func TestResumeWithTooMuchMissed(t *testing.T) {
	const size = 60_000
	fits := realtime.MaxLogBytes / (size + 1000)
	for _, missed := range []int{fits, fits + 1} {
		run(t, func(w *world) {
			c, other := w.connected(nil), w.connected(nil)
			serial := c.attach("room").text("channelSerial")
			c.cut()
			for range missed {
				other.post("room", strings.Repeat("x", size))
			}
			synctest.Wait()
			c = c.back(nil)
			c.reattach("room", serial, missed == fits)
			if missed == fits {
				for range missed {
					c.got("room", strings.Repeat("x", size))
				}
			}
			c.quiet()
		})
	}
}

// What is replayed may be more than may wait for a client, written in base64 or
// escaped: to be cut for it would be without end.
func TestReplayIsNoReasonToCut(t *testing.T) {
	run(t, func(w *world) {
		data := strings.Repeat("\x01", 60_000) // each of them six bytes of JSON
		c, other := w.connected(nil), w.connected(nil)
		serials := map[string]string{}
		for _, channel := range []string{"a", "b", "c"} {
			serials[channel] = c.attach(channel).text("channelSerial")
		}
		c.cut()
		for range 15 {
			for channel := range serials {
				other.post(channel, data)
			}
		}
		synctest.Wait()
		c = c.back(nil)
		for channel, serial := range serials {
			c.send(message{"action": frame.ActionAttach, "channel": channel, "channelSerial": serial})
		}
		seen := map[string]int{}
		for _, m := range c.all() {
			if m.action() == frame.ActionMessage {
				seen[m.text("channel")]++
			} else {
				require.True(t, m.has(frame.FlagResumed))
			}
		}
		require.Equal(t, map[string]int{"a": 15, "b": 15, "c": 15}, seen)
		c.opened()
	})
}

// And they are kept for as long as the state is. An event that is older goes with
// the next one that comes.
func TestLogForgetsWithTime(t *testing.T) {
	run(t, func(w *world) {
		c, other := w.connected(nil), w.connected(nil)
		serial := c.attach("room").text("channelSerial")
		other.attach("room")
		other.post("room", "old")
		c.got("room", "old")
		time.Sleep(realtime.StateTTL)
		other.post("room", "new")
		c.got("room", "new")
		require.NotZero(t, w.hub.Kept().LogBytes)
		c.cut()
		c = c.back(nil)
		c.reattach("room", serial, true)
		c.got("room", "old")
		c.got("room", "new")
		time.Sleep(time.Second)
		other.post("room", "newer")
		c.got("room", "newer")
		c.cut()
		c = c.back(nil)
		c.reattach("room", serial, false)
	})
}

// The state is kept for two minutes, to the moment, and nothing of it beyond.
func TestStateIsKeptForTwoMinutes(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		c.attach("room")
		c.cut()
		time.Sleep(realtime.StateTTL - time.Millisecond)
		synctest.Wait()
		require.Equal(t, realtime.Kept{Connections: 1, Logs: 1, Away: 1}, w.hub.Kept())
		c = c.back(w.jwt(claims{clientID: "ana"}))
		c.cut()
		time.Sleep(realtime.StateTTL)
		w.requireNothingLeft()
		old := c.id
		c = c.resume(w.jwt(claims{clientID: "ana"}))
		m := c.welcome()
		require.Equal(t, 80018, m.code())
		require.Equal(t, 400, m.object("error").number("statusCode"))
		require.NotEqual(t, old, c.id)
		c.reattach("room", "", false)
	})
}

// The token's end while nobody is there does not make it two minutes from then on.
func TestExpiryWhileAwayKeepsNothingLonger(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana", life: 100 * time.Second}))
		c.attach("room")
		c.presence("room", enter, "")
		c.expect(frame.ActionPresence)
		c.acked()
		time.Sleep(90 * time.Second)
		c.cut()
		time.Sleep(realtime.PresenceGrace - time.Millisecond) // it has expired meanwhile
		synctest.Wait()
		require.Equal(t, []string{"ana"}, w.members("room"))
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Empty(t, w.members("room"))
		time.Sleep(realtime.StateTTL - realtime.PresenceGrace - time.Millisecond)
		synctest.Wait()
		require.Equal(t, 1, w.hub.Kept().Connections)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Zero(t, w.hub.Kept().Connections)
	})
}

// Whoever comes back with an expired token is told so, and may come with another.
func TestResumeWithAnExpiredToken(t *testing.T) {
	run(t, func(w *world) {
		token := w.jwt(claims{clientID: "ana", life: 5 * time.Second})
		c := w.connected(token)
		time.Sleep(6 * time.Second)
		c.disconnected(40142)
		c.resume(token).failed(40142)
		c.back(w.jwt(claims{clientID: "ana"}))
	})
}

// A key that is unknown, whole or in its secret, gives a new connection and says why.
// It is not said which part was wrong.
func TestResumeWithAKeyThatIsNone(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		for _, key := range []string{"x", "!", c.id, c.id + "!", c.id + "!" + strings.Repeat("0", 32), c.key + "0", c.key[:len(c.key)-1], "\x00!\x00"} {
			n := w.dial(nil, "resume="+key)
			m := n.welcome()
			require.Equal(t, 80018, m.code(), key)
			require.NotEqual(t, c.id, n.id)
			require.NotEqual(t, c.key, n.key)
		}
		c.opened()
	})
}

// §0.36: the same key and the same identity, or the connection is not given away; it
// goes on for whoever has it.
func TestResumeAsSomebodyElse(t *testing.T) {
	run(t, func(w *world) {
		ana := w.connected(w.jwt(claims{clientID: "ana"}))
		ana.attach("room")
		for name, c := range map[string]struct {
			token []byte
			query []string
		}{
			"another client":      {w.jwt(claims{clientID: "bob"}), nil},
			"anonymous":           {w.jwt(claims{}), nil},
			"a wildcard":          {w.jwt(claims{clientID: "*"}), nil},
			"another key":         {w.jwt(claims{key: "app.other", clientID: "ana"}), nil},
			"another app":         {w.jwt(claims{key: "second.key", clientID: "ana"}), nil},
			"another app's key":   {nil, []string{"key=second.key:" + secret, "clientId=ana"}},
			"the key, as nobody":  {nil, nil},
			"the key, as another": {nil, []string{"clientId=bob"}},
		} {
			t.Log(name)
			ana.resume(c.token, c.query...).failed(40102)
		}
		ana.opened()
		w.connected(nil).post("room", "still there")
		ana.got("room", "still there")
		// As herself, by the key or by a wildcard token that she is pinned to.
		ana = ana.back(nil, "clientId=ana")
		ana.back(w.jwt(claims{clientID: "*"}), "clientId=ana")
	})
}

// A client that has lost its network comes back before anybody notices: the old
// WebSocket is cut, and nothing is delivered twice.
func TestResumeWhileTheOldOneIsThere(t *testing.T) {
	run(t, func(w *world) {
		old, other := w.connected(nil), w.connected(nil)
		serial := old.attach("room").text("channelSerial")
		c := old.back(nil)
		old.closed()
		require.Equal(t, realtime.Kept{Connections: 2, Live: 2, Logs: 1}, w.hub.Kept())
		other.post("room", "between")
		other.acked()
		c.quiet() // until it attaches
		c.reattach("room", serial, true)
		c.got("room", "between")
		other.post("room", "live")
		c.got("room", "live")
		c.quiet()
	})
}

// ATTACH over the same WebSocket goes on from what was sent over it, whatever serial
// it names.
func TestLiveReattach(t *testing.T) {
	both(t, func(w *world, format string) {
		c, other := w.connected(nil, format), w.connected(nil)
		serial := c.attach("room").text("channelSerial")
		for range 3 {
			other.post("room", "x")
			c.got("room", "x")
			c.reattach("room", serial, true)
			c.reattach("room", "", true)
		}
		c.quiet()
		a := c.attach("room", message{"flags": frame.FlagPublish})
		require.False(t, a.has(frame.FlagSubscribe))
		other.post("room", "unwanted")
		c.quiet()
		// After a detachment it is a new attachment.
		c.send(message{"action": frame.ActionDetach, "channel": "room"})
		c.expect(frame.ActionDetached)
		c.reattach("room", serial, false)
		c.quiet()
	})
}

// Coming back with a token of fewer rights loses the channels that it does not
// support, and says so after CONNECTED.
func TestResumeWithFewerRights(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		c.attach("a")
		serial := c.attach("b").text("channelSerial")
		c.presence("a", enter, "")
		c.expect(frame.ActionPresence)
		c.acked()
		c.cut()
		c = c.back(w.jwt(claims{clientID: "ana", capability: `{"b":["*"]}`}))
		m := c.expect(frame.ActionError)
		require.Equal(t, "a", m["channel"])
		require.Equal(t, 40160, m.code())
		require.Empty(t, w.members("a"))
		c.reattach("b", serial, true)
		require.Equal(t, 1, w.hub.Kept().Logs)
	})
}

// A token without subscribe and then one with it: what came in between was not for
// the bearer of the first, and the log does not give it away.
func TestResumeWithMoreRightsGivesNothingAway(t *testing.T) {
	run(t, func(w *world) {
		other := w.connected(nil)
		writer, reader := claims{clientID: "ana", capability: `{"*":["publish"]}`}, claims{clientID: "ana"}
		for name, away := range map[string]bool{"while it was there": false, "while it was away": true} {
			c := w.connected(w.jwt(writer))
			serial := c.attach("room").text("channelSerial")
			if away {
				c.cut()
			}
			other.post("room", "secret")
			other.acked()
			c.cut()
			c = c.back(w.jwt(reader))
			t.Log(name)
			c.reattach("room", serial, false)
			c.quiet()
			other.post("room", "live")
			other.acked()
			c.got("room", "live")
			c.cut()
		}
		// With as few rights as before nothing is lost that it could have had.
		c := w.connected(w.jwt(writer))
		serial := c.attach("room").text("channelSerial")
		other.post("room", "secret")
		other.acked()
		c.cut()
		c = c.back(w.jwt(writer))
		c.reattach("room", serial, true)
		c.quiet()
	})
}

// A revoked JWT's client is told only when a new token would be accepted. What was
// withheld until then comes with the new token, and so does what follows.
func TestResumeAfterRevocation(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		serial := c.attach("room").text("channelSerial")
		other := w.connected(nil)
		time.Sleep(500 * time.Millisecond)
		w.revoke("ana", 0)
		other.post("room", "withheld")
		other.acked()
		c.quiet()
		time.Sleep(time.Second)
		c.disconnected(40141)

		c = c.back(w.jwt(claims{clientID: "ana"}))
		c.reattach("room", serial, true)
		c.got("room", "withheld")
		other.post("room", "live")
		c.got("room", "live")
	})
}

// A resume that comes while the hub closes is told to go elsewhere, and Close does
// not wait for it.
func TestResumeWhileClosing(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		c.cut()
		closing := w.connected(nil)
		n := w.dialling(nil, "resume="+c.key)
		w.close()
		closing.disconnected(50003)
		n().disconnected(50003)
	})
}

// So many are kept without a WebSocket, and no more: those of the app that has most
// go first.
func TestManyConnectionsAway(t *testing.T) {
	run(t, func(w *world) {
		w.hub.KeepAway(10)
		second := w.connected(w.jwt(claims{key: "second.key", clientID: "ana"}))
		second.cut()
		var all []*client
		for range 20 {
			c := w.connected(w.jwt(claims{clientID: "ana"}))
			c.attach("room")
			c.cut()
			all = append(all, c)
		}
		synctest.Wait()
		require.Equal(t, realtime.Kept{Connections: 10, Logs: 1, Away: 10}, w.hub.Kept())
		second.back(w.jwt(claims{key: "second.key", clientID: "ana"}))
		kept := 0
		for _, c := range all {
			if c.resume(w.jwt(claims{clientID: "ana"})).welcome().code() == 0 {
				kept++
			}
		}
		require.Equal(t, 9, kept)
		require.Zero(t, w.hub.Kept().Away)
	})
}
