package bolt

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/storetest"
)

func stateIn(dir string) string { return filepath.Join(dir, "state.db") }

func openIn(t testing.TB, dir string, now func() engine.UnixMilli) store.Store {
	s, err := Open(Options{Path: stateIn(dir), Now: now})
	require.NoError(t, err)
	return s
}

func spend(t testing.TB, s *Store, n *engine.Nonce) (engine.SpendOutcome, time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return s.Spend(ctx, n)
}

func requireSpent(t testing.TB, s *Store, want engine.SpendOutcome, n *engine.Nonce) {
	t.Helper()
	got, _ := spend(t, s, n)
	require.Equal(t, want, got)
}

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Subject{
		Open:    openIn,
		Durable: true,
		Stall: func(t testing.TB, dir string, now func() engine.UnixMilli) (store.Store, func()) {
			held := make(chan struct{})
			s, err := Open(Options{Path: stateIn(dir), Now: now, writing: func() { <-held }})
			require.NoError(t, err)
			release := sync.OnceFunc(func() { close(held) })
			t.Cleanup(release)
			return s, release
		},
	})
}

func BenchmarkSpend(b *testing.B) {
	storetest.Bench(b, func(t testing.TB, dir string) store.Store { return openIn(t, dir, nil) })
}
