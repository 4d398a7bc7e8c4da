package oracle

import "strings"

const (
	embeddedName        = "x-ably-token"
	jweSegments         = 5     // RFC 7516 §3.1
	outerToleranceMilli = 5_000 // what rounding to seconds may add to the outer exp
)

// An embedded token is one that the token of somebody else carries in
// x-ably-token: in the header of a JWS or JWE, or in the claims of a JWS. Nobody
// here knows who has signed the outer token, so it grants nothing. All that it can
// do is to point to the inner token, which is verified as if it had come alone,
// and to shorten its life.

// carriesToken tells whether a token carries another one. In the claims of a JWS
// it does so only if no app of ours is named, since an Ably JWT is verified first,
// and then has no such claim.
func carriesToken(keys []Key, token string) bool {
	segments := strings.Split(token, ".")
	if len(segments) != 3 && len(segments) != jweSegments {
		return false
	}
	header, reason := parseHeader(segments[0])
	switch {
	case reason != "":
		return false
	case header.count(embeddedName) > 0:
		return true
	case len(segments) == jweSegments || namesApp(keys, header):
		return false
	}
	claims, reason := parseObject(segments[1])
	return reason == "" && claims.count(embeddedName) > 0
}

// namesApp tells whether a header is that of an Ably JWT of one of the apps.
func namesApp(keys []Key, header value) bool {
	alg, _ := header.get("alg")
	kid, _ := header.get("kid")
	if alg.kind != kindString || alg.str != "HS256" || checkKid(kid) != "" {
		return false
	}
	_, reason := findKey(keys, kid.str)
	return reason != "unknown_app"
}

// verifyEmbedded judges a token that carries another one: the outer one's form,
// its expiry, the inner token, and only then the one expiry against the other.
func verifyEmbedded(keys []Key, token string, now int64) Verdict {
	outer, reason := readOuter(token)
	switch {
	case reason != "":
		return refuse(reason)
	case outer.hasExp && now >= outer.expires:
		return refuse("embedded_outer_expired")
	case carriesToken(keys, outer.inner):
		return refuse("embedded_token")
	}
	verdict := verifyPlain(keys, outer.inner, now)
	if verdict.Reason != "" || !outer.hasExp {
		return verdict
	}
	if outer.expires > verdict.Expires+outerToleranceMilli {
		return refuse("embedded_outer_later")
	}
	verdict.Expires = min(verdict.Expires, outer.expires)
	return verdict
}

// outerToken is what is read of a token that carries another one.
type outerToken struct {
	inner   string
	expires int64 // Unix milliseconds, if hasExp
	hasExp  bool
}

// readOuter reads of the header x-ably-token, and of a JWS's claims that and exp:
// first whether they can be read at all, then what they say. What a JWE encrypts
// stays unknown, also when it expires.
func readOuter(token string) (outerToken, string) {
	segments := strings.Split(token, ".")
	header, reason := parseHeader(segments[0])
	if reason != "" {
		return outerToken{}, reason
	}
	claims := value{kind: kindObject}
	if len(segments) != jweSegments {
		if claims, reason = parseObject(segments[1]); reason != "" {
			return outerToken{}, reason
		}
	}
	if claims.count(embeddedName) > 1 || claims.count("exp") > 1 {
		return outerToken{}, "duplicate_name"
	}

	inHeader, hasHeader := header.get(embeddedName)
	inClaims, hasClaim := claims.get(embeddedName)
	switch {
	case hasHeader && !isToken(inHeader), hasClaim && !isToken(inClaims):
		return outerToken{}, "embedded_malformed"
	case hasHeader && hasClaim && inHeader.str != inClaims.str:
		return outerToken{}, "embedded_malformed"
	}
	outer := outerToken{inner: inHeader.str}
	if !hasHeader {
		outer.inner = inClaims.str
	}
	exp, hasExp := claims.get("exp")
	if !hasExp {
		return outer, ""
	}
	expires, ok := milliseconds(exp)
	if !ok {
		return outerToken{}, "time_claim_invalid"
	}
	outer.expires, outer.hasExp = expires, true
	return outer, ""
}

// isToken tells whether a value can be a token at all: an opaque one has one dot,
// an Ably JWT two.
func isToken(v value) bool {
	dots := strings.Count(v.str, ".")
	return v.kind == kindString && (dots == 1 || dots == 2)
}
