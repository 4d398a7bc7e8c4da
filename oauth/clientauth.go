package oauth

import (
	"net/url"

	"portcullis/engine"
)

// Credentials are what the client presented beside the form, in its Authorization
// header. The authorization server passes them on in one of two ways: decoded by
// itself, or as they are between the colon and the ends (RFC 6749 §2.3.1).
type Credentials struct {
	ID, Secret string // decoded; "" for none
	Basic      *Basic // as they were sent; nil for none
}

// Basic is the content of a Basic Authorization header after base64, cut at its
// first colon.
type Basic struct{ ID, Secret string }

// authResults are what client authentication at one endpoint comes to.
type authResults struct{ client, channel, twoMethods, twoClients, assertion *Result }

var (
	tokenAuth      = authResults{resultTokenClient, resultTokenChannel, resultTokenTwoMethods, resultTokenTwoClients, resultTokenAssertion}
	revocationAuth = authResults{resultRevocationClient, resultTokenChannel, resultRevocationTwoMethods, resultRevocationTwoClients, resultRevocationAssertion}
)

// candidate is one reading of the client's credentials.
type candidate struct{ id, secret string }

// candidates returns the readings of what came in the header, the likeliest first.
// Credentials in Basic must be form-encoded, and many clients do not do it; where
// both readings are possible both are tried.
func (c *Credentials) candidates(strict bool) (list []candidate) {
	if c.Basic == nil {
		if c.ID == "" && c.Secret == "" {
			return nil
		}
		return []candidate{{c.ID, c.Secret}}
	}
	id, idErr := url.QueryUnescape(c.Basic.ID)
	secret, secretErr := url.QueryUnescape(c.Basic.Secret)
	if idErr == nil && secretErr == nil && !hasControl(id) && !hasControl(secret) {
		list = append(list, candidate{id, secret})
	}
	if raw := (candidate{c.Basic.ID, c.Basic.Secret}); !strict && (len(list) == 0 || list[0] != raw) {
		list = append(list, raw)
	}
	if list == nil {
		list = append(list, candidate{}) // they were presented, and mean nobody
	}
	return list
}

// authenticate finds the client of a request and checks that it is the one.
//
// Which client is meant is fixed first, by its name. Then its secret, or a dummy, is
// compared with every candidate, without early exit. Unknown, switched off, retired,
// wrong secret: all of that gets one answer, so nobody learns which names there are.
// Only whoever had the secret right is told that it stood in the wrong place.
func (s *Service) authenticate(c *Credentials, p parameters, results *authResults, now engine.UnixMilli) (identified, *Result) {
	inHeader := c.candidates(s.config.StrictBasic)
	bodyID, bodySecret := p["client_id"], p["client_secret"]
	switch {
	case p.first("client_assertion", "client_assertion_type") != "":
		return identified{}, results.assertion
	case len(inHeader) > 0 && bodySecret != "":
		return identified{}, results.twoMethods // RFC 6749 §2.3
	}
	presented, channel := inHeader, SecretBasic
	if len(inHeader) == 0 {
		presented, channel = []candidate{{bodyID, bodySecret}}, SecretPost
	}
	var who identified
	for _, candidate := range presented {
		if who = s.names[candidate.id]; who.client != nil {
			break
		}
	}
	result := s.judge(who, presented, channel, results, now)
	if result == nil && len(inHeader) > 0 && bodyID != "" && s.names[bodyID].client != who.client {
		return identified{}, results.twoClients
	}
	if result != nil {
		return identified{}, result
	}
	return who, nil
}

// judge compares the secret of a client, nil for nobody, with every candidate.
func (s *Service) judge(who identified, presented []candidate, channel AuthMethod, results *authResults, now engine.UnixMilli) *Result {
	hash, counted := engine.SecretHash{}, throttled{service: s.id}
	if who.client != nil {
		hash, counted.client = who.secret, who.number
	}
	right, given := false, false
	for _, candidate := range presented {
		equal := hash.Equal(candidate.secret)
		right = right || equal
		given = given || candidate.secret != ""
	}
	throttle := &s.provider.throttle
	switch {
	case who.client != nil && who.Type == Public && !given:
		return nil // whoever names it is it (RFC 6749 §3.2.1)
	case who.client == nil || who.Type == Public || !right || !throttle.open(counted, now):
		throttle.failed(counted, now)
		return results.client
	case who.AuthMethod != channel:
		return results.channel
	}
	return nil
}
