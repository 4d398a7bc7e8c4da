package realtime_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/server/realtime"
	"portcullis/server/realtime/frame"
)

// RTC8a1: one CONNECTED for each AUTH, of the same connection, without an error; and
// what has been attached and entered stays.
func TestReauthentication(t *testing.T) {
	both(t, func(w *world, format string) {
		c := w.connected(w.jwt(claims{clientID: "ana"}), format)
		c.attach("room")
		c.presence("room", enter, "")
		c.expect(frame.ActionPresence)
		c.acked()
		id, key := c.id, c.key
		for _, token := range [][]byte{w.jwt(claims{clientID: "ana", life: time.Minute}), w.opaque(claims{clientID: "ana"})} {
			c.auth(token)
			m := c.welcome()
			require.NotContains(t, m, "error")
			require.Equal(t, id, c.id)
			require.Equal(t, key, c.key)
			require.Equal(t, "ana", m.object("connectionDetails")["clientId"])
		}
		c.quiet()
		w.connected(nil).post("room", "x")
		c.got("room", "x")
		require.Equal(t, []string{"ana"}, w.members("room"))
	})
}

// AUTH frames that follow each other at once are answered one by one, in order.
func TestReauthenticationTwiceAtOnce(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		c.attach("a")
		c.attach("b")
		c.auth(w.jwt(claims{clientID: "ana", capability: `{"a":["*"]}`}))
		c.auth(w.jwt(claims{clientID: "ana", capability: `{"b":["*"]}`}))
		c.welcome()
		require.Equal(t, "b", c.expect(frame.ActionError)["channel"])
		c.welcome()
		require.Equal(t, "a", c.expect(frame.ActionError)["channel"])
		c.quiet()
		c.post("b", "x")
		c.acked()
		require.Zero(t, w.hub.Kept().Logs)
	})
}

// §6.4: what a new token that is refused ends the connection with.
func TestReauthenticationThatIsRefused(t *testing.T) {
	run(t, func(w *world) {
		expired := w.jwt(claims{clientID: "ana", life: time.Second})
		revoked := w.opaque(claims{clientID: "gone"})
		time.Sleep(2 * time.Second)
		w.revoke("gone", 0)
		forged := w.jwt(claims{clientID: "ana"})
		forged[len(forged)-5] ^= 1
		for name, c := range map[string]struct {
			token []byte
			code  int
		}{
			"none":               {nil, 40101},
			"not a token":        {[]byte("x"), 40101},
			"a forged one":       {forged, 40101},
			"expired":            {expired, 40142},
			"revoked":            {revoked, 40141},
			"of another key":     {w.jwt(claims{key: "app.other", clientID: "ana"}), 40102},
			"of another app":     {w.jwt(claims{key: "second.key", clientID: "ana"}), 40102},
			"of another client":  {w.jwt(claims{clientID: "bob"}), 40102},
			"anonymous":          {w.jwt(claims{}), 40102},
			"an unknown app's":   {w.jwt(claims{key: "no.key", clientID: "ana"}), 40101},
			"with bad contents":  {w.jwt(claims{clientID: "ana", capability: `{"a":["nonsense"]}`}), 40101},
			"of an unknown kind": {[]byte("a.b"), 40101},
		} {
			client := w.connected(w.jwt(claims{clientID: "ana"}))
			client.attach("room")
			client.auth(c.token)
			t.Log(name)
			client.failed(c.code)
			require.Zero(t, w.hub.Kept(), name)
		}
		// An AUTH without auth is the same as one without a token.
		c := w.connected(nil)
		c.send(message{"action": frame.ActionAuth})
		c.failed(40101)
	})
}

// A fault of ours, or a limit that passes, must not end it for good (§0.26).
func TestReauthenticationThatFailsForNow(t *testing.T) {
	for _, info := range []*engine.ErrorInfo{engine.ErrUnavailable, engine.ErrInternal, engine.ErrRefusals} {
		run(t, func(w *world) {
			c := w.connected(nil)
			w.verify = func(*engine.Grant, []byte) error { return info }
			c.auth(w.jwt(claims{clientID: "*"}))
			c.disconnected(info.Code)
			c.back(nil)
		})
	}
}

