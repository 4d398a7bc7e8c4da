package oauth

import (
	"context"
	"slices"
	"strings"

	"github.com/segmentio/encoding/json"

	"portcullis/engine"
)

// TokenRequest is a call of /auth/token.
type TokenRequest struct {
	Parameters  string // the form of the token request, as it was sent
	Credentials Credentials
	Properties  []Property // of the access token, beside those of its authorization
	Claims      []Claim    // further claims of a JWT access token, likewise
}

// TokenResponse is the answer. Unless the action is OK only the Answer is there.
type TokenResponse struct {
	Answer
	IssuedToken
}

// IssuedToken says what was issued, and to whom.
type IssuedToken struct {
	AccessToken           string           `json:"accessToken,omitempty"` // opaque
	JWTAccessToken        string           `json:"jwtAccessToken,omitempty"`
	AccessTokenExpiresAt  engine.UnixMilli `json:"accessTokenExpiresAt,omitempty"`
	AccessTokenDuration   int64            `json:"accessTokenDuration,omitempty"` // seconds
	RefreshToken          string           `json:"refreshToken,omitempty"`
	RefreshTokenExpiresAt engine.UnixMilli `json:"refreshTokenExpiresAt,omitempty"`
	RefreshTokenDuration  int64            `json:"refreshTokenDuration,omitempty"` // seconds
	ClientID              uint64           `json:"clientId,omitempty"`
	ClientIDAlias         string           `json:"clientIdAlias,omitempty"`
	ClientIDAliasUsed     *bool            `json:"clientIdAliasUsed,omitempty"`
	GrantType             string           `json:"grantType,omitempty"`
	Subject               string           `json:"subject,omitempty"`
	Scopes                []string         `json:"scopes,omitempty"`
	Properties            []Property       `json:"properties,omitempty"`
}

// authorized is what a grant has come to: what a token is issued for, and what is
// to be spent for it.
type authorized struct {
	identified
	grant      GrantType
	subject    string
	acr        string
	authTime   int64    // seconds
	scopes     []string // of the access token
	granted    []string // of the refresh token: narrowing an access token narrows it alone
	family     string
	properties []Property
	claims     []Claim

	spent *sealed // nil: nothing is spent
	kind  string
	used  *Result // what a replay is answered with
}

// Token answers a call of /auth/token.
//
// The order is: the form; the client; the grant, with all there is to check of it;
// and last what may be used once is spent. So nobody but the client that it was
// issued to can use up a code or a refresh token.
func (s *Service) Token(ctx context.Context, r *TokenRequest, now engine.UnixMilli) (*TokenResponse, error) {
	if err := s.checkClaims(r.Claims, r.Properties); err != nil {
		return nil, err
	}
	a, refused := s.grant(r, now)
	if refused != nil {
		return refuseToken(refused), nil
	}
	a.properties = joined(a.properties, r.Properties, Property.name)
	a.claims = joined(a.claims, r.Claims, Claim.name)
	if err := s.checkClaims(a.claims, a.properties); err != nil {
		return nil, err
	}
	issued, refused := s.issue(a, now)
	if refused != nil {
		return refuseToken(refused), nil
	}
	if refused := s.spendGrant(ctx, a, now); refused != nil {
		return refuseToken(refused), nil
	}
	content := issued.body(s.config.OpaqueAccessTokens)
	return &TokenResponse{resultToken.answer(typeToken, content), *issued}, nil
}

func refuseToken(r *Result) *TokenResponse {
	return &TokenResponse{Answer: r.answer(typeToken, r.body())}
}

