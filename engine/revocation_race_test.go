package engine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	raceVerifiers = 4
	raceRevokers  = 2
	raceSlots     = 16 // tokens that one revoker has under way
	raceTick      = 10 * time.Millisecond
	// raceMargin ends before a revoker comes round to the token again, which is
	// after raceSlots ticks at the earliest.
	raceMargin = 100 * time.Millisecond
	// raceMemory is how long a revocation is kept: as long as tokens live, and five
	// minutes for clocks, or for a verdict that was held up.
	raceMemory = 65 * time.Minute
)

// raceRevocations is how many tokens are revoked: a million in the long run.
func raceRevocations() int64 {
	if os.Getenv("PORTCULLIS_LONG") != "" {
		return 1_000_000
	}
	return 20_000
}

// contested is a token that is verified and revoked at the same time.
type contested struct {
	token      []byte
	revocation Revocation
	begun      atomic.Bool // the call of Revoke
	revoked    atomic.Bool // and its return
	appliesAt  UnixMilli   // set before begun
}

// raceCounts are what happened.
type raceCounts struct {
	verdicts, fromCache, refused, waited, refusedThoughCached, wrong atomic.Int64
}

// race is a verifier, its clock, and the tokens under way.
type race struct {
	*testing.T
	v      *Verifier
	keys   []Key
	sign   []*Signer
	margin time.Duration
	clock  atomic.Int64
	begun  atomic.Int64 // revocations
	slots  [raceRevokers * raceSlots]atomic.Pointer[contested]
	latest atomic.Int64 // the slot that was filled last
	raceCounts
}

// What a revocation answer promises: no verdict that begins after Revoke has
// returned, at appliesAt or later, accepts the token, whatever was being verified,
// put into the cache, looked at again, replaced or forgotten meanwhile. And nobody
// is refused before.
func TestNoVerdictAfterRevokeAcceptsTheToken(t *testing.T) {
	for _, margin := range []time.Duration{0, raceMargin} {
		t.Run("margin="+margin.String(), func(t *testing.T) {
			r := newRace(t, margin)
			began := time.Now()
			stop := make(chan struct{})
			var verifiers, revokers sync.WaitGroup
			for i := range raceRevokers {
				revokers.Go(func() { r.revoke(r.slots[i*raceSlots:(i+1)*raceSlots], i) })
			}
			for range raceVerifiers {
				verifiers.Go(func() { r.verify(stop) })
			}
			revokers.Wait()
			close(stop)
			verifiers.Wait()
			t.Logf("%d tokens revoked, %d verdicts in %.0f s: %d from the cache, %d refused after the answer (%d of tokens that the cache held), %d accepted within the margin, %d wrong",
				raceRevocations(), r.verdicts.Load(), time.Since(began).Seconds(), r.fromCache.Load(), r.refused.Load(), r.refusedThoughCached.Load(), r.waited.Load(), r.wrong.Load())
			require.Zero(t, r.wrong.Load())
			// A race in which nothing met proves nothing.
			require.Greater(t, r.fromCache.Load(), raceRevocations()/10)
			require.Greater(t, r.refused.Load(), raceRevocations())
			require.Greater(t, r.refusedThoughCached.Load(), raceRevocations()/10)
			require.Equal(t, margin > 0, r.waited.Load() > 0)
		})
	}
}

func newRace(t *testing.T, margin time.Duration) *race {
	r := &race{T: t, margin: margin}
	r.clock.Store(int64(testNow))
	for i := range 4 {
		name := fmt.Sprint("appId.key", i)
		r.keys = append(r.keys, Key{Name: name, Secret: testSecret, RevocableTokens: true})
		s, err := NewSigner(Secret(name + ":" + testSecret))
		require.NoError(t, err)
		r.sign = append(r.sign, s)
	}
	r.v = newTestVerifier(t, Options{Keys: r.keys})
	// It is small, so that tokens also leave it. And under the race detector sync.Pool
	// throws away every fourth buffer of reads, which at its usual size takes longer
	// than everything else.
	var err error
	r.v.cache, err = newTokenCache(4<<20, 64)
	require.NoError(t, err)
	return r
}

