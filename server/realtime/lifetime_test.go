package realtime_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/server/realtime/frame"
)

// When a client is asked for a new token, and when it is told that its own has
// expired: at the very moment, whatever it was asked.
func TestExpiryOfALiveConnection(t *testing.T) {
	for _, c := range []struct{ life, asked time.Duration }{
		{5 * time.Second, 0}, // too short to be asked
		{20 * time.Second, 10 * time.Second},
		{35 * time.Second, 5 * time.Second},
	} {
		t.Run(c.life.String(), func(t *testing.T) {
			run(t, func(w *world) {
				client := w.connected(w.jwt(claims{clientID: "ana", life: c.life}), "heartbeats=false")
				if c.asked > 0 {
					time.Sleep(c.asked - time.Millisecond)
					client.quiet()
					time.Sleep(time.Millisecond)
					client.expect(frame.ActionAuth)
				}
				time.Sleep(c.life - c.asked - time.Millisecond)
				client.quiet()
				time.Sleep(time.Millisecond)
				client.disconnected(40142)
			})
		})
	}
}

// A revocation with a margin asks at once; the newer token survives it.
func TestARevocationWithAMargin(t *testing.T) {
	run(t, func(w *world) {
		stays, goes := w.connected(w.jwt(claims{clientID: "ana", age: time.Second}), "heartbeats=false"), w.connected(w.opaque(claims{clientID: "ana", age: time.Second}), "heartbeats=false")
		w.revoke("ana", 30*time.Second)
		stays.expect(frame.ActionAuth)
		goes.expect(frame.ActionAuth)
		time.Sleep(2 * time.Second)
		stays.auth(w.jwt(claims{clientID: "ana"}))
		stays.expect(frame.ActionConnected)
		time.Sleep(28 * time.Second)
		goes.disconnected(40141)
		time.Sleep(time.Minute)
		stays.quiet()
		stays.opened()
	})
}

// What is wrong with a key reaches the connections that it has.
func TestWhatBecomesOfAKey(t *testing.T) {
	for code, change := range map[int]func(k *engine.Key){
		40131: func(k *engine.Key) { k.State = engine.Revoked },
		40130: func(k *engine.Key) { k.State = engine.Disabled },
		40132: func(k *engine.Key) { k.NotAfter = engine.Now() },
	} {
		run(t, func(w *world) {
			byToken, byKey := w.connected(w.jwt(claims{clientID: "ana"})), w.connected(nil)
			w.configure(change)
			byToken.failed(code)
			byKey.failed(code)
		})
	}
}

// A silence is broken by HEARTBEAT where the client has asked for it, and by a ping
// in any case (RTN23).
func TestSilenceIsBroken(t *testing.T) {
	run(t, func(w *world) {
		frames, pings := w.connected(nil), w.connected(nil, "heartbeats=false")
		time.Sleep(15 * time.Second)
		synctest.Wait()
		frames.expect(frame.ActionHeartbeat)
		pings.quiet()
		require.Equal(t, []int{1, 1}, []int{frames.pinged(), pings.pinged()})
		time.Sleep(10 * time.Minute)
		frames.opened()
		pings.opened()
	})
}
