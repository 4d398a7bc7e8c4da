package engine

import (
	"bytes"

	"portcullis/internal/jsonscan"
)

// An embedded token is an Ably JWT or an issued token that another JWT carries in
// x-ably-token: in its JOSE header, in its claims, or, where it is encrypted (RFC
// 7516), in its protected header. That other JWT is the application's own: its
// signature cannot be verified here. So nothing in it grants anything; it points
// to the inner token, which is verified in full, and its exp can end that earlier.

// OuterTolerance is how much later than the inner token the outer one may expire:
// its exp is rounded to a second, and issuing the inner one took a moment.
const OuterTolerance = 5_000 // milliseconds

// outer is what counts of a JWT that carries a token.
type outer struct {
	carries bool
	token   []byte // the inner token, in the scratch's memory
	ends    bool   // there is an exp
	expires UnixMilli
}

// readOuter reads a JWT whose header carries a token or names no key of ours: of
// its claims, which are not verified, x-ably-token and exp. s.outer then says
// whether there is a token, and the error what is wrong with how it is carried.
func (s *scratch) readOuter(payload []byte, allowed Spelling) (err error) {
	s.step = StepEmbedded
	inHeader := s.jose.carried
	s.outer.carries = inHeader.Kind != jsonscan.None
	if s.claimed, err = s.decode(s.claimed[:0], payload, allowed); err != nil {
		return err
	}
	var inClaims, exp jsonscan.Value
	repeated := false
	s.scanner.Reset(s.claimed, 0)
	for s.scanner.Next() {
		switch string(s.scanner.Name()) {
		case claimEmbedded:
			repeated = repeated || inClaims.Kind != jsonscan.None
			inClaims = s.scanner.Value()
		case "exp":
			repeated = repeated || exp.Kind != jsonscan.None
			exp = s.scanner.Value()
		}
	}
	// Names that are not looked at may be repeated.
	if err := s.scanner.Err(); err != nil && err != jsonscan.ErrDuplicateName {
		return ErrClaims
	}
	s.outer.carries = s.outer.carries || inClaims.Kind != jsonscan.None
	switch {
	case !s.outer.carries:
		return nil
	case repeated:
		return ErrDuplicateName
	}
	if err := s.outer.read(inHeader); err != nil {
		return err
	}
	if err := s.outer.read(inClaims); err != nil {
		return err
	}
	if s.outer.ends = exp.Kind != jsonscan.None; s.outer.ends {
		var ok bool
		if s.outer.expires, ok = date(exp); !ok {
			return ErrTimeClaim
		}
	}
	return nil
}

// readEncrypted reads the protected header of a JWE in compact serialization (RFC
// 7516 §7.1), five segments of which the other four are nobody's business here.
func (s *scratch) readEncrypted(token []byte, allowed Spelling) error {
	s.step = StepHeader
	if err := s.readHeader(token[:bytes.IndexByte(token, '.')], allowed); err != nil {
		return err
	}
	if s.jose.carried.Kind == jsonscan.None {
		s.step = StepCredential
		return ErrSegments
	}
	s.step = StepEmbedded
	s.outer.carries = true
	return s.outer.read(s.jose.carried)
}

// read takes the inner token from one of the places where it may be. Where it is
// in two, it must be the same one.
func (o *outer) read(v jsonscan.Value) error {
	if v.Kind == jsonscan.None {
		return nil
	}
	token := unescape(v)
	dots := bytes.Count(token, []byte{'.'})
	if v.Kind != jsonscan.String || dots != 1 && dots != 2 || o.token != nil && !bytes.Equal(o.token, token) {
		return ErrEmbeddedMalformed
	}
	o.token = token
	return nil
}

// verifyCarried verifies the token that s.outer carries. Only that one is ever
// cached: what an outer token says may not count for another one.
func (v *Verifier) verifyCarried(dst *Grant, s *scratch, now UnixMilli, cache *tokenCache) error {
	s.carrier = s.outer
	o := &s.carrier
	dst.inner = append(dst.inner[:0], o.token...)
	if o.ends && now >= o.expires {
		return ErrOuterExpired
	}
	known, err := cache.recall(dst, dst.inner, now)
	if !known {
		s.outer = outer{}
		var verdict judgement
		verdict, err = v.verifyUncached(dst, s, dst.inner, now)
		switch {
		case s.outer.carries:
			return ErrEmbedded // one level is enough: more would be a way to make us work
		case err == nil && cache != nil:
			cache.put(dst.inner, dst, verdict)
		}
	}
	if err != nil || !o.ends {
		return err
	}
	s.step = StepOuterExpiry
	if o.expires > dst.expires+OuterTolerance {
		return ErrOuterLater
	}
	dst.expires = min(dst.expires, o.expires)
	return nil
}
