package bolt

import (
	"context"
	"sync"
	"time"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/internal/state"
)

// retryAfter is when to try again what failed for no reason that has an end.
const retryAfter = time.Second

// Store is a store in one file. It implements store.Store.
type Store struct {
	options *Options
	now     func() engine.UnixMilli
	book    *state.Book

	wake    chan struct{} // something waits to be written
	closing chan struct{}
	done    chan struct{} // the writer has ended

	mu      sync.Mutex // over all that follows
	nonces  state.Nonces
	pending map[[16]byte]*batch // nonces on their way to the disk
	open    *batch              // what the next transaction takes
	floor   state.Floor
	broken  error // why nothing can be written
	closed  bool

	// Of the writer alone.
	file    *file
	created engine.UnixMilli
	drop    []state.Minute // out of memory, not yet out of the file
	remove  []state.Entry
	pruned  state.Minute
}

var _ store.Store = (*Store)(nil)

func newStore(o *Options, f *file, c *contents) *Store {
	s := &Store{
		options: o, now: o.Now, book: state.NewBook(),
		wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
		nonces: c.nonces, pending: make(map[[16]byte]*batch), open: newBatch(), floor: c.floor,
		file: f, created: c.created,
	}
	s.nonces.Forget(c.forgotten)
	s.book.Apply(c.entries, c.changes)
	return s
}

// Spend implements engine.Spender.
func (s *Store) Spend(ctx context.Context, n *engine.Nonce) (engine.SpendOutcome, time.Duration) {
	if ctx.Err() != nil {
		return engine.Unknown, retryAfter
	}
	now := s.now()
	s.mu.Lock()
	if s.nonces.Has(n.Key, n.Expires, now) {
		s.mu.Unlock()
		return engine.Replayed, 0
	}
	if s.closed {
		s.mu.Unlock()
		return engine.Unknown, retryAfter
	}
	if wait, refused := s.floor.Refuses(n, now); refused {
		s.mu.Unlock()
		return engine.Unknown, wait
	}
	outcome, b := engine.Replayed, s.pending[n.Key]
	if b == nil {
		outcome, b = engine.Fresh, s.open
		if s.broken != nil || s.nonces.Len()+len(s.pending) >= s.options.MaxNonces ||
			!s.nonces.Decidable(n.Expires, now) || !b.reserve(nonceBytes) {
			s.mu.Unlock()
			return engine.Unknown, retryAfter
		}
		b.nonces = append(b.nonces, spent{n.Key, n.Expires})
		s.pending[n.Key] = b
		s.signal()
	}
	s.mu.Unlock()
	select {
	case <-b.done:
	case <-ctx.Done():
		return engine.Unknown, retryAfter
	}
	if b.err != nil {
		return engine.Unknown, s.retryAfter(n)
	}
	return outcome, 0
}

// retryAfter says when a nonce that failed can be tried again, or another like it.
func (s *Store) retryAfter(n *engine.Nonce) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait, _ := s.floor.Refuses(n, s.now())
	return max(wait, retryAfter)
}

// signal wakes the writer.
func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// AppendRevocations implements store.Store.
func (s *Store) AppendRevocations(ctx context.Context, keyName string, revocations []engine.Revocation) error {
	if err := state.CheckRevocations(keyName, revocations); err != nil {
		return err
	}
	w := &write{bytes: len(revocations) * (revocationBytes + len(keyName))}
	for _, r := range revocations {
		w.entries = append(w.entries, state.Entry{KeyName: keyName, Revocation: r})
		w.bytes += len(r.Value)
	}
	return s.write(ctx, w)
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, b store.Bucket, name string, value []byte, create bool) error {
	if err := state.CheckRecord(b, name, value); err != nil {
		return err
	}
	value = append(make([]byte, 0, len(value)), value...) // not nil, and not the caller's
	return s.write(ctx, &write{record: &state.Change{Bucket: b, Name: name, Value: value}, create: create, bytes: len(name) + len(value)})
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, b store.Bucket, name string) error {
	if err := state.CheckRecord(b, name, nil); err != nil {
		return err
	}
	return s.write(ctx, &write{record: &state.Change{Bucket: b, Name: name}, bytes: len(name)})
}

func (s *Store) write(ctx context.Context, w *write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	b := s.open
	err := s.broken
	switch {
	case s.closed:
		err = store.ErrClosed
	case err == nil && !b.reserve(w.bytes+writeBytes):
		err = store.ErrBusy
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	b.writes = append(b.writes, w)
	s.signal()
	s.mu.Unlock()
	select {
	case <-b.done:
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, b store.Bucket, name string) ([]byte, error) {
	if err := state.CheckRecord(b, name, nil); err != nil {
		return nil, err
	}
	if err := s.usable(); err != nil {
		return nil, err
	}
	if value, ok := s.book.Record(b, name); ok {
		return value, nil
	}
	return nil, store.ErrNotFound
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
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.Status{Err: store.ErrClosed}
	}
	status := store.Status{Err: s.broken, Nonces: s.nonces.Len()}
	if s.floor.Active(now) {
		status.Floor, status.FloorCause = s.floor.At, s.floor.Cause
	}
	return status
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()
	close(s.closing)
	<-s.done
	return s.file.close()
}
