package engine

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/capability"
)

// requireNoAllocs runs f, which must succeed, and wants no allocation.
func requireNoAllocs(t *testing.T, f func() error) {
	t.Helper()
	needsExactAllocs(t)
	require.NoError(t, f()) // what is made once is made here
	require.Zero(t, testing.AllocsPerRun(200, func() {
		if err := f(); err != nil {
			t.Error(err)
		}
	}))
}

func TestVerifyingWithoutACacheAllocatesNothing(t *testing.T) {
	v := newTestVerifier(t, Options{})
	var g Grant
	t.Run("a capability seen before", func(t *testing.T) {
		token := mint(t, TokenParams{Capability: `{"chat:*":["publish"],"room":["*"]}`, ClientID: "alice", RevocationKey: "group"})
		requireNoAllocs(t, func() error { return v.VerifyToken(&g, token, testNow) })
	})
	t.Run("a capability never seen before", func(t *testing.T) {
		tokens := make([][]byte, 1000)
		for i := range tokens {
			tokens[i] = mint(t, TokenParams{Capability: fmt.Sprintf(`{"chat:%d:*":["publish"],"room:%d":["subscribe"]}`, i, i), ClientID: fmt.Sprint("client", i)})
		}
		i := 0
		requireNoAllocs(t, func() error { i++; return v.VerifyToken(&g, tokens[i], testNow) })
	})
	t.Run("escapes in everything", func(t *testing.T) {
		token := mint(t, TokenParams{Capability: `{"a\"b":["publish"]}`, ClientID: `q"\`})
		requireNoAllocs(t, func() error { return v.VerifyToken(&g, token, testNow) })
	})
	t.Run("an API key", func(t *testing.T) {
		key := []byte("appId.keyId:" + testSecret)
		requireNoAllocs(t, func() error { return v.VerifyKey(&g, key, testNow) })
	})
	t.Run("a revocation that does not apply", func(t *testing.T) {
		v := newTestVerifier(t, Options{})
		v.Revoke("appId.keyId", Revocation{RevokeClientID, "bob", testNow, testNow})
		token := mint(t, TokenParams{ClientID: "alice"})
		requireNoAllocs(t, func() error { return v.VerifyToken(&g, token, testNow) })
	})
}

// needsExactAllocs skips a test where allocations cannot be counted.
func needsExactAllocs(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("counted without the race detector, by make check")
	}
}

func TestRefusingAllocatesNothing(t *testing.T) {
	needsExactAllocs(t)
	v := newTestVerifier(t, Options{})
	good := mint(t, TokenParams{ClientID: "alice"})
	for name, c := range map[string]struct {
		token []byte
		want  error
	}{
		"bad signature": {append(append([]byte(nil), good[:len(good)-43]...), make43('A')...), ErrSignature},
		"garbage":       {[]byte("a.b.c"), ErrBase64},
		"expired":       {mint(t, TokenParams{Issued: testNow - 7200_000}), ErrTokenExpired},
	} {
		var g Grant
		require.ErrorIs(t, v.VerifyToken(&g, c.token, testNow), c.want, name)
		require.Zero(t, testing.AllocsPerRun(200, func() {
			if v.VerifyToken(&g, c.token, testNow) != c.want {
				t.Error(name)
			}
		}), name)
	}
}

func make43(c byte) []byte {
	b := make([]byte, 43)
	for i := range b {
		b[i] = c
	}
	return b
}

func TestAskingAGrantAllocatesNothing(t *testing.T) {
	token := mint(t, TokenParams{Capability: `{"chat:*":["publish"],"a:*:b":["history"]}`, ClientID: "alice"})
	resource := channel("chat:room1")
	for _, cacheBytes := range []int64{0, 1 << 20} {
		v := newTestVerifier(t, Options{CacheBytes: cacheBytes})
		var g Grant
		require.NoError(t, v.VerifyToken(&g, token, testNow))
		requireNoAllocs(t, func() error { return g.Authorize(resource, capability.Publish) })
		requireNoAllocs(t, func() error { _, err := g.Identity().Resolve([]byte("alice")); return err })
	}
}

func TestACacheHitAllocatesNothing(t *testing.T) {
	v := newTestVerifier(t, Options{CacheBytes: 1 << 20})
	token := mint(t, TokenParams{Capability: `{"chat:*":["publish"]}`, ClientID: "alice", RevocationKey: "group"})
	var g Grant
	require.NoError(t, v.VerifyToken(&g, token, testNow))
	v.WaitCache()
	requireNoAllocs(t, func() error {
		if err := v.VerifyToken(&g, token, testNow); err != nil || g.FromCache() {
			return err
		}
		return fmt.Errorf("not from the cache")
	})
}

// mallocs returns how many objects f allocates, those of the cache's own
// goroutine included.
func mallocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

func TestAnInsertedMissAllocatesFourObjects(t *testing.T) {
	needsExactAllocs(t)
	const n = 2000
	v := newTestVerifier(t, Options{CacheBytes: 64 << 20})
	tokens := make([][]byte, 2*n)
	for i := range tokens {
		tokens[i] = mint(t, TokenParams{Capability: `{"chat:*":["publish"]}`, ClientID: fmt.Sprint("client", i)})
	}
	var g Grant
	insert := func(from, to int) {
		for _, token := range tokens[from:to] {
			if err := v.VerifyToken(&g, token, testNow); err != nil || g.FromCache() {
				t.Error(err, g.FromCache())
			}
			v.WaitCache() // one after the other, so that none is dropped
		}
	}
	insert(0, n)
	wait := mallocs(func() {
		for range n {
			v.WaitCache()
		}
	})
	each := float64(mallocs(func() { insert(n, 2*n) })-wait) / n
	t.Logf("%.2f objects for each inserted token", each)
	require.LessOrEqual(t, each, 4.0)
	kept := 0
	for _, token := range tokens {
		if v.VerifyToken(&g, token, testNow) == nil && g.FromCache() {
			kept++
		}
	}
	require.Equal(t, 2*n, kept, "every token was inserted")
}

// One million verifications of a thousand warm tokens, each copied into a buffer
// that held another one before.
func TestWarmTokensAllocateNothing(t *testing.T) {
	needsExactAllocs(t)
	const tokens, rounds = 1000, 1000
	v := newTestVerifier(t, Options{CacheBytes: 64 << 20})
	warm := make([][]byte, tokens)
	var g Grant
	for i := range warm {
		warm[i] = mint(t, TokenParams{Capability: fmt.Sprintf(`{"chat:%d":["publish"]}`, i%10), ClientID: fmt.Sprint("client", i)})
		require.NoError(t, v.VerifyToken(&g, warm[i], testNow))
		v.WaitCache()
	}
	buffer := make([]byte, MaxTokenBytes)
	misses := 0
	added := mallocs(func() {
		for range rounds {
			for _, token := range warm {
				if v.VerifyToken(&g, buffer[:copy(buffer, token)], testNow) != nil || !g.FromCache() {
					misses++
				}
			}
		}
	})
	require.Zero(t, misses)
	t.Logf("%d mallocs in %d verifications", added, tokens*rounds)
	require.Less(t, added, uint64(100))
}
