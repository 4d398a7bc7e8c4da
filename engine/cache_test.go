package engine

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/capability"
)

// warm verifies token until it comes from the cache.
func warm(t testing.TB, v *Verifier, g *Grant, token []byte) {
	t.Helper()
	require.NoError(t, v.VerifyToken(g, token, testNow))
	v.WaitCache()
	require.NoError(t, v.VerifyToken(g, token, testNow))
	require.True(t, g.FromCache())
}

func TestACachedVerdictEnds(t *testing.T) {
	p := TokenParams{ClientID: "alice", RevocationKey: "group", Capability: `{"chat:*":["publish"]}`, TTL: time.Minute}
	for name, c := range map[string]struct {
		change func(v *Verifier)
		now    UnixMilli
		want   error
	}{
		"at its expiry":                 {func(*Verifier) {}, testNow.Add(time.Minute), ErrTokenExpired},
		"before the token was issued":   {func(*Verifier) {}, testNow.Add(-2 * time.Minute), ErrIssuedInFuture},
		"with its key":                  {func(v *Verifier) { replace(t, v) }, testNow, ErrUnknownApp},
		"when its key is disabled":      {func(v *Verifier) { replace(t, v, Key{Name: "appId.keyId", Secret: testSecret, State: Disabled}) }, testNow, ErrKeyDisabled},
		"when its key's secret changes": {func(v *Verifier) { replace(t, v, Key{Name: "appId.keyId", Secret: "another secret, long enough"}) }, testNow, ErrSignature},
		"when its key loses its rights": {func(v *Verifier) {
			replace(t, v, Key{Name: "appId.keyId", Secret: testSecret, Capability: set(t, `{"x":["publish"]}`)})
		}, testNow, ErrNothingGranted},
		"when its clientId is revoked": {revoke(RevokeClientID, "alice", testNow+1, testNow), testNow, ErrTokenRevoked},
		"when its group is revoked":    {revoke(RevokeRevocationKey, "group", testNow+1, testNow), testNow, ErrTokenRevoked},
		"when its channel is revoked":  {revoke(RevokeChannel, "chat:*", testNow+1, testNow), testNow, ErrTokenRevoked},
		"at the end of a margin":       {revoke(RevokeClientID, "alice", testNow+1, testNow+30_000), testNow + 30_000, ErrTokenRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			for _, cacheBytes := range []int64{0, 1 << 20} {
				v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
				var g Grant
				require.NoError(t, v.VerifyToken(&g, mint(t, p), testNow))
				v.WaitCache()
				c.change(v)
				require.ErrorIs(t, v.VerifyToken(&g, mint(t, p), c.now), c.want)
				requireDenies(t, &g)
			}
		})
	}
}

func TestACachedVerdictOutlivesWhatDoesNotConcernIt(t *testing.T) {
	p := TokenParams{ClientID: "alice", Capability: `{"chat:*":["publish"]}`}
	for name, change := range map[string]func(v *Verifier){
		"the same keys again":             func(v *Verifier) { replace(t, v, testKey()) },
		"another key":                     func(v *Verifier) { replace(t, v, testKey(), Key{Name: "b.c", Secret: testSecret}) },
		"a revocation of another client":  revoke(RevokeClientID, "bob", testNow+1, testNow),
		"a revocation of older tokens":    revoke(RevokeClientID, "alice", testNow, testNow),
		"a revocation with a margin":      revoke(RevokeClientID, "alice", testNow+1, testNow+1),
		"a revocation of another channel": revoke(RevokeChannel, "chat", testNow+1, testNow),
	} {
		t.Run(name, func(t *testing.T) {
			v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
			var g Grant
			warm(t, v, &g, mint(t, p))
			change(v)
			for range 2 {
				require.NoError(t, v.VerifyToken(&g, mint(t, p), testNow))
				require.True(t, g.FromCache())
			}
		})
	}
}

