package oauth

import (
	"context"
	"strings"

	"portcullis/engine"
)

// IssueRequest is a call of /auth/authorization/issue: the user has consented.
type IssueRequest struct {
	Ticket     string
	Subject    string
	ACR        string   // how the user was authenticated; "" when that is not told
	AuthTime   int64    // when, in seconds since the epoch; 0 when it is not told
	Scopes     []string // in place of those that were requested; nil for those
	Properties []Property
	Claims     []Claim // further claims of JWT access tokens
}

// IssueResponse is the answer.
type IssueResponse struct {
	Answer
	AuthorizationCode string `json:"authorizationCode,omitempty"`
}

// maxSubjectBytes is the longest subject.
const maxSubjectBytes = 100

// Issue answers a call of /auth/authorization/issue: a code for a ticket. The ticket
// is spent last.
func (s *Service) Issue(ctx context.Context, r *IssueRequest, now engine.UnixMilli) (*IssueResponse, error) {
	if err := s.checkSubject(r.Subject); err != nil {
		return nil, err
	}
	if r.AuthTime < 0 || r.AuthTime > MaxID || hasControl(r.ACR) {
		return nil, memberError("authTime or acr: out of range")
	}
	if err := s.checkClaims(r.Claims, r.Properties); err != nil {
		return nil, err
	}
	refuse := func(r *Result) (*IssueResponse, error) {
		return &IssueResponse{Answer: r.answer(typeAuthorizationIssue, r.body())}, nil
	}
	t, ok := s.open(engine.SealedTicket, r.Ticket, now)
	if !ok {
		return refuse(resultTicket)
	}
	c := s.clients[t.Client]
	if c == nil {
		return refuse(resultTicket)
	}
	scopes := t.Scopes
	if r.Scopes != nil {
		if scopes = r.Scopes; !c.allows(scopes) {
			return nil, memberError("scopes: not those of the client")
		}
	}
	code := &sealed{
		ID: engine.NewTokenID(), Family: engine.NewTokenID(), Client: t.Client, Issued: now, Expires: now.Add(s.config.CodeTTL), Scopes: scopes,
		RedirectURI: t.RedirectURI, RedirectGiven: t.RedirectGiven, Challenge: t.Challenge,
		Subject: r.Subject, ACR: r.ACR, AuthTime: r.AuthTime, Properties: r.Properties, Claims: r.Claims,
	}
	text, err := s.seal(engine.SealedCode, code)
	if err != nil {
		return refuse(resultIssueNotPossible)
	}
	switch s.spend(ctx, "ticket", t.ID, t.Issued, t.Expires) {
	case engine.Fresh:
	case engine.Replayed:
		return refuse(resultTicketUsed)
	default:
		return refuse(resultIssueUnknown)
	}
	return &IssueResponse{Answer: resultIssue.answer(typeAuthorizationIssue, s.redirectTo(t, "code", text)), AuthorizationCode: text}, nil
}

// checkSubject refuses what is no subject, and under the RFC 9068 profile what looks
// like a client: there the subject of a client's own token is its number (RFC 9068
// §5).
func (s *Service) checkSubject(subject string) error {
	switch {
	case subject == "" || len(subject) > maxSubjectBytes || strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r > '~' }):
		return memberError("subject: want 1 to 100 characters of ASCII")
	case s.config.Profile == engine.RFC9068Profile && s.clients[subject] != nil:
		return memberError("subject: that of a client")
	}
	return nil
}

func memberError(detail string) error { return &RequestError{ResultMember, detail} }

// FailRequest is a call of /auth/authorization/fail: the user has not consented.
type FailRequest struct {
	Ticket      string
	Reason      string
	Description string // for the client's developers; "" for none
}

// FailResponse is the answer.
type FailResponse struct{ Answer }

// failReasons are the reasons and what the client is told.
var failReasons = map[string]*Result{
	"UNKNOWN": resultServerFailed, "SERVER_ERROR": resultServerFailed,
	"NOT_LOGGED_IN": resultLoginRequired, "MAX_AGE_NOT_SUPPORTED": resultLoginRequired, "EXCEEDS_MAX_AGE": resultLoginRequired,
	"DIFFERENT_SUBJECT": resultLoginRequired, "ACR_NOT_SATISFIED": resultLoginRequired, "NOT_AUTHENTICATED": resultLoginRequired,
	"DENIED": resultDenied, "ACCOUNT_SELECTION_REQUIRED": resultAccountRequired, "CONSENT_REQUIRED": resultConsentRequired,
	"INTERACTION_REQUIRED": resultInteraction, "INVALID_TARGET": resultTarget,
}

// Fail answers a call of /auth/authorization/fail.
func (s *Service) Fail(ctx context.Context, r *FailRequest, now engine.UnixMilli) (*FailResponse, error) {
	reason := failReasons[r.Reason]
	if reason == nil {
		return nil, memberError("reason: not one of those there are")
	}
	if len(r.Description) > maxDescriptionBytes || strings.ContainsFunc(r.Description, notInDescription) {
		return nil, memberError("description: want at most 500 characters of ASCII, without quotes and backslashes")
	}
	refuse := func(r *Result) (*FailResponse, error) {
		return &FailResponse{r.answer(typeAuthorizationFail, r.body())}, nil
	}
	t, ok := s.open(engine.SealedTicket, r.Ticket, now)
	if !ok || s.clients[t.Client] == nil {
		return refuse(resultFailTicket)
	}
	switch s.spend(ctx, "ticket", t.ID, t.Issued, t.Expires) {
	case engine.Fresh:
	case engine.Replayed:
		return refuse(resultFailTicketUsed)
	default:
		return refuse(resultFailUnknown)
	}
	description := reason.Message()
	if r.Description != "" {
		description += " " + r.Description
	}
	return &FailResponse{reason.answer(typeAuthorizationFail, s.redirectTo(t, "error", reason.Err, "error_description", description, "error_uri", reason.errorURI()))}, nil
}

const maxDescriptionBytes = 500

// notInDescription says which characters an error description cannot hold (RFC 6749
// A.8).
func notInDescription(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }
