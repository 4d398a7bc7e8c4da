package oauth

import (
	"context"

	"portcullis/engine"
)

// RevocationRequest is a call of /auth/revocation.
type RevocationRequest struct {
	Parameters  string // the form of the revocation request (RFC 7009 §2.1)
	Credentials Credentials
}

// RevocationResponse is the answer.
type RevocationResponse struct{ Answer }

// Revoke answers a call of /auth/revocation (RFC 7009): a refresh token ends with all
// that came of its authorization, an access token alone. Whoever revokes a token
// that is not known, or another client's, is told that all is well: nothing was done,
// and nothing was said about it.
func (s *Service) Revoke(ctx context.Context, r *RevocationRequest, now engine.UnixMilli) *RevocationResponse {
	answer := func(r *Result) *RevocationResponse {
		content := ""
		if r.Action != OK {
			content = r.body()
		}
		return &RevocationResponse{r.answer(typeRevocation, content)}
	}
	p, ok := parseParameters(r.Parameters)
	if !ok {
		return answer(resultRevocationParams)
	}
	who, refused := s.authenticate(&r.Credentials, p, &revocationAuth, now)
	switch {
	case refused != nil:
		return answer(refused)
	case p["callback"] != "":
		return answer(resultRevocationCallback)
	case p["token"] == "":
		return answer(resultRevocationToken)
	}
	// token_type_hint says where to look first, and both places are looked at anyway.
	var err error
	if refresh, ok := s.open(engine.SealedRefresh, p["token"], now); ok {
		if refresh.Client == who.number {
			err = s.revokeFamily(ctx, refresh.Family, now)
		}
	} else {
		var w Introspection
		if owner, _, failed := s.verify(&w, p["token"], now); failed == nil && owner.client == who.client {
			err = s.revoke(ctx, engine.RevokeTokenID, string(w.token.ID), w.token.Expires, now)
		}
	}
	if err != nil {
		return answer(resultNotRevoked)
	}
	return answer(resultRevocation)
}
