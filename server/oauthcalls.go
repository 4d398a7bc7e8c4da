package server

import (
	"bytes"
	"context"
	"time"

	"portcullis/engine"
	"portcullis/oauth"
)

// apiCall is one of those endpoints.
type apiCall struct {
	path    string // behind the service, for messages and metrics
	members map[string]memberKind
	answer  answerCall
}

// answerCall has a service answer a call.
type answerCall func(s *Server, ctx context.Context, service *oauth.Service, m *members, now engine.UnixMilli) (apiAnswer, error)

// apiAnswer is any of oauth's answers.
type apiAnswer interface{ Result() string }

// ofClient are the members of a call that a client's request is passed on in.
func ofClient(more map[string]memberKind) map[string]memberKind {
	all := map[string]memberKind{"parameters": memberText, "clientId": memberText, "clientSecret": memberText, "clientAuthorization": memberText}
	for name, kind := range more {
		all[name] = kind
	}
	return all
}

// apiCalls are all of them. htm and htu stand beside a DPoP proof, which is refused.
var apiCalls = []*apiCall{
	{"/auth/authorization", map[string]memberKind{"parameters": memberText}, authorizeClient},
	{"/auth/authorization/issue", map[string]memberKind{
		"ticket": memberText, "subject": memberText, "scopes": memberTexts, "properties": memberProperties, "jwtAtClaims": memberClaims,
		"acr": memberText, "authTime": memberNumber,
	}, issueCode},
	{"/auth/authorization/fail", map[string]memberKind{"ticket": memberText, "reason": memberText, "description": memberText}, failAuthorization},
	{"/auth/token", ofClient(map[string]memberKind{"properties": memberProperties, "jwtAtClaims": memberClaims, "htm": memberVoid, "htu": memberVoid}), issueToken},
	{"/auth/introspection", map[string]memberKind{"token": memberText, "scopes": memberTexts, "subject": memberText, "htm": memberVoid, "htu": memberVoid}, introspectToken},
	{"/auth/introspection/standard", map[string]memberKind{"parameters": memberText, "withHiddenProperties": memberFlag}, introspectStandard},
	{"/auth/revocation", ofClient(nil), revokeToken},
}

func authorizeClient(_ *Server, _ context.Context, service *oauth.Service, m *members, now engine.UnixMilli) (apiAnswer, error) {
	return service.Authorize(&oauth.AuthorizationRequest{Parameters: m.texts["parameters"]}, now), nil
}

func issueCode(_ *Server, ctx context.Context, service *oauth.Service, m *members, now engine.UnixMilli) (apiAnswer, error) {
	return service.Issue(ctx, &oauth.IssueRequest{
		Ticket: m.texts["ticket"], Subject: m.texts["subject"], ACR: m.texts["acr"], AuthTime: m.numbers["authTime"],
		Scopes: m.lists["scopes"], Properties: m.properties, Claims: m.claims,
	}, now)
}

func failAuthorization(_ *Server, ctx context.Context, service *oauth.Service, m *members, now engine.UnixMilli) (apiAnswer, error) {
	return service.Fail(ctx, &oauth.FailRequest{Ticket: m.texts["ticket"], Reason: m.texts["reason"], Description: m.texts["description"]}, now)
}

func issueToken(_ *Server, ctx context.Context, service *oauth.Service, m *members, now engine.UnixMilli) (apiAnswer, error) {
	credentials, err := m.credentials()
	if err != nil {
		return nil, err
	}
	return service.Token(ctx, &oauth.TokenRequest{Parameters: m.texts["parameters"], Credentials: credentials, Properties: m.properties, Claims: m.claims}, now)
}

func introspectToken(s *Server, _ context.Context, service *oauth.Service, m *members, now engine.UnixMilli) (apiAnswer, error) {
	start := time.Now()
	w := s.services.introspections.Get().(*oauth.Introspection)
	defer s.services.introspections.Put(w)
	answer, refused := service.Introspect(w, &oauth.IntrospectionRequest{Token: m.texts["token"], Scopes: m.lists["scopes"], Subject: m.texts["subject"]}, now)
	s.introspected(w, refused, start)
	return answer, nil
}

func introspectStandard(s *Server, _ context.Context, service *oauth.Service, m *members, now engine.UnixMilli) (apiAnswer, error) {
	start := time.Now()
	w := s.services.introspections.Get().(*oauth.Introspection)
	defer s.services.introspections.Put(w)
	answer, refused := service.IntrospectStandard(w, &oauth.StandardIntrospectionRequest{
		Parameters: m.texts["parameters"], WithHiddenProperties: m.flags["withHiddenProperties"],
	}, now)
	s.introspected(w, refused, start)
	return answer, nil
}

func revokeToken(_ *Server, ctx context.Context, service *oauth.Service, m *members, now engine.UnixMilli) (apiAnswer, error) {
	credentials, err := m.credentials()
	if err != nil {
		return nil, err
	}
	return service.Revoke(ctx, &oauth.RevocationRequest{Parameters: m.texts["parameters"], Credentials: credentials}, now), nil
}

// credentials returns what the client presented in its Authorization header: decoded
// by the caller, or in clientAuthorization the header as it was.
func (m *members) credentials() (oauth.Credentials, error) {
	c := oauth.Credentials{ID: m.texts["clientId"], Secret: m.texts["clientSecret"]}
	header := m.texts["clientAuthorization"]
	switch {
	case header == "":
		return c, nil
	case c.ID != "" || c.Secret != "":
		return c, &oauth.RequestError{Result: oauth.ResultMember, Detail: "clientAuthorization: beside clientId or clientSecret"}
	}
	c.Basic = new(oauth.Basic) // what cannot be read names nobody
	id, secret, _ := basicOf([]byte(header))
	c.Basic.ID, c.Basic.Secret = id, secret
	return c, nil
}

// basicOf takes a Basic Authorization header apart (RFC 7617 §2), without looking at
// what its parts mean.
func basicOf(header []byte) (id, secret string, ok bool) {
	scheme, text, _ := bytes.Cut(header, []byte{' '})
	if !bytes.EqualFold(scheme, []byte("basic")) {
		return "", "", false
	}
	var buffer []byte
	decoded, ok := decodeBase64(&buffer, bytes.TrimLeft(text, " "))
	if !ok {
		return "", "", false
	}
	name, password, ok := bytes.Cut(decoded, []byte{':'})
	if !ok {
		return "", "", false
	}
	return string(name), string(password), true
}