// spendGrant spends what the grant rests on. Whatever is presented a second time was
// stolen from its client, or by it: all that came of the authorization is revoked
// (RFC 6749 §4.1.2, RFC 9700 §4.14.2).
func (s *Service) spendGrant(ctx context.Context, a *authorized, now engine.UnixMilli) *Result {
	if a.spent == nil {
		return nil
	}
	if unkept := s.provider.unkept.take(s.id); len(unkept) > 0 {
		_ = s.keep(ctx, unkept) // they are in force; whoever asked for them was told
	}
	switch s.spend(ctx, a.kind, a.spent.ID, a.spent.Issued, a.spent.Expires) {
	case engine.Fresh:
		// Of two at once the first may have been revoked by the second by now; its
		// tokens are of the family, so they are refused.
		return nil
	case engine.Replayed:
		if s.revokeFamily(ctx, a.family, now) != nil {
			return resultTokenNotRevoked
		}
		return a.used
	}
	return resultTokenUnknown
}

// grant takes every step from the request to what may be issued.
func (s *Service) grant(r *TokenRequest, now engine.UnixMilli) (*authorized, *Result) {
	p, ok := parseParameters(r.Parameters)
	if !ok {
		return nil, resultTokenParams
	}
	who, refused := s.authenticate(&r.Credentials, p, &tokenAuth, now)
	if refused != nil {
		return nil, refused
	}
	switch {
	case p["grant_type"] == "":
		return nil, resultNoGrantType
	case p["resource"] != "" || p["audience"] != "":
		return nil, resultTokenResource
	case p["authorization_details"] != "":
		return nil, resultTokenDetails
	}
	g := GrantType(slices.Index(GrantTypeNames, p["grant_type"]))
	if int(g) >= len(GrantTypeNames) {
		return nil, resultGrantType
	}
	if !who.may(g) {
		return nil, resultGrantTypeDenied
	}
	scopes, ok := p.scopes()
	if !ok {
		return nil, resultTokenScope
	}
	a := &authorized{identified: who, grant: g}
	switch g {
	case AuthorizationCode:
		refused = s.redeemCode(a, p, now)
	case RefreshToken:
		refused = s.redeemRefresh(a, p, now)
	case ClientCredentials:
		a.granted = who.Scopes
		if s.config.Profile == engine.RFC9068Profile {
			a.subject = who.number // RFC 9068 §2.2; never the alias, which may look like a user
		}
	}
	if refused != nil {
		return nil, refused
	}
	a.scopes = a.granted
	if scopes != nil {
		if slices.ContainsFunc(scopes, func(scope string) bool { return !slices.Contains(a.granted, scope) }) {
			return nil, resultTokenScope
		}
		a.scopes = scopes
	}
	return a, nil
}

// redeemCode checks an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6).
func (s *Service) redeemCode(a *authorized, p parameters, now engine.UnixMilli) *Result {
	if p["code"] == "" {
		return resultNoCode
	}
	code, ok := s.open(engine.SealedCode, p["code"], now)
	redirect, given := p["redirect_uri"]
	verifier, verified := p["code_verifier"]
	switch {
	case !ok:
		return resultCode
	case code.Client != a.number:
		return resultCodeClient
	case given && redirect != code.RedirectURI, !given && code.RedirectGiven:
		return resultCodeRedirect
	case code.Challenge == "" && verified:
		return resultNoCodeChallenge
	case code.Challenge != "" && engine.S256(verifier) != code.Challenge:
		return resultCodeVerifier
	}
	a.from(code, "code", resultCodeUsed)
	return nil
}

// redeemRefresh checks a refresh token (RFC 6749 §6).
func (s *Service) redeemRefresh(a *authorized, p parameters, now engine.UnixMilli) *Result {
	if p["refresh_token"] == "" {
		return resultNoRefreshToken
	}
	token, ok := s.open(engine.SealedRefresh, p["refresh_token"], now)
	switch {
	case !ok:
		return resultRefreshToken
	case token.Client != a.number:
		return resultRefreshClient
	}
	a.from(token, "refresh", resultRefreshUsed)
	return nil
}

func (a *authorized) from(t *sealed, kind string, used *Result) {
	a.subject, a.granted, a.family, a.properties, a.claims = t.Subject, t.Scopes, t.Family, t.Properties, t.Claims
	a.acr, a.authTime = t.ACR, t.AuthTime
	a.spent, a.kind, a.used = t, kind, used
}

