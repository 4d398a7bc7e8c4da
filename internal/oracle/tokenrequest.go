package oracle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	timestampWindowMilli = 120_000
	defaultTTLMilli      = 3_600_000
	minNonceCharacters   = 16
	maxRequestNames      = 64
)

// TokenRequest is a signed request for a token (TE1-TE6), as it was written: ttl
// and timestamp are the text that is signed, "" is a field that is missing.
type TokenRequest struct {
	KeyName, TTL, Capability, ClientID, Timestamp, Nonce, MAC string
}

// requestCodes are the reasons that only a TokenRequest meets.
var requestCodes = map[string]Code{
	"token_request_malformed":   {40001, 400},
	"request_client_id_invalid": {40012, 400},
	"bad_mac":                   {40101, 401},
	"timestamp_not_current":     {40104, 401},
	"ttl_invalid":               {40003, 400},
	"no_credentials":            {40101, 401},
}

func refuseRequest(reason string) Verdict {
	if code, known := requestCodes[reason]; known {
		return Verdict{Reason: reason, Code: code.Code, Status: code.Status}
	}
	return refuse(reason)
}

// ParseTokenRequest reads a TokenRequest from JSON. wrongClientID and wrong say
// which kinds of fault it has: a reader may name either where there are both.
func ParseTokenRequest(text string) (r TokenRequest, wrongClientID, wrong bool) {
	tree, err := parseJSON(text)
	if err != nil || tree.kind != kindObject || tree.repeatsName() || tree.names() > maxRequestNames {
		return TokenRequest{}, false, true
	}
	for _, f := range []struct {
		name   string
		field  *string
		number bool
	}{
		{"keyName", &r.KeyName, false}, {"ttl", &r.TTL, true}, {"capability", &r.Capability, false}, {"clientId", &r.ClientID, false},
		{"timestamp", &r.Timestamp, true}, {"nonce", &r.Nonce, false}, {"mac", &r.MAC, false},
	} {
		v, present := tree.get(f.name)
		switch {
		case !present || v.kind == kindNull:
		case v.kind == kindString:
			*f.field = v.str
		case v.kind == kindNumber && f.number:
			// ably-js sends a ttl of 0 and signs none.
			if *f.field = v.raw; f.name == "ttl" && v.raw == "0" {
				*f.field = ""
			}
		case f.name == "clientId":
			wrongClientID = true
		default:
			wrong = true
		}
	}
	return r, wrongClientID, wrong
}

// Sign is the mac of r with that capability text: six lines, HMAC-SHA256, standard
// base64.
func (r TokenRequest) Sign(secret, capability string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	for _, field := range []string{r.KeyName, r.TTL, capability, r.ClientID, r.Timestamp, r.Nonce} {
		mac.Write([]byte(field + "\n"))
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// Redeem judges a signed TokenRequest. Whether its nonce has been spent before is
// state, and whether the token fits its own form is the issuer's.
func Redeem(keys []Key, r TokenRequest, now int64) Verdict {
	if reason := r.form(); reason != "" {
		return refuseRequest(reason)
	}
	if r.MAC == "" {
		return refuseRequest("no_credentials")
	}
	key, reason := findKey(keys, r.KeyName)
	if reason != "" {
		return refuseRequest(reason)
	}
	text, ok := r.signedCapability(key)
	if !ok {
		return refuseRequest("bad_mac")
	}
	if reason := keyState(key, now); reason != "" {
		return refuseRequest(reason)
	}
	if key.State == VerifyOnly {
		return refuseRequest("key_verify_only")
	}
	stamped, _ := strconv.ParseInt(r.Timestamp, 10, 64) // form has seen that it is one
	if stamped < now-timestampWindowMilli || stamped > now+timestampWindowMilli {
		return refuseRequest("timestamp_not_current")
	}
	limit := int64(maxTTLMilli)
	if key.RevocableTokens {
		limit = maxRevocableTTLMilli
	}
	ttl := min(int64(defaultTTLMilli), limit)
	if r.TTL != "" && r.TTL != "0" {
		if !isDecimal(r.TTL) {
			return refuseRequest("ttl_invalid")
		}
		if ttl, _ = strconv.ParseInt(r.TTL, 10, 64); ttl > limit {
			return refuseRequest("ttl_invalid")
		}
	}
	granted := keyCapability(key)
	if text != "" {
		requested, err := ParseCapability(text)
		switch err {
		case nil:
		case ErrCapabilityTooLarge:
			return refuseRequest("capability_too_large")
		default:
			return refuseRequest("capability_invalid")
		}
		granted = Intersect(requested, granted)
	}
	switch {
	case len(granted) == 0:
		return refuseRequest("capability_empty")
	case len(granted) > maxCapabilityResources || len(granted.Canonical()) > maxCapabilityBytes:
		return refuseRequest("capability_too_large")
	}
	verdict := Verdict{KeyName: key.Name, ClientKind: Anonymous, Capability: granted.Canonical(), Issued: now, Expires: now + ttl}
	switch {
	case r.ClientID == "":
	case r.ClientID == "*":
		verdict.ClientKind = Wildcard
	case validClientID(r.ClientID):
		verdict.ClientKind, verdict.ClientID = Identified, r.ClientID
	default:
		return refuseRequest("request_client_id_invalid")
	}
	return verdict
}

// form says what must not even be signed: a line feed within a field would give two
// requests one text.
func (r TokenRequest) form() string {
	if hasControl(r.ClientID) {
		return "request_client_id_invalid"
	}
	for _, field := range []string{r.KeyName, r.TTL, r.Timestamp, r.Nonce} {
		if hasControl(field) {
			return "token_request_malformed"
		}
	}
	switch {
	case r.KeyName == "" || !isDecimal(r.Timestamp) || !utf8.ValidString(r.Nonce):
		return "token_request_malformed"
	case (r.MAC != "" || r.Nonce != "") && utf8.RuneCountInString(r.Nonce) < minNonceCharacters:
		return "token_request_malformed"
	case r.Capability != "" && (!strings.HasPrefix(r.Capability, "{") || !strings.HasSuffix(r.Capability, "}")):
		return "capability_invalid"
	}
	return ""
}

// signedCapability returns the capability text that the mac is over: the one that
// was sent, or else its canonical form.
func (r TokenRequest) signedCapability(key Key) (text string, ok bool) {
	if r.MAC == r.Sign(key.Secret, r.Capability) {
		return r.Capability, true
	}
	if c, err := ParseCapability(r.Capability); r.Capability != "" && err == nil {
		if canonical := c.Canonical(); r.MAC == r.Sign(key.Secret, canonical) {
			return canonical, true
		}
	}
	return "", false
}

// isDecimal says whether text is a number of milliseconds, of 16 digits at most and
// without leading zeros.
func isDecimal(text string) bool {
	if text == "" || len(text) > 16 || text[0] == '0' && text != "0" {
		return false
	}
	return strings.Trim(text, "0123456789") == ""
}
