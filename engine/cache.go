package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/dgraph-io/ristretto/v2"
)

// tokenCache keeps verified tokens, in ristretto. It holds nothing that was
// refused, so garbage cannot push good tokens out of it, and no API keys.
//
// ristretto finds a value by a hash alone. Here the hash is taken from the
// token's end, which is its signature or seal, and a value counts only if it holds, byte for byte, the
// whole token that is asked for.
type tokenCache struct {
	ristretto *ristretto.Cache[uint64, *cacheEntry]
	seed      uint64
	bytes     atomic.Int64 // of the entries that ristretto holds
	maxBytes  int64
}

// cacheEntry is one verified token. It is immutable but for what is atomic.
type cacheEntry struct {
	verified
	token []byte
	cost  int64

	// The revocations that the verdict rests on, and when one of them that is not
	// in force yet will be (0: none). pendingAt is stored before checked.
	checked   atomic.Pointer[revocationSet]
	pendingAt atomic.Int64

	access *accessVerdict // of a service's access token; nil in those of Ably tokens
}

// judgement is what a fresh verdict says of revocations.
type judgement struct {
	revocations *revocationSet
	pendingAt   UnixMilli
}

const (
	// entryOverhead is what an entry takes beside its bytes: the entry, and
	// ristretto's own item, map slot and policy record.
	entryOverhead = 320
	// readsCollected is how many reads ristretto collects before it looks at them. It
	// allocates at every look; at its default of 64 that was 1,500 times in a
	// million hits (TestWarmTokensAllocateNothing).
	readsCollected = 1 << 16
)

func newTokenCache(maxBytes, readBuffer int64) (*tokenCache, error) {
	c := &tokenCache{seed: rand.Uint64() | 1, maxBytes: maxBytes}
	release := func(e *cacheEntry) {
		if e == nil {
			return // ristretto has chosen a victim that it no longer held: it was released then
		}
		c.bytes.Add(-e.cost)
		e.key.ledger.cachedBytes.Add(-e.cost)
	}
	var err error
	c.ristretto, err = ristretto.NewCache(&ristretto.Config[uint64, *cacheEntry]{
		NumCounters:        max(maxBytes/(2*entryOverhead)*10, 1000),
		MaxCost:            maxBytes,
		BufferItems:        readBuffer,
		IgnoreInternalCost: true, // entryOverhead has it
		KeyToHash:          func(index uint64) (uint64, uint64) { return index, 0 },
		OnExit:             release,
	})
	if err != nil {
		return nil, fmt.Errorf("engine: cache: %w", err)
	}
	return c, nil
}

func (c *tokenCache) close() { c.ristretto.Close() }

// indexBytes is how much of the end of a token, which is its signature, the
// index is made from.
const indexBytes = 16

// index returns where a token is looked for. Whoever wants two tokens to meet
// there must know the key, and gains only that they push each other out.
func (c *tokenCache) index(token []byte) uint64 {
	end := token[len(token)-indexBytes:]
	h := binary.LittleEndian.Uint64(end)*c.seed ^ binary.LittleEndian.Uint64(end[8:])
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// get returns the entry of exactly this token, nil when there is none.
func (c *tokenCache) get(token []byte) *cacheEntry {
	if len(token) < indexBytes {
		return nil
	}
	e, ok := c.ristretto.Get(c.index(token))
	if !ok || !bytes.Equal(e.token, token) {
		return nil
	}
	return e
}

// recall puts what a cached token grants into dst, and says whether the token is
// known: then the verdict is err. A nil cache knows nothing.
func (c *tokenCache) recall(dst *Grant, token []byte, now UnixMilli) (known bool, err error) {
	if c == nil {
		return false, nil
	}
	entry := c.get(token)
	if entry == nil || entry.access != nil {
		return false, nil
	}
	usable, err := entry.check(now)
	if usable {
		dst.verified, dst.cacheHit = entry.verified, true
	}
	return usable || err != nil, err
}

// put adds a token that has been verified. A key's tokens may take half of the
// cache, so that one tenant cannot push out all the others.
func (c *tokenCache) put(token []byte, g *Grant, j judgement) {
	memory := make([]byte, 0, len(token)+len(g.clientID)+len(g.revocationKey)+len(g.userClaims))
	memory = append(memory, token...)
	e := &cacheEntry{verified: g.verified, token: memory[:len(token):len(token)]}
	made := e.build()
	g.effective, g.claimed, g.claimedText = e.effective, nil, nil // the caller's Grant gains the compiled form too
	if g.clientID != nil {
		memory = append(memory, g.clientID...)
		e.clientID = memory[len(token):len(memory):len(memory)]
	}
	if g.revocationKey != nil {
		from := len(memory)
		memory = append(memory, g.revocationKey...)
		e.revocationKey = memory[from:len(memory):len(memory)]
	}
	if g.userClaims != nil {
		from := len(memory)
		memory = append(memory, g.userClaims...)
		e.userClaims = memory[from:]
	}
	e.cost = entryOverhead + int64(cap(memory))
	if made {
		e.cost += e.effective.size()
	}
	e.pendingAt.Store(int64(j.pendingAt))
	e.checked.Store(j.revocations)
	c.insert(e)
}

// insert gives a whole entry to ristretto, unless its key has its share.
func (c *tokenCache) insert(e *cacheEntry) {
	ledger := e.key.ledger
	if ledger.cachedBytes.Load()+e.cost > c.maxBytes/2 {
		return
	}
	c.bytes.Add(e.cost)
	ledger.cachedBytes.Add(e.cost)
	if !c.ristretto.Set(c.index(e.token), e, e.cost) {
		c.bytes.Add(-e.cost)
		ledger.cachedBytes.Add(-e.cost)
	}
}

// check says whether the entry's verdict still holds at now: yes, no with the
// error that has taken its place, or that the token must be verified anew.
func (e *cacheEntry) check(now UnixMilli) (usable bool, err error) {
	switch {
	case e.key.retired.Load(), e.notBefore > now.Add(ClockSkew):
		return false, nil
	case e.key.NotAfter != 0 && now >= e.key.NotAfter:
		return false, ErrKeyExpired
	case now >= e.expires:
		return false, ErrTokenExpired
	}
	revocations := e.key.ledger.revocations.Load()
	if e.checked.Load() == revocations {
		if at := UnixMilli(e.pendingAt.Load()); at == 0 || now < at {
			return true, nil
		}
	}
	revoked, pendingAt := revocations.verdict(&e.verified, now)
	if revoked {
		return false, ErrTokenRevoked
	}
	e.awaitAt(pendingAt)
	e.checked.Store(revocations)
	return true, nil
}

// awaitAt notes when a pending revocation comes into force. The time only ever
// gets earlier: of two verdicts stored at once the stricter stays.
func (e *cacheEntry) awaitAt(at UnixMilli) {
	for at != 0 {
		old := e.pendingAt.Load()
		if old != 0 && old <= int64(at) || e.pendingAt.CompareAndSwap(old, int64(at)) {
			return
		}
	}
}
