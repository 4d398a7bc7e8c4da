package bench

import (
	"errors"
	"fmt"
	"sort"
	"time"
)

// Verify verifies one token, nil for an admission.
type Verify func(token *Token) error

// Peer is a library that verifies tokens.
type Peer struct {
	Name string
	// New returns a Verify that knows the keys, secret by key name, and has no
	// cache of verdicts. It is called by one goroutine at a time.
	New func(keys map[string]string) (Verify, error)
}

var peers = map[string]Peer{}

func registerPeer(p Peer) { peers[p.Name] = p }

// Peers returns every peer, Portcullis among them, by name.
func Peers() []Peer {
	all := make([]Peer, 0, len(peers))
	for _, p := range peers {
		all = append(all, p)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

// PeerNamed returns the peer of that name.
func PeerNamed(name string) (Peer, error) {
	p, ok := peers[name]
	if !ok {
		return Peer{}, fmt.Errorf("bench: no peer %q", name)
	}
	return p, nil
}

// CheckPeer requires that a peer admits the good set and refuses the bad set, and
// returns what it admits that Portcullis refuses.
func CheckPeer(p Peer) (alsoAdmits []string, err error) {
	verify, err := p.New(Keys())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	now := time.Now()
	var wrong []error
	for _, s := range goodSet(now) {
		if err := verify(&s.token); err != nil {
			wrong = append(wrong, fmt.Errorf("%s refuses a good token (%s): %w", p.Name, s.name, err))
		}
	}
	for _, s := range badSet(now) {
		if verify(&s.token) == nil {
			wrong = append(wrong, fmt.Errorf("%s admits a bad token (%s)", p.Name, s.name))
		}
	}
	for _, s := range strictSet(now) {
		if verify(&s.token) == nil {
			alsoAdmits = append(alsoAdmits, s.name)
		}
	}
	return alsoAdmits, errors.Join(wrong...)
}
