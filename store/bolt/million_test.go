package bolt

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/store/storetest"
)

// How long a start takes with a million live nonces, in transactions of 64 each,
// as a loaded server writes them, and of one each, the most that a file can be.
func TestOpenWithAMillionNonces(t *testing.T) {
	const live = 1_000_000
	sizes := map[string]int{"64 in a transaction": 64}
	if longRun {
		sizes["1 in a transaction"] = 1
	}
	if testing.Short() {
		t.Skip("writes a file of 20 MB")
	}
	for name, each := range sizes {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			f, err := begin(stateIn(dir), os.OpenFile, &change{header: header{created: storetest.Start, latest: storetest.Start}})
			require.NoError(t, err)
			f.db.NoSync = true
			for i := 0; i < live; i += each {
				c := change{header: header{created: storetest.Start, latest: storetest.Start}}
				for j := i; j < min(i+each, live); j++ {
					n := storetest.Nonce(j, storetest.Start.Add(time.Duration(j%120_000)*time.Millisecond))
					c.nonces = append(c.nonces, spent{n.Key, n.Expires})
				}
				require.NoError(t, f.write(&c, false))
			}
			require.NoError(t, f.close())
			require.NoError(t, writeMarker(stateIn(dir), storetest.Start))
			info, err := os.Stat(stateIn(dir))
			require.NoError(t, err)

			begin := time.Now()
			s, err := Open(Options{Path: stateIn(dir), Now: storetest.NewClock().Now})
			took := time.Since(begin)
			require.NoError(t, err)
			defer s.Close()
			t.Logf("open with %d live nonces in a file of %d MB: %s", live, info.Size()>>20, took.Round(time.Millisecond))
			require.Equal(t, live, s.Status().Nonces)
			require.Zero(t, s.Status().Floor)
			requireSpent(t, s, engine.Replayed, storetest.Nonce(live-1, storetest.Start))
			if longRun { // on a machine that does nothing else
				require.Less(t, took, time.Second)
			}
		})
	}
}