// Whom a connection may go on as (§6.4, §0.24).
func TestReauthenticationAsWhom(t *testing.T) {
	run(t, func(w *world) {
		named, pinned := w.jwt(claims{clientID: "ana"}), w.jwt(claims{clientID: "*"})
		anonymous := w.jwt(claims{})
		for _, c := range []struct {
			first  []byte
			query  string
			second []byte
			client any // nil for none; false when it is refused
		}{
			{named, "", named, "ana"},
			{named, "", pinned, false},
			{pinned, "clientId=ana", pinned, "ana"},
			{pinned, "clientId=ana", named, "ana"},
			{nil, "clientId=ana", named, "ana"}, // a key, and then a token of it (RSA10a)
			{nil, "", pinned, "*"},
			{nil, "", anonymous, nil},
			{nil, "", named, false},
			{anonymous, "", anonymous, nil},
			{anonymous, "", named, false},
			{anonymous, "", pinned, false},
		} {
			client := w.connected(c.first, c.query)
			client.auth(c.second)
			if c.client == false {
				client.failed(40102)
				continue
			}
			require.Equal(t, c.client, client.welcome().object("connectionDetails")["clientId"])
		}
		// A wildcard that has become anonymous speaks for nobody until it is one again.
		c := w.connected(nil)
		c.auth(anonymous)
		c.welcome()
		c.say(message{"action": frame.ActionMessage, "channel": "room", "messages": []any{map[string]any{"clientId": "bob"}}})
		c.nacked(40012)
		c.auth(pinned)
		c.welcome()
		c.say(message{"action": frame.ActionMessage, "channel": "room", "messages": []any{map[string]any{"clientId": "bob"}}})
		c.acked()
	})
}

// Fewer rights: channels of which nothing is left fail, after CONNECTED; of others
// nothing is said, and what is not permitted is refused at use.
func TestDowngrade(t *testing.T) {
	both(t, func(w *world, format string) {
		c, other := w.connected(w.jwt(claims{clientID: "ana"}), format), w.connected(nil)
		for _, channel := range []string{"gone", "reads", "writes"} {
			c.attach(channel)
			c.presence(channel, enter, "")
			c.expect(frame.ActionPresence)
			c.acked()
		}
		c.auth(w.jwt(claims{clientID: "ana", capability: `{"reads":["subscribe"],"writes":["publish"]}`}))
		c.welcome()
		m := c.expect(frame.ActionError)
		require.Equal(t, "gone", m["channel"])
		require.Equal(t, 40160, m.code())
		require.Equal(t, 401, m.object("error").number("statusCode"))
		c.quiet()
		require.Empty(t, w.members("gone"), "who is attached no more is present no more")
		require.Equal(t, []string{"ana"}, w.members("reads"), "but who is attached stays")
		for _, channel := range []string{"gone", "reads", "writes"} {
			other.post(channel, "x")
		}
		c.got("reads", "x")
		c.quiet()
		c.post("reads", "x")
		c.nacked(40160)
		c.post("writes", "y")
		c.acked()
		c.presence("writes", update, "")
		c.nacked(40160)
		c.quiet()
		c.opened()
	})
}

// More rights need no ATTACH: publishing works at once, and who may read gets what
// comes from then on and who is present, but nothing from before.
func TestUpgrade(t *testing.T) {
	both(t, func(w *world, format string) {
		other := w.connected(nil)
		other.attach("room")
		other.presence("room", enter, "bob")
		c := w.connected(w.jwt(claims{clientID: "ana", capability: `{"room":["publish"]}`}), format)
		require.False(t, c.attach("room").has(frame.FlagHasPresence))
		other.post("room", "secret")
		other.presence("room", enter, "carol")
		c.quiet()
		c.auth(w.jwt(claims{clientID: "ana"}))
		c.welcome()
		require.ElementsMatch(t, []string{"bob", "carol"}, c.synced("room"))
		c.quiet()
		other.post("room", "live")
		c.got("room", "live")
		// Rights that come and go: what was missed meanwhile is in another SYNC.
		c.auth(w.jwt(claims{clientID: "ana", capability: `{"room":["publish"]}`}))
		c.welcome()
		other.presence("room", leave, "bob")
		other.presence("room", leave, "carol")
		other.post("room", "secret")
		c.quiet()
		c.auth(w.jwt(claims{clientID: "ana"}))
		c.welcome()
		require.Empty(t, c.synced("room"), "a SYNC of nobody: the client believes that there are two")
		c.quiet()
		c.auth(w.jwt(claims{clientID: "ana", life: time.Minute}))
		c.welcome()
		c.quiet()
	})
}

