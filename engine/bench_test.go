package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// benchTokenBytes is the length of the tokens that are measured: three header
	// parameters, times, four resources and a clientId.
	benchTokenBytes = 345
	benchTokens     = 1000 // measured in turn, so that no branch is learnt by heart
	benchKeyName    = "shop01.key-1"
)

func newBenchVerifier(b *testing.B, cacheBytes int64) *Verifier {
	return newTestVerifier(b, Options{Keys: []Key{{Name: benchKeyName, Secret: testSecret}}, CacheBytes: cacheBytes})
}

// mintBenchTokens mints distinct tokens for keyName. The capability has one text
// in all of them, or another one in each.
func mintBenchTokens(b *testing.B, keyName string, textEach bool) [][]byte {
	b.Helper()
	s, err := NewSigner(Secret(keyName + ":" + testSecret))
	require.NoError(b, err)
	tokens := make([][]byte, benchTokens)
	for i := range tokens {
		user := 0
		if textEach {
			user = i
		}
		tokens[i], err = s.AppendJWT(nil, &TokenParams{
			Issued: testNow, ClientID: fmt.Sprintf("client%03d", i),
			Capability: fmt.Sprintf(`{"chat:*":["publish"],"feed":["history"],"news":["*"],"u:%04d":["stats"]}`, user),
		})
		require.NoError(b, err)
		require.Len(b, tokens[i], benchTokenBytes)
	}
	return tokens
}

// verifyInTurn measures VerifyToken on tokens in turn, each of which must get
// the verdict want. As a server reads every request into the same memory, every
// token is copied before it is verified.
func verifyInTurn(b *testing.B, v *Verifier, tokens [][]byte, now UnixMilli, want error) (hits int) {
	b.Helper()
	var g Grant
	var buffer [MaxTokenBytes]byte
	next := 0
	b.ReportAllocs()
	b.SetBytes(benchTokenBytes)
	for b.Loop() {
		n := copy(buffer[:], tokens[next])
		if err := v.VerifyToken(&g, buffer[:n], now); err != want {
			b.Fatalf("token %d: %v, want %v", next, err, want)
		}
		if g.FromCache() {
			hits++
		}
		if next++; next == len(tokens) {
			next = 0
		}
	}
	return hits
}

func BenchmarkVerify(b *testing.B) {
	for _, text := range []string{"one", "each"} {
		b.Run("token=345B/cache=off/capability-text="+text, func(b *testing.B) {
			verifyInTurn(b, newBenchVerifier(b, 0), mintBenchTokens(b, benchKeyName, text == "each"), testNow, nil)
		})
		b.Run("token=345B/cache=hit/capability-text="+text, func(b *testing.B) {
			v := newBenchVerifier(b, 64<<20)
			tokens := mintBenchTokens(b, benchKeyName, text == "each")
			cacheAll(b, v, tokens)
			hits := verifyInTurn(b, v, tokens, testNow, nil)
			require.Equal(b, b.N, hits, "every verdict must come from the cache")
		})
	}
}

// cacheAll verifies tokens until the cache, which may drop what it is given, has
// all of them.
func cacheAll(b *testing.B, v *Verifier, tokens [][]byte) {
	b.Helper()
	var g Grant
	for range 100 {
		missing := 0
		for _, token := range tokens {
			require.NoError(b, v.VerifyToken(&g, token, testNow))
			if !g.FromCache() {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		v.WaitCache()
	}
	b.Fatal("the cache does not take the tokens")
}

func BenchmarkRefuse(b *testing.B) {
	good := mintBenchTokens(b, benchKeyName, false)
	forged := make([][]byte, len(good))
	for i, token := range good {
		forged[i] = append([]byte(nil), token...)
		first := &forged[i][benchTokenBytes-43] // of the signature
		if *first == 'A' {
			*first = 'B'
		} else {
			*first = 'A'
		}
	}
	for _, c := range []struct {
		err    *ErrorInfo
		tokens [][]byte
		now    UnixMilli
	}{
		{ErrSignature, forged, testNow},
		{ErrUnknownKey, mintBenchTokens(b, "shop01.key-2", false), testNow},
		{ErrUnknownApp, mintBenchTokens(b, "shop02.key-1", false), testNow},
		{ErrTokenExpired, good, testNow.Add(2 * time.Hour)},
	} {
		b.Run("token=345B/reason="+string(c.err.Reason()), func(b *testing.B) {
			verifyInTurn(b, newBenchVerifier(b, 0), c.tokens, c.now, c.err)
		})
	}
}

func BenchmarkVerifyKey(b *testing.B) {
	v := newBenchVerifier(b, 0)
	key := []byte(benchKeyName + ":" + testSecret)
	var g Grant
	b.ReportAllocs()
	for b.Loop() {
		if err := v.VerifyKey(&g, key, testNow); err != nil {
			b.Fatal(err)
		}
	}
}
