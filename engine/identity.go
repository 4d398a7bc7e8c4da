package engine

import (
	"bytes"
	"unicode/utf8"
)

// MaxClientIDBytes is the longest clientId.
const MaxClientIDBytes = 256

// IdentityKind says how much a credential says about its bearer's clientId.
type IdentityKind uint8

// The kinds of identity (RSA7). The zero kind is Anonymous.
const (
	Anonymous  IdentityKind = iota // no clientId
	Identified                     // one clientId, for good
	Wildcard                       // *: any clientId, per connection or per operation
)

var identityKindNames = [...]string{"anonymous", "identified", "wildcard"}

// String returns the kind's name.
func (k IdentityKind) String() string { return identityKindNames[k] }

// Identity is a trusted clientId, or that there is none, or that any will do.
type Identity struct {
	Kind IdentityKind
	ID   []byte // of an Identified one; a view
}

// AppendClientID appends the clientId as Ably writes it: "*" for a wildcard,
// nothing for an anonymous identity.
func (i Identity) AppendClientID(dst []byte) []byte {
	if i.Kind == Wildcard {
		return append(dst, '*')
	}
	return append(dst, i.ID...)
}

// Resolve fixes the identity of a connection or request, given the clientId it
// claims, empty for none (RSA7, RSA15). Only a wildcard identity may claim one
// that it does not carry.
func (i Identity) Resolve(claimed []byte) (Identity, error) {
	switch {
	case len(claimed) == 0:
		return i, nil
	case !ValidClientID(claimed):
		return Identity{}, ErrRequestClientID
	case i.Kind == Wildcard, i.Kind == Identified && bytes.Equal(i.ID, claimed):
		return Identity{Identified, claimed}, nil
	}
	return Identity{}, ErrClientIDMismatch
}

// Stamp returns the clientId that a message, presence or annotation gets, given
// the one it names, nil for none (RSA7a1, RSA8f): a connection speaks for itself
// only, a wildcard one for anybody it names, an anonymous one for nobody. A nil
// result leaves the clientId unset.
func (i Identity) Stamp(named []byte) ([]byte, error) {
	switch {
	case named == nil:
		return i.ID, nil
	case i.Kind == Identified && bytes.Equal(i.ID, named), i.Kind == Wildcard && ValidClientID(named):
		return named, nil
	}
	return nil, ErrOperationClientID
}

// StampPresence is Stamp for presence, which needs a clientId (RTP8j).
func (i Identity) StampPresence(named []byte) ([]byte, error) {
	id, err := i.Stamp(named)
	if err == nil && id == nil {
		return nil, ErrPresenceClientID
	}
	return id, err
}

// ValidClientID says whether id can be the clientId of one client: 1 to 256
// bytes of UTF-8, no control characters (bytes below 0x20, and 0x7F), no *.
func ValidClientID(id []byte) bool {
	if len(id) == 0 || len(id) > MaxClientIDBytes || !utf8.Valid(id) {
		return false
	}
	for _, c := range id {
		if c < 0x20 || c == 0x7f || c == '*' {
			return false
		}
	}
	return true
}
