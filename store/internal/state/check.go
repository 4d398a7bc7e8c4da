package state

import (
	"cmp"
	"iter"
	"slices"

	"portcullis/engine"
	"portcullis/store"
)

// CheckRecord says what is wrong with the place or the value of a record.
func CheckRecord(b store.Bucket, name string, value []byte) error {
	switch {
	case name == "" || !slices.Contains(store.Buckets, b):
		return store.ErrInvalid
	case len(name) > store.MaxNameBytes || len(value) > store.MaxValueBytes:
		return store.ErrTooLarge
	}
	return nil
}

// CheckRevocations says what is wrong with revocations of a key's tokens.
func CheckRevocations(keyName string, revocations []engine.Revocation) error {
	if keyName == "" {
		return store.ErrInvalid
	}
	if len(keyName) > store.MaxNameBytes {
		return store.ErrTooLarge
	}
	for _, r := range revocations {
		if !r.Target.Valid() {
			return store.ErrInvalid
		}
		if len(r.Value) > store.MaxValueBytes {
			return store.ErrTooLarge
		}
	}
	return nil
}

func sorted[T cmp.Ordered](seq iter.Seq[T]) []T { return slices.Sorted(seq) }