// revoke makes a token, has it verified now and then, revokes it and verifies it
// again, slot after slot.
func (r *race) revoke(slots []atomic.Pointer[contested], revoker int) {
	var g Grant
	for own := 0; ; own++ {
		n := r.begun.Add(1)
		if n > raceRevocations() {
			break
		}
		slot := &slots[own%raceSlots]
		if c := slot.Load(); c != nil {
			r.judge(&g, c) // the margin has ended by now
		}
		key := int(n) % len(r.keys)
		c := r.token(key, n)
		slot.Store(c)
		r.latest.Store(int64(revoker*raceSlots + own%raceSlots))
		// Some are revoked before or while they are first seen, and some out of the
		// cache.
		looks := rand.IntN(4)
		if n%4 == 0 {
			looks = 100
		}
		for range looks {
			if r.judge(&g, c); g.FromCache() {
				break
			}
			runtime.Gosched()
		}
		now := UnixMilli(r.clock.Add(raceTick.Milliseconds()))
		c.appliesAt = now.Add(r.margin)
		c.revocation.IssuedBefore, c.revocation.AppliesAt = now, c.appliesAt
		c.begun.Store(true)
		r.v.Revoke(r.keys[key].Name, c.revocation)
		c.revoked.Store(true)
		r.judge(&g, c)
		switch {
		case own%64 == 0:
			r.replace(revoker, own)
		case own%512 == 1:
			r.v.ForgetRevocations(now.Add(-raceMemory))
		}
	}
}

// token mints a token, and chooses how it will be revoked.
func (r *race) token(key int, n int64) *contested {
	name := fmt.Sprint("contested-", n)
	p := TokenParams{Issued: UnixMilli(r.clock.Load()) - 1000}
	c := &contested{revocation: Revocation{Target: RevocationTarget(n / 4 % 3), Value: name}}
	switch c.revocation.Target {
	case RevokeClientID:
		p.ClientID = name
	case RevokeRevocationKey:
		p.RevocationKey = name
	case RevokeChannel:
		p.Capability = `{"` + name + `":["publish"]}`
	}
	var err error
	if c.token, err = r.sign[key].AppendJWT(nil, &p); err != nil {
		r.Error(err)
	}
	return c
}

// replace gives a revoker's own key another record, so that what is cached of it
// counts no more while its revocations stay.
func (r *race) replace(revoker, own int) {
	keys := append([]Key(nil), r.keys...)
	keys[revoker].NotAfter = testNow.Add(time.Duration(1000+own%128) * time.Hour)
	if err := r.v.ReplaceKeys(keys); err != nil {
		r.Error(err)
	}
}

// verify judges tokens, every second time the newest.
func (r *race) verify(stop <-chan struct{}) {
	var g Grant
	for {
		select {
		case <-stop:
			return
		default:
		}
		i := r.latest.Load()
		if rand.IntN(2) == 0 {
			i = rand.Int64N(int64(len(r.slots)))
		}
		if c := r.slots[i].Load(); c != nil {
			r.judge(&g, c)
		}
		runtime.Gosched() // a revoker that waits for its turn must not wait for the end of a time slice
	}
}

// judge verifies a token and holds the verdict against what was known before it
// began and after it had ended.
func (r *race) judge(g *Grant, c *contested) {
	revoked := c.revoked.Load()
	now := UnixMilli(r.clock.Load())
	err := r.v.VerifyToken(g, c.token, now)
	r.verdicts.Add(1)
	switch {
	case revoked && now >= c.appliesAt:
		if err != ErrTokenRevoked {
			r.fail("revoked, in force since %d ms, and the verdict is %v", now-c.appliesAt, err)
		}
		r.refused.Add(1)
		if r.v.cache.get(c.token) != nil {
			r.refusedThoughCached.Add(1)
		}
	case err == nil:
		if revoked {
			r.waited.Add(1)
		}
		if g.FromCache() {
			r.fromCache.Add(1)
		}
	case err != ErrTokenRevoked:
		r.fail("good, and the verdict is %v", err)
	case !c.begun.Load() || now < c.appliesAt:
		r.fail("refused before it was revoked")
	}
}

// fail reports a wrong verdict, the first few in full.
func (r *race) fail(format string, args ...any) {
	if r.wrong.Add(1) <= 10 {
		r.Errorf(format, args...)
	}
}