// A margin that was noticed by a cached verdict, then a second look at it.
func TestAMarginThatACachedVerdictHasSeenStillEnds(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	token := mint(t, TokenParams{ClientID: "alice"})
	var g Grant
	warm(t, v, &g, token)
	revoke(RevokeClientID, "alice", testNow+1, testNow+30_000)(v)
	require.NoError(t, v.VerifyToken(&g, token, testNow+29_999))
	require.True(t, g.FromCache())
	revoke(RevokeClientID, "bob", testNow+1, testNow)(v)
	require.NoError(t, v.VerifyToken(&g, token, testNow+29_999))
	require.ErrorIs(t, v.VerifyToken(&g, token, testNow+30_000), ErrTokenRevoked)
}

func revoke(target RevocationTarget, value string, issuedBefore, appliesAt UnixMilli) func(v *Verifier) {
	return func(v *Verifier) { v.Revoke("appId.keyId", Revocation{target, value, issuedBefore, appliesAt}) }
}

func replace(t testing.TB, v *Verifier, keys ...Key) {
	t.Helper()
	require.NoError(t, v.ReplaceKeys(keys))
}

func set(t testing.TB, text string) *capability.Set {
	t.Helper()
	s, err := capability.Parse([]byte(text))
	require.NoError(t, err)
	return s
}

func TestRefusedTokensAreNotCached(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	good := mint(t, TokenParams{})
	var g Grant
	for i := range 1000 {
		bad := append([]byte(nil), good...)
		bad[i%len(bad)] ^= 1
		require.Error(t, v.VerifyToken(&g, bad, testNow))
	}
	require.Error(t, v.VerifyToken(&g, mint(t, TokenParams{Issued: 1}), testNow))
	require.NoError(t, v.VerifyKey(&g, []byte("appId.keyId:"+testSecret), testNow))
	v.WaitCache()
	require.Zero(t, v.CachedBytes())
}

// A hash says where to look; only the whole token says what was found.
func TestATokenThatSharesAnIndexIsNotBelieved(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	token := mint(t, TokenParams{ClientID: "alice"})
	var g Grant
	warm(t, v, &g, token)
	// The same signature, so the same index, under other claims.
	forged := append([]byte(nil), token...)
	forged[50] ^= 2
	require.Equal(t, v.cache.index(token), v.cache.index(forged))
	require.Error(t, v.VerifyToken(&g, forged, testNow))
	requireDenies(t, &g)
	longer := append([]byte("x"), token...)
	require.Equal(t, v.cache.index(token), v.cache.index(longer))
	require.Error(t, v.VerifyToken(&g, longer, testNow))
}

func TestTheCacheKeepsItsOwnCopies(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	token := mint(t, TokenParams{ClientID: "alice", Capability: `{"chat":["publish"]}`})
	buffer := append([]byte(nil), token...)
	var g Grant
	require.NoError(t, v.VerifyToken(&g, buffer, testNow))
	v.WaitCache()
	for i := range buffer {
		buffer[i] = 'x'
	}
	require.NoError(t, v.VerifyToken(&g, mint(t, TokenParams{ClientID: "bob", Capability: `{"x":["stats"]}`}), testNow)) // reuses the Grant's memory
	var hit Grant
	require.NoError(t, v.VerifyToken(&hit, token, testNow))
	require.True(t, hit.FromCache())
	require.Equal(t, "alice", string(hit.Identity().ID))
	require.Equal(t, `{"chat":["publish"]}`, string(hit.AppendCapability(nil)))
	// A clone outlives both.
	clone := hit.Clone()
	require.NoError(t, v.VerifyToken(&hit, mint(t, TokenParams{ClientID: "carol"}), testNow))
	require.Equal(t, "alice", string(clone.Identity().ID))
	require.NoError(t, clone.Authorize(channel("chat"), capability.Publish))
}

