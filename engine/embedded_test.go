package engine

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// carry returns a JWT of somebody else's that carries inner in its header, beside
// those claims. Nobody here can verify its signature.
func carry(inner []byte, claims string) []byte {
	return compact(fmt.Sprintf(`{"alg":"RS256","kid":"theirs","x-ably-token":%q}`, inner), claims)
}

func compact(header, claims string) []byte {
	e := base64.RawURLEncoding
	return []byte(e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims)) + ".c2lnbmF0dXJl")
}

// issueOpaque issues a token to clientID, as POST requestToken does.
func issueOpaque(t *testing.T, v *Verifier, clientID string) []byte {
	t.Helper()
	var key, g Grant
	require.NoError(t, v.VerifyKey(&key, []byte("appId.keyId:"+testSecret), testNow))
	r := TokenRequest{KeyName: []byte("appId.keyId"), Timestamp: []byte("1700000100000"), ClientID: []byte(clientID)}
	require.NoError(t, v.RedeemWithKey(t.Context(), &g, &r, &key, nil, testNow))
	var d TokenDetails
	require.NoError(t, NewIssuer().Issue(&d, &g))
	return []byte(d.Token)
}

func TestAnEmbeddedTokenGrantsWhatTheInnerOneGrants(t *testing.T) {
	v := newTestVerifier(t, Options{Seal: []SealSecret{sealSecret(t, sealOne)}})
	inner := map[string][]byte{
		"a JWT":           mint(t, TokenParams{ClientID: "alice", TTL: time.Hour}),
		"an issued token": issueOpaque(t, v, "alice"),
	}
	const wider = `"x-ably-clientId":"*","x-ably-capability":"{\"[*]*\":[\"*\"]}"`
	for name, token := range inner {
		for place, outer := range map[string][]byte{
			"header":              carry(token, `{`+wider+`}`),
			"claims":              compact(`{"alg":"none"}`, fmt.Sprintf(`{%s,"x-ably-token":%q}`, wider, token)),
			"both":                carry(token, fmt.Sprintf(`{"x-ably-token":%q}`, token)),
			"JWE":                 []byte(string(compact(fmt.Sprintf(`{"alg":"dir","enc":"A256GCM","x-ably-token":%q}`, token), "opaque")) + ".Y2lwaGVy.dGFn"),
			"header beside a kid": compact(fmt.Sprintf(`{"alg":"HS256","kid":"appId.keyId","x-ably-token":%q}`, token), `{}`),
		} {
			t.Run(name+" in "+place, func(t *testing.T) {
				var want, g Grant
				require.NoError(t, v.VerifyToken(&want, token, testNow))
				require.NoError(t, v.VerifyToken(&g, outer, testNow))
				require.Equal(t, want.Identity(), g.Identity())
				require.Equal(t, want.Capability().String(), g.Capability().String())
				require.Equal(t, want.Expires(), g.Expires())
				require.Equal(t, string(token), string(g.Token(outer)))
			})
		}
	}
}

// §3.5 of Ably's rules, and the decision that the earlier of both ends counts.
func TestTheOuterExpiry(t *testing.T) {
	v := newTestVerifier(t, Options{})
	inner := mint(t, TokenParams{ClientID: "alice", TTL: time.Minute})
	const end = 1_700_000_160
	for _, c := range []struct {
		exp  string
		now  UnixMilli
		want error
		ends UnixMilli
	}{
		{"1700000130", testNow, nil, 1_700_000_130_000},
		{"1700000130.5", testNow, nil, 1_700_000_130_500},
		{"1700000130", 1_700_000_129_999, nil, 1_700_000_130_000},
		{"1700000130", 1_700_000_130_000, ErrOuterExpired, 0},
		{"0", testNow, ErrOuterExpired, 0},
		{fmt.Sprint(end), testNow, nil, end * 1000},
		{fmt.Sprint(end + 5), testNow, nil, end * 1000},
		{fmt.Sprint(end+5) + ".001", testNow, ErrOuterLater, 0},
		{fmt.Sprint(end + 5), end * 1000, ErrTokenExpired, 0},
		{`"1700000130"`, testNow, ErrTimeClaim, 0},
		{"null", testNow, ErrTimeClaim, 0},
	} {
		t.Run(c.exp+" at "+fmt.Sprint(c.now), func(t *testing.T) {
			var g Grant
			require.Equal(t, c.want, v.VerifyToken(&g, carry(inner, `{"exp":`+c.exp+`}`), c.now))
			require.Equal(t, c.ends, g.Expires())
		})
	}
}

// An outer token that would be cached could lend its own exp, or its own inner
// token, to another one.
func TestOnlyTheInnerTokenIsCached(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	inner := mint(t, TokenParams{ClientID: "alice", TTL: time.Minute})
	var g Grant
	warm(t, v, &g, carry(inner, `{"exp":1700000130}`)) // the verdict on the inner one comes from the cache
	require.EqualValues(t, 1_700_000_130_000, g.Expires())

	require.NoError(t, v.VerifyToken(&g, inner, testNow))
	require.True(t, g.FromCache())
	require.EqualValues(t, 1_700_000_160_000, g.Expires(), "the outer exp is not the inner token's")
	require.ErrorIs(t, v.VerifyToken(&g, carry(inner, `{"exp":1700000166}`), testNow), ErrOuterLater)
	requireDenies(t, &g)

	v.Revoke("appId.keyId", Revocation{RevokeClientID, "alice", testNow + 1, testNow})
	require.ErrorIs(t, v.VerifyToken(&g, carry(inner, `{}`), testNow), ErrTokenRevoked)
	requireDenies(t, &g)
}

func TestEmbeddingGoesOneLevelDeep(t *testing.T) {
	v := newTestVerifier(t, Options{})
	inner := mint(t, TokenParams{})
	var g Grant
	require.ErrorIs(t, v.VerifyToken(&g, carry(carry(inner, `{}`), `{}`), testNow), ErrEmbedded)
	requireDenies(t, &g)
	twice := compact(`{"alg":"none"}`, fmt.Sprintf(`{"x-ably-token":%q}`, compact(`{"alg":"none"}`, fmt.Sprintf(`{"x-ably-token":%q}`, inner))))
	require.ErrorIs(t, v.VerifyToken(&g, twice, testNow), ErrEmbedded)
	requireDenies(t, &g)
}

func TestVerifyingAnEmbeddedTokenAllocatesNothing(t *testing.T) {
	var g Grant
	for name, cacheBytes := range map[string]int64{"cold": 0, "cached": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
			token := carry(mint(t, TokenParams{ClientID: "alice", Capability: `{"chat:*":["publish"]}`}), `{"exp":1700000130,"sub":"somebody"}`)
			if cacheBytes > 0 {
				warm(t, v, &g, token)
			}
			requireNoAllocs(t, func() error { return v.VerifyToken(&g, token, testNow) })
		})
	}
}
