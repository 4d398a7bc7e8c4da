package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"portcullis/internal/base64url"
	"portcullis/internal/hs256"
)

// Service is an OAuth authorization service, as far as its tokens are concerned.
type Service struct {
	ID          string // decimal
	Issuer      string // the iss of its access tokens
	Audience    string // whom they are for; asked for by the RFC9068 profile only
	TokenSecret Secret // what JWT access tokens are signed with; whoever verifies with it can mint
	Profile     AccessProfile
}

// MinTokenSecretBytes is the shortest secret of JWT access tokens (RFC 7518 §3.2).
const MinTokenSecretBytes = 32

// AccessProfile says which claims a JWT access token must have.
type AccessProfile uint8

// The profiles.
const (
	AuthleteProfile AccessProfile = iota // iss, client_id, exp, jti
	RFC9068Profile                       // also typ at+jwt, aud, sub and iat (RFC 9068 §2)
)

// ServiceKey is what the tokens of a Service are signed, sealed and verified with.
// It is a key record like that of an API key, but no keyring holds it: who verifies
// an access token says for which service, so no Ably token is ever taken for one,
// nor one for an Ably token.
type ServiceKey struct {
	Service
	record  keyRecord
	secrets []SealSecret
	sealers serviceSealers
}

// SealedState is what a sealed string of a service, beside access tokens, stands
// for.
type SealedState sealKind

// The kinds of sealed strings of services. They continue those of API keys.
const (
	SealedTicket  SealedState = 16 // an authorization request that waits for the user
	SealedCode    SealedState = 17 // an authorization code
	SealedRefresh SealedState = 18 // a refresh token
	sealOAuth     sealKind    = 19 // an opaque access token
	sealHidden    sealKind    = 20 // what a JWT access token carries for nobody to read

	firstServiceKind = sealKind(SealedTicket)
	serviceKinds     = 5
)

// serviceSealers are the sealers of one service, by kind, newest secret first.
type serviceSealers [serviceKinds][]sealer

// errNoSeal is why nothing can be sealed.
var errNoSeal = errors.New("engine: no sealing secret")

// PrepareServices returns the keys of services under the present sealing secrets.
// The key of a service for which nothing has changed is the one that was returned
// before, and with it what is cached. Revocations outlive every key.
func (v *Verifier) PrepareServices(services []Service) ([]*ServiceKey, error) {
	s := &v.keys
	s.mu.Lock()
	defer s.mu.Unlock()
	seal := s.ring.Load().seal
	keys := make([]*ServiceKey, len(services))
	present := make(map[string]*ServiceKey, len(services))
	for i, service := range services {
		if present[service.ID] != nil {
			return nil, fmt.Errorf("engine: the service %s twice", service.ID)
		}
		k := s.services[service.ID]
		if k == nil || k.Service != service || !slices.Equal(k.secrets, seal) {
			var err error
			if k, err = s.prepareService(service, seal); err != nil {
				return nil, fmt.Errorf("engine: service %s: %w", service.ID, err)
			}
		}
		keys[i], present[service.ID] = k, k
	}
	for id, k := range s.services {
		if present[id] != k {
			k.record.retired.Store(true)
		}
	}
	s.services = present
	return keys, nil
}

// serviceName is the name of a service among those of API keys. No API key has such
// a name, for nothing follows the dot.
func serviceName(id string) string { return id + "." }

func (s *keyStore) prepareService(service Service, seal []SealSecret) (*ServiceKey, error) {
	if service.ID == "" || bytes.ContainsFunc([]byte(service.ID), func(r rune) bool { return r < '0' || r > '9' }) {
		return nil, errors.New("an id that is no number")
	}
	if len(service.TokenSecret) < MinTokenSecretBytes {
		return nil, fmt.Errorf("a token secret shorter than %d bytes", MinTokenSecretBytes)
	}
	k := &ServiceKey{Service: service, secrets: seal}
	k.record.Key.Name = serviceName(service.ID)
	k.record.mac = hs256.NewKey([]byte(service.TokenSecret))
	k.record.ledger = s.ledgerOf(k.record.Name)
	for _, secret := range seal {
		for i := range k.sealers {
			kind := firstServiceKind + sealKind(i)
			// What was sealed under another issuer was not of this one.
			aead, err := secret.derive(kind, k.record.Name, "portcullis service epoch\x00"+service.ID+"\x00"+service.Issuer)
			if err != nil {
				return nil, err
			}
			k.sealers[i] = append(k.sealers[i], sealer{secret.id(), kind, aead})
		}
	}
	return k, nil
}

// AppendSealed appends a sealed string of a kind that holds payload.
func (k *ServiceKey) AppendSealed(dst []byte, kind SealedState, payload []byte) ([]byte, error) {
	return k.seal(dst, sealKind(kind), payload)
}

func (k *ServiceKey) seal(dst []byte, kind sealKind, payload []byte) ([]byte, error) {
	sealers := k.sealers[kind-firstServiceKind]
	if len(sealers) == 0 {
		return dst, errNoSeal
	}
	from := len(dst)
	dst = sealers[0].appendSealed(dst, &k.record, payload)
	if len(dst)-from > MaxTokenBytes {
		return dst[:from], ErrTokenSize
	}
	return dst, nil
}

// OpenSealed appends what a sealed string of that kind, and of this service, holds:
// what this server, or one that shares its sealing secret, has written. Anything
// else is [ErrAccessToken].
func (k *ServiceKey) OpenSealed(dst []byte, kind SealedState, text []byte) ([]byte, error) {
	if len(text) > MaxTokenBytes {
		return dst, ErrAccessToken
	}
	var s scratch
	return k.open(dst, &s, sealKind(kind), text)
}

func (k *ServiceKey) open(dst []byte, s *scratch, kind sealKind, text []byte) ([]byte, error) {
	s.step = StepCredential
	id, segment, _ := bytes.Cut(text, []byte{'.'})
	body, err := base64url.AppendDecode(s.sealed[:0], segment)
	s.sealed = body
	if err != nil || len(body) < sealedMinimum-1 || !isOfKind(body, kind) || body[sealedHead-1] != 0 || string(id) != k.ID {
		return dst, ErrAccessToken
	}
	s.step = StepSignature
	s.additional = appendAdditional(s.additional[:0], kind, id)
	rest := body[sealedHead:]
	for i := range k.sealers[kind-firstServiceKind] {
		sealer := &k.sealers[kind-firstServiceKind][i]
		if sealer.id != sealID(body[2:10]) {
			continue
		}
		plain, err := sealer.aead.Open(dst, rest[:sealedNonce], rest[sealedNonce:], s.additional)
		if err != nil {
			return dst, ErrAccessToken
		}
		return plain, nil
	}
	return dst, ErrAccessToken
}
