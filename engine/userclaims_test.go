package engine

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/capability"
)

// mintClaims mints a token with further claims, as JSON members.
func mintClaims(more string) []byte {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"iat":%d,"exp":%d,%s}`, testNow/1000, testNow/1000+3600, more)
	signed := sign(encode([]byte(`{"alg":"HS256","kid":"appId.keyId"}`)), encode([]byte(claims)))
	mac, err := base64.StdEncoding.DecodeString(signed[len(signed)-44:])
	if err != nil {
		panic(err)
	}
	return []byte(signed[:len(signed)-44] + encode(mac))
}

const claimsOfUsers = `"x-ably-capability":"{\"*\":[\"*\"]}","ably.channel.chat:*":"a \"guest\"","x-ably-clientId":"al\u0069ce",` +
	`"ably.channel.chat:\u006fne":"host","ably.limits.publish.perAttachment.maxRate.chat:*":2.5e1,"ably.room.chat:*":"no","ably.limits.other":3`

// The claims are the same from a fresh verdict, from the cache and of a copy, also
// where other claims hold escapes.
func TestUserClaims(t *testing.T) {
	token := mintClaims(claimsOfUsers)
	check := func(g *Grant, text string) {
		t.Helper()
		require.True(t, g.HasUserClaims(), text)
		for name, want := range map[string]string{"chat:one": "host", "chat:two": `a "guest"`} {
			claim, ok := g.UserClaim(channel(name))
			require.True(t, ok, text)
			require.Equal(t, want, claim, text)
			rate, ok := g.PublishRate(channel(name))
			require.True(t, ok, text)
			require.Equal(t, 25.0, rate, text)
		}
		_, ok := g.UserClaim(channel("news"))
		require.False(t, ok, text)
		_, ok = g.PublishRate(channel("news"))
		require.False(t, ok, text)
		require.Equal(t, "alice", string(g.Identity().ID), text)
	}
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
		var g Grant
		require.NoError(t, v.VerifyToken(&g, token, testNow))
		check(&g, "fresh")
		fresh := g.Clone()
		v.WaitCache()
		require.NoError(t, v.VerifyToken(&g, token, testNow))
		require.Equal(t, cacheBytes > 0, g.FromCache())
		check(&g, "again")
		again := g.Clone()

		require.NoError(t, v.VerifyToken(&g, mintClaims(`"ably.channel.chat:one":"eve, whose claim is at the same place"`), testNow))
		check(&fresh, "copied before")
		check(&again, "copied from the cache")
		require.NoError(t, v.VerifyToken(&g, token, testNow))
		check(&g, "and again")
		require.NoError(t, v.VerifyToken(&g, mint(t, TokenParams{}), testNow))
		require.False(t, g.HasUserClaims(), "nothing stays of another token")
		_, ok := g.UserClaim(channel("chat:one"))
		require.False(t, ok)
	}
}

// What a cache entry keeps of them is counted.
func TestCachedUserClaimsAreCounted(t *testing.T) {
	cost := func(more string) int64 {
		v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
		var g Grant
		warm(t, v, &g, mintClaims(more))
		return v.CachedBytes()
	}
	// The token's own bytes are the same: only the claim's name is another.
	require.Equal(t, int64(2+len("ably.channel.x")+2+len("a guest")), cost(`"ably.channel.x":"a guest"`)-cost(`"ably.channer.x":"a guest"`))
}

func TestRatesThatAreNone(t *testing.T) {
	v := newTestVerifier(t, Options{})
	var g Grant
	require.NoError(t, v.VerifyToken(&g, mintClaims(`"ably.limits.publish.perAttachment.maxRate.x":1e999`), testNow))
	_, ok := g.PublishRate(channel("x"))
	require.False(t, ok, "beyond any rate")
	for _, wrong := range []string{`"1"`, `-1`, `null`, `[1]`} {
		require.ErrorIs(t, v.VerifyToken(&g, mintClaims(`"ably.limits.publish.perAttachment.maxRate.x":`+wrong), testNow), ErrClaim)
	}
}

func TestUserClaimsAllocateNothing(t *testing.T) {
	token := mintClaims(claimsOfUsers)
	v := newTestVerifier(t, Options{})
	var g Grant
	requireNoAllocs(t, func() error { return v.VerifyToken(&g, token, testNow) })
	r := channel("chat:one")
	requireNoAllocs(t, func() error {
		if _, ok := g.PublishRate(r); !ok {
			return ErrPublishRate
		}
		return nil
	})
	v = newTestVerifier(t, Options{CacheBytes: 1 << 20})
	warm(t, v, &g, token)
	requireNoAllocs(t, func() error { return v.VerifyToken(&g, token, testNow) })
}

func TestTheZeroGrantHasNoClaims(t *testing.T) {
	var g Grant
	require.False(t, g.HasUserClaims())
	_, ok := g.UserClaim(capability.Resource{Path: []byte("x")})
	require.False(t, ok)
}
