package vectors_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"portcullis/internal/oracle"
	"portcullis/internal/vectors"
)

func all(t *testing.T) []vectors.Vector {
	t.Helper()
	list, err := vectors.All()
	require.NoError(t, err)
	return list
}

// judge asks the oracle what it makes of a vector.
func judge(v vectors.Vector) oracle.Verdict {
	var keys []oracle.Key
	for _, k := range v.KeySet() {
		keys = append(keys, oracle.Key(k))
	}
	var verdict oracle.Verdict
	if v.Key != nil {
		verdict = oracle.VerifyKey(keys, string(v.Key), v.Now)
	} else {
		verdict = oracle.VerifyToken(keys, string(v.Token), v.Now)
	}
	return oracle.Admit(verdict, v.ClientID, v.Channel, v.Op)
}

func TestOracleAgrees(t *testing.T) {
	for _, v := range all(t) {
		t.Run(v.Name, func(t *testing.T) {
			got := judge(v)
			if !v.Want.Admitted {
				require.Equal(t, oracle.Verdict{Reason: v.Want.Reason, Code: v.Want.Code, Status: v.Want.Status}, got)
				return
			}
			require.Empty(t, got.Reason)
			// What a vector leaves out is not compared.
			want := oracle.Verdict{
				KeyName: v.Want.KeyName, ClientID: v.Want.ClientID, ClientKind: v.Want.ClientKind,
				Capability: v.Want.Capability, Issued: v.Want.Issued, Expires: v.Want.Expires,
			}
			if want.KeyName == "" {
				want.KeyName = got.KeyName
			}
			if want.ClientKind == "" {
				want.ClientKind, want.ClientID = got.ClientKind, got.ClientID
			}
			if want.Capability == "" {
				want.Capability = got.Capability
			}
			if want.Issued == 0 {
				want.Issued = got.Issued
			}
			if want.Expires == 0 {
				want.Expires = got.Expires
			}
			require.Equal(t, want, got)
		})
	}
}

func TestVectorsAreComplete(t *testing.T) {
	// Reasons that neither a token, a key nor an admission can meet on its own.
	elsewhere := []string{
		"no_credentials", // the transport found none
		"token_revoked",  // needs a revocation, which is state
	}
	refusals := 0
	covered := map[string]bool{}
	perDirectory := map[string]int{}
	for _, v := range all(t) {
		require.NotEmpty(t, v.Comment, v.Name)
		require.True(t, (v.Token == nil) != (v.Key == nil), "%s: one credential", v.Name)
		dir, _, _ := strings.Cut(v.Name, "/")
		perDirectory[dir]++
		if !v.Want.Admitted {
			refusals++
			covered[v.Want.Reason] = true
			code, known := oracle.Codes()[v.Want.Reason]
			require.True(t, known, "%s: reason %s", v.Name, v.Want.Reason)
			require.Equal(t, code, oracle.Code{Code: v.Want.Code, Status: v.Want.Status}, v.Name)
		}
	}
	require.GreaterOrEqual(t, refusals, 120)
	for _, dir := range []string{"token", "key", "admit"} {
		require.NotZero(t, perDirectory[dir], dir)
	}
	for reason := range oracle.Codes() {
		require.True(t, covered[reason] || slices.Contains(elsewhere, reason), "no vector for %s", reason)
		require.False(t, covered[reason] && slices.Contains(elsewhere, reason), reason)
	}
	t.Logf("%d refusals, %v", refusals, perDirectory)
}

// Two files with the same credential and question would be one case under two
// names, or a contradiction.
func TestVectorsDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, v := range all(t) {
		question := fmt.Sprintf("%s %t %q %q %d %q %q %s", v.KeySetName, v.Key == nil, v.Token, v.Key, v.Now, v.ClientID, v.Channel, v.Op)
		assert.Empty(t, seen[question], "%s asks the same", v.Name)
		seen[question] = v.Name
	}
}

func TestKeys(t *testing.T) {
	names, secrets := map[string]bool{}, map[string]bool{}
	for _, k := range vectors.Keys() {
		require.GreaterOrEqual(t, len(k.Secret), 16, k.Name)
		require.False(t, names[k.Name], k.Name)
		require.False(t, secrets[k.Secret], k.Name)
		names[k.Name], secrets[k.Secret] = true, true
		if k.Capability != "" {
			_, err := oracle.ParseCapability(k.Capability)
			require.NoError(t, err, k.Name)
		}
	}
	require.Len(t, vectors.WeakKeys(), 1)
}

// The sizes that some vectors are about.
func TestSizes(t *testing.T) {
	sizes := map[string]int{
		"token/8192-bytes": 8192, "token/8193-bytes": 8193, "key/8192-bytes": 8192, "key/8193-bytes": 8193,
		"token/embedded-8192-bytes": 8192, "token/embedded-8193-bytes": 8193,
	}
	for _, v := range all(t) {
		if size, exact := sizes[v.Name]; exact {
			require.Len(t, string(v.Token)+string(v.Key), size, v.Name)
			delete(sizes, v.Name)
		} else if v.Want.Reason != "token_too_long" && v.Want.Reason != "malformed_key" {
			require.LessOrEqual(t, len(v.Token)+len(v.Key), 8192, v.Name)
		}
	}
	require.Empty(t, sizes)
}
