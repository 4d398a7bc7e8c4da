package registry

import "portcullis/capability"

// key is the index of one key's connections.
type key[C comparable] struct {
	all            group[C]
	clientIDs      map[string]*group[C]
	revocationKeys map[string]*group[C]
	// By capability and not by each resource in it: a capability names up to 1,024,
	// and the connections of a service share a few capabilities.
	capabilities map[*capability.Set]*group[C]
}

func newKey[C comparable]() *key[C] {
	return &key[C]{
		clientIDs:      make(map[string]*group[C]),
		revocationKeys: make(map[string]*group[C]),
		capabilities:   make(map[*capability.Set]*group[C]),
	}
}

// The groups that an entry may be in, one of each kind.
const (
	inKey = iota
	inClientID
	inRevocationKey
	inCapability
	groups
)

// group is some connections. It is a slice in which every member knows its place,
// so that adding and removing one take no search.
type group[C comparable] struct{ members []*entry[C] }

func (g *group[C]) add(e *entry[C], kind int) {
	e.at[kind] = len(g.members)
	g.members = append(g.members, e)
}

// remove puts the last member in the place of e.
func (g *group[C]) remove(e *entry[C], kind int) {
	last := len(g.members) - 1
	moved := g.members[last]
	g.members[e.at[kind]] = moved
	moved.at[kind] = e.at[kind]
	g.members[last] = nil
	g.members = g.members[:last]
}

func (g *group[C]) appendTo(dst []C) []C {
	if g == nil {
		return dst
	}
	for _, e := range g.members {
		dst = append(dst, e.connection)
	}
	return dst
}

func (k *key[C]) add(e *entry[C]) {
	k.all.add(e, inKey)
	if !e.isToken {
		return
	}
	if e.clientID != "" {
		addTo(k.clientIDs, e.clientID, e, inClientID)
	}
	if e.hasRevocationKey {
		addTo(k.revocationKeys, e.revocationKey, e, inRevocationKey)
	}
	addTo(k.capabilities, e.capability, e, inCapability)
}

func (k *key[C]) remove(e *entry[C]) {
	k.all.remove(e, inKey)
	if !e.isToken {
		return
	}
	if e.clientID != "" {
		removeFrom(k.clientIDs, e.clientID, e, inClientID)
	}
	if e.hasRevocationKey {
		removeFrom(k.revocationKeys, e.revocationKey, e, inRevocationKey)
	}
	removeFrom(k.capabilities, e.capability, e, inCapability)
}

func addTo[K, C comparable](groups map[K]*group[C], k K, e *entry[C], kind int) {
	g := groups[k]
	if g == nil {
		g = new(group[C])
		groups[k] = g
	}
	g.add(e, kind)
}

func removeFrom[K, C comparable](groups map[K]*group[C], k K, e *entry[C], kind int) {
	g := groups[k]
	if g.remove(e, kind); len(g.members) == 0 {
		delete(groups, k)
	}
}
