package engine

import (
	"bytes"

	"portcullis/internal/base64url"
	"portcullis/internal/jsonscan"
)

// maxHeaderNames bounds what is read of a JOSE header before its signature has
// been verified. Real headers have three names.
const maxHeaderNames = 32

// verifyUncached verifies a token of any kind. They are told apart by their dots.
func (v *Verifier) verifyUncached(dst *Grant, s *scratch, token []byte, now UnixMilli) (judgement, error) {
	first := bytes.IndexByte(token, '.')
	if first >= 0 && bytes.IndexByte(token[first+1:], '.') < 0 {
		return v.verifySealed(dst, s, token, now)
	}
	return v.verifyJWT(dst, s, token, now)
}

// verifyJWT takes every step from the token's bytes to the verdict. It returns
// the revocations that the verdict rests on.
func (v *Verifier) verifyJWT(dst *Grant, s *scratch, token []byte, now UnixMilli) (judgement, error) {
	s.step = StepCredential
	signingInput, header, payload, signature, err := split(token)
	if err != nil {
		return judgement{}, err
	}
	s.step = StepHeader
	ring := v.keys.ring.Load()
	kid, unknownAbly, err := s.readHeader(header, ring.rules.Spelling)
	if err != nil {
		return judgement{}, err
	}
	s.step = StepKey
	key, err := v.lookUp(ring, s, kid, signingInput, signature)
	if err != nil {
		return judgement{}, err
	}
	s.step = StepSignature
	if err := s.checkSignature(key, signingInput, signature); err != nil {
		return judgement{}, err
	}
	// From here on the token is what the holder of the key's secret has written.
	s.step = StepKeyState
	dst.key = key
	if err := key.usable(now); err != nil {
		return judgement{}, err
	}
	// Read before the verdict, so that a revocation which comes while it is being
	// reached makes a cached verdict one that must be checked again.
	revocations := key.ledger.revocations.Load()
	if err := s.readClaims(dst, payload, unknownAbly, now); err != nil {
		return judgement{}, err
	}
	return s.judge(dst, revocations, now)
}

// judge takes the steps that every kind of token ends with.
func (s *scratch) judge(dst *Grant, revocations *revocationSet, now UnixMilli) (judgement, error) {
	s.step = StepRevocation
	revoked, pendingAt := revocations.verdict(&dst.verified, now)
	if revoked {
		return judgement{}, ErrTokenRevoked
	}
	s.step = StepIntersection
	if err := intersects(&dst.verified); err != nil {
		return judgement{}, err
	}
	return judgement{revocations, pendingAt}, nil
}

// split finds the segments of a compact serialization (RFC 7515 §7.1). It counts
// dots instead of making a list of what stands between them, so that a token of
// nothing but dots costs nothing.
func split(token []byte) (signingInput, header, payload, signature []byte, err error) {
	first := bytes.IndexByte(token, '.')
	if first < 0 {
		return nil, nil, nil, nil, ErrMalformedToken
	}
	rest := token[first+1:]
	second := bytes.IndexByte(rest, '.')
	if second < 0 {
		return nil, nil, nil, nil, ErrSegments
	}
	signature = rest[second+1:]
	if bytes.IndexByte(signature, '.') >= 0 {
		return nil, nil, nil, nil, ErrSegments
	}
	return token[:first+1+second], token[:first], rest[:second], signature, nil
}

// checkSignature compares signatures as text, in constant time, so that a MAC
// has one accepted spelling. What is misspelt is told apart only when it has
// failed: that costs a good token nothing.
func (s *scratch) checkSignature(key *keyRecord, signingInput, signature []byte) error {
	text, err := s.canonical(signature, key.rules.Spelling)
	if err == nil && !key.mac.EqualText(&s.mac, signingInput, text) {
		if err = base64url.Check(text); err == nil {
			return ErrSignature
		}
	}
	return spelling(err)
}

// decode appends what a segment spells to dst.
func (s *scratch) decode(dst, segment []byte, allowed Spelling) ([]byte, error) {
	text, err := s.canonical(segment, allowed)
	if err == nil {
		dst, err = base64url.AppendDecode(dst, text)
	}
	return dst, spelling(err)
}

