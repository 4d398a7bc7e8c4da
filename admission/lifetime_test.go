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

func revokeAna(w *world, issuedBefore, appliesAt engine.UnixMilli) {
	w.Revoke("appId.keyId", engine.Revocation{Target: engine.RevokeClientID, Value: "ana", IssuedBefore: issuedBefore, AppliesAt: appliesAt})
}

// A revocation without a margin: refused at once; told at once with an issued
// token, and with a JWT when a replacement would be accepted: 50 ms into the next
// second after issuedBefore.
func TestRevocationWithoutAMargin(t *testing.T) {
	for _, c := range []struct {
		name         string
		issuedBefore engine.UnixMilli
		appliesAt    engine.UnixMilli
		toldJWT      engine.UnixMilli
	}{
		{"within a second", now + 10_300, now + 10_300, now + 11_050},
		{"at its end", now + 10_999, now + 10_999, now + 11_050},
		{"at its beginning", now + 10_000, now + 10_000, now + 11_050},
		{"of older tokens only", now + 5_000, now + 10_300, now + 10_300},
		{"a little later", now + 10_300, now + 11_040, now + 11_050},
		{"later", now + 10_300, now + 11_051, now + 11_051},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, opaque := range []bool{false, true} {
				w := newWorld(t)
				g := w.jwt(token{clientID: "ana"}, now)
				told := c.toldJWT
				if opaque {
					g, told = w.opaque(g, now), c.appliesAt
				}
				s := w.connect(g, "", now)
				a := w.attach(s, "x", 0, now)
				revokeAna(w, c.issuedBefore, c.appliesAt)

				require.NoError(t, publish(s, "x", c.appliesAt-1))
				require.True(t, s.Delivers(a, admission.ModeSubscribe, c.appliesAt-1))
				require.Equal(t, engine.ErrTokenRevoked, publish(s, "x", c.appliesAt), "before anybody has called Review")
				require.False(t, s.Delivers(a, admission.ModeSubscribe, c.appliesAt))
				_, err := s.Attach([]byte("y"), 0, c.appliesAt)
				require.Equal(t, engine.ErrTokenRevoked, err)

				s.Review(c.appliesAt)
				require.Equal(t, []event{{told, admission.Disconnect, engine.ErrTokenRevoked}}, play(t, s, c.appliesAt, now+1e9), "opaque: %t", opaque)
			}
		})
	}
}

// A second revocation while the client waits to be told: its replacement would be
// refused by that one.
func TestASecondRevocationPutsOffWhatAJWTsClientIsTold(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{clientID: "ana"}, now), "", now)
	revokeAna(w, now+10_300, now+10_300)
	s.Review(now + 10_300)
	require.Equal(t, now+11_050, s.Next())
	revokeAna(w, now+11_020, now+11_020)
	s.Review(now + 11_020)
	require.Equal(t, now+12_050, s.Next())
	require.Equal(t, engine.ErrTokenRevoked, publish(s, "x", now+10_300))
}

// With a margin the client is asked at once for a new token.
func TestRevocationWithAMargin(t *testing.T) {
	const appliesAt = now + 10_000 + 30_001
	start := func() (*world, *admission.Session) {
		w := newWorld(t)
		s := w.connect(w.jwt(token{clientID: "ana"}, now), "", now)
		revokeAna(w, now+10_000, appliesAt)
		s.Review(now + 10_000)
		require.Equal(t, engine.UnixMilli(now+10_000), s.Next())
		require.Equal(t, admission.Action{Kind: admission.AskReauth}, s.Tick(now+10_000))
		s.Review(now + 10_001)
		require.Equal(t, engine.UnixMilli(appliesAt), s.Next(), "asked once only")
		return w, s
	}
	t.Run("a client with a newer token survives", func(t *testing.T) {
		w, s := start()
		_, err := s.Reauthenticate(w.jwt(token{clientID: "ana"}, now+11_000), now+11_000)
		require.NoError(t, err)
		require.NoError(t, publish(s, "x", appliesAt))
		require.Equal(t, engine.UnixMilli(now+11_000+3_570_000), s.Next())
	})
	t.Run("one without does not", func(t *testing.T) {
		_, s := start()
		require.NoError(t, publish(s, "x", appliesAt-1))
		require.Equal(t, engine.ErrTokenRevoked, publish(s, "x", appliesAt))
		require.Equal(t, []event{{appliesAt, admission.Disconnect, engine.ErrTokenRevoked}}, play(t, s, 0, now+1e9))
	})
	t.Run("nor one that was given another old token, which is asked again, but not at once", func(t *testing.T) {
		w, s := start()
		_, err := s.Reauthenticate(w.jwt(token{clientID: "ana", issued: now + 5_000}, now+10_100), now+10_100)
		require.NoError(t, err)
		life := engine.UnixMilli(appliesAt - (now + 10_100)) // as if it expired then: 29,901 ms, so at half of it
		require.Equal(t, []event{
			{now + 10_100 + life/2, admission.AskReauth, nil},
			{appliesAt, admission.Disconnect, engine.ErrTokenRevoked},
		}, play(t, s, 0, now+1e9))
	})
	t.Run("an earlier one after it is another announcement", func(t *testing.T) {
		w, s := start()
		revokeAna(w, now+10_000, now+20_000)
		s.Review(now + 12_000)
		require.Equal(t, []event{
			{now + 12_000, admission.AskReauth, nil},
			{now + 20_000, admission.Disconnect, engine.ErrTokenRevoked},
		}, play(t, s, 0, now+1e9))
	})
	t.Run("a later one is not", func(t *testing.T) {
		w, s := start()
		revokeAna(w, now+12_000, now+42_001)
		s.Review(now + 12_000)
		require.Equal(t, engine.UnixMilli(appliesAt), s.Next())
	})
}

