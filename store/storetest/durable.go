package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/store"
)

func survives(s *suite) {
	if !s.subject.Durable {
		// The contract asks nothing of such a store; it begins empty.
		s.spend(engine.Fresh, Nonce(1, Start), "the first time")
		s.reopen()
		s.spend(engine.Fresh, Nonce(1, Start), "nothing is kept")
		return
	}
	const n = 200
	for i := range n {
		s.spend(engine.Fresh, Nonce(i, Start.Add(time.Duration(i%100)*time.Second)), "the first time")
		s.revoke(fmt.Sprint("app.", i%7), revocation(i))
		s.put(store.Apps, fmt.Sprint("app", i), fmt.Sprint("value ", i))
		s.put(store.SealSecrets, fmt.Sprint("secret", i), fmt.Sprint("secret ", i))
		s.put(store.Devices, fmt.Sprint("device", i), fmt.Sprint("device ", i))
	}
	for i := range n / 2 {
		require.NoError(s, s.store.Delete(s.ctx(), store.Apps, fmt.Sprint("app", 2*i)))
		s.put(store.Apps, fmt.Sprint("app", 2*i+1), "another value")
	}
	for range 3 {
		s.reopen()
		require.NoError(s, s.store.Status().Err)
		require.Zero(s, s.store.Status().Floor, "nothing was lost")
		require.Equal(s, n, s.store.Status().Nonces)
		var w revoked
		require.NoError(s, s.store.WatchRevocations(w.told))
		require.Equal(s, n, w.len())
		for i := range n {
			s.spend(engine.Replayed, Nonce(i, Start.Add(time.Duration(i%100)*time.Second)), "it was spent")
			require.True(s, w.has(fmt.Sprint("app.", i%7), revocation(i)))
			s.has(store.SealSecrets, fmt.Sprint("secret", i), fmt.Sprint("secret ", i))
			s.has(store.Devices, fmt.Sprint("device", i), fmt.Sprint("device ", i))
			if i%2 == 0 {
				s.hasNot(store.Apps, fmt.Sprint("app", i))
			} else {
				s.has(store.Apps, fmt.Sprint("app", i), "another value")
			}
		}
	}
	n0 := Nonce(0, Start)
	s.clock.Set(n0.Expires)
	s.reopen()
	s.spend(engine.Replayed, n0, "its expiry survives as well")
	s.clock.Set(n0.Expires + 1)
	n0.Expires++
	s.spend(engine.Fresh, n0, "and to the millisecond")
}

// allAtOnce is for the race detector, and for the order of what a watch hears.
func allAtOnce(s *suite) {
	const workers, each = 8, 50
	last := make(map[string]string)
	require.NoError(s, s.store.Watch(store.Apps, func(name string, value []byte) { last[name] = string(value) }))
	var w revoked
	require.NoError(s, s.store.WatchRevocations(w.told))
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := range each {
				number := worker*each + i
				if got, _ := s.store.Spend(s.ctx(), Nonce(number, Start)); got != engine.Fresh {
					s.Errorf("nonce %d: outcome %d", number, got)
				}
				name := fmt.Sprint(i % 5)
				if err := s.store.Put(s.ctx(), store.Apps, name, fmt.Append(nil, number), false); err != nil {
					s.Errorf("put: %v", err)
				}
				if err := s.store.AppendRevocations(s.ctx(), "app.key", []engine.Revocation{revocation(number)}); err != nil {
					s.Errorf("append: %v", err)
				}
				if i%10 == 9 {
					if err := s.store.Delete(s.ctx(), store.Apps, name); err != nil {
						s.Errorf("delete: %v", err)
					}
				}
				s.store.Status()
			}
		})
	}
	group.Wait()
	require.Equal(s, workers*each, w.len())
	require.Equal(s, workers*each, s.store.Status().Nonces)
	for name, value := range last {
		got, err := s.store.Get(s.ctx(), store.Apps, name)
		if value == "" {
			require.ErrorIs(s, err, store.ErrNotFound)
			continue
		}
		require.NoError(s, err)
		require.Equal(s, value, string(got), "the last that was told is what is kept")
	}
}
