package engine

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"

	"portcullis/internal/base64url"
)

// An issued Ably token is appId.BODY, where BODY is base64url (RFC 4648 §5,
// unpadded) of
//
//	version 1 | kind 1 | secret id 8 | key id length 1 | key id | nonce 24 | sealed
//
// and what is sealed (XChaCha20-Poly1305) is
//
//	issued 8 | expires 8 | key capability 8 | identity kind 1 | clientId length 2 | clientId | capability
//
// Times are big-endian milliseconds, the capability is canonical text, and of the
// key's capability at the time there is a hash. Version, kind and appId are authenticated as additional data, secret id and key id by
// choosing the sealing key.
const (
	sealedHead    = 1 + 1 + 8 + 1
	sealedNonce   = chacha20poly1305.NonceSizeX
	sealedFixed   = 8 + 8 + 8 + 1 + 2
	sealedMinimum = sealedHead + 1 + sealedNonce + sealedFixed + chacha20poly1305.Overhead
)

// appendSealed appends a token that carries g, whose effective capability is
// text.
func (s *sealer) appendSealed(dst []byte, g *verified, text []byte) []byte {
	app := appOf([]byte(g.key.Name))
	keyID := g.key.Name[len(app)+1:]
	body := append(make([]byte, 0, sealedMinimum+len(keyID)+len(g.clientID)+len(text)), sealVersion, byte(sealAccess))
	body = append(append(body, s.id[:]...), byte(len(keyID)))
	body = append(body, keyID...)
	from := len(body)
	body = body[:from+sealedNonce]
	_, _ = rand.Read(body[from:]) // never fails: the process ends where there is no randomness

	plain := binary.BigEndian.AppendUint64(nil, uint64(g.issued))
	plain = binary.BigEndian.AppendUint64(plain, uint64(g.expires))
	plain = append(plain, g.key.whole.hash[:]...)
	plain = append(plain, byte(g.kind))
	plain = binary.BigEndian.AppendUint16(plain, uint16(len(g.clientID)))
	plain = append(append(plain, g.clientID...), text...)
	body = s.aead.Seal(body, body[from:], plain, appendAdditional(nil, app))

	dst = append(append(dst, app...), '.')
	return base64.RawURLEncoding.AppendEncode(dst, body)
}

// sealedRoom returns how many bytes of capability a token of the key for that
// clientId can carry.
func sealedRoom(key *keyRecord, clientID []byte) int {
	app := len(appOf([]byte(key.Name)))
	body := (MaxTokenBytes - app - len(".")) / 4 * 3
	return body - sealedMinimum - len(key.Name) + app + len(".") - len(clientID) + 1
}

func appendAdditional(dst, app []byte) []byte {
	return append(append(dst, sealVersion, byte(sealAccess)), app...)
}

// verifySealed takes every step from an opaque token to the verdict.
func (v *Verifier) verifySealed(dst *Grant, s *scratch, token []byte, now UnixMilli) (judgement, error) {
	s.step = StepCredential
	app, segment, _ := bytes.Cut(token, []byte{'.'})
	body, err := base64url.AppendDecode(s.sealed[:0], segment)
	if err != nil || len(app) == 0 {
		return judgement{}, ErrAblyToken
	}
	s.sealed = body
	if len(body) < sealedMinimum || body[0] != sealVersion || body[1] != byte(sealAccess) || len(body) < sealedMinimum-1+int(body[sealedHead-1]) {
		return judgement{}, ErrAblyToken
	}
	id, keyID, rest := sealID(body[2:10]), body[sealedHead:sealedHead+int(body[sealedHead-1])], body[sealedHead+int(body[sealedHead-1]):]

	s.step = StepKey
	s.header = append(append(append(s.header[:0], app...), '.'), keyID...)
	key := v.keys.ring.Load().keys[string(s.header)]
	if key == nil {
		return judgement{}, ErrAblyTokenUnrecognized
	}
	s.step = StepSignature
	sealer := key.sealerOf(id)
	if sealer == nil {
		return judgement{}, ErrAblyTokenUnrecognized
	}
	s.additional = appendAdditional(s.additional[:0], app)
	plain, err := sealer.aead.Open(dst.claims[:0], rest[:sealedNonce], rest[sealedNonce:], s.additional)
	if err != nil {
		return judgement{}, ErrAblyToken
	}
	// From here on the token is what this server, or one that shares its sealing
	// secret, has written. What the key may do now is asked all the same.
	dst.claims = plain
	s.step = StepKeyState
	dst.key = key
	if err := key.usable(now); err != nil {
		return judgement{}, err
	}
	revocations := key.ledger.revocations.Load()
	if err := s.readSealed(dst, plain, now); err != nil {
		return judgement{}, err
	}
	return s.judge(dst, revocations, now)
}

// readSealed reads what was sealed into dst and checks it as claims are checked.
func (s *scratch) readSealed(dst *Grant, plain []byte, now UnixMilli) error {
	s.step = StepTime
	dst.sealed = true
	dst.issued, dst.expires = UnixMilli(binary.BigEndian.Uint64(plain)), UnixMilli(binary.BigEndian.Uint64(plain[8:]))
	dst.notBefore = dst.issued
	dst.settled = [8]byte(plain[16:24]) == dst.key.whole.hash
	dst.kind = IdentityKind(plain[24])
	size := int(binary.BigEndian.Uint16(plain[25:]))
	rest := plain[sealedFixed:]
	if dst.kind > Wildcard || size > len(rest) {
		return ErrAblyToken // sealed by us, yet not in our form: another version
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

// sealerOf returns the sealer under the secret of that id, nil if there is none.
func (r *keyRecord) sealerOf(id sealID) *sealer {
	for i := range r.sealers {
		if r.sealers[i].id == id {
			return &r.sealers[i]
		}
	}
	return nil
}
