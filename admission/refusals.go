package admission

import (
	"hash/maphash"
	"math"
	"sync"

	"portcullis/engine"
)

// Refusals notices clients that present one refused token again and again. Some
// SDKs repeat a REST request with the same token without end when they are told
// 40140 to 40149, thousands of times a second, but stop at 42910.
//
// It remembers a bounded number of tokens by a keyed hash, so nobody can choose
// tokens that fall together. It is safe for concurrent use.
type Refusals struct {
	limit  uint32
	seed   maphash.Seed
	shards [refusalShards]refusalShard
}

// RefusalWindow is how long refusals of one token are counted together.
const RefusalWindow = 10_000 // milliseconds

// DefaultRefusalLimit is how many refusals of one token in a window are told
// their reason.
const DefaultRefusalLimit = 10

const (
	refusalShards = 16
	refusalSets   = 256 // of each shard
	refusalWays   = 4   // tokens that are remembered in one set
)

type refusalShard struct {
	mu   sync.Mutex
	sets [refusalSets][refusalWays]refusedToken
}

type refusedToken struct {
	hash  uint64
	since engine.UnixMilli
	count uint32
}

// NewRefusals returns one that lets limit refusals of a token pass in a window;
// 0 means DefaultRefusalLimit, less than 0 no limit.
func NewRefusals(limit int) *Refusals {
	r := &Refusals{limit: uint32(max(limit, 0)), seed: maphash.MakeSeed()}
	switch {
	case limit == 0:
		r.limit = DefaultRefusalLimit
	case limit < 0:
		r.limit = math.MaxUint32
	}
	return r
}

// Answer returns what a client is told whose token was refused with why: why, or
// ErrRefusals when this token was refused too often. Only refusals that make
// SDKs fetch a new token count.
func (r *Refusals) Answer(token []byte, why error, now engine.UnixMilli) error {
	info, ok := why.(*engine.ErrorInfo)
	if !ok || info.Code < 40140 || info.Code > 40149 {
		return why
	}
	if r.count(maphash.Bytes(r.seed, token), now) > r.limit {
		return engine.ErrRefusals
	}
	return why
}

// count adds a refusal and returns how many there are now in the window.
func (r *Refusals) count(hash uint64, now engine.UnixMilli) uint32 {
	shard := &r.shards[hash%refusalShards]
	set := &shard.sets[hash/refusalShards%refusalSets]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	slot := &set[0]
	for i := range set {
		t := &set[i]
		expired := now-t.since >= RefusalWindow || now < t.since
		if t.hash == hash && !expired {
			t.count++
			return t.count
		}
		// Otherwise the token takes the place of one whose window is over, else of
		// the one that was refused least.
		if expired {
			t.count = 0
		}
		if t.count < slot.count {
			slot = t
		}
	}
	*slot = refusedToken{hash, now, 1}
	return 1
}
