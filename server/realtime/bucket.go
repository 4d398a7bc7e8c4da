package realtime

import (
	"time"

	"portcullis/engine"
)

// bucket paces what a client sends. It belongs to the goroutine that reads.
type bucket struct {
	perSecond int64
	// full is when nothing would be owed any more, in units of 1/perSecond ms: one
	// second ahead of now, the client has used up its burst.
	full int64
}

func newBucket(perSecond int64, now engine.UnixMilli) bucket {
	return bucket{perSecond: perSecond, full: int64(now) * perSecond}
}

// take counts one, and returns how long to wait before the next: 0 as long as there
// were no more than perSecond at once.
func (b *bucket) take(now engine.UnixMilli) time.Duration {
	present := int64(now) * b.perSecond
	b.full = max(b.full, present) + 1000
	ahead := b.full - present - 1000*b.perSecond
	if ahead <= 0 {
		return 0
	}
	return time.Duration(ahead) * time.Millisecond / time.Duration(b.perSecond)
}
