package fuzz

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/internal/oracle"
	"portcullis/internal/vectors"
)

// court holds one verifier without a cache, one with, and the oracle's keys.
type court struct {
	cold, cached *engine.Verifier
	keys         []oracle.Key
}

func newCourt(f *testing.F) *court {
	keys, err := vectors.EngineKeys(vectors.Keys())
	require.NoError(f, err)
	c := new(court)
	c.cold, err = engine.NewVerifier(engine.Options{Keys: keys})
	require.NoError(f, err)
	c.cached, err = engine.NewVerifier(engine.Options{Keys: keys, CacheBytes: 1 << 20})
	require.NoError(f, err)
	f.Cleanup(c.cached.Close)
	for _, k := range vectors.Keys() {
		c.keys = append(c.keys, oracle.Key{Name: k.Name, Secret: k.Secret, Capability: k.Capability, RevocableTokens: k.RevocableTokens, State: k.State, NotAfter: k.NotAfter})
	}
	return c
}

// requireOneVerdict holds every way of verifying token against the oracle.
func (c *court) requireOneVerdict(t *testing.T, token []byte, now int64) {
	t.Helper()
	want := oracle.VerifyToken(c.keys, string(token), now)
	var g engine.Grant
	for i, v := range []*engine.Verifier{c.cold, c.cached, c.cached} {
		err := verify(v, &g, token, now)
		if want.Reason != "" {
			info, ok := err.(*engine.ErrorInfo)
			require.True(t, ok, "way %d: the oracle refuses (%s), the engine says %v: %q", i, want.Reason, err, token)
			require.Empty(t, g.KeyName())
			if opaque(token) && info == engine.ErrAblyTokenUnrecognized {
				continue // the oracle knows no opaque tokens, so it cannot tell why one is refused
			}
			require.Equal(t, want.Reason, string(info.Reason()), "way %d: %q", i, token)
			require.Equal(t, [2]int{want.Code, want.Status}, [2]int{info.Code, info.StatusCode})
			continue
		}
		require.NoError(t, err, "way %d: the oracle admits %q", i, token)
		require.Equal(t, want.KeyName, g.KeyName())
		require.Equal(t, want.ClientKind, g.Identity().Kind.String())
		require.Equal(t, want.ClientID, string(g.Identity().ID))
		require.Equal(t, want.Capability, string(g.AppendCapability(nil)))
		require.Equal(t, [2]int64{want.Issued, want.Expires}, [2]int64{int64(g.Issued()), int64(g.Expires())})
	}
	x := c.cold.ExplainToken(token, engine.UnixMilli(now))
	if planted == "" && want.Reason == "" {
		require.Nil(t, x.Err)
	} else if planted == "" && !opaque(token) {
		require.Equal(t, want.Reason, string(x.Err.Reason()))
	}
}

func opaque(token []byte) bool { return bytes.Count(token, []byte{'.'}) == 1 }

// seeds calls add for every token of the vectors.
func seeds(f *testing.F, add func(v vectors.Vector)) {
	all, err := vectors.All()
	require.NoError(f, err)
	n := 0
	for _, v := range all {
		if v.Token != nil && v.KeySetName == "" {
			add(v)
			n++
		}
	}
	require.Greater(f, n, 500, "hardly any seeds")
}

func FuzzToken(f *testing.F) {
	c := newCourt(f)
	seeds(f, func(v vectors.Vector) { f.Add(v.Token, v.Now) })
	f.Fuzz(func(t *testing.T, token []byte, now int64) {
		c.requireOneVerdict(t, token, clampTime(now))
	})
}

// clampTime keeps a made-up clock within the years in which it is one.
func clampTime(now int64) int64 {
	const year9999 = 253402300799000
	return max(0, now%year9999)
}

func FuzzClaims(f *testing.F) {
	c := newCourt(f)
	secrets := make(map[string]string)
	for _, k := range vectors.Keys() {
		secrets[k.Name] = k.Secret
	}
	seeds(f, func(v vectors.Vector) {
		if header, claims, ok := decode(v.Token); ok {
			f.Add(header, claims, v.Now)
		}
	})
	f.Fuzz(func(t *testing.T, header, claims string, now int64) {
		// Sign with the key that the header names, or as good as.
		secret := secrets["appId.keyId"]
		for name, s := range secrets {
			if strings.Contains(header, `"`+name+`"`) {
				secret = s
			}
		}
		token, now := sign(header, claims, secret), clampTime(now)
		if planted != "" {
			// The defect is in the making: the oracle judges what was meant.
			want := oracle.VerifyToken(c.keys, string(signExact(header, claims, secret)), now)
			err := verify(c.cold, new(engine.Grant), token, now)
			require.Equal(t, want.Reason == "", err == nil, "%q %q", header, claims)
			return
		}
		c.requireOneVerdict(t, token, now)
	})
}

// One admitted token has one spelling: changing, adding or leaving out any byte
// makes it refused.
func FuzzSpelling(f *testing.F) {
	c := newCourt(f)
	seeds(f, func(v vectors.Vector) {
		if v.Want.Admitted {
			f.Add(v.Token, v.Now, uint16(len(v.Token)/2), byte('\n'), uint8(1))
			f.Add(v.Token, v.Now, uint16(len(v.Token)), byte('='), uint8(1))
			f.Add(v.Token, v.Now, uint16(len(v.Token)-1), byte(1), uint8(0))
		}
	})
	f.Fuzz(func(t *testing.T, token []byte, now int64, at uint16, change byte, how uint8) {
		now = clampTime(now)
		var g engine.Grant
		if len(token) == 0 || c.cold.VerifyToken(&g, token, engine.UnixMilli(now)) != nil {
			return
		}
		i := int(at) % (len(token) + 1)
		other := append([]byte(nil), token[:i]...)
		switch rest := token[i:]; {
		case how%3 == 1:
			other = append(append(other, change), rest...)
		case len(rest) == 0:
			return
		case how%3 == 2:
			other = append(other, rest[1:]...)
		case change == 0:
			return
		default:
			other = append(append(other, rest[0]^change), rest[1:]...)
		}
		require.Error(t, verify(c.cold, &g, other, now), "a second spelling: %q", other)
		require.Error(t, verify(c.cached, &g, other, now), "a second spelling: %q", other)
	})
}
