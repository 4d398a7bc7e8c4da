package server

import (
	"sync"
	"time"
)

// bodyBudget bounds the memory that announced bodies take: fasthttp makes room
// for the whole Content-Length before the first byte of it has come, so a head of
// ninety bytes can claim megabytes.
//
// What was announced counts until its request is handled, or until the read
// timeout has ended it. The zero bodyBudget is ready.
type bodyBudget struct {
	mu      sync.Mutex
	seconds [budgetSeconds]int64 // announced in each of the last seconds
	newest  int64                // the second that seconds[newest % budgetSeconds] is of
}

const (
	budgetSeconds = int64(readTimeout/time.Second) + 2
	// maxAnnouncedBytes is how much may be announced and not yet handled.
	maxAnnouncedBytes = 512 << 20
	// smallBody is announced without being counted: it is less than what every
	// connection takes anyway.
	smallBody = 8 << 10
)

// take says whether a body of that size may be read.
func (b *bodyBudget) take(size int, now time.Time) bool {
	if size <= smallBody {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(now.Unix())
	total := int64(size)
	for _, announced := range b.seconds {
		total += announced
	}
	if total > maxAnnouncedBytes {
		return false
	}
	b.seconds[b.newest%budgetSeconds] += int64(size)
	return true
}

// give gives back what was taken for a body that is handled.
func (b *bodyBudget) give(size int) {
	if size <= smallBody {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, left := int64(0), int64(size); i < budgetSeconds && left > 0; i++ {
		slot := &b.seconds[(b.newest-i+budgetSeconds)%budgetSeconds]
		part := min(*slot, left)
		*slot -= part
		left -= part
	}
}

// forget clears the seconds that are longer ago than a body may take. The caller
// holds mu.
func (b *bodyBudget) forget(second int64) {
	if second-b.newest >= budgetSeconds {
		b.seconds = [budgetSeconds]int64{}
		b.newest = second
	}
	for b.newest < second {
		b.newest++
		b.seconds[b.newest%budgetSeconds] = 0
	}
}
