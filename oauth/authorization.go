package oauth

import (
	"net/url"
	"slices"
	"strings"

	"portcullis/engine"
)

// AuthorizationRequest is a call of /auth/authorization.
type AuthorizationRequest struct {
	Parameters string // the query or form of the authorization request, as it was sent
}

// AuthorizationResponse is the answer.
type AuthorizationResponse struct {
	Answer
	Ticket            string          `json:"ticket,omitempty"`
	Client            *ClientSummary  `json:"client,omitempty"`
	Service           *ServiceSummary `json:"service,omitempty"`
	ClientIDAliasUsed *bool           `json:"clientIdAliasUsed,omitempty"`
	Scopes            []ScopeSummary  `json:"scopes,omitempty"`
	Prompts           []string        `json:"prompts,omitempty"`
	LoginHint         string          `json:"loginHint,omitempty"`
}

// ClientSummary is what a consent page may want to show of a client.
type ClientSummary struct {
	ClientID             uint64 `json:"clientId"`
	ClientIDAlias        string `json:"clientIdAlias,omitempty"`
	ClientIDAliasEnabled bool   `json:"clientIdAliasEnabled"`
	ClientName           string `json:"clientName,omitempty"`
	ClientType           string `json:"clientType"`
}

// ServiceSummary is what there is to tell of a service.
type ServiceSummary struct {
	APIKey               uint64 `json:"apiKey"`
	Issuer               string `json:"issuer"`
	ClientIDAliasEnabled bool   `json:"clientIdAliasEnabled"`
}

// ScopeSummary is a scope.
type ScopeSummary struct {
	Name         string `json:"name"`
	DefaultEntry bool   `json:"defaultEntry"`
}

// codeChallengeBytes is the length of an S256 challenge.
const codeChallengeBytes = 43

// Authorize answers a call of /auth/authorization: a ticket for an authorization
// request that is in order. As long as the client and its redirect URI are not sure
// an error goes to the user and not to the client (RFC 6749 §4.1.2.1).
func (s *Service) Authorize(r *AuthorizationRequest, now engine.UnixMilli) *AuthorizationResponse {
	if r.Parameters == "" {
		return refuseAuthorization(resultAuthorizationEmpty, "")
	}
	p, ok := parseParameters(r.Parameters)
	if !ok {
		return refuseAuthorization(resultAuthorizationParams, "")
	}
	who := s.names[p["client_id"]]
	if who.client == nil {
		return refuseAuthorization(resultAuthorizationClient, "")
	}
	redirect, given := p["redirect_uri"]
	switch {
	case given && !slices.Contains(who.RedirectURIs, redirect):
		return refuseAuthorization(resultRedirectURI, "")
	case !given && len(who.RedirectURIs) != 1: // RFC 6749 §3.1.2.3
		return refuseAuthorization(resultRedirectURI, "")
	case !given:
		redirect = who.RedirectURIs[0]
	}
	t := &sealed{
		ID: engine.NewTokenID(), Client: who.number, Issued: now, Expires: now.Add(TicketTTL),
		RedirectURI: redirect, RedirectGiven: given, State: p["state"], Challenge: p["code_challenge"],
	}
	scopes, prompts, result := who.checkAuthorization(p)
	if result != nil {
		return refuseAuthorization(result, s.redirectError(t, result))
	}
	t.Scopes = scopes
	ticket, err := s.seal(engine.SealedTicket, t)
	switch {
	case err == engine.ErrTokenSize:
		return refuseAuthorization(resultTicketSize, "")
	case err != nil:
		return refuseAuthorization(resultNoSealing, "")
	}
	success := resultAuthorization
	if slices.Contains(prompts, "NONE") {
		success = resultAuthorizationQuiet
	}
	answer := &AuthorizationResponse{
		Answer: success.answer(typeAuthorization, ""), Ticket: ticket, ClientIDAliasUsed: &who.byAlias, Prompts: prompts, LoginHint: p["login_hint"],
		Client:  who.summary(),
		Service: &ServiceSummary{s.config.ID, s.config.Issuer, s.config.ClientIDAliasEnabled},
	}
	// For people who look for it: the number, whichever name the client goes by.
	answer.ResultMessage += " Service (API Key = " + s.id + "), client (ID = " + who.number + ")."
	for _, scope := range scopes {
		answer.Scopes = append(answer.Scopes, ScopeSummary{Name: scope})
	}
	return answer
}

