package oauth

import (
	"slices"
	"strings"

	"github.com/segmentio/encoding/json"

	"portcullis/engine"
)

// IntrospectionRequest is a call of /auth/introspection.
type IntrospectionRequest struct {
	Token   string
	Scopes  []string // which the token must cover; none: it need not
	Subject string   // whose the token must be; "": anybody's
}

// IntrospectionResponse is the answer.
type IntrospectionResponse struct {
	Answer
	TokenSummary      // of a token that exists
	Existent     bool `json:"existent"`
	Usable       bool `json:"usable"`
	Sufficient   bool `json:"sufficient"`
	Refreshable  bool `json:"refreshable"`
}

// TokenSummary says whose an access token is, and what for.
type TokenSummary struct {
	ClientID          uint64           `json:"clientId,omitempty"`
	ClientIDAlias     string           `json:"clientIdAlias,omitempty"`
	ClientIDAliasUsed *bool            `json:"clientIdAliasUsed,omitempty"`
	ExpiresAt         engine.UnixMilli `json:"expiresAt,omitempty"`
	Subject           string           `json:"subject,omitempty"`
	Scopes            []string         `json:"scopes,omitempty"`
	GrantType         string           `json:"grantType,omitempty"`
	ACR               string           `json:"acr,omitempty"`
	AuthTime          int64            `json:"authTime,omitempty"` // seconds
	Properties        []Property       `json:"properties,omitempty"`
}

// Introspection is what introspecting works in. It is meant to be reused.
type Introspection struct {
	token engine.AccessToken
}

// FromCache says whether the last verdict came from the cache of verified tokens.
func (i *Introspection) FromCache() bool { return i.token.FromCache() }

// owner finds whose the verified token is. The private claim counts; only of tokens
// that others have minted the name that they bear is looked up, among earlier
// aliases too.
func (s *Service) owner(t *engine.AccessToken) (owner identified, alias string) {
	if len(t.Client) > 0 {
		owner.client = s.clients[string(t.Client)]
		owner.byAlias = string(t.ClientID) != string(t.Client)
		if owner.byAlias {
			return owner, string(t.ClientID) // as it was then
		}
		return owner, string(t.Alias)
	}
	if k := s.clients[string(t.ClientID)]; k != nil {
		return identified{client: k}, k.alias
	}
	return s.spoken[string(t.ClientID)], string(t.ClientID)
}

// verify verifies a token and finds its owner. Of a token whose time is over both are
// there, beside engine.ErrTokenExpired.
func (s *Service) verify(w *Introspection, token string, now engine.UnixMilli) (owner identified, alias string, err error) {
	err = s.provider.verifier.VerifyAccessToken(&w.token, s.key, []byte(token), now)
	if err != nil && err != engine.ErrTokenExpired {
		return identified{}, "", err
	}
	owner, alias = s.owner(&w.token)
	if owner.client == nil {
		return identified{}, "", engine.ErrAccessTokenClient
	}
	return owner, alias, err
}

// Introspect answers a call of /auth/introspection, and says why a token is refused,
// for metrics.
//
// It is answered from the token itself, which this server has signed or sealed, or
// another one that shares its secret. So what it says of the alias is what held when
// the token was issued.
func (s *Service) Introspect(w *Introspection, r *IntrospectionRequest, now engine.UnixMilli) (*IntrospectionResponse, error) {
	if r.Token == "" {
		return &IntrospectionResponse{Answer: resultNoToken.answer(typeIntrospection, resultNoToken.challenge())}, engine.ErrNoCredentials
	}
	owner, alias, err := s.verify(w, r.Token, now)
	result := resultIntrospection
	switch {
	case err == engine.ErrTokenExpired:
		result = resultTokenExpired
	case err == engine.ErrAccessTokenProof:
		result = resultProof
	case err != nil:
		result = resultTokenInvalid
	}
	if owner.client == nil {
		return &IntrospectionResponse{Answer: result.answer(typeIntrospection, result.challenge())}, err
	}
	t := &w.token
	summary := TokenSummary{
		ClientID: owner.ID, ClientIDAlias: alias, ClientIDAliasUsed: &owner.byAlias, ExpiresAt: t.Expires,
		Subject: subjectOf(t), Scopes: strings.Fields(string(t.Scope)), GrantType: string(t.GrantType),
		ACR: string(t.ACR), AuthTime: int64(t.AuthTime) / 1000,
	}
	if summary.Properties, err = propertiesOf(t, err); err == engine.ErrAccessToken {
		return &IntrospectionResponse{Answer: resultTokenInvalid.answer(typeIntrospection, resultTokenInvalid.challenge())}, err
	}
	// A name that is no scope covers nothing, so what asks for one is refused.
	sufficient := !slices.ContainsFunc(r.Scopes, func(scope string) bool { return !slices.Contains(summary.Scopes, scope) })
	switch {
	case err != nil:
	case !sufficient:
		result = resultInsufficient
	case r.Subject != "" && r.Subject != summary.Subject:
		result = resultSubject
	}
	content := result.challenge()
	if result == resultIntrospection {
		content = `Bearer error="` + result.Err + `"` // for errors of the resource server's own
	}
	return &IntrospectionResponse{
		Answer: result.answer(typeIntrospection, content), TokenSummary: summary,
		Existent: true, Usable: err == nil, Sufficient: sufficient, Refreshable: t.Refreshable(now),
	}, err
}

