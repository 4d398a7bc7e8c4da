package server

import (
	"sync/atomic"

	"portcullis/engine"
)

// DefaultMaxStoreRequests is how many requests that write to the store are served at
// once. A store writes what has come together in one go, so more of them at once
// write more a second only up to a point; beyond it they merely wait for each other,
// and whoever has waited too long asks again. With 128, a disk that takes five
// milliseconds to write is still kept busy with 25,000 a second.
const DefaultMaxStoreRequests = 128

// shedFor is how long /readyz goes on saying that load was shed.
const shedFor = 1000 // milliseconds

// storeWork bounds the requests that wait for the store. One too many is refused
// before anything of it is looked at, at once and without a nonce being spent, so it
// can be tried again as it is. What needs no store is never refused: refusing it
// would cost as much as deciding it.
type storeWork struct {
	max      int64
	inFlight atomic.Int64
	shedAt   atomic.Int64 // UnixMilli of the last refusal
}

// begin says whether a request may be served; end must follow if it may.
func (w *storeWork) begin(now engine.UnixMilli) bool {
	if w.inFlight.Add(1) <= w.max {
		return true
	}
	w.inFlight.Add(-1)
	w.shedAt.Store(int64(now))
	return false
}

func (w *storeWork) end() { w.inFlight.Add(-1) }

// shedding says whether load was shed just now.
func (w *storeWork) shedding(now engine.UnixMilli) bool {
	at := w.shedAt.Load()
	return at != 0 && int64(now)-at < shedFor
}
