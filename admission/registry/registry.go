// Package registry indexes the live connections of a server by what their
// credentials can be revoked by, and counts them.
//
// The calls you want are [Registry.Add] and [Registry.Remove], at the ends of a
// connection's life, [Registry.Update] when it has re-authenticated, and
// [Registry.Matching] and [Registry.Key], which list the connections that must
// look at their credential because of a revocation or a change of its key.
//
// What is listed are candidates: whether a token is revoked depends on when it was
// issued and on the clock, which admission.Session decides. Add a connection before
// its Session begins: then whatever is revoked meanwhile is found either by the
// Session or here.
//
// # Lifetimes
//
// A Registry copies what it needs of a Grant. It holds a connection from Add to
// Remove.
//
// # Concurrency
//
// A Registry is safe for concurrent use. One mutex guards it: adding, updating and
// removing a connection take a few map operations each, whatever its capability
// holds, and listing takes time in proportion to what is listed; by channel, also to
// how many different capabilities the key's connections have.
package registry

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"

	"portcullis/capability"
	"portcullis/engine"
)

// Limits are how many connections may be at once; 0 means any number.
type Limits struct {
	PerApp   int
	PerToken int // with one token
}

// Fingerprint stands for one token. The zero Fingerprint stands for none: API keys
// are not counted.
type Fingerprint [16]byte

// FingerprintOf returns the Fingerprint of a token, half of its SHA-256.
func FingerprintOf(token []byte) (f Fingerprint) {
	sum := sha256.Sum256(token)
	copy(f[:], sum[:])
	return f
}

// Registry indexes connections of type C, which identifies them: a pointer, as a
// rule.
type Registry[C comparable] struct {
	mu      sync.Mutex
	entries map[C]*entry[C]
	apps    map[string]int
	tokens  map[Fingerprint]int
	keys    map[string]*key[C]
}

// New returns an empty Registry.
func New[C comparable]() *Registry[C] {
	return &Registry[C]{
		entries: make(map[C]*entry[C]),
		apps:    make(map[string]int),
		tokens:  make(map[Fingerprint]int),
		keys:    make(map[string]*key[C]),
	}
}

// Add adds a connection that g admits, unless there are too many:
// [engine.ErrAppConnections] or [engine.ErrTokenConnections]. Adding one that is
// there already is Update.
func (r *Registry[C]) Add(c C, g *engine.Grant, token Fingerprint, limits Limits) error {
	return r.put(newEntry(c, g, token), limits, true)
}

// Update notes that g is the connection's credential now, unless too many
// connections have that token already: then everything stays as it is. A
// connection that is not there is not added.
func (r *Registry[C]) Update(c C, g *engine.Grant, token Fingerprint, limits Limits) error {
	return r.put(newEntry(c, g, token), limits, false)
}

// put puts an entry in the place of the connection's, or adds it if it may be new.
func (r *Registry[C]) put(next *entry[C], limits Limits, mayBeNew bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.entries[next.connection]
	if old == nil && !mayBeNew {
		return nil
	}
	anotherToken := next.token != Fingerprint{} && (old == nil || old.token != next.token)
	switch {
	case old == nil && limits.PerApp > 0 && r.apps[next.app] >= limits.PerApp:
		return engine.ErrAppConnections
	case anotherToken && limits.PerToken > 0 && r.tokens[next.token] >= limits.PerToken:
		return engine.ErrTokenConnections
	}
	if old != nil {
		r.remove(old)
	}
	r.add(next)
	return nil
}

// Remove forgets a connection.
func (r *Registry[C]) Remove(c C) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.entries[c]; e != nil {
		r.remove(e)
	}
}

func (r *Registry[C]) add(e *entry[C]) {
	r.entries[e.connection] = e
	r.apps[e.app]++
	if e.token != (Fingerprint{}) {
		r.tokens[e.token]++
	}
	k := r.keys[e.keyName]
	if k == nil {
		k = newKey[C]()
		r.keys[e.keyName] = k
	}
	k.add(e)
}

func (r *Registry[C]) remove(e *entry[C]) {
	delete(r.entries, e.connection)
	decrement(r.apps, e.app)
	if e.token != (Fingerprint{}) {
		decrement(r.tokens, e.token)
	}
	k := r.keys[e.keyName]
	if k.remove(e); len(k.all.members) == 0 {
		delete(r.keys, e.keyName)
	}
}

func decrement[K comparable](counts map[K]int, k K) {
	if counts[k]--; counts[k] == 0 {
		delete(counts, k)
	}
}

// Matching appends to dst the connections whose tokens a revocation of that key may
// concern: those that its target matches.
func (r *Registry[C]) Matching(dst []C, keyName string, revocation engine.Revocation) []C {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.keys[keyName]
	if k == nil {
		return dst
	}
	switch revocation.Target {
	case engine.RevokeClientID:
		return k.clientIDs[revocation.Value].appendTo(dst)
	case engine.RevokeRevocationKey:
		return k.revocationKeys[revocation.Value].appendTo(dst)
	case engine.RevokeChannel:
		for set, g := range k.capabilities {
			if set.Names(revocation.Value) {
				dst = g.appendTo(dst)
			}
		}
	}
	return dst
}

// Key appends to dst all connections of the key of that name.
func (r *Registry[C]) Key(dst []C, keyName string) []C {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.keys[keyName]; k != nil {
		dst = k.all.appendTo(dst)
	}
	return dst
}

// All appends to dst all connections.
func (r *Registry[C]) All(dst []C) []C {
	r.mu.Lock()
	defer r.mu.Unlock()
	dst = slices.Grow(dst, len(r.entries))
	for c := range r.entries {
		dst = append(dst, c)
	}
	return dst
}

// Len returns how many connections there are.
func (r *Registry[C]) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.entries)
}

// App returns how many connections an app has.
func (r *Registry[C]) App(appID string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.apps[appID]
}

// Token returns how many connections there are with one token.
func (r *Registry[C]) Token(token Fingerprint) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tokens[token]
}

func newEntry[C comparable](c C, g *engine.Grant, token Fingerprint) *entry[C] {
	e := &entry[C]{connection: c, keyName: g.KeyName(), token: token}
	e.app, _, _ = strings.Cut(e.keyName, ".")
	if !g.IsToken() {
		return e // which is no target of revocations
	}
	e.isToken = true
	e.clientID = string(g.Identity().AppendClientID(nil))
	e.revocationKey, e.hasRevocationKey = string(g.RevocationKey()), g.RevocationKey() != nil
	kept := g.Clone() // whose capability is one that tokens of the same text share
	e.capability = kept.Capability()
	return e
}

// entry is one connection and what it is indexed by.
type entry[C comparable] struct {
	connection       C
	app, keyName     string
	token            Fingerprint
	isToken          bool
	clientID         string // "" for an anonymous one
	revocationKey    string
	hasRevocationKey bool
	capability       *capability.Set

	at [groups]int // its places among the members of its groups
}
