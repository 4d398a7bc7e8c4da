package engine

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"

	"portcullis/internal/base64url"
)

// A sealed string is appId.BODY, where BODY is base64url (RFC 4648 §5, unpadded) of
//
//	version 1 | kind 1 | secret id 8 | key id length 1 | key id | nonce 24 | sealed
//
// and what is sealed (XChaCha20-Poly1305) is, of an Ably token,
//
//	issued 8 | expires 8 | key capability 8 | identity kind 1 | clientId length 2 | clientId | capability
//
// Times are big-endian milliseconds, the capability is canonical text, and of the
// key's capability at the time there is a hash. Version, kind and appId are authenticated as additional data, secret id and key id by
// choosing the sealing key.
const (
	sealedHead    = 1 + 1 + 8 + 1
	sealedNonce   = chacha20poly1305.NonceSizeX
	sealedMinimum = sealedHead + 1 + sealedNonce + chacha20poly1305.Overhead
	accessFixed   = 8 + 8 + 8 + 1 + 2
)

// appendAccess appends a token that carries g, whose effective capability is
// text.
func (s *sealer) appendAccess(dst []byte, g *verified, text []byte) []byte {
	plain := binary.BigEndian.AppendUint64(nil, uint64(g.issued))
	plain = binary.BigEndian.AppendUint64(plain, uint64(g.expires))
	plain = append(plain, g.key.whole.hash[:]...)
	plain = append(plain, byte(g.kind))
	plain = binary.BigEndian.AppendUint16(plain, uint16(len(g.clientID)))
	plain = append(append(plain, g.clientID...), text...)
	return s.appendSealed(dst, g.key, plain)
}

// appendSealed appends a string of the key that holds plain.
func (s *sealer) appendSealed(dst []byte, key *keyRecord, plain []byte) []byte {
	app := appOf([]byte(key.Name))
	keyID := key.Name[len(app)+1:]
	body := append(make([]byte, 0, sealedMinimum+len(keyID)+len(plain)), sealVersion, byte(s.kind))
	body = append(append(body, s.id[:]...), byte(len(keyID)))
	body = append(body, keyID...)
	from := len(body)
	body = body[:from+sealedNonce]
	_, _ = rand.Read(body[from:]) // never fails: the process ends where there is no randomness
	body = s.aead.Seal(body, body[from:], plain, appendAdditional(nil, s.kind, app))

	dst = append(append(dst, app...), '.')
	return base64.RawURLEncoding.AppendEncode(dst, body)
}

// sealedRoom returns how many bytes of capability a token of the key for that
// clientId can carry.
func sealedRoom(key *keyRecord, clientID []byte) int {
	app := len(appOf([]byte(key.Name)))
	body := (MaxTokenBytes - app - len(".")) / 4 * 3
	return body - sealedMinimum - accessFixed - len(key.Name) + app + len(".") - len(clientID) + 1
}

func appendAdditional(dst []byte, kind sealKind, app []byte) []byte {
	return append(append(dst, sealVersion, byte(kind)), app...)
}

// open opens a sealed string of a kind, notes its key in dst, and returns what it
// holds, which is then in dst's memory. From there on it is what this server, or
// one that shares its sealing secret, has written.
func (v *Verifier) open(dst *Grant, s *scratch, kind sealKind, text []byte) (plain []byte, err error) {
	s.step = StepCredential
	app, segment, _ := bytes.Cut(text, []byte{'.'})
	body, err := base64url.AppendDecode(s.sealed[:0], segment)
	if err != nil || len(app) == 0 {
		return nil, ErrAblyToken
	}
	s.sealed = body
	if kind != sealDevice && isOfKind(body, sealDevice) {
		return nil, ErrTokenKind
	}
	if len(body) < sealedMinimum || !isOfKind(body, kind) || len(body) < sealedMinimum-1+int(body[sealedHead-1]) {
		return nil, ErrAblyToken
	}
	id, keyID, rest := sealID(body[2:10]), body[sealedHead:sealedHead+int(body[sealedHead-1])], body[sealedHead+int(body[sealedHead-1]):]

	s.step = StepKey
	s.header = append(append(append(s.header[:0], app...), '.'), keyID...)
	key := v.keys.ring.Load().keys[string(s.header)]
	if key == nil {
		return nil, ErrAblyTokenUnrecognized
	}
	s.step = StepSignature
	sealer := key.sealers.of(kind, id)
	if sealer == nil {
		return nil, ErrAblyTokenUnrecognized
	}
	s.additional = appendAdditional(s.additional[:0], kind, app)
	plain, err = sealer.aead.Open(dst.claims[:0], rest[:sealedNonce], rest[sealedNonce:], s.additional)
	if err != nil {
		return nil, ErrAblyToken
	}
	dst.claims, dst.key = plain, key
	return plain, nil
}

// isOfKind says whether the decoded body of a sealed string says that it is of that
// kind. Nothing else vouches for that until it has been opened.
func isOfKind(body []byte, kind sealKind) bool {
	return len(body) >= 2 && body[0] == sealVersion && body[1] == byte(kind)
}

// verifySealed takes every step from an opaque token to the verdict.
func (v *Verifier) verifySealed(dst *Grant, s *scratch, token []byte, now UnixMilli) (judgement, error) {
	plain, err := v.open(dst, s, sealAccess, token)
	if err != nil {
		return judgement{}, err
	}
	// What the key may do now is asked all the same.
	s.step = StepKeyState
	if err := dst.key.usable(now); err != nil {
		return judgement{}, err
	}
	revocations := dst.key.ledger.revocations.Load()
	if err := s.readSealed(dst, plain, now); err != nil {
		return judgement{}, err
	}
	return s.judge(dst, revocations, now)
}

// readSealed reads what was sealed into dst and checks it as claims are checked.
func (s *scratch) readSealed(dst *Grant, plain []byte, now UnixMilli) error {
	s.step = StepTime
	dst.sealed = true
	if len(plain) < accessFixed {
		return ErrAblyToken // sealed by us, yet not in our form: another version
	}
	dst.issued, dst.expires = UnixMilli(binary.BigEndian.Uint64(plain)), UnixMilli(binary.BigEndian.Uint64(plain[8:]))
	dst.notBefore = dst.issued
	dst.settled = [8]byte(plain[16:24]) == dst.key.whole.hash
	dst.kind = IdentityKind(plain[24])
	size := int(binary.BigEndian.Uint16(plain[25:]))
	rest := plain[accessFixed:]
	if dst.kind > Wildcard || size > len(rest) {
		return ErrAblyToken
	}
	switch {
	case now >= dst.expires:
		return ErrTokenExpired
	case dst.issued > now.Add(ClockSkew):
		return ErrIssuedInFuture
	case dst.expires-dst.issued > dst.key.maxTTL:
		return ErrTTL
	}
	if size > 0 {
		dst.clientID = rest[:size:size]
	}
	s.step = StepCapability
	text := rest[size:]
	if s.parser.Parse(&dst.set, text) != nil {
		return ErrAblyToken
	}
	dst.claimed, dst.claimedText = &dst.set, text
	return nil
}
