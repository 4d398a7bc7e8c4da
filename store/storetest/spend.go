package storetest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
)

func onceOnly(s *suite) {
	for i := range 100 {
		s.spend(engine.Fresh, Nonce(i, Start), "the first time")
	}
	for i := range 100 {
		s.spend(engine.Replayed, Nonce(i, Start), "the second time")
	}
	require.Equal(s, 100, s.store.Status().Nonces)
	require.NoError(s, s.store.Status().Err)
}

func untilExpiry(s *suite) {
	n := Nonce(1, Start)
	s.spend(engine.Fresh, n, "the first time")
	for _, now := range []engine.UnixMilli{Start, n.Expires - 1, n.Expires} {
		s.clock.Set(now)
		s.spend(engine.Replayed, n, "it must be remembered while the clock shows its expiry or less")
	}
	s.clock.Set(n.Expires + 1)
	s.spend(engine.Unknown, n, "nobody can tell of what has expired whether it was spent")
	s.clock.Set(n.Expires.Add(time.Minute))
	s.spend(engine.Fresh, Nonce(2, s.clock.Now()), "another one")
	require.Equal(s, 1, s.store.Status().Nonces, "the minute of the first is over, so it is dropped")
}

func again(s *suite) {
	n := Nonce(1, Start)
	s.spend(engine.Fresh, n, "the first time")
	s.clock.Set(n.Expires)
	later := *n
	later.Stamped, later.Expires = n.Expires, n.Expires.Add(130*time.Second)
	s.spend(engine.Replayed, &later, "the expiry of the first use counts")
	s.clock.Set(n.Expires + 1)
	later.Expires++
	s.spend(engine.Fresh, &later, "the first use is forgotten")
	s.spend(engine.Replayed, &later, "the second is not")
	s.clock.Set(later.Expires)
	s.spend(engine.Replayed, &later, "until its own expiry")
}

func clockPutBack(s *suite) {
	for i := range 300 { // over six minutes
		at := Start.Add(time.Duration(i) * time.Second)
		s.clock.Set(at)
		s.spend(engine.Fresh, Nonce(i, at), "the first time")
	}
	s.clock.Set(Start)
	for i := range 300 {
		got, _ := s.store.Spend(s.ctx(), Nonce(i, Start.Add(time.Duration(i)*time.Second)))
		require.NotEqual(s, engine.Fresh, got, "nonce %d was spent", i)
	}
}

func oneWinner(s *suite) {
	const racers, rounds = 16, 50
	for round := range rounds {
		var fresh, replayed atomic.Int32
		var group sync.WaitGroup
		begin := make(chan struct{})
		for range racers {
			group.Go(func() {
				n := Nonce(round, Start)
				<-begin
				switch got, _ := s.store.Spend(s.ctx(), n); got {
				case engine.Fresh:
					fresh.Add(1)
				case engine.Replayed:
					replayed.Add(1)
				}
			})
		}
		close(begin)
		group.Wait()
		require.EqualValues(s, 1, fresh.Load(), "round %d", round)
		require.EqualValues(s, racers-1, replayed.Load(), "round %d", round)
	}
}

func everyBit(s *suite) {
	n := Nonce(1, Start)
	s.spend(engine.Fresh, n, "the first")
	for bit := range 128 {
		other := *n
		other.Key[bit/8] ^= 1 << (bit % 8)
		s.spend(engine.Fresh, &other, "one bit is another nonce")
	}
}

func contextOver(s *suite) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got, wait := s.store.Spend(ctx, Nonce(1, Start))
	require.Equal(s, engine.Unknown, got)
	require.GreaterOrEqual(s, wait, time.Second, "it says when to try again")
	s.spend(engine.Fresh, Nonce(1, Start), "it was not spent")
	require.ErrorIs(s, s.store.AppendRevocations(ctx, "app.key", []engine.Revocation{{Value: "a"}}), context.Canceled)
}

func heldUp(s *suite) {
	if s.subject.Stall == nil {
		// Nothing of this kind of store waits, so there is nothing to hold up: then
		// even the shortest deadline is met.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		got, _ := s.store.Spend(ctx, Nonce(1, Start))
		require.Equal(s, engine.Fresh, got)
		return
	}
	require.NoError(s, s.store.Close())
	var release func()
	s.store, release = s.subject.Stall(s.T, s.dir, s.clock.Now)
	const budget = 50 * time.Millisecond
	var group sync.WaitGroup
	for range 2 { // the first, and one that waits for the first's outcome
		group.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), budget)
			defer cancel()
			begin := time.Now()
			got, wait := s.store.Spend(ctx, Nonce(1, Start))
			took := time.Since(begin)
			if got != engine.Unknown || wait < time.Second || took > 20*budget {
				s.Errorf("held up: outcome %d, retry after %s, took %s", got, wait, took)
			}
		})
	}
	group.Wait()
	release()
	s.spend(engine.Replayed, Nonce(1, Start), "what was given up may have been spent all the same, and was")
}

// forAMonth spends what expires throughout a month, as refresh tokens do, among
// TokenRequests.
func forAMonth(s *suite) {
	const n = 100
	long := func(i int) *engine.Nonce {
		nonce := Nonce(i, Start)
		nonce.Expires = Start.Add(time.Duration(i) * 7 * time.Hour)
		return nonce
	}
	for i := 1; i < n; i++ {
		s.spend(engine.Fresh, long(i), "the first time")
		s.spend(engine.Fresh, Nonce(n+i, Start), "a TokenRequest")
	}
	for i := 1; i < n; i++ {
		s.spend(engine.Replayed, long(i), "the second time")
		s.spend(engine.Replayed, Nonce(n+i, Start.Add(time.Minute)), "the same nonce in another TokenRequest")
	}
	for i := 1; i < n; i += 20 {
		s.clock.Set(long(i).Expires)
		s.spend(engine.Replayed, long(i), "it is remembered until it expires")
		s.spend(engine.Replayed, long(n-1), "and what lives longer")
	}
}
