package fuzz

import (
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
			requireSameRefusal(t, want, info, "way %d: %q", i, token)
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
	} else if planted == "" {
		requireSameRefusal(t, want, x.Err, "explained: %q", token)
	}
}

// requireSameRefusal wants the engine's refusal to be the oracle's. The oracle
// knows no opaque tokens, so it cannot tell why one is refused.
func requireSameRefusal(t *testing.T, want oracle.Verdict, info *engine.ErrorInfo, format string, args ...any) {
	t.Helper()
	if want.Reason == string(engine.ErrAblyToken.Reason()) && info == engine.ErrAblyTokenUnrecognized {
		return
	}
	require.Equal(t, want.Reason, string(info.Reason()), append([]any{format}, args...)...)
	require.Equal(t, [2]int{want.Code, want.Status}, [2]int{info.Code, info.StatusCode})
}

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
// makes it refused. One that carries another has many, since nobody here can tell
// what its issuer has written, and none of them grants anything else.
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
		if inner := carried(token); inner != nil {
			c.requireNoMore(t, inner, other, now)
			return
		}
		require.Error(t, verify(c.cold, &g, other, now), "a second spelling: %q", other)
		require.Error(t, verify(c.cached, &g, other, now), "a second spelling: %q", other)
	})
}

// requireNoMore wants an outer token to grant nothing, or what the inner one does.
func (c *court) requireNoMore(t *testing.T, inner, outer []byte, now int64) {
	t.Helper()
	var alone, g engine.Grant
	require.NoError(t, c.cold.VerifyToken(&alone, inner, engine.UnixMilli(now)), "%q", inner)
	for _, v := range []*engine.Verifier{c.cold, c.cached} {
		if verify(v, &g, outer, now) != nil {
			continue
		}
		require.Equal(t, alone.KeyName(), g.KeyName(), "%q", outer)
		require.Equal(t, alone.Identity(), g.Identity(), "%q", outer)
		require.Equal(t, string(alone.AppendCapability(nil)), string(g.AppendCapability(nil)), "%q", outer)
		require.Equal(t, alone.Issued(), g.Issued(), "%q", outer)
		require.LessOrEqual(t, g.Expires(), alone.Expires(), "%q", outer)
	}
}
