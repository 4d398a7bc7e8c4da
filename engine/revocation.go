package engine

import "maps"

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

// with returns a snapshot that holds r as well. Of one target all pairs stay
// that no other dominates, so the order in which they come does not matter and a
// later revocation with a margin revives nothing.
func (s *revocationSet) with(r Revocation) *revocationSet {
	added := revocationPair{r.IssuedBefore, r.AppliesAt}
	old := s.pairs[r.Target][r.Value]
	kept := make([]revocationPair, 0, len(old)+1)
	for _, p := range old {
		if p.dominates(added) {
			return s
		}
		if !added.dominates(p) {
			kept = append(kept, p)
		}
	}
	next := *s
	next.pairs[r.Target] = maps.Clone(s.pairs[r.Target])
	if next.pairs[r.Target] == nil {
		next.pairs[r.Target] = make(map[string][]revocationPair)
	}
	next.pairs[r.Target][r.Value] = append(kept, added)
	return &next
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
	switch g.kind {
	case Identified:
		check(s.pairs[RevokeClientID][string(g.clientID)])
	case Wildcard:
		check(s.pairs[RevokeClientID]["*"])
	}
	if g.hasRevocationKey {
		check(s.pairs[RevokeRevocationKey][string(g.revocationKey)])
	}
	if channels := s.pairs[RevokeChannel]; len(channels) > 0 {
		for _, rule := range g.effectiveSet().Rules() {
			check(channels[rule.Resource])
		}
	}
	return revoked, pendingAt
}

// Revoke adds revocations to the key of that name. When it returns, no verdict of
// this Verifier that begins later accepts what they refuse, whatever the cache
// holds. Revocations outlive a change of the key's configuration.
func (v *Verifier) Revoke(keyName string, revocations ...Revocation) {
	v.keys.mu.Lock()
	defer v.keys.mu.Unlock()
	l := v.keys.ledgerOf(keyName)
	set := l.revocations.Load()
	for _, r := range revocations {
		set = set.with(r)
	}
	l.revocations.Store(set)
}
