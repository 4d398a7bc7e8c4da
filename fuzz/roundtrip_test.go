package fuzz

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/internal/oracle"
	"portcullis/internal/vectors"
)

// FuzzRoundTrip mints a JWT, and signs, redeems and issues a TokenRequest, and wants
// back what was asked for: the same client, the capability that it has in common
// with its key's, and a life from the first millisecond to the last.
func FuzzRoundTrip(f *testing.F) {
	b := newBench(f)
	for _, clientID := range []string{"", "*", "ana", `a"b\c`, "é\u2028", "a*", "\n"} {
		for i, granted := range []string{"", "{}", `{"a":["publish"]}`, `{"*":["*"]}`, `{"[*]*":["*"]}`, `{"canpublish:x":["publish","history"],"é\"":["*"]}`} {
			f.Add(clientID, granted, "group", uint32(3600), int64(vectors.DefaultNow), "0123456789abcdef", uint8(i))
			f.Add(clientID, granted, "", uint32(0), int64(1), "", uint8(len(clientID)))
		}
	}
	f.Fuzz(func(t *testing.T, clientID, granted, revocationKey string, seconds uint32, now int64, nonce string, which uint8) {
		now = clampTime(now)
		key, signer := b.keys[int(which)%len(b.keys)], b.signers[int(which)%len(b.keys)]
		ttl := time.Duration(seconds%90_000) * time.Second
		b.jwt(t, key, signer, &engine.TokenParams{Issued: engine.UnixMilli(now), TTL: ttl, ClientID: clientID, Capability: granted, RevocationKey: revocationKey}, now)
		b.tokenRequest(t, key, signer, &engine.TokenRequestParams{Timestamp: engine.UnixMilli(now), TTL: ttl, ClientID: clientID, Capability: granted, Nonce: nonce}, now)
	})
}

// wants is what a key grants of what was asked for, without a look at any token.
// ok is false where the key does not grant it.
func wants(key oracle.Key, clientID, granted string, ttl time.Duration, now int64) (want oracle.Verdict, ok bool) {
	limit := 24 * time.Hour
	if key.RevocableTokens {
		limit = time.Hour
	}
	text := key.Capability
	if text == "" {
		text = `{"*":["*"]}`
	}
	c, err := oracle.ParseCapability(text)
	if err == nil && granted != "" {
		var asked oracle.Capability
		if asked, err = oracle.ParseCapability(granted); err == nil {
			c = oracle.Intersect(asked, c)
		}
	}
	ended := key.State == oracle.Disabled || key.State == oracle.Revoked || key.NotAfter != 0 && now >= key.NotAfter
	if err != nil || len(c) == 0 || len(c) > 1024 || len(c.Canonical()) > 32<<10 || ended || ttl > limit {
		return want, false
	}
	want = oracle.Verdict{KeyName: key.Name, ClientKind: oracle.Identified, ClientID: clientID, Capability: c.Canonical()}
	switch clientID {
	case "":
		want.ClientKind = oracle.Anonymous
	case "*":
		want.ClientKind, want.ClientID = oracle.Wildcard, ""
	}
	return want, true
}

func (b *bench) jwt(t *testing.T, key oracle.Key, signer *engine.Signer, p *engine.TokenParams, now int64) {
	t.Helper()
	token, err := mint(signer, p)
	if err != nil {
		return // it signs nothing that would be refused whatever the key
	}
	if p.TTL == 0 {
		p.TTL = time.Hour
	}
	want, ok := wants(key, p.ClientID, p.Capability, p.TTL, now)
	want.Issued = now / 1000 * 1000
	want.Expires = want.Issued + p.TTL.Milliseconds()
	var g engine.Grant
	err = b.verifier.VerifyToken(&g, token, engine.UnixMilli(now))
	if !ok {
		require.Error(t, err, "%+v", p)
		return
	}
	if now < want.Expires {
		require.NoError(t, err, "%+v", p)
		requireGrants(t, want, &g)
		require.NoError(t, b.verifier.VerifyToken(&g, token, engine.UnixMilli(want.Expires-1)))
	}
	if key.NotAfter == 0 {
		require.Equal(t, engine.ErrTokenExpired, b.verifier.VerifyToken(&g, token, engine.UnixMilli(want.Expires)))
	}
}

func (b *bench) tokenRequest(t *testing.T, key oracle.Key, signer *engine.Signer, p *engine.TokenRequestParams, now int64) {
	t.Helper()
	body, err := signer.AppendTokenRequest(nil, p)
	if err != nil {
		return
	}
	var r engine.TokenRequest
	require.NoError(t, engine.ParseTokenRequest(&r, body), "%s", body)
	if p.TTL == 0 {
		p.TTL = time.Hour
	}
	want, ok := wants(key, p.ClientID, p.Capability, p.TTL, now)
	want.Issued, want.Expires = now, now+p.TTL.Milliseconds()
	var g, verified engine.Grant
	var d engine.TokenDetails
	err = redeem(b.verifier, &g, &r, new(notes), now)
	if !ok || key.State == oracle.VerifyOnly {
		require.Error(t, err, "%s", body)
		return
	}
	if err == engine.ErrTokenSize {
		require.Greater(t, len(want.Capability)+len(want.ClientID), surelyFits)
		return
	}
	require.NoError(t, err, "%s", body)
	require.NoError(t, engine.NewIssuer().Issue(&d, &g))
	verify := func(at int64) error { return verifyIssued(b.verifier, &verified, d.Token, at) }
	for _, at := range []int64{want.Issued, want.Expires - 1} {
		require.NoError(t, verify(at), "%s", body)
		requireGrants(t, want, &verified)
	}
	require.Equal(t, engine.ErrTokenExpired, verify(want.Expires))
	for i := range d.Token { // and it has one spelling
		if i%7 == int(now%7) {
			changed := append([]byte(nil), d.Token...)
			changed[i] ^= 1
			require.Error(t, b.verifier.VerifyToken(&verified, changed, engine.UnixMilli(now)), "%q", changed)
		}
	}
}