func TestVerifiersDoNotSeeEachOthersTokens(t *testing.T) {
	token := mint(t, TokenParams{})
	one := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	two := newTestVerifier(t, Options{CacheBytes: 1 << 20, Keys: []Key{{Name: "appId.keyId", Secret: "another secret, long enough"}}})
	var g Grant
	warm(t, one, &g, token)
	require.ErrorIs(t, two.VerifyToken(&g, token, testNow), ErrSignature)
}

func TestTheCacheIsBoundedAndSharedFairly(t *testing.T) {
	const maxBytes = 256 << 10
	v := newTestVerifier(t, Options{CacheBytes: maxBytes, Keys: []Key{testKey(), {Name: "small.key", Secret: testSecret}}})
	small, err := NewSigner("small.key:" + testSecret)
	require.NoError(t, err)
	quiet, err := small.AppendJWT(nil, &TokenParams{Issued: testNow})
	require.NoError(t, err)
	var g Grant
	warm(t, v, &g, quiet)
	for i := range 5000 {
		require.NoError(t, v.VerifyToken(&g, mint(t, TokenParams{ClientID: fmt.Sprint("client", i), Capability: fmt.Sprintf(`{"own:%d":["publish"]}`, i)}), testNow))
		v.WaitCache()
		require.LessOrEqual(t, v.CachedBytes(), int64(maxBytes))
	}
	require.NoError(t, v.VerifyToken(&g, quiet, testNow))
	require.True(t, g.FromCache(), "a busy key must not push another one's tokens out")
}

func TestACacheThatIsClosedOrAbsentIsJustNotUsed(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	token := mint(t, TokenParams{})
	var g Grant
	warm(t, v, &g, token)
	v.Close()
	require.NoError(t, v.VerifyToken(&g, token, testNow))
}

func TestKeysAreReplacedWhileTokensAreVerified(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	token := mint(t, TokenParams{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			var g Grant
			for range 2000 {
				if err := v.VerifyToken(&g, token, testNow); err != nil && err != ErrUnknownApp {
					t.Error(err)
				}
			}
		})
	}
	for i := range 200 {
		if i%2 == 0 {
			replace(t, v)
		} else {
			replace(t, v, testKey())
		}
	}
	wg.Wait()
	replace(t, v)
	require.ErrorIs(t, v.VerifyToken(new(Grant), token, testNow), ErrUnknownApp)
}

// To make room for a large entry ristretto draws small ones by lot, now and then
// one of them twice; the second time it no longer holds it.
func TestAnEntryIsDroppedOnceThoughItIsDrawnTwice(t *testing.T) {
	var keys []Key
	var tokens [][]byte
	large := set(t, `{"`+strings.Repeat("a", 500)+`":["*"],"`+strings.Repeat("b", 500)+`":["*"]}`)
	for i := range 8 {
		k := Key{Name: fmt.Sprint("appId.key", i), Secret: testSecret}
		s, err := NewSigner(Secret(k.Name + ":" + testSecret))
		require.NoError(t, err)
		for j := range 40 {
			p := TokenParams{Issued: testNow, ClientID: fmt.Sprint("client", j)}
			if j%8 == 7 {
				p.Capability = large.String()
			}
			token, err := s.AppendJWT(nil, &p)
			require.NoError(t, err)
			tokens = append(tokens, token)
		}
		keys = append(keys, k)
	}
	v := newTestVerifier(t, Options{Keys: keys})
	var err error
	v.cache, err = newTokenCache(8<<10, 64) // of a dozen entries; for the buffer see newRace
	require.NoError(t, err)
	var g Grant
	for range 100 {
		for _, token := range tokens {
			require.NoError(t, v.VerifyToken(&g, token, testNow))
			v.WaitCache()
			require.LessOrEqual(t, v.CachedBytes(), int64(8<<10))
		}
	}
	require.Positive(t, v.CachedBytes())
	v.cache.ristretto.Clear()
	require.Zero(t, v.CachedBytes(), "what went in was counted out, once")
	for _, l := range v.keys.ledgers {
		require.Zero(t, l.cachedBytes.Load())
	}
}
