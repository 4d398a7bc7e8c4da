package bolt

import (
	"fmt"
	"time"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/internal/state"
)

const (
	// recoverEvery is how often writing is tried again after it failed.
	recoverEvery = 250 * time.Millisecond
	// tidyEvery is how often expired nonces are dropped when nothing is written.
	tidyEvery = 30 * time.Second
)

// run is the writer: the one goroutine that uses the file.
func (s *Store) run() {
	defer close(s.done)
	tidy := time.NewTicker(tidyEvery)
	defer tidy.Stop()
	for {
		select {
		case <-s.closing:
			s.commit() // what was accepted before
			return
		case <-s.wake:
			s.commit()
		case <-tidy.C:
			s.commit()
		}
		for s.isBroken() {
			select {
			case <-s.closing:
				return
			case <-time.After(recoverEvery):
				s.repair()
			}
		}
	}
}

func (s *Store) isBroken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken != nil
}

// commit makes one transaction of all that waits, if there is anything to write.
func (s *Store) commit() {
	if s.options.writing != nil {
		s.options.writing()
	}
	now := s.now()
	s.mu.Lock()
	b := s.open
	s.open = newBatch()
	s.drop = append(s.drop, s.nonces.Expire(now)...)
	c := change{header: s.header(now), nonces: b.nonces, drop: s.drop}
	s.mu.Unlock()

	if m, _ := state.MinuteOf(now); m != s.pruned {
		s.pruned = m
		s.remove = append(s.remove, s.book.Prune(now)...)
	}
	c.remove = s.remove
	c.add, c.records = s.decide(b.writes)
	if len(c.nonces)+len(c.drop)+len(c.add)+len(c.remove)+len(c.records) > 0 {
		if err := s.file.write(&c, false); err != nil {
			s.fail(b, err)
			return
		}
	}
	s.drop, s.remove = nil, nil
	s.mu.Lock()
	for _, n := range b.nonces {
		delete(s.pending, n.key)
		s.nonces.Add(n.key, n.expires)
	}
	s.mu.Unlock()
	if len(c.add)+len(c.records) > 0 {
		s.book.Apply(c.add, c.records)
	}
	b.finish(nil)
}

func (s *Store) header(now engine.UnixMilli) header {
	return header{created: s.created, latest: now, forgotten: s.nonces.Forgotten(), floor: s.floor}
}

// decide says what the writes of a batch change, each seeing those before it.
func (s *Store) decide(writes []*write) (add []state.Entry, records []state.Change) {
	type place struct {
		bucket store.Bucket
		name   string
	}
	there := make(map[place]bool)
	added := make(map[state.Entry]bool)
	for _, w := range writes {
		for _, e := range w.entries {
			if !added[e] && !s.book.HasRevocation(e) {
				added[e] = true
				add = append(add, e)
			}
		}
		if w.record == nil {
			continue
		}
		at := place{w.record.Bucket, w.record.Name}
		exists, changed := there[at]
		if !changed {
			exists = s.book.HasRecord(at.bucket, at.name)
		}
		if w.create && exists {
			w.err = store.ErrExists
			continue
		}
		there[at] = w.record.Value != nil
		if exists || w.record.Value != nil {
			records = append(records, *w.record)
		}
	}
	return add, records
}

// fail notes that a transaction may be on the disk or not: from here on nothing is
// acknowledged until there is a new file.
func (s *Store) fail(b *batch, err error) {
	err = fmt.Errorf("store: %s: writing failed: %w", s.options.Path, err)
	s.mu.Lock()
	s.broken = err
	s.floor.Raise(s.now(), "writing the state file failed")
	waiting := s.open
	s.open = newBatch()
	clear(s.pending)
	until := s.floor.At
	s.mu.Unlock()
	b.finish(err)
	waiting.finish(err)
	s.options.Log.Error("store: writing failed; nothing is acknowledged until it works again", "error", err, "floor", until.Time())
}

// repair tries to begin a new file with what is in memory. That is all that was
// acknowledged, but for the nonces, which the floor stands for.
func (s *Store) repair() {
	now := s.now()
	s.mu.Lock()
	c := change{header: s.header(now)}
	s.mu.Unlock()
	c.add, c.records = s.book.All()
	f, err := begin(s.options.Path, s.options.openFile, &c)
	if err != nil {
		s.mu.Lock()
		s.broken = fmt.Errorf("store: %s: writing fails: %w", s.options.Path, err)
		s.mu.Unlock()
		return
	}
	if err := s.file.close(); err != nil {
		s.options.Log.Warn("store: the file that failed did not close", "error", err)
	}
	s.file, s.drop, s.remove = f, nil, nil
	s.mu.Lock()
	s.broken = nil
	s.mu.Unlock()
	s.options.Log.Info("store: writing works again, in a new file", "path", s.options.Path)
}