// AUTH frames are limited (§0.24); a client that sends too many must come back.
func TestReauthenticationFlood(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		token := w.jwt(claims{clientID: "ana"})
		for range realtime.MaxAuthRate {
			c.auth(token)
			c.welcome()
		}
		time.Sleep(100 * time.Millisecond)
		c.auth(token)
		c.welcome()
		c.auth(token)
		c.disconnected(42910)
		c.back(token)
	})
}

// What comes between the moment that a revocation applies and the new token is
// withheld, and comes with the new token, in order and once.
func TestCatchUp(t *testing.T) {
	both(t, func(w *world, format string) {
		c, other := w.connected(w.jwt(claims{clientID: "ana"}), format), w.connected(nil)
		for _, channel := range []string{"a", "b", "idle"} {
			c.attach(channel)
		}
		other.attach("a")
		time.Sleep(500 * time.Millisecond)
		w.revoke("ana", 0)
		other.post("a", "1")
		other.post("b", "1")
		other.presence("a", enter, "bob")
		other.post("a", "2")
		c.post("a", "x")
		c.nacked(40141)
		c.send(message{"action": frame.ActionAttach, "channel": "c"})
		c.quiet() // to fail the channel would be for good, and DISCONNECTED is about to come
		time.Sleep(500 * time.Millisecond)
		c.auth(w.jwt(claims{clientID: "ana"})) // issued in the next second: good
		c.welcome()
		got := map[string][]string{}
		for _, m := range c.all() {
			channel := m.text("channel")
			switch m.action() {
			case frame.ActionMessage:
				got[channel] = append(got[channel], m.list("messages")[0].text("data"))
			case frame.ActionPresence:
				got[channel] = append(got[channel], m.list("presence")[0].text("clientId"))
			default:
				require.Equal(t, frame.ActionSync, m.action(), "continuity is kept: %v", m)
			}
		}
		require.Equal(t, map[string][]string{"a": {"1", "bob", "2"}, "b": {"1"}}, got)
		other.post("a", "3")
		c.got("a", "3")
		time.Sleep(time.Second)
		c.quiet()
		c.opened()
	})
}

// An event that comes when the new token is in force already, and what was withheld
// is not sent yet, waits for its turn.
func TestCatchUpKeepsTheOrder(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		c.attach("room")
		c.attach("lost")
		c.entered("lost", "ana")
		time.Sleep(500 * time.Millisecond)
		w.revoke("ana", 0)
		require.NoError(t, w.request(nil, "", "room", `{"data":"withheld"}`))
		time.Sleep(500 * time.Millisecond)
		w.fanout.presenting = func() { require.NoError(t, w.request(nil, "", "room", `{"data":"meanwhile"}`)) }
		c.auth(w.jwt(claims{clientID: "ana", capability: `{"room":["*"]}`}))
		c.welcome()
		require.Equal(t, "lost", c.expect(frame.ActionError)["channel"])
		c.got("room", "withheld")
		c.got("room", "meanwhile")
		c.quiet()
	})
}

// When the log does not reach back, continuity is lost, and the client is told: it
// gets ATTACHED without RESUMED, and who is present.
func TestCatchUpThatIsNotPossible(t *testing.T) {
	run(t, func(w *world) {
		c, other := w.connected(w.jwt(claims{clientID: "ana"})), w.connected(nil)
		other.attach("room")
		other.presence("room", enter, "bob")
		c.attach("room")
		require.Equal(t, []string{"bob"}, c.synced("room"))
		time.Sleep(500 * time.Millisecond)
		w.revoke("ana", 0)
		for i := range realtime.MaxLogEvents + 1 {
			other.say(message{"action": frame.ActionMessage, "channel": "room", "messages": []any{map[string]any{"data": fmt.Sprint(i)}}})
		}
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
		synctest.Wait()
		c.auth(w.jwt(claims{clientID: "ana"}))
		c.welcome()
		a := c.expect(frame.ActionAttached)
		require.False(t, a.has(frame.FlagResumed))
		require.True(t, a.has(frame.FlagHasPresence))
		require.Equal(t, []string{"bob"}, c.synced("room"))
		c.quiet()
		other.post("room", "live")
		c.got("room", "live")
	})
}
