package vectors_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/internal/oracle"
	"portcullis/internal/vectors"
)

// What is moved to another time is judged there as it was judged before, but for
// the few that hold a moment which cannot be moved.
func TestMovedVectorsMeanTheSame(t *testing.T) {
	before := all(t)
	for _, now := range []int64{1700000100000, 1795604805123, 1650000000001} {
		moved, err := vectors.AllAt(now)
		require.NoError(t, err)
		require.Len(t, moved, len(before))
		fixed := 0
		for i, v := range moved {
			require.Equal(t, before[i].Name, v.Name)
			distance := now - v.Now + before[i].Now - vectors.DefaultNow
			if before[i].Now == vectors.DefaultNow {
				require.True(t, 0 <= distance && distance < 1000, "%s is judged at %d", v.Name, v.Now)
			}
			got := judge(v)
			if got.Reason != v.Want.Reason {
				fixed++
				continue
			}
			require.Equal(t, [2]int{v.Want.Code, v.Want.Status}, [2]int{got.Code, got.Status}, v.Name)
			if v.Want.Admitted && v.Want.Issued != 0 {
				require.Equal(t, v.Want.Issued, got.Issued, v.Name)
			}
			if v.Want.Admitted && v.Want.Expires != 0 {
				require.Equal(t, v.Want.Expires, got.Expires, v.Name)
			}
		}
		require.Less(t, fixed, len(moved)/20, "moved to %d", now)
		t.Logf("%d of %d vectors cannot be moved to %d", fixed, len(moved), now)
	}
}

// Moving moves: a token of the moved set is not one of the set as it stands.
func TestMovedTokensAreOthers(t *testing.T) {
	sample, err := vectors.Sample("admitted")
	require.NoError(t, err)
	moved, err := vectors.AllAt(1795604805123)
	require.NoError(t, err)
	for _, v := range moved {
		if v.Name == sample.Name {
			require.NotEqual(t, string(sample.Token), string(v.Token))
			require.Equal(t, 2, strings.Count(string(v.Token), "."))
			keys := []oracle.Key{}
			for _, k := range v.KeySet() {
				keys = append(keys, oracle.Key(k))
			}
			require.Equal(t, "token_expired", oracle.VerifyToken(keys, string(sample.Token), v.Now).Reason)
			return
		}
	}
	require.Fail(t, "the sample is not among the vectors")
}