// subjectOf is the user whose the token is. A token of the client's own has none.
func subjectOf(t *engine.AccessToken) string {
	if string(t.GrantType) == apiGrantTypes[ClientCredentials] {
		return ""
	}
	return string(t.Subject)
}

// propertiesOf reads the properties of a token, and otherwise returns err.
func propertiesOf(t *engine.AccessToken, err error) ([]Property, error) {
	text, failed := t.AppendProperties(nil)
	if failed != nil || len(text) == 0 {
		if failed != nil {
			err = failed
		}
		return nil, err
	}
	var properties []Property
	if json.Unmarshal(text, &properties) != nil {
		return nil, engine.ErrAccessToken
	}
	return properties, err
}

// StandardIntrospectionRequest is a call of /auth/introspection/standard.
type StandardIntrospectionRequest struct {
	Parameters           string // the form of the introspection request (RFC 7662 §2.1)
	WithHiddenProperties bool
}

// StandardIntrospectionResponse is the answer.
type StandardIntrospectionResponse struct{ Answer }

// Inactive is the body of an answer to a token that is not active, and why is
// nobody's business (RFC 7662 §2.2).
const Inactive = `{"active":false}`

// IntrospectStandard answers a call of /auth/introspection/standard. Whether the
// resource server may ask is for the calling server to find out.
func (s *Service) IntrospectStandard(w *Introspection, r *StandardIntrospectionRequest, now engine.UnixMilli) (*StandardIntrospectionResponse, error) {
	p, ok := parseParameters(r.Parameters)
	var refused *Result
	switch {
	case !ok:
		refused = resultStandardParams
	case p["token"] == "":
		refused = resultStandardToken
	}
	if refused != nil {
		return &StandardIntrospectionResponse{refused.answer(typeStandardIntrospection, refused.body())}, engine.ErrNoCredentials
	}
	content, err := s.IntrospectToken(w, p["token"], r.WithHiddenProperties, now)
	return &StandardIntrospectionResponse{resultStandard.answer(typeStandardIntrospection, content)}, err
}

// IntrospectToken is the introspection response to one token (RFC 7662 §2.2), and why
// it is not active, for metrics.
func (s *Service) IntrospectToken(w *Introspection, token string, hidden bool, now engine.UnixMilli) (content string, err error) {
	owner, _, err := s.verify(w, token, now)
	if err != nil || owner.client == nil {
		return Inactive, err
	}
	t := &w.token
	properties, err := propertiesOf(t, nil)
	if err != nil {
		return Inactive, err
	}
	answer := struct {
		Active    bool     `json:"active"`
		Scope     string   `json:"scope,omitempty"`
		ClientID  string   `json:"client_id"`
		TokenType string   `json:"token_type"`
		Expires   int64    `json:"exp"`
		Issued    int64    `json:"iat,omitempty"`
		Subject   string   `json:"sub,omitempty"`
		Audience  []string `json:"aud,omitempty"`
		Issuer    string   `json:"iss"`
		ID        string   `json:"jti"`
	}{
		Active: true, Scope: string(t.Scope), ClientID: string(t.ClientID), TokenType: "Bearer", Expires: int64(t.Expires) / 1000,
		Issued: int64(t.Issued) / 1000, Subject: string(t.Subject), Issuer: s.config.Issuer, ID: string(t.ID),
	}
	if s.config.Profile == engine.RFC9068Profile {
		answer.Audience = []string{s.key.Audience}
	}
	b, _ := json.Append(nil, &answer, 0) // of strings and numbers: it cannot fail
	if hidden {
		for i := range properties {
			properties[i].Hidden = properties[i].Hidden && engine.ReservedClaim(properties[i].Key)
		}
	}
	return string(append(appendMembers(b[:len(b)-1], nil, properties), '}')), nil
}
