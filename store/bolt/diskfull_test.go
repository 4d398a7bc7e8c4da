//go:build linux

package bolt

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"portcullis/engine"
	"portcullis/store/storetest"
)

// A real file system of 24 MB that something else fills, and then leaves.
func TestARealDiskThatIsFull(t *testing.T) {
	if !longRun {
		t.Skip("mounts a file system: set PORTCULLIS_STORE_LONG; a full disk without one is in TestAFailedWriteAcknowledgesNothingAndHeals")
	}
	dir := t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"), "this test needs root")
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	s, err := Open(Options{Path: stateIn(dir)})
	require.NoError(t, err)
	next := 0
	fresh := func(since engine.UnixMilli) engine.SpendOutcome {
		n := storetest.Nonce(next, engine.Now())
		n.Since = since
		next++
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		got, _ := s.Spend(ctx, n)
		return got
	}
	type acked struct {
		number  int
		stamped engine.UnixMilli
	}
	var spent []acked
	for range 1000 {
		stamped := engine.Now()
		require.Equal(t, engine.Fresh, fresh(0))
		spent = append(spent, acked{next - 1, stamped})
	}

	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	require.NoError(t, err)
	for block := make([]byte, 4096); err == nil; _, err = ballast.Write(block) {
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	require.NoError(t, ballast.Close())
	for i := 0; ; i++ {
		stamped := engine.Now()
		if fresh(0) != engine.Fresh {
			break
		}
		spent = append(spent, acked{next - 1, stamped})
		require.Less(t, i, 5_000_000, "the disk is full, but everything is acknowledged")
	}
	require.ErrorIs(t, s.Status().Err, unix.ENOSPC)
	t.Logf("%d spent before the disk was full", len(spent))
	for range 100 {
		require.Equal(t, engine.Unknown, fresh(0))
	}

	freed := time.Now()
	require.NoError(t, os.Remove(ballast.Name()))
	require.Eventually(t, func() bool { return fresh(engine.Now()) == engine.Fresh }, 5*time.Second, 10*time.Millisecond)
	t.Logf("it writes again %s after the disk was freed", time.Since(freed).Round(time.Millisecond))
	check := func() {
		for _, a := range spent {
			got, _ := spend(t, s, storetest.Nonce(a.number, a.stamped))
			require.NotEqual(t, engine.Fresh, got, "nonce %d", a.number)
		}
	}
	check()
	require.NoError(t, s.Close())
	s, err = Open(Options{Path: stateIn(dir)})
	require.NoError(t, err)
	require.NotZero(t, s.Status().Floor)
	check()
	require.NoError(t, s.Close())
}
