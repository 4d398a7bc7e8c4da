package engine

import (
	"encoding/base64"
	"strconv"

	"portcullis/internal/jsonscan"
)

// AccessClaims are the claims of an access token, beside iss and aud, which are its
// service's. In one that was verified they are views. Times are whole seconds in
// the token.
type AccessClaims struct {
	ID        []byte    // jti
	ClientID  []byte    // client_id, as the client was identified: an alias, or decimal
	Subject   []byte    // sub; nil when there is none
	Scope     []byte    // scopes, separated by spaces
	GrantType []byte    // grant_type; nil when there is none
	ACR       []byte    // acr: how the user was authenticated; nil when there is none
	AuthTime  UnixMilli // auth_time: when that was; 0 when it is not known
	Issued    UnixMilli
	Expires   UnixMilli

	// Claims of our own, nil and 0 in tokens that others have minted.
	Client         []byte    // the client's decimal id, which counts before client_id
	Alias          []byte    // the alias that the client had, where client_id is not that
	Family         []byte    // of all tokens that came from one authorization
	RefreshExpires UnixMilli // when the refresh token that was issued beside it expires

	// Properties is a JSON array. In a JWT it is there for this server only.
	Properties []byte
	// Extra are further members of the claims set of a JWT, as JSON: ,"name":value…
	// They have no name twice, and none of [ReservedClaim]. When a token is verified
	// they are not looked at.
	Extra []byte
}

// The claims of our own. No other has a name that begins as they do.
const (
	ownPrefix      = "x-portcullis-"
	claimClient    = ownPrefix + "client"
	claimAlias     = ownPrefix + "alias"
	claimFamily    = ownPrefix + "family"
	claimRefresh   = ownPrefix + "refresh-exp"
	claimSealed    = ownPrefix + "properties"
	claimGrantType = "grant_type"
	claimAuthTime  = "auth_time"
)

// reservedClaims are the names that mean something in an access token (RFC 7519
// §4.1, RFC 9068 §2, RFC 9396, RFC 7800, RFC 8693) or in the answers that are made
// of one (RFC 6749 §5, RFC 7662 §2.2).
var reservedClaims = map[string]bool{
	"iss": true, "sub": true, "aud": true, "exp": true, "nbf": true, "iat": true, "jti": true, "client_id": true, "scope": true,
	claimGrantType: true, claimAuthTime: true, "acr": true, "amr": true, "cnf": true, "act": true, "may_act": true,
	"authorization_details": true, "grant_id": true, "grant": true, "roles": true, "groups": true, "entitlements": true,
	"active": true, "username": true, "token_type": true, "access_token": true, "refresh_token": true, "expires_in": true, "id_token": true,
	"error": true, "error_description": true, "error_uri": true, "state": true, "code": true,
}

// ReservedClaim says whether a name may not be given to an additional claim or
// property.
func ReservedClaim(name string) bool {
	return reservedClaims[name] || len(name) >= len(ownPrefix) && name[:len(ownPrefix)] == ownPrefix ||
		len(name) >= len(ablyPrefix) && name[:len(ablyPrefix)] == string(ablyPrefix)
}

// MaxTokenIDBytes is the longest jti, and the longest name of a family.
const MaxTokenIDBytes = 128

// AppendAccessToken appends an access token with the claims, a JWT (RFC 9068) or,
// when opaque, a sealed string.
func (k *ServiceKey) AppendAccessToken(dst []byte, c *AccessClaims, opaque bool) ([]byte, error) {
	claims, err := k.appendClaims(nil, c, opaque)
	if err != nil {
		return dst, err
	}
	if opaque {
		return k.seal(dst, sealOAuth, claims)
	}
	from := len(dst)
	dst = append(dst, accessHeader...)
	dst = base64.RawURLEncoding.AppendEncode(dst, claims)
	var s scratch
	text := k.record.mac.Text(&s.mac, dst[from:])
	dst = append(append(dst, '.'), text[:]...)
	if len(dst)-from > MaxTokenBytes {
		return dst[:from], ErrTokenSize
	}
	return dst, nil
}

