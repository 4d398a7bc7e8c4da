package oracle

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
)

const (
	maxTokenBytes  = 8192
	maxHeaderNames = 32
	maxKidBytes    = 128
	signatureBytes = sha256.Size
)

// VerifyToken judges a token in the order that the package documentation gives.
func VerifyToken(keys []Key, token string, now int64) Verdict {
	if len(token) > maxTokenBytes {
		return refuse("token_too_long")
	}
	if carriesToken(keys, token) {
		return verifyEmbedded(keys, token, now)
	}
	return verifyPlain(keys, token, now)
}

// verifyPlain judges a token that carries no other one.
func verifyPlain(keys []Key, token string, now int64) Verdict {
	segments := strings.Split(token, ".")
	switch len(segments) {
	case 1:
		return refuse("malformed_token")
	case 2:
		return verifyOpaque(segments[0], segments[1])
	case 3, jweSegments:
	default:
		return refuse("jwt_segments")
	}

	header, reason := parseHeader(segments[0])
	if reason != "" {
		return refuse(reason)
	}
	if len(segments) == jweSegments {
		return refuse("jwt_segments") // nobody here can decrypt one
	}
	kid, reason := checkHeader(header)
	if reason != "" {
		return refuse(reason)
	}
	key, reason := findKey(keys, kid)
	if reason != "" {
		return refuse(reason)
	}
	if reason := checkSignature(key, segments); reason != "" {
		return refuse(reason)
	}

	// From here on the token is known to come from someone who holds the secret.
	if reason := keyState(key, now); reason != "" {
		return refuse(reason)
	}
	for _, m := range header.members {
		if strings.HasPrefix(m.name, "x-ably-") {
			return refuse("unknown_ably_header")
		}
	}
	return verifyClaims(key, segments[1], now)
}

// verifyOpaque judges a token of the shape that this server issues. Without a sealing
// secret none of them is good; of one the first two bytes say that it is a device
// token, which is no credential.
func verifyOpaque(app, body string) Verdict {
	text, reason := decodeSegment(body)
	if app != "" && reason == "" && strings.HasPrefix(string(text), "\x01\x02") {
		return refuse("token_kind")
	}
	return refuse("ably_token_invalid")
}

// parseHeader decodes the JOSE header (RFC 7515 §4).
func parseHeader(segment string) (value, string) {
	text, reason := decodeSegment(segment)
	if reason != "" {
		return value{}, reason
	}
	header, err := parseJSON(string(text))
	if err != nil || header.kind != kindObject || header.names() > maxHeaderNames {
		return value{}, "header_malformed"
	}
	if header.repeatsName() {
		return value{}, "duplicate_name"
	}
	return header, ""
}

// checkHeader judges the members that are read before anything is authenticated,
// and returns the kid. Members that could bring a key along (jwk, jku, x5u, x5c)
// are never looked at (RFC 8725 §3.10), nor is zip.
func checkHeader(header value) (kid, reason string) {
	// One algorithm, whatever the header would like (RFC 8725 §3.1).
	alg, _ := header.get("alg")
	if alg.kind != kindString || alg.str != "HS256" {
		return "", "alg_not_allowed"
	}
	// No extension is implemented, so none can be critical (RFC 7515 §4.1.11).
	if _, present := header.get("crit"); present {
		return "", "critical_header"
	}
	// An access token of OAuth (RFC 9068 §2.1) is not a credential here, even if
	// signed with the same secret (RFC 8725 §3.11).
	if typ, present := header.get("typ"); present {
		name := strings.ToLower(typ.str)
		if typ.kind != kindString || name == "at+jwt" || name == "application/at+jwt" {
			return "", "typ_not_allowed"
		}
	}
	member, present := header.get("kid")
	if !present {
		return "", "kid_missing"
	}
	return member.str, checkKid(member)
}

// checkKid judges whether a kid can be the name of a key.
func checkKid(kid value) string {
	if kid.kind != kindString || kid.str == "" || len(kid.str) > maxKidBytes {
		return "kid_invalid"
	}
	return ""
}

// checkSignature computes the HMAC over the signing input, which is the text of
// the first two segments as received (RFC 7515 §5.2), with the bytes of the
// secret as they stand. A shortened MAC is no MAC (RFC 7518 §3.2).
func checkSignature(key Key, segments []string) string {
	signature, reason := decodeSegment(segments[2])
	if reason != "" {
		return reason
	}
	mac := hmac.New(sha256.New, []byte(key.Secret))
	mac.Write([]byte(segments[0] + "." + segments[1]))
	if len(signature) != signatureBytes || !hmac.Equal(signature, mac.Sum(nil)) {
		return "bad_signature"
	}
	return ""
}
