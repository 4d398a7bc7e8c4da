// Package memory is a store that keeps nothing beyond the process, for tests and
// for "portcullis dev". It starts no goroutine. Expired nonces are dropped as new
// ones come, a minute at a time.
package memory

import (
	"context"
	"sync"
	"time"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/internal/state"
)

// Options are how a Store is opened.
type Options struct {
	Now func() engine.UnixMilli // the clock; nil means the wall clock
}

// Store keeps everything in memory. It implements store.Store.
type Store struct {
	now  func() engine.UnixMilli
	book *state.Book

	mu     sync.Mutex // over all that follows, and held while the book changes
	nonces state.Nonces
	pruned state.Minute
	closed bool
}

var _ store.Store = (*Store)(nil)

// New returns an empty Store.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = engine.Now
	}
	return &Store{now: o.Now, book: state.NewBook()}
}

// Spend implements engine.Spender.
func (s *Store) Spend(ctx context.Context, n *engine.Nonce) (engine.SpendOutcome, time.Duration) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonces.Expire(now)
	switch {
	case s.closed || ctx.Err() != nil:
		return engine.Unknown, time.Second
	case s.nonces.Has(n.Key, n.Expires, now):
		return engine.Replayed, 0
	case !s.nonces.Decidable(n.Expires, now):
		return engine.Unknown, time.Second
	}
	s.nonces.Add(n.Key, n.Expires)
	return engine.Fresh, 0
}

// AppendRevocations implements store.Store.
func (s *Store) AppendRevocations(ctx context.Context, keyName string, revocations []engine.Revocation) error {
	if err := state.CheckRevocations(keyName, revocations); err != nil {
		return err
	}
	entries := make([]state.Entry, len(revocations))
	for i, r := range revocations {
		entries[i] = state.Entry{KeyName: keyName, Revocation: r}
	}
	return s.write(ctx, func() error {
		s.book.Apply(entries, nil)
		now := s.now()
		if m, _ := state.MinuteOf(now); m != s.pruned {
			s.pruned = m
			s.book.Prune(now)
		}
		return nil
	})
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, b store.Bucket, name string, value []byte, create bool) error {
	if err := state.CheckRecord(b, name, value); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		if create && s.book.HasRecord(b, name) {
			return store.ErrExists
		}
		s.book.Apply(nil, []state.Change{{Bucket: b, Name: name, Value: append(make([]byte, 0, len(value)), value...)}})
		return nil
	})
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, b store.Bucket, name string) error {
	if err := state.CheckRecord(b, name, nil); err != nil {
		return err
	}
	return s.write(ctx, func() error {
		if s.book.HasRecord(b, name) {
			s.book.Apply(nil, []state.Change{{Bucket: b, Name: name}})
		}
		return nil
	})
}

// write runs one change. Nothing is told after Close has returned.
func (s *Store) write(ctx context.Context, change func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return change()
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, b store.Bucket, name string) ([]byte, error) {
	if err := state.CheckRecord(b, name, nil); err != nil {
		return nil, err
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	value, ok := s.book.Record(b, name)
	if !ok {
		return nil, store.ErrNotFound
	}
	return value, nil
}

// WatchRevocations implements store.Store.
func (s *Store) WatchRevocations(told func(keyName string, r engine.Revocation)) error {
	if err := s.usable(); err != nil {
		return err
	}
	return s.book.WatchRevocations(told)
}

// Watch implements store.Store.
func (s *Store) Watch(b store.Bucket, told func(name string, value []byte)) error {
	if err := s.usable(); err != nil {
		return err
	}
	return s.book.Watch(b, told)
}

func (s *Store) usable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	return nil
}

// Status implements store.Store.
func (s *Store) Status() store.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.Status{Err: store.ErrClosed}
	}
	s.nonces.Expire(s.now())
	return store.Status{Nonces: s.nonces.Len()}
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.closed = true
	return nil
}
