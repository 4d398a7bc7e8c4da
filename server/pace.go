package server

import (
	"sync/atomic"

	"portcullis/engine"
)

// pace keeps something from being done more often than it is worth. The zero pace
// is ready.
type pace struct{ last atomic.Int64 } // UnixMilli

// due says whether it is time again, to one caller of those who ask at once.
func (p *pace) due(now, every engine.UnixMilli) bool {
	last := p.last.Load()
	return int64(now)-last >= int64(every) && p.last.CompareAndSwap(last, int64(now))
}