func (c *client) summary() *ClientSummary {
	return &ClientSummary{
		ClientID: c.ID, ClientIDAlias: c.Alias, ClientIDAliasEnabled: c.AliasEnabled, ClientName: c.Name,
		ClientType: strings.ToUpper(ClientTypeNames[c.Type]),
	}
}

func refuseAuthorization(r *Result, location string) *AuthorizationResponse {
	if r.Action != Location {
		location = r.body()
	}
	return &AuthorizationResponse{Answer: r.answer(typeAuthorization, location)}
}

// checkAuthorization checks what the client asks for, now that an error can go to
// it. What is not served is refused, whenever leaving it out would grant more, or
// something else, than was asked for.
func (c *client) checkAuthorization(p parameters) (scopes, prompts []string, refused *Result) {
	mode, hasMode := p["response_mode"]
	switch {
	case p["response_type"] == "":
		return nil, nil, resultNoResponseType
	case p["response_type"] != "code":
		return nil, nil, resultResponseType
	case p["request"] != "":
		return nil, nil, resultRequestObject
	case p["request_uri"] != "":
		return nil, nil, resultRequestURI
	case p["resource"] != "":
		return nil, nil, resultResource
	case p["authorization_details"] != "":
		return nil, nil, resultDetails
	case hasMode && mode != "query",
		p.first("max_age", "acr_values", "claims", "id_token_hint", "dpop_jkt", "grant_management_action", "grant_id") != "":
		return nil, nil, resultUnservedParameter
	case !c.may(AuthorizationCode):
		return nil, nil, resultUnauthorizedClient
	}
	scopes, ok := p.scopes()
	if scopes == nil {
		scopes = c.Scopes // RFC 6749 §3.3: the default is all that the client may have
	}
	if !ok || !c.allows(scopes) {
		return nil, nil, resultAuthorizationScope
	}
	challenge, method := p["code_challenge"], p["code_challenge_method"]
	switch {
	case challenge == "" && (c.Type == Public || method != ""):
		return nil, nil, resultNoChallenge
	case challenge != "" && method != "S256": // left out it would be plain (RFC 7636 §4.3)
		return nil, nil, resultPlainChallenge
	case challenge != "" && !isChallenge(challenge):
		return nil, nil, resultChallenge
	}
	if prompts, ok = readPrompt(p["prompt"]); !ok {
		return nil, nil, resultPrompt
	}
	return scopes, prompts, nil
}

func isChallenge(text string) bool {
	return len(text) == codeChallengeBytes && !strings.ContainsFunc(text, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
	})
}

// readPrompt reads a prompt parameter, which the authorization server acts upon.
func readPrompt(text string) (prompts []string, ok bool) {
	if text == "" {
		return nil, true
	}
	for _, word := range strings.Split(text, " ") {
		if !slices.Contains([]string{"none", "login", "consent", "select_account"}, word) || slices.Contains(prompts, strings.ToUpper(word)) {
			return nil, false
		}
		prompts = append(prompts, strings.ToUpper(word))
	}
	return prompts, len(prompts) == 1 || !slices.Contains(prompts, "NONE")
}

// redirectTo returns the redirect URI of a request with parameters added: name,
// value, … where empty values are left out. The response names its issuer (RFC 9207).
func (s *Service) redirectTo(t *sealed, added ...string) string {
	query := make([]string, 0, len(added)/2+2)
	for i := 0; i+1 < len(added); i += 2 {
		if added[i+1] != "" {
			query = append(query, added[i]+"="+url.QueryEscape(added[i+1]))
		}
	}
	if t.State != "" {
		query = append(query, "state="+url.QueryEscape(t.State))
	}
	query = append(query, "iss="+url.QueryEscape(s.config.Issuer))
	separator := "?"
	switch {
	case strings.HasSuffix(t.RedirectURI, "?"), strings.HasSuffix(t.RedirectURI, "&"):
		separator = ""
	case strings.Contains(t.RedirectURI, "?"):
		separator = "&"
	}
	return t.RedirectURI + separator + strings.Join(query, "&")
}

func (s *Service) redirectError(t *sealed, r *Result) string {
	return s.redirectTo(t, "error", r.Err, "error_description", r.Message(), "error_uri", r.errorURI())
}
