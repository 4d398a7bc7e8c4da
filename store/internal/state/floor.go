package state

import (
	"time"

	"portcullis/engine"
	"portcullis/store"
)

// Floor is the time before which a store does not answer for the past: history
// that once existed may be missing, so what is stamped before may have been
// spent. The zero Floor refuses nothing.
//
// It is never lowered: a nonce that is stamped before it stays doubtful however
// late it comes.
type Floor struct {
	At    engine.UnixMilli
	Cause string
}

// Raise notes at now that history may be missing.
//
// The moment of noticing is the millisecond that follows: a nonce may have been
// spent in this one.
func (f *Floor) Raise(now engine.UnixMilli, cause string) {
	if at := (now + 1).Add(store.FutureWindow); at > f.At {
		f.At, f.Cause = at, cause
	}
}

// Refuses says whether n may have been spent in history that is missing, and
// when a new one will not be refused.
func (f *Floor) Refuses(n *engine.Nonce, now engine.UnixMilli) (time.Duration, bool) {
	noticed := f.At.Add(-store.FutureWindow)
	if f.At == 0 || n.Stamped >= f.At || n.Since >= noticed {
		return 0, false
	}
	return max(wholeSeconds(f.At.Sub(now)), time.Second), true
}

// Active says whether what is stamped at now is refused.
func (f *Floor) Active(now engine.UnixMilli) bool { return now < f.At }

// wholeSeconds rounds up: Retry-After (RFC 9110 §10.2.3) has no fractions.
func wholeSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1) / time.Second * time.Second
}
