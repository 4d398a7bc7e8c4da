package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/store"
)

// revoked is what a watch heard.
type revoked struct {
	mu    sync.Mutex
	heard map[string]int // how often
}

func (r *revoked) told(keyName string, v engine.Revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.heard == nil {
		r.heard = make(map[string]int)
	}
	r.heard[fmt.Sprint(keyName, " ", v)]++
}

func (r *revoked) has(keyName string, v engine.Revocation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heard[fmt.Sprint(keyName, " ", v)] > 0
}

func (r *revoked) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.heard)
}

func revocation(i int) engine.Revocation {
	return engine.Revocation{
		Target: engine.RevocationTarget(i % 3), Value: fmt.Sprintf("client %d ✓", i),
		IssuedBefore: Start + engine.UnixMilli(i), AppliesAt: Start.Add(time.Duration(i) * time.Second),
	}
}

func (s *suite) revoke(keyName string, r ...engine.Revocation) {
	s.Helper()
	require.NoError(s, s.store.AppendRevocations(s.ctx(), keyName, r))
}

func revocationsAreASet(s *suite) {
	a, b := revocation(1), revocation(2)
	earlier := a
	earlier.IssuedBefore -= 1000
	s.revoke("app.one", a, b, a)
	s.revoke("app.one", b)
	s.revoke("app.two", a)
	s.revoke("app.one", earlier)
	s.revoke("app.one")
	var w revoked
	require.NoError(s, s.store.WatchRevocations(w.told))
	require.True(s, w.has("app.one", a) && w.has("app.one", b) && w.has("app.two", a) && w.has("app.one", earlier))
	require.Equal(s, 4, w.len(), "no other")
}

func revocationsAreTold(s *suite) {
	s.revoke("app.key", revocation(0))
	var w revoked
	require.NoError(s, s.store.WatchRevocations(w.told))
	require.True(s, w.has("app.key", revocation(0)), "what was kept is told before the watch returns")
	require.ErrorIs(s, s.store.WatchRevocations(w.told), store.ErrWatched)
	for i := 1; i < 20; i++ {
		s.revoke("app.key", revocation(i))
		require.True(s, w.has("app.key", revocation(i)), "it is told before the append returns")
	}
	require.Equal(s, 20, w.len())
}

func revocationsEnd(s *suite) {
	const margin = 30 * time.Second
	a := engine.Revocation{Target: engine.RevokeClientID, Value: "a", IssuedBefore: Start, AppliesAt: Start}
	b := engine.Revocation{Target: engine.RevokeClientID, Value: "b", IssuedBefore: Start, AppliesAt: Start.Add(margin)}
	s.revoke("app.key", a, b)
	last := Start.Add(store.RetentionOfRevocations)
	s.clock.Set(last)
	s.revoke("app.key", revocation(7777))
	s.clock.Set(last.Add(time.Minute)) // a is over by a minute, b by half of one
	s.revoke("app.key", revocation(7778))
	s.clock.Set(last.Add(2 * time.Minute))
	s.revoke("app.key", revocation(7779))
	if s.subject.Durable {
		s.reopen()
	}
	var w revoked
	require.NoError(s, s.store.WatchRevocations(w.told))
	require.False(s, w.has("app.key", a), "no token that it refuses is alive")
	require.False(s, w.has("app.key", b))
	require.True(s, w.has("app.key", revocation(7777)))
	require.True(s, w.has("app.key", revocation(7779)))
}

func serviceRevocationsEnd(s *suite) {
	const ttl = 30 * 24 * time.Hour
	family := engine.Revocation{Target: engine.RevokeFamily, Value: "family", IssuedBefore: Start.Add(ttl), AppliesAt: Start}
	token := engine.Revocation{Target: engine.RevokeTokenID, Value: "token", IssuedBefore: Start.Add(ttl + time.Hour), AppliesAt: Start}
	s.revoke("1415.", family, token)
	last := Start.Add(ttl + store.RetentionAfterExpiry)
	for _, at := range []engine.UnixMilli{last.Add(-time.Minute), last} {
		s.clock.Set(at)
		s.revoke("app.key", revocation(7777))
	}
	if s.subject.Durable {
		s.reopen()
	}
	var w revoked
	require.NoError(s, s.store.WatchRevocations(w.told))
	require.True(s, w.has("1415.", family), "its last token expired five minutes ago, by this clock")
	require.True(s, w.has("1415.", token))
	s.clock.Set(last.Add(time.Minute))
	s.revoke("app.key", revocation(7778))
	s.clock.Set(last.Add(2 * time.Minute))
	s.revoke("app.key", revocation(7779))
	s.reopen()
	var later revoked
	require.NoError(s, s.store.WatchRevocations(later.told))
	require.False(s, later.has("1415.", family))
	require.Equal(s, s.subject.Durable, later.has("1415.", token))
}
