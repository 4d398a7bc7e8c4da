package oauth

import (
	"github.com/segmentio/encoding/json"

	"portcullis/engine"
)

// sealed is what tickets, codes and refresh tokens hold. They are read by nobody
// else, so their names are short.
type sealed struct {
	ID      string           `json:"i"`
	Family  string           `json:"f,omitempty"` // of a code or refresh token
	Client  string           `json:"c"`           // decimal id: however it is named later
	Issued  engine.UnixMilli `json:"t"`
	Expires engine.UnixMilli `json:"x"`
	Scopes  []string         `json:"s,omitempty"`

	RedirectURI   string `json:"r,omitempty"` // of a ticket or code
	RedirectGiven bool   `json:"g,omitempty"`
	Challenge     string `json:"p,omitempty"` // PKCE, S256
	State         string `json:"a,omitempty"` // of a ticket

	Subject    string     `json:"u,omitempty"` // of a code or refresh token
	ACR        string     `json:"q,omitempty"`
	AuthTime   int64      `json:"w,omitempty"` // seconds
	Properties []Property `json:"m,omitempty"`
	Claims     []Claim    `json:"j,omitempty"`
}

// Property is something that the authorization server attaches to a token. What is
// not hidden the client gets too.
type Property struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Hidden bool   `json:"hidden"`
}

func (s *Service) seal(kind engine.SealedState, what *sealed) (string, error) {
	payload, err := json.Marshal(what)
	if err != nil {
		return "", err
	}
	text, err := s.key.AppendSealed(nil, kind, payload)
	return string(text), err
}

// open opens what was sealed. It is good until it expires, and, should the
// configured lifetime have become shorter since, no longer than that.
func (s *Service) open(kind engine.SealedState, text string, now engine.UnixMilli) (*sealed, bool) {
	payload, err := s.key.OpenSealed(nil, kind, []byte(text))
	if err != nil {
		return nil, false
	}
	what := new(sealed)
	if json.Unmarshal(payload, what) != nil {
		return nil, false
	}
	ttl := TicketTTL
	switch kind {
	case engine.SealedCode:
		ttl = s.config.CodeTTL
	case engine.SealedRefresh:
		ttl = s.config.RefreshTokenTTL
	}
	good := now < what.Expires && now < what.Issued.Add(ttl) && (what.Family == "" || !s.key.FamilyRevoked([]byte(what.Family)))
	return what, good
}
