package engine

import (
	"maps"
	"slices"
)

// RevocationTarget is what a revocation is aimed at.
type RevocationTarget uint8

// The targets of Ably's token revocation.
const (
	RevokeClientID      RevocationTarget = iota // tokens whose clientId is equal; * is an ordinary letter here
	RevokeRevocationKey                         // JWTs whose x-ably-revocation-key is equal
	RevokeChannel                               // tokens whose effective capability names this resource, letter for letter
	revocationTargets
)

// Revocation refuses, from AppliesAt on, the tokens of one key that its target
// matches and that were issued before IssuedBefore.
type Revocation struct {
	Target       RevocationTarget
	Value        string
	IssuedBefore UnixMilli
	AppliesAt    UnixMilli
}

// revocationSet is one immutable snapshot of one key's revocations. Its address
// is the key's revocation epoch: a verdict holds for the snapshot it was reached
// with.
type revocationSet struct {
	pairs [revocationTargets]map[string][]revocationPair
}

type revocationPair struct{ issuedBefore, appliesAt UnixMilli }

var noRevocations = new(revocationSet)

// dominates says whether p refuses whatever q refuses, whenever q does.
func (p revocationPair) dominates(q revocationPair) bool {
	return p.issuedBefore >= q.issuedBefore && p.appliesAt <= q.appliesAt
}

// with returns a snapshot that holds all of rs as well, which is s itself where
// that changes nothing. Of one target all pairs stay that no other dominates, so
// the order in which they come does not matter and a later revocation with a
// margin revives nothing.
func (s *revocationSet) with(rs ...Revocation) *revocationSet {
	next := s
	var copied [revocationTargets]bool
	for _, r := range rs {
		kept, changed := join(next.pairs[r.Target][r.Value], revocationPair{r.IssuedBefore, r.AppliesAt})
		if !changed {
			continue
		}
		if next == s {
			c := *s
			next = &c
		}
		if !copied[r.Target] {
			copied[r.Target] = true
			next.pairs[r.Target] = maps.Clone(next.pairs[r.Target])
			if next.pairs[r.Target] == nil {
				next.pairs[r.Target] = make(map[string][]revocationPair)
			}
		}
		next.pairs[r.Target][r.Value] = kept
	}
	return next
}

// join returns the pairs of one target with another one, in memory of their own.
func join(pairs []revocationPair, added revocationPair) (kept []revocationPair, changed bool) {
	kept = make([]revocationPair, 0, len(pairs)+1)
	for _, p := range pairs {
		if p.dominates(added) {
			return pairs, false
		}
		if !added.dominates(p) {
			kept = append(kept, p)
		}
	}
	return append(kept, added), true
}

// without returns a snapshot without the pairs that came into force before that
// time: no token is left that they could refuse.
func (s *revocationSet) without(before UnixMilli) *revocationSet {
	gone := func(p revocationPair) bool { return p.appliesAt < before }
	next, empty := new(revocationSet), true
	for target, values := range s.pairs {
		next.pairs[target] = make(map[string][]revocationPair, len(values))
		for value, pairs := range values {
			if kept := slices.DeleteFunc(slices.Clone(pairs), gone); len(kept) > 0 {
				next.pairs[target][value] = kept
				empty = false
			}
		}
	}
	switch {
	case empty:
		return noRevocations
	case next.len() == s.len():
		return s
	}
	return next
}

func (s *revocationSet) len() (n int) {
	for _, values := range s.pairs {
		for _, pairs := range values {
			n += len(pairs)
		}
	}
	return n
}

// verdict is what a snapshot says of one token: revoked, or not before
// pendingAt (0: nothing is pending).
func (s *revocationSet) verdict(g *verified, now UnixMilli) (revoked bool, pendingAt UnixMilli) {
	if s == noRevocations {
		return false, 0
	}
	check := func(pairs []revocationPair) {
		for _, p := range pairs {
			switch {
			case g.issued >= p.issuedBefore:
			case now >= p.appliesAt:
				revoked = true
			case pendingAt == 0 || p.appliesAt < pendingAt:
				pendingAt = p.appliesAt
			}
		}
	}
	s.each(g, check)
	return revoked, pendingAt
}

// each calls f with the pairs of each target that matches the token, whenever
// that was issued.
func (s *revocationSet) each(g *verified, f func(pairs []revocationPair)) {
	switch g.kind {
	case Identified:
		f(s.pairs[RevokeClientID][string(g.clientID)])
	case Wildcard:
		f(s.pairs[RevokeClientID]["*"])
	}
	if g.hasRevocationKey {
		f(s.pairs[RevokeRevocationKey][string(g.revocationKey)])
	}
	if channels := s.pairs[RevokeChannel]; len(channels) > 0 {
		for _, rule := range g.effectiveSet().Rules() {
			f(channels[rule.Resource])
		}
	}
}

// refusesClient says whether a snapshot refuses a token by its clientId, whatever
// else it refuses it by.
func (s *revocationSet) refusesClient(g *verified, now UnixMilli) bool {
	if g.kind != Identified {
		return false
	}
	for _, p := range s.pairs[RevokeClientID][string(g.clientID)] {
		if g.issued < p.issuedBefore && now >= p.appliesAt {
			return true
		}
	}
	return false
}

// Revoke adds revocations to the key of that name. When it returns, no verdict of
// this Verifier that begins later accepts what they refuse, whatever the cache
// holds. Revocations outlive a change of the key's configuration.
func (v *Verifier) Revoke(keyName string, revocations ...Revocation) {
	v.keys.mu.Lock()
	defer v.keys.mu.Unlock()
	l := v.keys.ledgerOf(keyName)
	l.revocations.Store(l.revocations.Load().with(revocations...))
}

// ForgetRevocations forgets what came into force before that time. It is for
// revocations that are older than any token can be.
func (v *Verifier) ForgetRevocations(before UnixMilli) {
	v.keys.mu.Lock()
	defer v.keys.mu.Unlock()
	ring := v.keys.ring.Load()
	for name, l := range v.keys.ledgers {
		set := l.revocations.Load().without(before)
		l.revocations.Store(set)
		if set == noRevocations && ring.keys[name] == nil {
			delete(v.keys.ledgers, name)
		}
	}
}

// RevocationCount returns how many revocations are in memory.
func (v *Verifier) RevocationCount() (n int) {
	v.keys.mu.Lock()
	defer v.keys.mu.Unlock()
	for _, l := range v.keys.ledgers {
		n += l.revocations.Load().len()
	}
	return n
}