// canonical returns a segment in canonical spelling, if it is in one that is
// allowed.
func (s *scratch) canonical(segment []byte, allowed Spelling) (text []byte, err error) {
	if allowed == StrictSpelling {
		return segment, nil // decoding checks it
	}
	s.spelt, err = base64url.AppendCanonical(s.spelt[:0], segment)
	return s.spelt, err
}

// spelling turns what is wrong with a segment into the error that says so.
func spelling(err error) error {
	switch err {
	case nil:
		return nil
	case base64url.ErrPadding:
		return ErrPadding
	case base64url.ErrAlphabet:
		return ErrAlphabet
	case base64url.ErrTrailingBits:
		return ErrTrailingBits
	}
	return ErrBase64
}

// readHeader reads of the JOSE header (RFC 7515 §4) what may be read before the
// signature has been verified. Other parameters (jku, jwk, x5u …) are ignored:
// nothing is ever fetched, and no key is ever taken from a token. kid is good
// until the header is read again.
func (s *scratch) readHeader(segment []byte, allowed Spelling) (kid []byte, unknownAbly bool, err error) {
	s.header, err = s.decode(s.header[:0], segment, allowed)
	if err != nil {
		return nil, false, err
	}
	var alg, typ, keyID jsonscan.Value
	critical, embedded, duplicate := false, false, false
	s.scanner.Reset(s.header, maxHeaderNames)
	for s.scanner.Next() {
		value := s.scanner.Value()
		duplicate = duplicate || value.Duplicate
		switch name := s.scanner.Name(); string(name) {
		case "alg":
			alg = value
		case "typ":
			typ = value
		case "kid":
			keyID = value
		case "crit":
			critical = true
		case "x-ably-token":
			embedded = true
		default:
			unknownAbly = unknownAbly || bytes.HasPrefix(name, ablyPrefix)
		}
	}
	switch err := s.scanner.Err(); {
	case err == jsonscan.ErrDuplicateName, err == nil && duplicate:
		return nil, false, ErrDuplicateName
	case err != nil:
		return nil, false, ErrHeader
	case alg.Kind != jsonscan.String || string(unescape(alg)) != "HS256":
		return nil, false, ErrAlgorithm
	case critical:
		return nil, false, ErrCritical
	case embedded:
		return nil, false, ErrEmbedded
	case typ.Kind != jsonscan.None && (typ.Kind != jsonscan.String || isAccessTokenType(unescape(typ))):
		return nil, false, ErrType
	case keyID.Kind == jsonscan.None:
		return nil, false, ErrKidMissing
	case keyID.Kind != jsonscan.String:
		return nil, false, ErrKid
	}
	if kid = unescape(keyID); len(kid) == 0 || len(kid) > MaxKeyNameBytes {
		return nil, false, ErrKid
	}
	return kid, unknownAbly, nil
}

// isAccessTokenType says whether typ is that of an OAuth access token (RFC 9068
// §2.1). Those carry other claims, which must not be read as an Ably JWT's.
func isAccessTokenType(typ []byte) bool {
	const prefix, accessToken = "application/", "at+jwt"
	if len(typ) > len(prefix) && bytes.EqualFold(typ[:len(prefix)], []byte(prefix)) {
		typ = typ[len(prefix):]
	}
	return bytes.EqualFold(typ, []byte(accessToken))
}

// unescape returns what a String value spells, in its own place: the text it
// stood in must not be scanned again.
func unescape(v jsonscan.Value) []byte {
	if v.Escaped {
		return jsonscan.AppendUnescaped(v.Text[:0], v.Text)
	}
	return v.Text
}

// lookUp finds the key that kid names, letter for letter. For one that is not
// there it computes a MAC all the same, so that the answer takes as long as that
// to a wrong signature.
func (v *Verifier) lookUp(ring *keyring, s *scratch, kid, signingInput, signature []byte) (*keyRecord, error) {
	if key := ring.keys[string(kid)]; key != nil {
		return key, nil
	}
	v.dummy.EqualText(&s.mac, signingInput, signature)
	if _, known := ring.apps[string(appOf(kid))]; known {
		return nil, ErrUnknownKey
	}
	return nil, ErrUnknownApp
}
