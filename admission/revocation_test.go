package admission_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/engine"
)

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

// Between the moment at which a revocation applies and that at which a JWT's client
// is told, it is not asked for a token that would be refused.
func TestNobodyIsAskedForWhatWouldBeRefused(t *testing.T) {
	start := func(appliesAt engine.UnixMilli) *admission.Session {
		w := newWorld(t)
		s := w.connect(w.jwt(token{clientID: "ana"}, now), "", now)
		revokeAna(w, now+10_000, appliesAt)
		s.Review(now + 10_000)
		return s
	}
	s := start(now + 60_000)
	s.Review(now + 10_001)
	require.Equal(t, admission.Action{Kind: admission.AskReauth}, s.Tick(now+10_001), "it is still owed after another look")
	s = start(now + 10_500)
	require.Equal(t, admission.Action{}, s.Tick(now+10_500))
	require.Equal(t, []event{{now + 11_050, admission.Disconnect, engine.ErrTokenRevoked}}, play(t, s, 0, now+1e9))
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
	revokeAna(w, now+2, now+3*3_600_000) // nor does a later one put it off
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
