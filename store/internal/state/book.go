package state

import (
	"bytes"
	"maps"
	"sync"

	"portcullis/engine"
	"portcullis/store"
)

// Entry is one revocation of one key's tokens.
type Entry struct {
	KeyName string
	engine.Revocation
}

// Over says whether e need no longer be kept at now.
func (e Entry) Over(now engine.UnixMilli) bool {
	if e.Target.OfService() { // then the last token that it refuses has expired
		return now > e.IssuedBefore.Add(store.RetentionAfterExpiry)
	}
	return now > e.AppliesAt.Add(store.RetentionOfRevocations)
}

// Change is what a write did to one record; of a deleted one Value is nil.
type Change struct {
	Bucket store.Bucket
	Name   string
	Value  []byte
}

// Book holds revocations and records, and tells the watches what is new. It is
// safe for concurrent use, and never calls a watch while it is locked for reading.
type Book struct {
	// telling is held while something changes and its watch is told, so that a
	// watch that begins misses nothing and hears changes in their order.
	telling         sync.Mutex
	toldRevocations func(keyName string, r engine.Revocation)
	toldRecords     map[store.Bucket]func(name string, value []byte)

	mu          sync.RWMutex
	revocations map[Entry]struct{}
	records     map[store.Bucket]map[string][]byte
}

// NewBook returns an empty Book.
func NewBook() *Book {
	b := &Book{
		toldRecords: make(map[store.Bucket]func(string, []byte)),
		revocations: make(map[Entry]struct{}),
		records:     make(map[store.Bucket]map[string][]byte),
	}
	for _, bucket := range store.Buckets {
		b.records[bucket] = make(map[string][]byte)
	}
	return b
}

// Record returns a copy of a record.
func (b *Book) Record(bucket store.Bucket, name string) ([]byte, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	value, ok := b.records[bucket][name]
	return bytes.Clone(value), ok
}

// HasRecord says whether there is a record.
func (b *Book) HasRecord(bucket store.Bucket, name string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, ok := b.records[bucket][name]
	return ok
}

// HasRevocation says whether there is a revocation.
func (b *Book) HasRevocation(e Entry) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, ok := b.revocations[e]
	return ok
}

// Apply makes changes and tells the watches, revocations first. A value must not
// be nil unless its record was deleted, and must not change any more.
func (b *Book) Apply(entries []Entry, changes []Change) {
	b.telling.Lock()
	defer b.telling.Unlock()
	b.mu.Lock()
	for _, e := range entries {
		b.revocations[e] = struct{}{}
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(b.records[c.Bucket], c.Name)
		} else {
			b.records[c.Bucket][c.Name] = c.Value
		}
	}
	b.mu.Unlock()
	if b.toldRevocations != nil {
		for _, e := range entries {
			b.toldRevocations(e.KeyName, e.Revocation)
		}
	}
	for _, c := range changes {
		if told := b.toldRecords[c.Bucket]; told != nil {
			told(c.Name, bytes.Clone(c.Value))
		}
	}
}

// Prune forgets the revocations that are over at now, and returns them.
func (b *Book) Prune(now engine.UnixMilli) []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	var gone []Entry
	for e := range b.revocations {
		if e.Over(now) {
			gone = append(gone, e)
			delete(b.revocations, e)
		}
	}
	return gone
}

// All returns everything, as the entries and changes that lead there.
func (b *Book) All() ([]Entry, []Change) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	entries := make([]Entry, 0, len(b.revocations))
	for e := range b.revocations {
		entries = append(entries, e)
	}
	var changes []Change
	for _, bucket := range store.Buckets {
		for _, name := range sorted(maps.Keys(b.records[bucket])) {
			changes = append(changes, Change{bucket, name, b.records[bucket][name]})
		}
	}
	return entries, changes
}

// WatchRevocations does what the contract says of it.
func (b *Book) WatchRevocations(told func(keyName string, r engine.Revocation)) error {
	b.telling.Lock()
	defer b.telling.Unlock()
	if b.toldRevocations != nil {
		return store.ErrWatched
	}
	b.toldRevocations = told
	entries, _ := b.All()
	for _, e := range entries {
		told(e.KeyName, e.Revocation)
	}
	return nil
}

// Watch does what the contract says of it.
func (b *Book) Watch(bucket store.Bucket, told func(name string, value []byte)) error {
	b.telling.Lock()
	defer b.telling.Unlock()
	if _, ok := b.records[bucket]; !ok {
		return store.ErrInvalid
	}
	if b.toldRecords[bucket] != nil {
		return store.ErrWatched
	}
	b.toldRecords[bucket] = told
	_, changes := b.All()
	for _, c := range changes {
		if c.Bucket == bucket {
			told(c.Name, bytes.Clone(c.Value))
		}
	}
	return nil
}
