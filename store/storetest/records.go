package storetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/store"
)

func (s *suite) put(b store.Bucket, name, value string) {
	s.Helper()
	require.NoError(s, s.store.Put(s.ctx(), b, name, []byte(value), false))
}

func (s *suite) has(b store.Bucket, name, value string) {
	s.Helper()
	got, err := s.store.Get(s.ctx(), b, name)
	require.NoError(s, err)
	require.Equal(s, value, string(got))
}

func (s *suite) hasNot(b store.Bucket, name string) {
	s.Helper()
	_, err := s.store.Get(s.ctx(), b, name)
	require.ErrorIs(s, err, store.ErrNotFound)
}

func records(s *suite) {
	s.hasNot(store.Apps, "a")
	require.NoError(s, s.store.Put(s.ctx(), store.Apps, "a", []byte("one"), true))
	require.ErrorIs(s, s.store.Put(s.ctx(), store.Apps, "a", []byte("two"), true), store.ErrExists)
	s.has(store.Apps, "a", "one")
	s.put(store.Apps, "a", "three")
	s.has(store.Apps, "a", "three")
	s.put(store.Apps, "empty", "")
	s.has(store.Apps, "empty", "")
	require.ErrorIs(s, s.store.Put(s.ctx(), store.Apps, "empty", nil, true), store.ErrExists, "an empty record is one")
	require.NoError(s, s.store.Delete(s.ctx(), store.Apps, "a"))
	s.hasNot(store.Apps, "a")
	require.NoError(s, s.store.Delete(s.ctx(), store.Apps, "a"), "there need not be one")
	require.NoError(s, s.store.Put(s.ctx(), store.Apps, "a", []byte("four"), true))
	s.has(store.Apps, "a", "four")
}

func oneCreator(s *suite) {
	const racers = 16
	for round := range 20 {
		var created, existed atomic.Int32
		var group sync.WaitGroup
		begin := make(chan struct{})
		for i := range racers {
			group.Go(func() {
				<-begin
				switch err := s.store.Put(s.ctx(), store.SealSecrets, fmt.Sprint(round), []byte{byte(i)}, true); {
				case err == nil:
					created.Add(1)
				case err == store.ErrExists:
					existed.Add(1)
				}
			})
		}
		close(begin)
		group.Wait()
		require.EqualValues(s, 1, created.Load())
		require.EqualValues(s, racers-1, existed.Load())
	}
}

func bucketsAreApart(s *suite) {
	for i, b := range store.Buckets {
		for j, other := range store.Buckets[i:] {
			if j == 0 {
				s.hasNot(b, "x")
				s.put(b, "x", string(b))
			} else {
				s.hasNot(other, "x")
			}
		}
	}
	for i, b := range store.Buckets {
		require.NoError(s, s.store.Delete(s.ctx(), b, "x"))
		s.hasNot(b, "x")
		for _, other := range store.Buckets[i+1:] {
			s.has(other, "x", string(other))
		}
	}
}

// watched is what a watch heard, in its order.
type watched struct {
	mu    sync.Mutex
	heard []string
}

func (w *watched) told(name string, value []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if value == nil {
		w.heard = append(w.heard, "-"+name)
		return
	}
	w.heard = append(w.heard, name+"="+string(value))
}

func (w *watched) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string{}, w.heard...)
}

func recordsAreTold(s *suite) {
	s.put(store.Apps, "a", "1")
	s.put(store.SealSecrets, "not an app", "1")
	var w watched
	require.NoError(s, s.store.Watch(store.Apps, w.told))
	require.Equal(s, []string{"a=1"}, w.all())
	require.ErrorIs(s, s.store.Watch(store.Apps, w.told), store.ErrWatched)
	var devices watched
	require.NoError(s, s.store.Watch(store.Devices, devices.told), "each bucket has its own")
	s.put(store.Apps, "b", "")
	s.put(store.Apps, "a", "2")
	require.ErrorIs(s, s.store.Put(s.ctx(), store.Apps, "a", []byte("3"), true), store.ErrExists)
	s.put(store.SealSecrets, "not an app", "2")
	require.NoError(s, s.store.Delete(s.ctx(), store.Apps, "a"))
	require.NoError(s, s.store.Delete(s.ctx(), store.Apps, "b"))
	require.NoError(s, s.store.Put(s.ctx(), store.Devices, "d", []byte("1"), true))
	require.Equal(s, []string{"a=1", "b=", "a=2", "-a", "-b"}, w.all())
	require.Equal(s, []string{"d=1"}, devices.all())
}

