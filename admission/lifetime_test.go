package admission_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
)

// event is something that Tick says, and when.
type event struct {
	at   engine.UnixMilli
	kind admission.ActionKind
	err  error
}

// play ticks s whenever it asks for it, until nothing is left or the time is over,
// and returns what it said.
func play(t testing.TB, s *admission.Session, from, to engine.UnixMilli) (events []event) {
	t.Helper()
	for range 20 {
		at := s.Next()
		if at == 0 || at > to {
			return events
		}
		at = max(at, from)
		action := s.Tick(at)
		require.NotEqual(t, admission.None, action.Kind, "Next promised something at %d", at)
		require.Equal(t, admission.Action{}, s.Tick(at), "each thing is said once")
		events = append(events, event{at, action.Kind, action.Err})
	}
	require.Fail(t, "no end of actions")
	return nil
}

// When a client is asked for a new token and when it is told that the old one has
// expired, by the token's life at its adoption, in milliseconds.
func TestTimersOfAToken(t *testing.T) {
	for _, c := range []struct{ life, hint engine.UnixMilli }{
		{3_600_000, 3_570_000},
		{60_000, 30_000},
		{35_000, 5_000},
		{33_001, 3_001},
		{33_000, 3_000}, // expiry - 30 s, adoption + 3 s: the same
		{31_000, 3_000}, // expiry - 30 s would be too soon
		{30_001, 3_000},
		{30_000, 15_000}, // half of it
		{20_000, 10_000},
		{5_501, 2_750},
		{5_500, 0}, // none: it would be asked without end
		{5_000, 0},
		{3_000, 0},
		{1, 0},
	} {
		w := newWorld(t)
		adopted := now + 123 // within a second
		s := w.connect(w.jwt(token{issued: now, expires: adopted + c.life}, adopted), "", adopted)
		want := []event{{adopted + c.life, admission.Disconnect, engine.ErrTokenExpired}}
		if c.hint != 0 {
			want = append([]event{{adopted + c.hint, admission.AskReauth, nil}}, want...)
		}
		require.NoError(t, publish(s, "x", adopted+c.life-1))
		require.Equal(t, want, play(t, s, 0, adopted+1e9), "a life of %d ms", c.life)
		require.Equal(t, engine.ErrTokenExpired, publish(s, "x", adopted+c.life))
		require.Zero(t, s.Next())
	}
}

func TestAKeyHasNoTimers(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.basic(), "", now)
	require.Empty(t, play(t, s, 0, now+1e12))
	require.NoError(t, publish(s, "x", now+1e12))
}

// A caller that was away is told the end only, not first to ask.
func TestALateTickSaysWhatStillMatters(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{expires: now + 60_000}, now), "", now)
	require.Equal(t, admission.Action{}, s.Tick(now+29_999))
	require.Equal(t, admission.Action{Kind: admission.Disconnect, Err: engine.ErrTokenExpired}, s.Tick(now+60_000))
	require.Equal(t, admission.Action{}, s.Tick(now+60_001))
}

// A new token starts the timers anew, from its own adoption.
func TestTimersAfterReauthentication(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{expires: now + 60_000}, now), "", now)
	require.Equal(t, []event{{now + 30_000, admission.AskReauth, nil}}, play(t, s, 0, now+59_000))
	_, err := s.Reauthenticate(w.jwt(token{expires: now + 100_000}, now+40_000), now+40_000)
	require.NoError(t, err)
	require.NoError(t, publish(s, "x", now+60_000))
	require.Equal(t, []event{
		{now + 70_000, admission.AskReauth, nil},
		{now + 100_000, admission.Disconnect, engine.ErrTokenExpired},
	}, play(t, s, 0, now+1e9))

	// It is not too late for a connection whose state is kept.
	_, err = s.Reauthenticate(w.jwt(token{expires: now + 200_000}, now+110_000), now+110_000)
	require.NoError(t, err)
	require.NoError(t, publish(s, "x", now+110_000))
	require.Equal(t, now+170_000, s.Next())
}

