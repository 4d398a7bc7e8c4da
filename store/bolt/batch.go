package bolt

import (
	"portcullis/store/internal/state"
)

// maxBatchBytes bounds what waits for the writer: what comes beyond is refused,
// so that a slow disk costs answers and not memory.
const maxBatchBytes = 1 << 20

// What a write weighs beside its text, at least.
const (
	revocationBytes = 64
	writeBytes      = 256
)

// batch is what one transaction makes durable. done is closed when it is known
// what came of it.
type batch struct {
	nonces []spent
	writes []*write
	bytes  int

	done chan struct{}
	err  error
}

// write is one call that changes revocations or a record.
type write struct {
	entries []state.Entry
	record  *state.Change
	create  bool
	bytes   int
	err     error
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// reserve says whether there is room for so many bytes. There is always room for
// one write.
func (b *batch) reserve(bytes int) bool {
	if b.bytes > 0 && b.bytes+bytes > maxBatchBytes {
		return false
	}
	b.bytes += bytes
	return true
}

// finish answers all that wait.
func (b *batch) finish(err error) {
	b.err = err
	for _, w := range b.writes {
		if err != nil {
			w.err = err
		}
	}
	close(b.done)
}
