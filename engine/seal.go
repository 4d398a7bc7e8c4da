package engine

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// SealSecret is a secret of the server's own, from which the keys are derived
// that issued tokens are sealed with. It is never the secret of an API key: whose
// holder could then seal for himself more than his key may do.
//
// It points to its text: of a field that is not exported package fmt prints what is
// there without asking it how, but of a pointer only the address.
type SealSecret struct{ text *Secret }

// Format implements fmt.Formatter.
func (SealSecret) Format(f fmt.State, verb rune) { Secret("").Format(f, verb) }

func (s SealSecret) equal(other SealSecret) bool { return s.value() == other.value() }

// value returns the text, "" of the zero SealSecret.
func (s SealSecret) value() Secret {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// MinSealSecretBytes is the shortest sealing secret.
const MinSealSecretBytes = 32

// NewSealSecret returns the sealing secret of that text, taken byte for byte.
func NewSealSecret(secret Secret) (SealSecret, error) {
	if len(secret) < MinSealSecretBytes {
		return SealSecret{}, fmt.Errorf("engine: a sealing secret is shorter than %d bytes", MinSealSecretBytes)
	}
	return SealSecret{&secret}, nil
}

// sealID names a sealing secret in a token, in the clear, so that secrets can be
// rotated.
type sealID [8]byte

func (s SealSecret) id() (id sealID) {
	sum := sha256.Sum256([]byte("portcullis seal id\x00" + string(s.value())))
	copy(id[:], sum[:])
	return id
}

// sealKind is what a sealed string is for. One kind is never taken for another.
type sealKind byte

// The kinds of sealed strings.
const (
	sealAccess sealKind = 1 // an Ably token
	sealDevice sealKind = 2 // a device token, see device.go

	sealKinds = 3 // of API keys; those of services follow, see servicekey.go
)

const sealVersion = 1

// sealKey derives, by HKDF-SHA256 (RFC 5869), the key that strings of one kind,
// sealed for one API key, are sealed with. An API key whose secret has been
// replaced is another key: what was sealed for it before opens no more.
func (s SealSecret) sealKey(kind sealKind, k *Key) (cipher.AEAD, error) {
	return s.derive(kind, k.Name, "portcullis key epoch\x00"+k.Name+"\x00"+string(k.Secret))
}

// derive derives the key of a kind and a name. What was sealed in one epoch opens
// in no other.
func (s SealSecret) derive(kind sealKind, name, epoch string) (cipher.AEAD, error) {
	sum := sha256.Sum256([]byte(epoch))
	info := string([]byte{sealVersion, byte(kind)}) + name + "\x00" + string(sum[:16])
	key, err := hkdf.Key(sha256.New, []byte(s.value()), nil, info, chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.NewX(key) // its nonces are long enough to be random
}

// sealer seals and opens the strings of one kind, of one API key, under one sealing
// secret.
type sealer struct {
	id   sealID
	kind sealKind
	aead cipher.AEAD
}

// sealers are the sealers of one API key, by kind, newest secret first.
type sealers [sealKinds][]sealer

// prepareSealers derives the sealers of a key, newest secret first.
func prepareSealers(secrets []SealSecret, k *Key) (all sealers, err error) {
	for _, s := range secrets {
		if s.value() == "" {
			return all, errors.New("engine: an empty sealing secret")
		}
		for kind := sealAccess; kind < sealKinds; kind++ {
			aead, err := s.sealKey(kind, k)
			if err != nil {
				return all, err
			}
			all[kind] = append(all[kind], sealer{s.id(), kind, aead})
		}
	}
	return all, nil
}

// newest returns the sealer that seals now, nil if there is none.
func (all *sealers) newest(kind sealKind) *sealer {
	if len(all[kind]) == 0 {
		return nil
	}
	return &all[kind][0]
}

// of returns the sealer under the secret of that id, nil if there is none.
func (all *sealers) of(kind sealKind, id sealID) *sealer {
	for i := range all[kind] {
		if all[kind][i].id == id {
			return &all[kind][i]
		}
	}
	return nil
}