// What a change of the key does to its live connections: a key that is good for
// nothing ends them for good, its capability is for new ones.
func TestChangesOfTheKey(t *testing.T) {
	nothing, err := capability.Parse([]byte(`{"elsewhere":["history"]}`))
	require.NoError(t, err)
	const none, end, again = admission.None, admission.Fail, admission.Disconnect
	for _, c := range []struct {
		name         string
		change       func(k *engine.Key)
		token, basic admission.ActionKind
		tokenErr     error
		basicErr     error
	}{
		{"revoked", func(k *engine.Key) { k.State = engine.Revoked }, end, end, engine.ErrKeyRevoked, engine.ErrKeyRevoked},
		{"disabled", func(k *engine.Key) { k.State = engine.Disabled }, end, end, engine.ErrKeyDisabled, engine.ErrKeyDisabled},
		{"not_after passed", func(k *engine.Key) { k.NotAfter = now + 1_000 }, end, end, engine.ErrKeyExpired, engine.ErrKeyExpired},
		{"removed", func(k *engine.Key) { k.Name = "appId.new" }, end, end, engine.ErrKeyRemoved, engine.ErrKeyRemoved},
		{"verify_only", func(k *engine.Key) { k.State = engine.VerifyOnly }, none, end, nil, engine.ErrKeyVerifyOnly},
		{"another secret", func(k *engine.Key) { k.Secret = otherSecret }, again, end, engine.ErrTokenRevoked, engine.ErrKeyRemoved},
		{"another capability", func(k *engine.Key) { k.Capability = nothing }, none, none, nil, nil},
		{"revocable tokens", func(k *engine.Key) { k.RevocableTokens = true }, none, none, nil, nil},
		{"not_after later", func(k *engine.Key) { k.NotAfter = now + 1_001 }, none, none, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, basic := range []bool{false, true} {
				w := newWorld(t)
				g, kind, why := w.jwt(token{}, now), c.token, c.tokenErr
				if basic {
					g, kind, why = w.basic(), c.basic, c.basicErr
				}
				s := w.connect(g, "", now)
				a := w.attach(s, "x", 0, now)
				w.configure(c.change)
				if kind == none {
					require.NoError(t, publish(s, "x", now+1_000))
					require.True(t, s.Delivers(a, admission.ModeSubscribe, now+1_000))
					s.Review(now + 1_000)
					require.Equal(t, admission.Action{}, s.Tick(now+1_000))
					continue
				}
				require.Equal(t, why, publish(s, "x", now+1_000))
				require.False(t, s.Delivers(a, admission.ModeSubscribe, now+1_000))
				s.Review(now + 1_000)
				require.Equal(t, engine.UnixMilli(now+1_000), s.Next())
				require.Equal(t, admission.Action{Kind: kind, Err: why}, s.Tick(now+1_000))
				require.Zero(t, s.Next())
			}
		})
	}
}

// A key's not_after is a timer too.
func TestTheEndOfTheKeyIsTold(t *testing.T) {
	w := newWorld(t)
	w.configure(func(k *engine.Key) { k.NotAfter = now + 45_000 })
	s := w.connect(w.jwt(token{expires: now + 60_000}, now), "", now)
	require.Equal(t, []event{
		{now + 30_000, admission.AskReauth, nil},
		{now + 45_000, admission.Fail, engine.ErrKeyExpired},
	}, play(t, s, 0, now+1e9))
}

// When both end at once, it is the key that a new token would not cure.
func TestTheKeyEndsWithItsToken(t *testing.T) {
	w := newWorld(t)
	w.configure(func(k *engine.Key) { k.NotAfter = now + 4_000 })
	s := w.connect(w.jwt(token{expires: now + 4_000}, now), "", now)
	require.Equal(t, []event{{now + 4_000, admission.Fail, engine.ErrKeyExpired}}, play(t, s, 0, now+1e9))

	// What was told stays, whatever becomes of the key.
	w.configure(func(k *engine.Key) { k.NotAfter = 0 })
	s.Review(now)
	require.Equal(t, engine.ErrKeyExpired, publish(s, "x", now))
}

// A key that comes back after it was removed is another key.
func TestAKeyThatWasRemovedDoesNotComeBackToLife(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{}, now), "", now)
	w.configure(func(k *engine.Key) { k.Name = "appId.new" })
	w.configure(func(k *engine.Key) { k.Name = "appId.keyId" })
	require.Equal(t, engine.ErrKeyRemoved, publish(s, "x", now))
	require.Equal(t, admission.Action{Kind: admission.Fail, Err: engine.ErrKeyRemoved}, s.Tick(now))
	w.configure(func(k *engine.Key) { k.NotAfter = now + 1e9 })
	s.Review(now)
	require.Equal(t, engine.ErrKeyRemoved, publish(s, "x", now), "what was told stays")
}
