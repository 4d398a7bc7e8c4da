package oracle

import (
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	clockSkewMilli       = 60_000     // iat and nbf may lie this far ahead; exp has no leeway
	maxTTLMilli          = 86_400_000 // 24 h
	maxRevocableTTLMilli = 3_600_000  // 1 h, for keys that promise revocation
	maxClientIDBytes     = 256
)

// ablyClaims are the claims of Ably's namespace that exist.
var ablyClaims = []string{
	"x-ably-capability", "x-ably-clientId", "x-ably-revocation-key", "x-ably-clientType", "x-ably-token",
}

// verifyClaims judges the claims set (RFC 7519 §4) of a token whose signature is
// good.
func verifyClaims(key Key, segment string, now int64) Verdict {
	claims, reason := parseClaims(segment)
	if reason != "" {
		return refuse(reason)
	}
	issued, expires, reason := checkTimes(claims, key.RevocableTokens, now)
	if reason != "" {
		return refuse(reason)
	}
	if reason := checkAblyClaims(claims); reason != "" {
		return refuse(reason)
	}
	verdict := Verdict{KeyName: key.Name, ClientKind: Anonymous, Issued: issued, Expires: expires}
	if id, present := claims.get("x-ably-clientId"); present {
		if id.kind != kindString || !validClientID(id.str) {
			return refuse("client_id_invalid")
		}
		if id.str == "*" {
			verdict.ClientKind = Wildcard
		} else {
			verdict.ClientKind, verdict.ClientID = Identified, id.str
		}
	}
	granted, reason := grantedCapability(claims, key)
	if reason != "" {
		return refuse(reason)
	}
	verdict.Capability = granted.Canonical()
	return verdict
}

// parseClaims decodes the payload. Repeated names are refused everywhere, but
// within a capability they are a fault of the capability, and said as that later.
func parseClaims(segment string) (value, string) {
	claims, reason := parseObject(segment)
	if reason != "" {
		return value{}, reason
	}
	outside := value{kind: kindObject}
	for _, m := range claims.members {
		if m.name == "x-ably-capability" {
			m.value = value{}
		}
		outside.members = append(outside.members, m)
	}
	if outside.repeatsName() {
		return value{}, "duplicate_name"
	}
	return claims, ""
}

// parseObject decodes the payload, without a look at its names.
func parseObject(segment string) (value, string) {
	text, reason := decodeSegment(segment)
	if reason != "" {
		return value{}, reason
	}
	claims, err := parseJSON(string(text))
	if err != nil || claims.kind != kindObject {
		return value{}, "claims_malformed"
	}
	return claims, ""
}

// checkTimes judges iat, exp and nbf (RFC 7519 §4.1.4 to §4.1.6) and returns iat
// and exp in milliseconds. That a token has expired is said before anything else
// that is wrong with its times, since a client mends that by itself.
func checkTimes(claims value, revocable bool, now int64) (issued, expires int64, reason string) {
	iat, present := claims.get("iat")
	if !present {
		return 0, 0, "iat_missing"
	}
	exp, present := claims.get("exp")
	if !present {
		return 0, 0, "exp_missing"
	}
	issued, okIssued := milliseconds(iat)
	expires, okExpires := milliseconds(exp)
	if !okIssued || !okExpires {
		return 0, 0, "time_claim_invalid"
	}
	notBefore := int64(0)
	if nbf, present := claims.get("nbf"); present {
		var ok bool
		if notBefore, ok = milliseconds(nbf); !ok {
			return 0, 0, "time_claim_invalid"
		}
	}

	limit := int64(maxTTLMilli)
	if revocable {
		limit = maxRevocableTTLMilli
	}
	switch {
	case now >= expires:
		return 0, 0, "token_expired"
	case expires <= issued:
		return 0, 0, "exp_not_after_iat"
	case issued > now+clockSkewMilli:
		return 0, 0, "issued_in_future"
	case notBefore > now+clockSkewMilli:
		return 0, 0, "not_yet_valid"
	case expires-issued > limit:
		return 0, 0, "ttl_too_long"
	}
	return issued, expires, ""
}

// checkAblyClaims judges the claims that Ably gives a meaning to, except clientId
// and capability. A misspelt one is refused, because to ignore it could grant
// more than the issuer meant.
func checkAblyClaims(claims value) string {
	for _, m := range claims.members {
		if strings.HasPrefix(m.name, "x-ably-") && !slices.Contains(ablyClaims, m.name) {
			return "unknown_ably_claim"
		}
	}
	for _, m := range claims.members {
		if !validAblyClaim(m.name, m.value) {
			return "claim_invalid"
		}
	}
	return ""
}

func validAblyClaim(name string, v value) bool {
	switch {
	case name == "x-ably-token":
		return false // the kid named a key of ours, so this is no envelope
	case name == "x-ably-revocation-key", strings.HasPrefix(name, "ably.channel."):
		return v.kind == kindString
	case name == "x-ably-clientType":
		return v.kind == kindString && (v.str == "server" || v.str == "device")
	case strings.HasPrefix(name, "ably.limits.publish.perAttachment.maxRate."):
		return v.kind == kindNumber && !strings.HasPrefix(v.raw, "-")
	}
	return true
}

// validClientID tells whether a text may be a clientId (RSA7, RSA15). "*" is one
// here, and stands for any (RSA12).
func validClientID(id string) bool {
	return len(id) >= 1 && len(id) <= maxClientIDBytes &&
		utf8.ValidString(id) && !hasControl(id) &&
		(id == "*" || !strings.Contains(id, "*"))
}

// grantedCapability is what the token asks for within what its key has. A claim
// is never passed over: a token without one has all the rights of its key.
func grantedCapability(claims value, key Key) (Capability, string) {
	granted := keyCapability(key)
	if claim, present := claims.get("x-ably-capability"); present {
		text := claim.raw
		switch claim.kind {
		case kindString:
			text = claim.str
		case kindObject:
		default:
			return nil, "capability_invalid"
		}
		requested, err := ParseCapability(text)
		if err == ErrCapabilityTooLarge {
			return nil, "capability_too_large"
		}
		if err != nil {
			return nil, "capability_invalid"
		}
		granted = Intersect(requested, granted)
	}
	if len(granted) == 0 {
		return nil, "capability_empty"
	}
	// Two small sets can have a large intersection, one resource for every pair.
	if len(granted) > maxCapabilityResources || len(granted.Canonical()) > maxCapabilityBytes {
		return nil, "capability_too_large"
	}
	return granted, ""
}