// issue makes the tokens.
func (s *Service) issue(a *authorized, now engine.UnixMilli) (*IssuedToken, *Result) {
	issued := &IssuedToken{
		ClientID: a.ID, ClientIDAlias: a.alias, ClientIDAliasUsed: &a.byAlias,
		GrantType: apiGrantTypes[a.grant], Subject: a.subject, Scopes: a.scopes, Properties: a.properties,
	}
	if a.grant == ClientCredentials {
		issued.Subject = "" // it has none, whatever its sub says
	}
	claims := engine.AccessClaims{
		ID: []byte(engine.NewTokenID()), ClientID: []byte(a.effective()), Subject: []byte(a.subject), Scope: []byte(strings.Join(a.scopes, " ")),
		GrantType: []byte(issued.GrantType), ACR: []byte(a.acr), AuthTime: engine.UnixMilli(a.authTime * 1000), Client: []byte(a.number), Family: []byte(a.family),
		// Whole seconds: the token holds no others, and nobody is told of more.
		Issued: now / 1000 * 1000, Expires: now.Add(s.config.AccessTokenTTL) / 1000 * 1000,
	}
	if !a.byAlias {
		claims.Alias = []byte(a.alias)
	}
	issued.AccessTokenExpiresAt, issued.AccessTokenDuration = claims.Expires, int64(s.config.AccessTokenTTL.Seconds())
	if a.family != "" && a.may(RefreshToken) {
		next := &sealed{
			ID: engine.NewTokenID(), Family: a.family, Client: a.number, Issued: now / 1000 * 1000, Expires: now.Add(s.config.RefreshTokenTTL) / 1000 * 1000,
			Scopes: a.granted, Subject: a.subject, ACR: a.acr, AuthTime: a.authTime, Properties: a.properties, Claims: a.claims,
		}
		text, err := s.seal(engine.SealedRefresh, next)
		if err != nil {
			return nil, notSealed(err)
		}
		issued.RefreshToken, issued.RefreshTokenExpiresAt, issued.RefreshTokenDuration = text, next.Expires, int64(s.config.RefreshTokenTTL.Seconds())
		claims.RefreshExpires = next.Expires
	}
	if len(a.properties) > 0 {
		claims.Properties, _ = json.Marshal(a.properties) // of strings: it cannot fail
	}
	opaque, err := s.key.AppendAccessToken(nil, &claims, true)
	if err != nil {
		return nil, notSealed(err)
	}
	issued.AccessToken = string(opaque)
	if !s.config.OpaqueAccessTokens {
		claims.Extra = appendMembers(nil, a.claims, a.properties)
		jwt, err := s.key.AppendAccessToken(nil, &claims, false)
		if err != nil {
			return nil, notSealed(err)
		}
		issued.JWTAccessToken = string(jwt)
	}
	return issued, nil
}

func notSealed(err error) *Result {
	if err == engine.ErrTokenSize {
		return resultTokenSize
	}
	return resultTokenNoSealing
}

// body is the token response for the client (RFC 6749 §5.1).
func (t *IssuedToken) body(opaque bool) string {
	token := t.JWTAccessToken
	if opaque {
		token = t.AccessToken
	}
	b, _ := json.Append(nil, struct { // of strings and numbers: it cannot fail
		AccessToken  string `json:"access_token"`
		TokenType    string `json:"token_type"`
		ExpiresIn    int64  `json:"expires_in"`
		RefreshToken string `json:"refresh_token,omitempty"`
		Scope        string `json:"scope,omitempty"`
	}{token, "Bearer", t.AccessTokenDuration, t.RefreshToken, strings.Join(t.Scopes, " ")}, 0)
	return string(append(appendMembers(b[:len(b)-1], nil, t.Properties), '}'))
}
