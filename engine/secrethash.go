package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// SecretHash is what is kept of a secret that is only ever compared. The zero
// SecretHash is that of no secret that anybody knows.
type SecretHash [sha256.Size]byte

// Hash returns the hash of a secret.
func (s Secret) Hash() SecretHash { return sha256.Sum256([]byte(s)) }

// Equal says whether presented is the secret. How long that takes says nothing but
// how long presented is.
func (h SecretHash) Equal(presented string) bool {
	sum := sha256.Sum256([]byte(presented))
	return subtle.ConstantTimeCompare(sum[:], h[:]) == 1
}

// NewTokenID returns the name of a new token, 128 random bits as base64url.
func NewTokenID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: the process ends where there is no randomness
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// S256 returns the code challenge of a code verifier (RFC 7636 §4.2).
func S256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
