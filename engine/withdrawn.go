package engine

import (
	"maps"
	"sync/atomic"
)

// withdrawnSet holds the access tokens and families of one service that were
// revoked: how many there are is bounded by what their users do and not by an hour,
// as it is with revocations of Ably tokens, so it is kept in shards, and only one
// of them is copied when something is added. The zero withdrawnSet is ready.
//
// Whoever adds or forgets holds the keyStore's mu.
type withdrawnSet struct {
	shards [withdrawnShards]atomic.Pointer[map[withdrawnID]UnixMilli]
}

// withdrawnShards is so many that a shard of a million revocations has a thousand.
const withdrawnShards = 1024

// withdrawnID stands for a jti or a family, which never meet.
type withdrawnID [16]byte

func withdrawnIDOf(target RevocationTarget, text []byte) withdrawnID {
	if target == RevokeFamily {
		return NonceKey("family", text)
	}
	return NonceKey("jti", text)
}

func (s *withdrawnSet) shard(id withdrawnID) *atomic.Pointer[map[withdrawnID]UnixMilli] {
	return &s.shards[(uint(id[0])<<8|uint(id[1]))%withdrawnShards]
}

// has says whether id is withdrawn. In a nil set nothing is.
func (s *withdrawnSet) has(id withdrawnID) bool {
	if s == nil {
		return false
	}
	m := s.shard(id).Load()
	if m == nil {
		return false
	}
	_, ok := (*m)[id]
	return ok
}

// add withdraws id until then, when the last token that bears it has expired.
func (s *withdrawnSet) add(id withdrawnID, until UnixMilli) {
	shard, next := s.shard(id), map[withdrawnID]UnixMilli{}
	if m := shard.Load(); m != nil {
		if (*m)[id] >= until {
			return
		}
		next = maps.Clone(*m)
	}
	next[id] = until
	shard.Store(&next)
}

// forget forgets what was withdrawn until before that time.
func (s *withdrawnSet) forget(before UnixMilli) {
	for i := range s.shards {
		m := s.shards[i].Load()
		if m == nil {
			continue
		}
		over := 0
		for _, until := range *m {
			if until < before {
				over++
			}
		}
		if over == 0 {
			continue
		}
		next := make(map[withdrawnID]UnixMilli, len(*m)-over)
		for id, until := range *m {
			if until >= before {
				next[id] = until
			}
		}
		s.shards[i].Store(&next)
	}
}

func (s *withdrawnSet) len() (n int) {
	if s == nil {
		return 0
	}
	for i := range s.shards {
		if m := s.shards[i].Load(); m != nil {
			n += len(*m)
		}
	}
	return n
}
