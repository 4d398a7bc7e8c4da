package engine

import (
	"bytes"

	"portcullis/internal/jsonscan"
)

// AccessToken is what a verified access token of a service says. Only a Verifier
// makes one that says anything. It is meant to be reused: verifying into one that
// has been used before allocates nothing, and what it says is good until then.
type AccessToken struct {
	accessVerdict
	claims   []byte // the claims set
	cacheHit bool
}

// accessVerdict is what verification has found out of an access token: views, of an
// AccessToken's memory or of a cache entry's.
type accessVerdict struct {
	AccessClaims
	key       *ServiceKey
	notBefore UnixMilli
	sealed    []byte // properties that are sealed
	jti       withdrawnID
	family    withdrawnID // zero where there is no family
}

// FromCache says whether the verdict came from the cache of verified tokens.
func (t *AccessToken) FromCache() bool { return t.cacheHit }

// Refreshable says whether the refresh token that was issued beside it is good.
func (t *AccessToken) Refreshable(now UnixMilli) bool {
	return t.key != nil && now < t.RefreshExpires && !t.key.FamilyRevoked(t.Family)
}

// AppendProperties appends the properties, a JSON array, or nothing when there are
// none.
func (t *AccessToken) AppendProperties(dst []byte) ([]byte, error) {
	if t.sealed == nil {
		return append(dst, t.Properties...), nil
	}
	var s scratch
	return t.key.open(dst, &s, sealHidden, t.sealed)
}

// FamilyRevoked says whether all that came from one authorization was revoked.
func (k *ServiceKey) FamilyRevoked(family []byte) bool {
	return k.record.ledger.withdrawn.Load().has(withdrawnIDOf(RevokeFamily, family))
}

// RevocationName is the name under which a store keeps the service's revocations.
func (k *ServiceKey) RevocationName() string { return k.record.Name }

// VerifyAccessToken verifies an access token of the service, a JWT or an opaque
// one, into dst. It goes the way of VerifyToken, under another claims profile:
// the same steps up to the signature, the same cache, no allocation but for what is
// added to the cache.
//
// After an error, always an *[ErrorInfo], dst says nothing, with one exception:
// when only the time of the token is over, [ErrTokenExpired], it says whose it was.
func (v *Verifier) VerifyAccessToken(dst *AccessToken, k *ServiceKey, token []byte, now UnixMilli) error {
	dst.accessVerdict, dst.cacheHit = accessVerdict{}, false
	if len(token) > MaxTokenBytes {
		return ErrTokenTooLong
	}
	known, err := v.cache.recallAccess(dst, k, token, now)
	if !known {
		s := v.scratch.Get().(*scratch)
		err = v.verifyAccess(dst, s, k, token, now)
		v.scratch.Put(s)
		if err == nil && v.cache != nil {
			v.cache.putAccess(token, dst)
		}
	}
	if err != nil && err != ErrTokenExpired {
		dst.accessVerdict = accessVerdict{}
	}
	return err
}

// verifyAccess takes every step from the token's bytes to the verdict.
func (v *Verifier) verifyAccess(dst *AccessToken, s *scratch, k *ServiceKey, token []byte, now UnixMilli) (err error) {
	typed, opaque := false, false
	switch bytes.Count(token, []byte{'.'}) {
	case 1:
		opaque = true
		dst.claims, err = k.open(dst.claims[:0], s, sealOAuth, token)
	case 2:
		typed, err = s.checkAccessJWT(dst, k, token)
	default:
		return ErrSegments
	}
	if err != nil {
		return err
	}
	// From here on the token is what the holder of the secret has written.
	s.step = StepClaims
	if err := s.scanAccess(dst.claims); err != nil {
		return err
	}
	dst.key = k
	if err := s.access.read(&dst.accessVerdict, k, typed, opaque, now); err != nil {
		return err
	}
	dst.jti = withdrawnIDOf(RevokeTokenID, dst.ID)
	if len(dst.Family) > 0 {
		dst.family = withdrawnIDOf(RevokeFamily, dst.Family)
	}
	return dst.judge(now)
}

// judge takes the steps that a cached verdict takes anew.
func (a *accessVerdict) judge(now UnixMilli) error {
	withdrawn := a.key.record.ledger.withdrawn.Load()
	switch {
	case withdrawn.has(a.jti), a.family != withdrawnID{} && withdrawn.has(a.family):
		return ErrTokenRevoked
	case a.notBefore > now.Add(ClockSkew):
		return ErrIssuedInFuture
	case now >= a.Expires:
		return ErrTokenExpired
	}
	return nil
}

// checkAccessJWT checks the header and the signature of a JWT, and decodes its
// claims. typed says that its typ is that of an access token.
func (s *scratch) checkAccessJWT(dst *AccessToken, k *ServiceKey, token []byte) (typed bool, err error) {
	signingInput, header, payload, signature := split(token)
	s.step = StepHeader
	if err := s.readHeader(header, StrictSpelling); err != nil {
		return false, err
	}
	if typed, err = s.jose.checkAccess(k.ID); err != nil {
		return false, err
	}
	s.step = StepSignature
	if err := s.checkSignature(&k.record, signingInput, signature); err != nil {
		return false, err
	}
	dst.claims, err = s.decode(dst.claims[:0], payload, StrictSpelling)
	return typed, err
}

// checkAccess says what keeps the header from being an access token's: a kid, where
// there is one, is the id of the service, and typ at+jwt or JWT. Both are compared
// without regard to case, as media types are (RFC 7515 §4.1.9).
func (j *jose) checkAccess(service string) (typed bool, err error) {
	switch {
	case !j.hs256:
		return false, ErrAlgorithm
	case j.critical:
		return false, ErrCritical
	}
	if j.typ.Kind != jsonscan.None {
		typ := unescape(j.typ)
		typed = isAccessTokenType(typ)
		if j.typ.Kind != jsonscan.String || !typed && !bytes.EqualFold(typ, []byte("JWT")) {
			return false, ErrType
		}
	}
	if j.keyID.Kind != jsonscan.None && string(j.kid) != service {
		return false, ErrKid
	}
	return typed, nil
}

// recallAccess is recall for access tokens. An entry counts only for the very key
// that it was verified with.
func (c *tokenCache) recallAccess(dst *AccessToken, k *ServiceKey, token []byte, now UnixMilli) (known bool, err error) {
	if c == nil {
		return false, nil
	}
	entry := c.get(token)
	if entry == nil || entry.key != &k.record {
		return false, nil
	}
	dst.accessVerdict, dst.cacheHit = *entry.access, true
	return true, dst.judge(now)
}

// putAccess adds an access token that has been verified.
func (c *tokenCache) putAccess(token []byte, t *AccessToken) {
	e := &cacheEntry{access: new(accessVerdict)}
	e.key = &t.key.record
	*e.access = t.accessVerdict
	views := [...]*[]byte{
		&e.token, &e.access.ID, &e.access.ClientID, &e.access.Subject, &e.access.Scope, &e.access.GrantType, &e.access.Client,
		&e.access.Alias, &e.access.Family, &e.access.ACR, &e.access.Properties, &e.access.sealed,
	}
	e.token = token
	size := 0
	for _, view := range views {
		size += len(*view)
	}
	memory := make([]byte, 0, size) // of all of them
	for _, view := range views {
		if *view != nil {
			from := len(memory)
			memory = append(memory, *view...)
			*view = memory[from:len(memory):len(memory)]
		}
	}
	e.cost = entryOverhead + accessOverhead + int64(cap(memory))
	c.insert(e)
}

// accessOverhead is what an entry of an access token takes beside other entries.
const accessOverhead = 384
