package engine

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	loadedKeyName = "shop01.key-1"
	otherKeyName  = "shop01.key-2"
	// liveRevocations is what the loaded key has of them.
	liveRevocations = 10_000
)

// newLoadedVerifier has two keys, and live revocations on the first, all of them
// of clients that have no token here.
func newLoadedVerifier(b *testing.B, live int, cacheBytes int64) *Verifier {
	v := newTestVerifier(b, Options{
		Keys:       []Key{{Name: loadedKeyName, Secret: testSecret}, {Name: otherKeyName, Secret: testSecret}},
		CacheBytes: cacheBytes,
	})
	rs := make([]Revocation, live)
	for i := range rs {
		rs[i] = Revocation{RevokeClientID, fmt.Sprint("revoked-client-", i), testNow + 1, testNow}
	}
	v.Revoke(loadedKeyName, rs...)
	require.Equal(b, live, v.RevocationCount())
	return v
}

// BenchmarkRevocations verifies tokens of a key that has live revocations, and
// tokens of another key, which has none.
func BenchmarkRevocations(b *testing.B) {
	names := map[string]string{"loaded": loadedKeyName, "other": otherKeyName}
	for _, live := range []int{0, liveRevocations} {
		for _, key := range []string{"loaded", "other"} {
			b.Run(fmt.Sprintf("live=%d/cache=off/key=%s", live, key), func(b *testing.B) {
				verifyInTurn(b, newLoadedVerifier(b, live, 0), mintBenchTokens(b, names[key], false), testNow, nil)
			})
			b.Run(fmt.Sprintf("live=%d/cache=hit/key=%s", live, key), func(b *testing.B) {
				v := newLoadedVerifier(b, live, 64<<20)
				tokens := mintBenchTokens(b, names[key], false)
				cacheAll(b, v, tokens)
				hits := verifyInTurn(b, v, tokens, testNow, nil)
				require.Equal(b, b.N, hits, "every verdict must come from the cache")
			})
		}
	}
}

// BenchmarkRevoke adds one revocation to a key that has live ones. The largest is
// more than a key gathers in an hour at the default rate, 390,000.
func BenchmarkRevoke(b *testing.B) {
	for _, live := range []int{0, liveRevocations, 100 * liveRevocations} {
		b.Run(fmt.Sprintf("live=%d", live), func(b *testing.B) {
			v := newLoadedVerifier(b, live, 0)
			present := &v.keys.ledgers[loadedKeyName].revocations
			before := present.Load()
			added := make([]Revocation, 1000)
			for i := range added {
				added[i] = Revocation{RevokeClientID, fmt.Sprint("one more ", i), testNow + 1, testNow}
			}
			next := 0
			b.ReportAllocs()
			for b.Loop() {
				v.Revoke(loadedKeyName, added[next%len(added)])
				present.Store(before)
				next++
			}
		})
	}
}

// BenchmarkForget forgets one of so many.
func BenchmarkForget(b *testing.B) {
	for _, live := range []int{liveRevocations, 100 * liveRevocations} {
		b.Run(fmt.Sprintf("live=%d", live), func(b *testing.B) {
			v := newLoadedVerifier(b, live, 0)
			v.Revoke(loadedKeyName, Revocation{RevokeClientID, "an old one", testNow - 1, testNow - 1})
			present := &v.keys.ledgers[loadedKeyName].revocations
			before := present.Load()
			for b.Loop() {
				v.ForgetRevocations(testNow)
				require.Equal(b, live, present.Load().count)
				present.Store(before)
			}
		})
	}
}

// BenchmarkCheckAgain verifies cached tokens in turn: with revoking=before-each-pass a
// revocation of somebody else has come since each of them was looked at, so that
// each is held against its key's revocations again, of which there are 10,000.
func BenchmarkCheckAgain(b *testing.B) {
	for _, cached := range []int{1000, 1_000_000} {
		for _, revoking := range []string{"never", "before-each-pass"} {
			b.Run(fmt.Sprintf("cached=%d/revoking=%s", cached, revoking), func(b *testing.B) {
				v := newLoadedVerifier(b, liveRevocations, int64(cached)*4096)
				s, err := NewSigner(loadedKeyName + ":" + testSecret)
				require.NoError(b, err)
				tokens := make([][]byte, cached)
				for i := range tokens {
					tokens[i], err = s.AppendJWT(nil, &TokenParams{Issued: testNow, ClientID: fmt.Sprintf("client-%07d", i), Capability: `{"chat:*":["publish"]}`})
					require.NoError(b, err)
				}
				cacheAll(b, v, tokens)
				present := &v.keys.ledgers[loadedKeyName].revocations
				snapshots := [2]*revocationSet{present.Load(), present.Load().with(Revocation{RevokeClientID, "one more", testNow + 1, testNow})}
				var g Grant
				next, pass := 0, 0
				b.ReportAllocs()
				for b.Loop() {
					if next == 0 && revoking == "before-each-pass" {
						pass++
						present.Store(snapshots[pass%2])
					}
					if err := v.VerifyToken(&g, tokens[next], testNow); err != nil || !g.FromCache() {
						b.Fatalf("token %d: %v, from the cache: %t", next, err, g.FromCache())
					}
					if next++; next == len(tokens) {
						next = 0
					}
				}
			})
		}
	}
}
