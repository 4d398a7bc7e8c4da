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
	s.step = StepCredential
	switch bytes.Count(token, []byte{'.'}) {
	case 0:
		return judgement{}, ErrMalformedToken
	case 1:
		return v.verifySealed(dst, s, token, now)
	case 2:
		return v.verifyJWT(dst, s, token, now)
	case 4:
		return judgement{}, s.readEncrypted(token, v.keys.ring.Load().rules.Spelling)
	}
	return judgement{}, ErrSegments
}

// verifyJWT takes every step from the token's bytes to the verdict. It returns
// the revocations that the verdict rests on.
func (v *Verifier) verifyJWT(dst *Grant, s *scratch, token []byte, now UnixMilli) (judgement, error) {
	signingInput, header, payload, signature := split(token)
	s.step = StepHeader
	ring := v.keys.ring.Load()
	if err := s.readHeader(header, ring.rules.Spelling); err != nil {
		return judgement{}, err
	}
	if s.jose.carried.Kind != jsonscan.None {
		return judgement{}, s.readOuter(payload, ring.rules.Spelling)
	}
	faulty := s.jose.check()
	key := ring.keys[string(s.jose.kid)]
	if key == nil || faulty != nil {
		return judgement{}, v.answerStranger(s, ring, faulty, signingInput, payload, signature)
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
	if err := s.readClaims(dst, payload, s.jose.unknownAbly, now); err != nil {
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

// split finds the three segments of a compact serialization (RFC 7515 §7.1).
func split(token []byte) (signingInput, header, payload, signature []byte) {
	first, last := bytes.IndexByte(token, '.'), bytes.LastIndexByte(token, '.')
	return token[:last], token[:first], token[first+1 : last], token[last+1:]
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

// jose is what is read of a JOSE header (RFC 7515 §4) before its signature has
// been verified. Other parameters (jku, jwk, x5u …) are ignored: nothing is ever
// fetched, and no key is ever taken from a token.
type jose struct {
	typ, keyID, carried jsonscan.Value
	hs256               bool // alg is HS256
	critical            bool
	unknownAbly         bool   // some x-ably- parameter is not known
	kid                 []byte // what keyID spells, if it can be a key's name
}

// readHeader reads a JOSE header into s.jose, which is good until a header is
// read again.
func (s *scratch) readHeader(segment []byte, allowed Spelling) (err error) {
	s.jose = jose{}
	if s.header, err = s.decode(s.header[:0], segment, allowed); err != nil {
		return err
	}
	j, alg, duplicate := &s.jose, jsonscan.Value{}, false
	s.scanner.Reset(s.header, maxHeaderNames)
	for s.scanner.Next() {
		value := s.scanner.Value()
		duplicate = duplicate || value.Duplicate
		switch name := s.scanner.Name(); string(name) {
		case "alg":
			alg = value
		case "typ":
			j.typ = value
		case "kid":
			j.keyID = value
		case "crit":
			j.critical = true
		case claimEmbedded:
			j.carried = value
		default:
			j.unknownAbly = j.unknownAbly || bytes.HasPrefix(name, ablyPrefix)
		}
	}
	switch err := s.scanner.Err(); {
	case err == jsonscan.ErrDuplicateName, err == nil && duplicate:
		return ErrDuplicateName
	case err != nil:
		return ErrHeader
	}
	j.hs256 = alg.Kind == jsonscan.String && string(unescape(alg)) == "HS256"
	if j.keyID.Kind == jsonscan.String {
		if kid := unescape(j.keyID); len(kid) > 0 && len(kid) <= MaxKeyNameBytes {
			j.kid = kid
		}
	}
	return nil
}

// check says what keeps the header from being an Ably JWT's.
func (j *jose) check() error {
	switch {
	case !j.hs256:
		return ErrAlgorithm
	case j.critical:
		return ErrCritical
	case j.typ.Kind != jsonscan.None && (j.typ.Kind != jsonscan.String || isAccessTokenType(unescape(j.typ))):
		return ErrType
	case j.keyID.Kind == jsonscan.None:
		return ErrKidMissing
	case j.kid == nil:
		return ErrKid
	}
	return nil
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

// answerStranger answers a token that no key here can have signed, faulty being
// what is wrong with its header, if anything. It may still carry one of ours,
// unless it names an app that is here. For a key that is not there a MAC is
// computed all the same, so that the answer takes as long as that to a wrong
// signature.
func (v *Verifier) answerStranger(s *scratch, ring *keyring, faulty error, signingInput, payload, signature []byte) error {
	_, known := ring.apps[string(appOf(s.jose.kid))]
	at := s.step
	if !known || !s.jose.hs256 {
		if err := s.readOuter(payload, ring.rules.Spelling); s.outer.carries {
			return err
		}
	}
	s.step = at
	if faulty != nil {
		return faulty
	}
	s.step = StepKey
	v.dummy.EqualText(&s.mac, signingInput, signature)
	if known {
		return ErrUnknownKey
	}
	return ErrUnknownApp
}
