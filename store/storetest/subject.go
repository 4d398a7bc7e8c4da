package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/store"
)

// Subject is a kind of store.
type Subject struct {
	// Open opens the store that is kept in dir, with a clock.
	Open func(t testing.TB, dir string, now func() engine.UnixMilli) store.Store
	// Durable says that what was acknowledged is there when dir is opened again.
	Durable bool
	// Stall, if a write can be held up, opens a store whose writes wait from now on
	// until release is called.
	Stall func(t testing.TB, dir string, now func() engine.UnixMilli) (s store.Store, release func())
}

// Start is when the suite's clock begins.
const Start = engine.UnixMilli(1_700_000_000_000)

// Clock is a clock that tests set.
type Clock struct{ now atomic.Int64 }

// NewClock returns a clock that shows Start.
func NewClock() *Clock {
	c := new(Clock)
	c.now.Store(int64(Start))
	return c
}

// Now returns what the clock shows.
func (c *Clock) Now() engine.UnixMilli { return engine.UnixMilli(c.now.Load()) }

// Set makes the clock show t.
func (c *Clock) Set(t engine.UnixMilli) { c.now.Store(int64(t)) }

// Nonce returns the nonce of that number: stamped at the time given, and to be
// remembered as long as that of a TokenRequest (its two minutes and ten seconds).
func Nonce(number int, stamped engine.UnixMilli) *engine.Nonce {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(number)))
	return &engine.Nonce{Key: [16]byte(sum[:]), Stamped: stamped, Expires: stamped.Add(2*time.Minute + 10*time.Second)}
}

// suite is one run of one test: a store, its clock and where it is kept.
type suite struct {
	*testing.T
	subject Subject
	dir     string
	clock   *Clock
	store   store.Store
}

func (s *suite) open() {
	s.Helper()
	s.store = s.subject.Open(s.T, s.dir, s.clock.Now)
}

// reopen closes and opens the store.
func (s *suite) reopen() {
	s.Helper()
	require.NoError(s, s.store.Close())
	s.open()
}

// ctx bounds calls that are expected to be answered.
func (s *suite) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	s.Cleanup(cancel)
	return ctx
}

// spend spends and requires an outcome.
func (s *suite) spend(want engine.SpendOutcome, n *engine.Nonce, why string) {
	s.Helper()
	got, _ := s.store.Spend(s.ctx(), n)
	require.Equal(s, want, got, why)
}
