package engine

import (
	"hash/maphash"
	"maps"
	"slices"
	"sort"
	"strings"
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

// The targets among the access tokens of a service. They apply at once, and
// IssuedBefore is when the last token that they match has expired.
const (
	RevokeTokenID RevocationTarget = revocationTargets + iota // the access token whose jti is equal
	RevokeFamily                                              // all tokens that came from one authorization
	allTargets
)

// Valid says whether there is such a target.
func (t RevocationTarget) Valid() bool { return t < allTargets }

// OfService says whether the target is among the tokens of a service.
func (t RevocationTarget) OfService() bool { return t >= revocationTargets }

// Revocation refuses, from AppliesAt on, the tokens of one key, or of one service,
// that its target matches and that were issued before IssuedBefore.
type Revocation struct {
	Target       RevocationTarget
	Value        string
	IssuedBefore UnixMilli
	AppliesAt    UnixMilli
}

// revocationShards is how many maps hold the values of one kind of target. A
// revocation copies one of them, and not what a key has gathered in an hour: at
// the default rate that can be 390,000.
const revocationShards = 1024

// shardSeed keeps who chooses the values from putting all of them into one map.
var shardSeed = maphash.MakeSeed()

// revocationSet is one immutable snapshot of one key's revocations. Its address
// is the key's revocation epoch: a verdict holds for the snapshot it was reached
// with.
type revocationSet struct {
	targets [revocationTargets]*revocationIndex // nil where there is none
	count   int
}

// revocationIndex finds the pairs of a value, in the map that its hash names.
type revocationIndex [revocationShards]map[string]revocationPairs

// revocationPairs are the pairs of one value, none of which dominates another,
// the earliest issuedBefore first. So the earliest appliesAt is first too.
type revocationPairs []revocationPair

type revocationPair struct{ issuedBefore, appliesAt UnixMilli }

var noRevocations = new(revocationSet)

// dominates says whether p refuses whatever q refuses, whenever q does.
func (p revocationPair) dominates(q revocationPair) bool {
	return p.issuedBefore >= q.issuedBefore && p.appliesAt <= q.appliesAt
}

// with returns the pairs with another one, in memory of their own, and whether
// that changes anything.
func (pairs revocationPairs) with(added revocationPair) (kept revocationPairs, changed bool) {
	kept = make(revocationPairs, 0, len(pairs)+1)
	for _, p := range pairs {
		if p.dominates(added) {
			return pairs, false
		}
		if !added.dominates(p) {
			kept = append(kept, p)
		}
	}
	return slices.Insert(kept, kept.refusing(added.issuedBefore), added), true
}

// without returns the pairs that do not come into force before that time.
func (pairs revocationPairs) without(before UnixMilli) revocationPairs {
	for len(pairs) > 0 && pairs[0].appliesAt < before {
		pairs = pairs[1:]
	}
	return pairs
}

// refusing returns where the pairs begin that refuse a token issued then. The
// first of them is the first to come into force.
func (pairs revocationPairs) refusing(issued UnixMilli) int {
	return sort.Search(len(pairs), func(i int) bool { return issued < pairs[i].issuedBefore })
}

// with returns a snapshot that holds all of rs as well, which is s itself where
// that changes nothing. Of one target all pairs stay that no other dominates, so
// the order in which they come does not matter and a later revocation with a
// margin revives nothing.
func (s *revocationSet) with(rs ...Revocation) *revocationSet {
	e := revocationEdit{from: s, to: s}
	for _, r := range rs {
		pairs := e.to.targets[r.Target].of(r.Value)
		if kept, changed := pairs.with(revocationPair{r.IssuedBefore, r.AppliesAt}); changed {
			e.replace(r.Target, r.Value, pairs, kept)
		}
	}
	return e.to
}

// without returns a snapshot without the pairs that came into force before that
// time: no token is left that they could refuse.
func (s *revocationSet) without(before UnixMilli) *revocationSet {
	e := revocationEdit{from: s, to: s}
	for target, index := range s.targets {
		if index == nil {
			continue
		}
		for _, values := range index {
			for value, pairs := range values {
				if kept := pairs.without(before); len(kept) < len(pairs) {
					e.replace(RevocationTarget(target), value, pairs, kept)
				}
			}
		}
	}
	if e.to.count == 0 {
		return noRevocations
	}
	return e.to
}

// revocationEdit makes a new snapshot of an old one, and copies each part that
// differs once.
type revocationEdit struct {
	from, to *revocationSet
	copied   [revocationTargets][revocationShards]bool
}

// replace puts kept in the place of the pairs of one value.
func (e *revocationEdit) replace(target RevocationTarget, value string, pairs, kept revocationPairs) {
	if e.to == e.from {
		next := *e.from
		e.to = &next
	}
	index := e.to.targets[target]
	if index == e.from.targets[target] {
		next := new(revocationIndex)
		if index != nil {
			*next = *index
		}
		e.to.targets[target], index = next, next
	}
	shard := shardOf(value)
	if !e.copied[target][shard] {
		e.copied[target][shard] = true
		index[shard] = maps.Clone(index[shard])
		if index[shard] == nil {
			index[shard] = make(map[string]revocationPairs)
		}
	}
	if index[shard][value] = kept; len(kept) == 0 {
		delete(index[shard], value)
	}
	e.to.count += len(kept) - len(pairs)
}

func shardOf(value string) uint64 { return maphash.String(shardSeed, value) % revocationShards }

// of returns the pairs of a value.
func (x *revocationIndex) of(value string) revocationPairs {
	if x == nil {
		return nil
	}
	return x[shardOf(value)][value]
}

// ofBytes is of for a value in bytes. It does not allocate.
func (x *revocationIndex) ofBytes(value []byte) revocationPairs {
	if x == nil {
		return nil
	}
	return x[maphash.Bytes(shardSeed, value)%revocationShards][string(value)]
}

// verdict is what a snapshot says of one token: revoked, or not before
// pendingAt (0: nothing is pending).
func (s *revocationSet) verdict(g *verified, now UnixMilli) (revoked bool, pendingAt UnixMilli) {
	if s == noRevocations {
		return false, 0
	}
	check := func(pairs revocationPairs) {
		i := pairs.refusing(g.issued)
		switch {
		case i == len(pairs):
		case now >= pairs[i].appliesAt:
			revoked = true
		case pendingAt == 0 || pairs[i].appliesAt < pendingAt:
			pendingAt = pairs[i].appliesAt
		}
	}
	s.each(g, check)
	return revoked, pendingAt
}

// each calls f with the pairs of each target that matches the token, whenever
// that was issued.
func (s *revocationSet) each(g *verified, f func(pairs revocationPairs)) {
	switch g.kind {
	case Identified:
		f(s.targets[RevokeClientID].ofBytes(g.clientID))
	case Wildcard:
		f(s.targets[RevokeClientID].of("*"))
	}
	if g.hasRevocationKey {
		f(s.targets[RevokeRevocationKey].ofBytes(g.revocationKey))
	}
	if channels := s.targets[RevokeChannel]; channels != nil {
		for _, rule := range g.effectiveSet().Rules() {
			f(channels.of(rule.Resource))
		}
	}
}

// refusesClient says whether a snapshot refuses a token by its clientId, whatever
// else it refuses it by.
func (s *revocationSet) refusesClient(g *verified, now UnixMilli) bool {
	if g.kind != Identified {
		return false
	}
	pairs := s.targets[RevokeClientID].ofBytes(g.clientID)
	i := pairs.refusing(g.issued)
	return i < len(pairs) && now >= pairs[i].appliesAt
}

// Revoke adds revocations to the key of that name. When it returns, no verdict of
// this Verifier that begins later accepts what they refuse, whatever the cache
// holds. Revocations outlive a change of the key's configuration.
func (v *Verifier) Revoke(keyName string, revocations ...Revocation) {
	v.keys.mu.Lock()
	defer v.keys.mu.Unlock()
	l := v.keys.ledgerOf(keyName)
	ofKey := make([]Revocation, 0, len(revocations))
	for _, r := range revocations {
		if r.Target.OfService() {
			l.withdraw(r)
		} else {
			ofKey = append(ofKey, r)
		}
	}
	l.revocations.Store(l.revocations.Load().with(ofKey...))
}

// withdraw adds a revocation of a service's tokens. The caller holds mu.
func (l *ledger) withdraw(r Revocation) {
	if l.withdrawn.Load() == nil {
		l.withdrawn.Store(new(withdrawnSet))
	}
	l.withdrawn.Load().add(withdrawnIDOf(r.Target, []byte(r.Value)), r.IssuedBefore)
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
		withdrawn := l.withdrawn.Load()
		if withdrawn != nil {
			withdrawn.forget(before)
		}
		service := v.keys.services[strings.TrimSuffix(name, ".")] != nil // its key holds the ledger
		if set == noRevocations && withdrawn == nil && ring.keys[name] == nil && !service {
			delete(v.keys.ledgers, name)
		}
	}
}

// RevocationCount returns how many revocations are in memory.
func (v *Verifier) RevocationCount() (n int) {
	v.keys.mu.Lock()
	defer v.keys.mu.Unlock()
	for _, l := range v.keys.ledgers {
		n += l.revocations.Load().count + l.withdrawn.Load().len()
	}
	return n
}
