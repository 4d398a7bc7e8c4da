package realtime

import "time"

// bucket paces what a client sends, with room for one second's worth. It belongs to
// the goroutine that reads. It goes by the monotonic clock: one that is set back
// would owe time to nobody.
type bucket struct {
	every time.Duration // one more each
	paid  time.Time     // up to when what was taken is paid for
}

func newBucket(perSecond int) bucket { return bucket{every: time.Second / time.Duration(perSecond)} }

// take counts one, and returns how long to wait before the next: 0 as long as there
// were no more than a second's worth at once.
func (b *bucket) take(now time.Time) time.Duration {
	b.charge(1, now)
	return max(0, b.paid.Sub(now)-time.Second)
}

// charge counts so many, which are paid for when the next one is taken.
func (b *bucket) charge(number int, now time.Time) {
	if b.paid.Before(now) {
		b.paid = now
	}
	b.paid = b.paid.Add(time.Duration(number) * b.every)
}