// What does not match the token does not concern the connection.
func TestOtherRevocations(t *testing.T) {
	w := newWorld(t)
	g := w.jwt(token{clientID: "ana", capability: `{"x":["*"]}`, more: map[string]any{"x-ably-revocation-key": "group"}}, now)
	for _, r := range []engine.Revocation{
		{Target: engine.RevokeClientID, Value: "ben", IssuedBefore: now + 1, AppliesAt: now},
		{Target: engine.RevokeClientID, Value: "ana", IssuedBefore: now, AppliesAt: now}, // issued at now is not before it
		{Target: engine.RevokeRevocationKey, Value: "ana", IssuedBefore: now + 1, AppliesAt: now},
		{Target: engine.RevokeChannel, Value: "x:*", IssuedBefore: now + 1, AppliesAt: now},
	} {
		w.Revoke("appId.keyId", r)
	}
	w.Revoke("appId.other", engine.Revocation{Target: engine.RevokeClientID, Value: "ana", IssuedBefore: now + 1, AppliesAt: now})
	s := w.connect(g, "", now)
	require.NoError(t, publish(s, "x", now))
	require.Equal(t, engine.UnixMilli(now+3_570_000), s.Next())

	for _, r := range []engine.Revocation{
		{Target: engine.RevokeClientID, Value: "ana", IssuedBefore: now + 1, AppliesAt: now},
		{Target: engine.RevokeRevocationKey, Value: "group", IssuedBefore: now + 1, AppliesAt: now},
		{Target: engine.RevokeChannel, Value: "x", IssuedBefore: now + 1, AppliesAt: now},
	} {
		w := newWorld(t)
		s := w.connect(w.jwt(token{clientID: "ana", capability: `{"x":["*"]}`, more: map[string]any{"x-ably-revocation-key": "group"}}, now), "", now)
		w.Revoke("appId.keyId", r)
		require.Equal(t, engine.ErrTokenRevoked, publish(s, "x", now), "%+v", r)
	}
}

// The clientId that counts is the token's, not the connection's, and a star there
// is a letter. A key is no token.
func TestRevocationsLookAtTheToken(t *testing.T) {
	star := engine.Revocation{Target: engine.RevokeClientID, Value: "*", IssuedBefore: now + 1, AppliesAt: now}
	w := newWorld(t)
	byToken, byKey, named := w.connect(w.jwt(token{clientID: "*"}, now), "ana", now), w.connect(w.basic(), "", now), w.connect(w.jwt(token{clientID: "ana"}, now), "", now)
	revokeAna(w, now+1, now)
	require.NoError(t, publish(byToken, "x", now))
	require.Equal(t, engine.ErrTokenRevoked, publish(named, "x", now))
	w.Revoke("appId.keyId", star)
	require.Equal(t, engine.ErrTokenRevoked, publish(byToken, "x", now))
	require.NoError(t, publish(byKey, "x", now))
}

// A revocation that is forgotten, because no token can be so old, revives nobody.
func TestAForgottenRevocationRevivesNobody(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{clientID: "ana", expires: now + 23*3_600_000}, now), "", now)
	revokeAna(w, now+1, now+1)
	s.Review(now + 1)
	w.ForgetRevocations(now + 2*3_600_000)
	s.Review(now + 2*3_600_000)
	require.Equal(t, engine.ErrTokenRevoked, publish(s, "x", now+2*3_600_000))
}

// Of expiry and revocation the earlier one counts.
func TestExpiryBeforeARevocation(t *testing.T) {
	w := newWorld(t)
	s := w.connect(w.jwt(token{clientID: "ana", expires: now + 4_000}, now), "", now)
	revokeAna(w, now+1_000, now+31_001)
	s.Review(now + 1_000)
	require.Equal(t, []event{
		{now + 1_000, admission.AskReauth, nil},
		{now + 4_000, admission.Disconnect, engine.ErrTokenExpired},
	}, play(t, s, 0, now+1e9))
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
