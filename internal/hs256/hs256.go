// Package hs256 computes and compares HMAC-SHA256 (RFC 2104, the HS256 of
// RFC 7518 §3.2) from key states prepared once, without allocating.
package hs256

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"encoding/base64"
	"hash"
)

// Size is the length of a MAC in bytes, TextSize that of its base64url text,
// StdTextSize that of its text in standard base64, padded.
const (
	Size        = sha256.Size
	TextSize    = 43
	StdTextSize = 44
)

// Key is a secret with both of its padded blocks already hashed. It is
// immutable and safe for concurrent use.
type Key struct {
	inner, outer []byte // SHA-256 states after the ipad and the opad block
}

// NewKey prepares secret, taken byte for byte; the caller may reuse it.
func NewKey(secret []byte) *Key {
	var block [sha256.BlockSize]byte
	if len(secret) > len(block) {
		sum := sha256.Sum256(secret)
		copy(block[:], sum[:])
	} else {
		copy(block[:], secret)
	}
	return &Key{inner: padded(block, 0x36), outer: padded(block, 0x5c)}
}

func padded(block [sha256.BlockSize]byte, with byte) []byte {
	for i := range block {
		block[i] ^= with
	}
	h := sha256.New()
	h.Write(block[:])
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic("hs256: SHA-256 cannot save its state: " + err.Error())
	}
	return state
}

// Scratch holds what one computation works in. The zero Scratch is ready; one
// Scratch serves one goroutine at a time. It lives on the heap (in a pool) so
// that nothing has to be moved there for each MAC.
type Scratch struct {
	digest hash.Hash
	state  encoding.BinaryUnmarshaler
	sum    [Size]byte
	text   [TextSize]byte
	std    [StdTextSize]byte
}

// MAC returns the HMAC-SHA256 of message; the array is good until the next call
// with the same Scratch.
func (k *Key) MAC(s *Scratch, message []byte) *[Size]byte {
	if s.digest == nil {
		s.digest = sha256.New()
		s.state = s.digest.(encoding.BinaryUnmarshaler)
	}
	s.restore(k.inner)
	s.digest.Write(message)
	s.digest.Sum(s.sum[:0])
	s.restore(k.outer)
	s.digest.Write(s.sum[:])
	s.digest.Sum(s.sum[:0])
	return &s.sum
}

func (s *Scratch) restore(state []byte) {
	if err := s.state.UnmarshalBinary(state); err != nil {
		panic("hs256: SHA-256 cannot restore its state: " + err.Error())
	}
}

// Text returns the MAC of message as base64url (RFC 7515 §3); the array is good
// until the next call with the same Scratch.
func (k *Key) Text(s *Scratch, message []byte) *[TextSize]byte {
	base64.RawURLEncoding.Encode(s.text[:], k.MAC(s, message)[:])
	return &s.text
}

// EqualText says in constant time whether text is the base64url MAC of message.
// Comparing texts instead of bytes leaves a MAC exactly one accepted spelling.
func (k *Key) EqualText(s *Scratch, message, text []byte) bool {
	want := k.Text(s, message)
	return subtle.ConstantTimeCompare(want[:], text) == 1
}

// StdText returns the MAC of message in standard base64 with padding (RFC 4648
// §4), as TokenRequests carry it; the array is good until the next call with the
// same Scratch.
func (k *Key) StdText(s *Scratch, message []byte) *[StdTextSize]byte {
	base64.StdEncoding.Encode(s.std[:], k.MAC(s, message)[:])
	return &s.std
}

// EqualStdText is EqualText for standard base64 with padding.
func (k *Key) EqualStdText(s *Scratch, message, text []byte) bool {
	want := k.StdText(s, message)
	return subtle.ConstantTimeCompare(want[:], text) == 1
}
