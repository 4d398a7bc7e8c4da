package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
	"portcullis/internal/vectors"
)

// ways are the ways in which one credential can be verified. All of them must
// reach the same verdict.
var ways = []struct {
	name       string
	cacheBytes int64
	times      int
}{{"cold", 0, 1}, {"cached", 1 << 20, 3}}

func TestVectors(t *testing.T) {
	all, err := vectors.All()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			verifiers := newVerifiers(t, way.cacheBytes)
			fromCache := 0
			for _, vector := range all {
				v := verifiers[vector.KeySetName]
				var g engine.Grant
				for range way.times {
					requireVerdict(t, v, &g, vector)
					v.WaitCache()
				}
				if g.FromCache() {
					fromCache++
				}
			}
			if way.cacheBytes > 0 {
				require.Greater(t, fromCache, 50, "hardly any vector was answered from the cache")
			}
		})
	}
}

func newVerifiers(t *testing.T, cacheBytes int64) map[string]*engine.Verifier {
	verifiers := make(map[string]*engine.Verifier)
	for set, keys := range map[string][]vectors.Key{"": vectors.Keys(), "weak": vectors.WeakKeys()} {
		converted, err := vectors.EngineKeys(keys)
		require.NoError(t, err)
		v, err := engine.NewVerifier(engine.Options{Keys: converted, CacheBytes: cacheBytes, Tokens: engine.TokenRules{AllowWeakSecrets: set == "weak"}})
		require.NoError(t, err)
		t.Cleanup(v.Close)
		verifiers[set] = v
	}
	return verifiers
}

func requireVerdict(t *testing.T, v *engine.Verifier, g *engine.Grant, vector vectors.Vector) {
	t.Helper()
	var s admission.Session
	err := verify(v, g, vector)
	if err == nil {
		err = admission.Admit(&s, g, admission.Peer{ClientID: []byte(vector.ClientID)})
	}
	if err == nil && vector.Op != "" {
		err = s.Authorize([]byte(vector.Channel), capability.ParseOp([]byte(vector.Op)))
	}
	want := vector.Want
	if !want.Admitted {
		var info *engine.ErrorInfo
		require.ErrorAs(t, err, &info, "%s must be refused: %s", vector.Name, vector.Comment)
		// The reason of a refused clientId names where it came from.
		reason := string(info.Reason())
		if info == engine.ErrRequestClientID {
			reason = string(engine.ErrClientID.Reason())
		}
		require.Equal(t, [3]any{want.Code, want.Status, want.Reason}, [3]any{info.Code, info.StatusCode, reason}, "%s: %s", vector.Name, vector.Comment)
		return
	}
	require.NoError(t, err, "%s: %s", vector.Name, vector.Comment)
	if want.KeyName != "" {
		require.Equal(t, want.KeyName, g.KeyName(), vector.Name)
	}
	if want.ClientKind != "" {
		require.Equal(t, want.ClientKind, s.Identity().Kind.String(), vector.Name)
		require.Equal(t, want.ClientID, string(s.Identity().ID), vector.Name)
	}
	if want.Capability != "" {
		require.Equal(t, want.Capability, string(g.AppendCapability(nil)), vector.Name)
	}
	if want.Issued != 0 {
		require.Equal(t, want.Issued, int64(g.Issued()), vector.Name)
	}
	if want.Expires != 0 {
		require.Equal(t, want.Expires, int64(g.Expires()), vector.Name)
	}
}

func verify(v *engine.Verifier, g *engine.Grant, vector vectors.Vector) error {
	now := engine.UnixMilli(vector.Now)
	if vector.Key != nil {
		return v.VerifyKey(g, vector.Key, now)
	}
	// A fresh copy: nothing may depend on the caller's buffer staying as it is.
	token := append([]byte(nil), vector.Token...)
	err := v.VerifyToken(g, token, now)
	for i := range token {
		token[i] = 'x'
	}
	return err
}

// An explanation takes the steps of verification, so it must end where
// verification ends, with every check before it passed and none after it.
func TestExplanationsAgreeWithVerdicts(t *testing.T) {
	all, err := vectors.All()
	require.NoError(t, err)
	verifiers := newVerifiers(t, 0)
	for _, vector := range all {
		v, now := verifiers[vector.KeySetName], engine.UnixMilli(vector.Now)
		var g engine.Grant
		err := verify(v, &g, vector)
		var x *engine.Explanation
		if vector.Key != nil {
			x = v.ExplainKey(vector.Key, now)
		} else {
			x = v.ExplainToken(vector.Token, now)
		}
		if err == nil {
			require.Nil(t, x.Err, vector.Name)
			require.Equal(t, g.KeyName(), x.Grant.KeyName())
			admission.Explain(x, admission.Peer{ClientID: []byte(vector.ClientID)}, []byte(vector.Channel), capability.ParseOp([]byte(vector.Op)))
			require.Equal(t, vector.Want.Admitted, x.Err == nil, vector.Name)
		} else {
			require.Same(t, err, x.Err, vector.Name)
			require.Empty(t, x.Grant.KeyName(), "%s: an explanation of a refusal grants nothing", vector.Name)
		}
		failed := 0
		for i, c := range x.Checks {
			switch {
			case c.Outcome == engine.Failed:
				failed++
				require.NotEmpty(t, c.Detail, vector.Name)
			case failed > 0:
				require.Equal(t, engine.NotReached, c.Outcome, "%s: %s after the failed check", vector.Name, c.Step)
			default:
				require.Equal(t, engine.Passed, c.Outcome, "%s: %s", vector.Name, c.Step)
			}
			if i > 0 {
				require.Greater(t, c.Step, x.Checks[i-1].Step, "%s: steps in order", vector.Name)
			}
		}
		require.Equal(t, x.Err != nil, failed == 1, vector.Name)
	}
}