// accessHeader is the JOSE header of minted access tokens (RFC 9068 §2.1), and its
// dot.
var accessHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"at+jwt"}`)) + "."

func (k *ServiceKey) appendClaims(b []byte, c *AccessClaims, opaque bool) ([]byte, error) {
	text := func(name string, value []byte) {
		if len(value) > 0 {
			b = jsonscan.AppendQuoted(append(append(append(b, `,"`...), name...), `":`...), value)
		}
	}
	date := func(name string, at UnixMilli) {
		if at != 0 {
			b = strconv.AppendInt(append(append(append(b, `,"`...), name...), `":`...), int64(at)/1000, 10)
		}
	}
	b = jsonscan.AppendQuoted(append(b, `{"iss":`...), k.Issuer)
	text("sub", c.Subject)
	if k.Profile == RFC9068Profile {
		b = append(jsonscan.AppendQuoted(append(b, `,"aud":[`...), k.Audience), ']')
	}
	date("exp", c.Expires)
	date("iat", c.Issued)
	text("jti", c.ID)
	text("client_id", c.ClientID)
	text("scope", c.Scope)
	text(claimGrantType, c.GrantType)
	text("acr", c.ACR)
	date(claimAuthTime, c.AuthTime)
	text(claimClient, c.Client)
	text(claimAlias, c.Alias)
	text(claimFamily, c.Family)
	date(claimRefresh, c.RefreshExpires)
	switch {
	case len(c.Properties) == 0:
	case opaque:
		b = append(append(b, `,"`+claimSealed+`":`...), c.Properties...)
	default:
		sealed, err := k.seal(nil, sealHidden, c.Properties)
		if err != nil {
			return b, err
		}
		text(claimSealed, sealed)
	}
	return append(append(b, c.Extra...), '}'), nil
}

// accessText are the claims that are not only looked at where they stand.
type accessText struct {
	iss, aud, exp, iat, nbf, authTime, refresh, sealed jsonscan.Value
	sub, jti, clientID, scope, grantType, acr          jsonscan.Value
	client, alias, family                              jsonscan.Value
	confirmed                                          bool // there is a cnf
}

// scanAccess finds the claims of an access token, without looking at what they say.
func (s *scratch) scanAccess(claims []byte) error {
	s.access = accessText{}
	a, duplicate := &s.access, false
	s.scanner.Reset(claims, 0)
	for s.scanner.Next() {
		value := s.scanner.Value()
		duplicate = duplicate || value.Duplicate
		switch string(s.scanner.Name()) {
		case "iss":
			a.iss = value
		case "sub":
			a.sub = value
		case "aud":
			a.aud = value
		case "exp":
			a.exp = value
		case "iat":
			a.iat = value
		case "nbf":
			a.nbf = value
		case "jti":
			a.jti = value
		case "client_id":
			a.clientID = value
		case "scope":
			a.scope = value
		case "cnf":
			a.confirmed = true
		case claimGrantType:
			a.grantType = value
		case "acr":
			a.acr = value
		case claimAuthTime:
			a.authTime = value
		case claimClient:
			a.client = value
		case claimAlias:
			a.alias = value
		case claimFamily:
			a.family = value
		case claimRefresh:
			a.refresh = value
		case claimSealed:
			a.sealed = value
		}
	}
	switch err := s.scanner.Err(); {
	case err == jsonscan.ErrDuplicateName, err == nil && duplicate:
		return ErrDuplicateName
	case err != nil:
		return ErrClaims
	}
	return nil
}

// readText puts what a string spells into dst; there need be none. Empty ones say
// nothing.
func readText(dst *[]byte, v jsonscan.Value) bool {
	switch v.Kind {
	case jsonscan.None:
		*dst = nil
	case jsonscan.String:
		*dst = unescape(v)
	default:
		return false
	}
	return true
}

// read checks the claims and puts them into dst, but for expiry, which is looked at
// last: of an expired token its owner may be told whose it was.
func (a *accessText) read(dst *accessVerdict, k *ServiceKey, typed, opaque bool, now UnixMilli) error {
	c := &dst.AccessClaims
	switch {
	case a.iss.Kind != jsonscan.String || string(unescape(a.iss)) != k.Issuer:
		return ErrAccessTokenIssuer
	case a.exp.Kind == jsonscan.None:
		return ErrExpiryMissing
	case a.confirmed:
		return ErrAccessTokenProof
	case !readText(&c.ID, a.jti) || !readText(&c.ClientID, a.clientID) || !readText(&c.Subject, a.sub) || !readText(&c.Scope, a.scope),
		!readText(&c.GrantType, a.grantType) || !readText(&c.Client, a.client) || !readText(&c.Alias, a.alias) || !readText(&c.Family, a.family), !readText(&c.ACR, a.acr),
		len(c.ID) == 0 || len(c.ID) > MaxTokenIDBytes || len(c.Family) > MaxTokenIDBytes || len(c.ClientID) == 0:
		return ErrAccessTokenClaim
	}
	if k.Profile == RFC9068Profile && !opaque {
		switch {
		case !typed:
			return ErrType
		case a.iat.Kind == jsonscan.None:
			return ErrIssuedAtMissing
		case len(c.Subject) == 0 || !names(a.aud, k.Audience):
			return ErrAccessTokenClaim
		}
	}
	latest, notBefore, ok := now.Add(ClockSkew), UnixMilli(0), true
	if c.Expires, ok = date(a.exp); !ok {
		return ErrTimeClaim
	}
	for _, d := range []struct {
		dst *UnixMilli
		v   jsonscan.Value
	}{{&c.Issued, a.iat}, {&notBefore, a.nbf}, {&c.AuthTime, a.authTime}, {&c.RefreshExpires, a.refresh}} {
		if *d.dst = 0; d.v.Kind != jsonscan.None {
			if *d.dst, ok = date(d.v); !ok {
				return ErrTimeClaim
			}
		}
	}
	switch {
	case c.Issued > latest:
		return ErrIssuedInFuture
	case notBefore > latest:
		return ErrNotYetValid
	}
	dst.notBefore = max(c.Issued, notBefore)
	switch {
	case a.sealed.Kind == jsonscan.None:
	case a.sealed.Kind == jsonscan.String && !opaque:
		dst.sealed = unescape(a.sealed)
	case a.sealed.Kind == jsonscan.Array && opaque:
		c.Properties = a.sealed.Text
	default:
		return ErrAccessTokenClaim
	}
	return nil
}

// names says whether aud, a string or an array of them (RFC 7519 §4.1.3), holds
// that audience.
func names(aud jsonscan.Value, audience string) bool {
	switch aud.Kind {
	case jsonscan.String:
		return string(unescape(aud)) == audience
	case jsonscan.Array:
		for elements := jsonscan.In(aud); ; {
			v, more := elements.Next()
			if !more {
				return false
			}
			if v.Kind == jsonscan.String && string(v.Unescaped()) == audience {
				return true
			}
		}
	}
	return false
}