func valuesAreCopies(s *suite) {
	value := []byte("value")
	require.NoError(s, s.store.Put(s.ctx(), store.Apps, "a", value, true))
	value[0] = 'X'
	got, err := s.store.Get(s.ctx(), store.Apps, "a")
	require.NoError(s, err)
	require.Equal(s, "value", string(got))
	got[0] = 'X'
	s.has(store.Apps, "a", "value")
}

func limits(s *suite) {
	name, value := strings.Repeat("n", store.MaxNameBytes), bytes.Repeat([]byte("v"), store.MaxValueBytes)
	for _, b := range store.Buckets {
		require.NoError(s, s.store.Put(s.ctx(), b, name, value, true))
		s.has(b, name, string(value))
		require.ErrorIs(s, s.store.Put(s.ctx(), b, name+"n", nil, true), store.ErrTooLarge)
		require.ErrorIs(s, s.store.Put(s.ctx(), b, "b", append(value, 'v'), true), store.ErrTooLarge)
		require.ErrorIs(s, s.store.Put(s.ctx(), b, "", nil, true), store.ErrInvalid)
		s.hasNot(b, "b")
	}
	require.ErrorIs(s, s.store.Put(s.ctx(), "another", "a", nil, true), store.ErrInvalid)
	require.ErrorIs(s, s.store.Delete(s.ctx(), "another", "a"), store.ErrInvalid)
	require.ErrorIs(s, s.store.Watch("another", func(string, []byte) {}), store.ErrInvalid)
	_, err := s.store.Get(s.ctx(), "another", "a")
	require.ErrorIs(s, err, store.ErrInvalid)
	r := engine.Revocation{Value: string(value), AppliesAt: Start}
	s.revoke(name, r)
	require.ErrorIs(s, s.store.AppendRevocations(s.ctx(), name+"n", []engine.Revocation{r}), store.ErrTooLarge)
	require.ErrorIs(s, s.store.AppendRevocations(s.ctx(), "", []engine.Revocation{r}), store.ErrInvalid)
	r.Value += "v"
	require.ErrorIs(s, s.store.AppendRevocations(s.ctx(), name, []engine.Revocation{r}), store.ErrTooLarge)
	require.ErrorIs(s, s.store.AppendRevocations(s.ctx(), name, []engine.Revocation{{Target: engine.RevokeFamily + 1}}), store.ErrInvalid)
}

func closed(s *suite) {
	s.spend(engine.Fresh, Nonce(1, Start), "the first time")
	require.NoError(s, s.store.Close())
	ctx := context.Background()
	got, _ := s.store.Spend(ctx, Nonce(2, Start))
	require.Equal(s, engine.Unknown, got)
	require.ErrorIs(s, s.store.AppendRevocations(ctx, "app.key", []engine.Revocation{revocation(1)}), store.ErrClosed)
	require.ErrorIs(s, s.store.WatchRevocations(func(string, engine.Revocation) {}), store.ErrClosed)
	require.ErrorIs(s, s.store.Put(ctx, store.Apps, "a", nil, false), store.ErrClosed)
	require.ErrorIs(s, s.store.Delete(ctx, store.Apps, "a"), store.ErrClosed)
	require.ErrorIs(s, s.store.Watch(store.Apps, func(string, []byte) {}), store.ErrClosed)
	_, err := s.store.Get(ctx, store.Apps, "a")
	require.ErrorIs(s, err, store.ErrClosed)
	require.ErrorIs(s, s.store.Status().Err, store.ErrClosed)
	require.ErrorIs(s, s.store.Close(), store.ErrClosed)
}
