package realtime_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/capability"
	"portcullis/engine"
	"portcullis/server/realtime/frame"
)

// When a client is asked for another token and when it is told that it has ended, by
// the token's life (§0.25, §6.3).
func TestExpiry(t *testing.T) {
	for _, c := range []struct{ life, hint time.Duration }{
		{5 * time.Second, 0}, // it would be asked without end
		{20 * time.Second, 10 * time.Second},
		{35 * time.Second, 5 * time.Second},
		{2 * time.Hour, 2*time.Hour - 30*time.Second},
	} {
		for _, kind := range []string{"JWT", "issued"} {
			run(t, func(w *world) {
				said := claims{key: "app.other", clientID: "ana", life: c.life}
				token := w.jwt(said)
				if kind == "issued" {
					token = w.opaque(said)
				}
				client, other := w.connected(token), w.connected(nil)
				client.attach("room")
				start := time.Now()
				if c.hint > 0 {
					time.Sleep(c.hint - time.Millisecond)
					client.quiet()
					time.Sleep(time.Millisecond)
					require.Equal(t, message{"action": 17.0}, client.next(), "%s of %v", kind, c.life)
				}
				time.Sleep(c.life - time.Since(start) - time.Millisecond)
				other.post("room", "in time")
				client.got("room", "in time")
				time.Sleep(time.Millisecond)
				client.disconnected(40142)
				client.resume(token).failed(40142)
				client.back(w.jwt(claims{key: "app.other", clientID: "ana"}))
			})
		}
	}
}

// A client that does what AUTH asks for is never disconnected.
func TestTokensThatFollowEachOther(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana", life: time.Minute}))
		for range 10 {
			time.Sleep(30 * time.Second)
			c.expect(frame.ActionAuth)
			c.auth(w.jwt(claims{clientID: "ana", life: time.Minute}))
			c.welcome()
		}
		c.opened()
	})
}

// A key has no end of its own.
func TestAKeyDoesNotExpire(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		time.Sleep(48 * time.Hour)
		c.quiet()
		c.opened()
	})
}

// Without a margin an issued token's client is told at once; a JWT's when another one
// would be accepted, 50 ms into the next second (§0.27). Until then it may do nothing.
func TestRevocation(t *testing.T) {
	run(t, func(w *world) {
		jwt, issued := w.connected(w.jwt(claims{clientID: "ana"})), w.connected(w.opaque(claims{clientID: "ana"}))
		bob, other := w.connected(w.jwt(claims{clientID: "bob"})), w.connected(nil)
		for _, c := range []*client{jwt, issued, bob} {
			c.attach("room")
		}
		time.Sleep(300 * time.Millisecond)
		w.revoke("ana", 0)
		issued.disconnected(40141)
		other.post("room", "x")
		bob.got("room", "x")
		jwt.post("room", "y")
		jwt.nacked(40141)
		jwt.presence("room", enter, "")
		jwt.nacked(40141)
		time.Sleep(749 * time.Millisecond)
		jwt.quiet()
		time.Sleep(time.Millisecond)
		jwt.disconnected(40141)
		jwt.back(w.jwt(claims{clientID: "ana"})).attach("room")
		bob.quiet()
		bob.opened()
	})
}

// With a margin clients are asked for another token at once. Who gets one goes on;
// who does not is told at the end of the margin.
func TestRevocationWithAMargin(t *testing.T) {
	run(t, func(w *world) {
		renews, fails, other := w.connected(w.jwt(claims{clientID: "ana"})), w.connected(w.opaque(claims{clientID: "ana"})), w.connected(nil)
		renews.attach("room")
		fails.attach("room")
		time.Sleep(1500 * time.Millisecond)
		w.revoke("ana", 30*time.Second)
		renews.expect(frame.ActionAuth)
		fails.expect(frame.ActionAuth)
		time.Sleep(time.Second)
		renews.auth(w.jwt(claims{clientID: "ana"}))
		renews.welcome()
		time.Sleep(29*time.Second - time.Millisecond)
		other.post("room", "x")
		renews.got("room", "x")
		fails.got("room", "x")
		time.Sleep(time.Millisecond)
		fails.disconnected(40141)
		other.post("room", "y")
		renews.got("room", "y")
		renews.quiet()
		time.Sleep(time.Minute)
		renews.quiet()
		renews.opened()
	})
}

// A revocation reaches who is away when it comes back with the token.
func TestRevocationWhileAway(t *testing.T) {
	run(t, func(w *world) {
		token := w.opaque(claims{clientID: "ana"})
		c := w.connected(token)
		c.cut()
		time.Sleep(time.Second)
		w.revoke("ana", 0)
		c.resume(token).failed(40141)
		c.back(w.opaque(claims{clientID: "ana"}))
	})
}

// A key that is no longer good ends its connections for good, tokens included; one
// that is being rotated out only those that have presented the key itself (§0.13).
func TestKeysThatEnd(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(w *world)
		key, token int
	}{
		"revoked":    {func(w *world) { w.configure(func(k *engine.Key) { k.State = engine.Revoked }) }, 40131, 40131},
		"disabled":   {func(w *world) { w.configure(func(k *engine.Key) { k.State = engine.Disabled }) }, 40130, 40130},
		"verifyOnly": {func(w *world) { w.configure(func(k *engine.Key) { k.State = engine.VerifyOnly }) }, 40130, 0},
		"removed": {func(w *world) {
			require.NoError(w, w.ReplaceKeys(w.keys[1:]))
			w.hub.KeysChanged()
		}, 40130, 40130},
		"past not_after": {func(w *world) {
			w.configure(func(k *engine.Key) { k.NotAfter = engine.Now().Add(time.Second) })
			time.Sleep(time.Second)
		}, 40132, 40132},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				key, token, away := w.connected(nil), w.connected(w.jwt(claims{clientID: "ana"})), w.connected(nil)
				other := w.connected(w.jwt(claims{key: "app.other"}))
				token.attach("room")
				away.cut()
				c.change(w)
				key.failed(c.key)
				if c.token != 0 {
					token.failed(c.token)
				} else {
					token.quiet()
					token.opened()
				}
				other.quiet()
				other.opened()
				left := 1
				if c.token == 0 {
					left = 2
				}
				synctest.Wait()
				require.Equal(t, left, w.hub.Kept().Connections, "who is away is forgotten too")
			})
		})
	}
}

// What a key may do is for new connections (§4.4).
func TestAKeysCapabilityChanges(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		c.attach("room")
		less, err := capability.Parse([]byte(`{"other":["*"]}`))
		require.NoError(t, err)
		w.configure(func(k *engine.Key) { k.Capability = less })
		c.post("room", "x")
		c.got("room", "x")
		c.acked()
		late := w.connected(w.jwt(claims{clientID: "ana"}))
		late.post("room", "x")
		late.nacked(40160)
	})
}
