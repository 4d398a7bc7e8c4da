package oracle

import "strings"

// Service is an OAuth authorization service, as far as its JWT access tokens are
// concerned.
type Service struct {
	ID       string // decimal
	Issuer   string
	Audience string
	Secret   string // its bytes are the HMAC key
	RFC9068  bool   // ask for all that RFC 9068 §4 does
}

// AccessVerdict is the answer to one access token. Of one that has expired, and has
// no other fault, everything is said.
type AccessVerdict struct {
	Reason string // which rule was broken; "" when it is good

	ID, ClientID, Subject, Scope string
	Issued, Expires              int64 // Unix milliseconds; Issued 0 when the token does not say
}

// VerifyAccessToken judges a JWT access token of a service. Opaque ones are not
// judged: nobody but the server can open them.
//
// The order is: length, segments, header, signature, claims set, iss, exp is there, no
// cnf, texts; what RFC 9068 asks for beyond; times, and last whether it has expired.
func VerifyAccessToken(s Service, token string, now int64) AccessVerdict {
	var v AccessVerdict
	v.Reason = v.read(s, token, now)
	if v.Reason != "" && v.Reason != "token_expired" {
		return AccessVerdict{Reason: v.Reason}
	}
	return v
}

func (v *AccessVerdict) read(s Service, token string, now int64) string {
	if len(token) > maxTokenBytes {
		return "token_too_long"
	}
	segments := strings.Split(token, ".")
	switch len(segments) {
	case 2:
		return "access_token_invalid"
	case 3:
	default:
		return "jwt_segments"
	}
	header, reason := parseHeader(segments[0])
	if reason != "" {
		return reason
	}
	typed, reason := s.checkHeader(header)
	if reason != "" {
		return reason
	}
	if reason := checkSignature(Key{Secret: s.Secret}, segments); reason != "" {
		return reason
	}
	claims, reason := parseObject(segments[1])
	switch {
	case reason != "":
		return reason
	case claims.repeatsName():
		return "duplicate_name"
	}
	return v.claims(s, claims, typed, now)
}

// checkHeader says whether the typ is that of an access token, and what is wrong.
func (s Service) checkHeader(header value) (typed bool, reason string) {
	alg, _ := header.get("alg")
	if alg.kind != kindString || alg.str != "HS256" {
		return false, "alg_not_allowed"
	}
	if _, present := header.get("crit"); present {
		return false, "critical_header"
	}
	if typ, present := header.get("typ"); present {
		name := strings.ToLower(typ.str)
		typed = name == "at+jwt" || name == "application/at+jwt"
		if typ.kind != kindString || !typed && name != "jwt" {
			return false, "typ_not_allowed"
		}
	}
	if kid, present := header.get("kid"); present && (kid.kind != kindString || kid.str != s.ID) {
		return false, "kid_invalid"
	}
	return typed, ""
}

// maxTokenIDBytes is the longest jti.
const maxTokenIDBytes = 128

func (v *AccessVerdict) claims(s Service, claims value, typed bool, now int64) string {
	if iss, _ := claims.get("iss"); iss.kind != kindString || iss.str != s.Issuer {
		return "access_token_issuer"
	}
	exp, present := claims.get("exp")
	if !present {
		return "exp_missing"
	}
	if _, present := claims.get("cnf"); present {
		return "access_token_proof"
	}
	texts := map[string]*string{
		"jti": &v.ID, "client_id": &v.ClientID, "sub": &v.Subject, "scope": &v.Scope,
		"grant_type": new(string), "acr": new(string), "x-portcullis-client": new(string), "x-portcullis-alias": new(string), "x-portcullis-family": new(string),
	}
	for name, text := range texts {
		claim, present := claims.get(name)
		if present && claim.kind != kindString {
			return "access_token_claim"
		}
		*text = claim.str
	}
	if v.ID == "" || len(v.ID) > maxTokenIDBytes || v.ClientID == "" || len(*texts["x-portcullis-family"]) > maxTokenIDBytes {
		return "access_token_claim"
	}
	iat, issued := claims.get("iat")
	if s.RFC9068 {
		switch {
		case !typed:
			return "typ_not_allowed"
		case !issued:
			return "iat_missing"
		case v.Subject == "" || !s.isMeant(claims):
			return "access_token_claim"
		}
	}
	return v.times(claims, exp, iat, issued, now)
}

// isMeant says whether aud names the service's audience (RFC 7519 §4.1.3).
func (s Service) isMeant(claims value) bool {
	aud, _ := claims.get("aud")
	meant := aud.kind == kindString && aud.str == s.Audience
	for _, item := range aud.items {
		meant = meant || item.kind == kindString && item.str == s.Audience
	}
	return meant
}

func (v *AccessVerdict) times(claims, exp, iat value, issued bool, now int64) string {
	var ok bool
	if v.Expires, ok = milliseconds(exp); !ok {
		return "time_claim_invalid"
	}
	if issued {
		if v.Issued, ok = milliseconds(iat); !ok {
			return "time_claim_invalid"
		}
	}
	notBefore := int64(0)
	for _, name := range []string{"nbf", "auth_time", "x-portcullis-refresh-exp"} {
		claim, present := claims.get(name)
		if !present {
			continue
		}
		at, ok := milliseconds(claim)
		if !ok {
			return "time_claim_invalid"
		}
		if name == "nbf" {
			notBefore = at
		}
	}
	properties, present := claims.get("x-portcullis-properties")
	switch {
	case v.Issued > now+clockSkewMilli:
		return "issued_in_future"
	case notBefore > now+clockSkewMilli:
		return "not_yet_valid"
	case present && properties.kind != kindString: // sealed, so a text
		return "access_token_claim"
	case now >= v.Expires:
		return "token_expired"
	}
	return ""
}
