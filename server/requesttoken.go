package server

import (
	"context"
	"time"

	"github.com/segmentio/encoding/json"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
)

// storeBudget is how long a request waits for the store.
const storeBudget = 250 * time.Millisecond

// requestToken answers POST /keys/{keyName}/requestToken: a token for a signed
// TokenRequest, or for an unsigned one beside the API key itself.
func (s *Server) requestToken(ctx *fasthttp.RequestCtx) {
	start := time.Now()
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	refused := s.infoOf(s.redeem(ctx, w))
	if refused == nil {
		refused = s.infoOf(s.issuer.Issue(&w.details, &w.issued))
	}
	if refused != nil {
		if refused.Base() == engine.ErrUnavailable {
			s.metrics.storeErrors[storeSpend].Inc()
		}
		s.metrics.notIssued.Inc()
		s.refuse(ctx, refused)
	} else {
		s.metrics.issued.Inc()
		writeTokenDetails(ctx, w)
	}
	s.metrics.decided(surfaceRequestToken, refused, time.Since(start))
}

// redeem takes every step from the request to what may be issued.
func (s *Server) redeem(ctx *fasthttp.RequestCtx, w *work) error {
	r := &w.request
	if err := readTokenRequest(ctx, r); err != nil {
		return err
	}
	if string(r.KeyName) != string(parameter(ctx)) {
		return engine.ErrTokenRequestKey
	}
	if s.options.Store == nil {
		return engine.ErrUnavailable
	}
	within, cancel := context.WithTimeout(context.Background(), storeBudget) // not ctx: draining cancels that
	defer cancel()
	if r.Signed() {
		// The mac decides. Credentials may stand beside it, but not wrong ones.
		if _, err := s.verifyCredential(ctx, w, &w.grant); err != nil && err != engine.ErrNoCredentials {
			return engine.ErrSecret
		}
		return s.verifier.Redeem(within, &w.issued, r, s.options.Store, s.now())
	}
	if _, err := s.verifyCredential(ctx, w, &w.grant); err != nil {
		return err
	}
	settings := s.settings.Load()
	if err := w.grant.PermitPeer(ctx.Request.Header.Peek(fasthttp.HeaderOrigin), settings.clientIP(ctx)); err != nil {
		return err
	}
	return s.verifier.RedeemWithKey(within, &w.issued, r, &w.grant, s.options.Store, s.now())
}

// tokenDetails is the body of an answer with a token (TD1-TD7). Times are in
// milliseconds; clientId is left out when the token is anonymous.
type tokenDetails struct {
	Token      string `json:"token"`
	KeyName    string `json:"keyName"`
	Issued     int64  `json:"issued"`
	Expires    int64  `json:"expires"`
	Capability string `json:"capability"`
	ClientID   string `json:"clientId,omitempty"`
}

func writeTokenDetails(ctx *fasthttp.RequestCtx, w *work) {
	d := &w.details
	clientID := engine.Identity{Kind: d.Kind, ID: d.ClientID}.AppendClientID(nil)
	answer := tokenDetails{string(d.Token), d.KeyName, int64(d.Issued), int64(d.Expires), string(d.Capability), string(clientID)}
	f := formatOf(ctx)
	ctx.SetStatusCode(fasthttp.StatusCreated)
	ctx.Response.Header.SetContentTypeBytes(contentTypes[f])
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	if f == formatMsgpack {
		ctx.SetBody(answer.appendMsgpack(nil))
		return
	}
	body, _ := json.Append(nil, &answer, 0) // of strings and integers only: it cannot fail
	ctx.SetBody(body)
}

func (d *tokenDetails) appendMsgpack(b []byte) []byte {
	size := uint32(5)
	if d.ClientID != "" {
		size++
	}
	b = msgp.AppendMapHeader(b, size)
	b = msgp.AppendString(msgp.AppendString(b, "token"), d.Token)
	b = msgp.AppendString(msgp.AppendString(b, "keyName"), d.KeyName)
	b = msgp.AppendInt64(msgp.AppendString(b, "issued"), d.Issued)
	b = msgp.AppendInt64(msgp.AppendString(b, "expires"), d.Expires)
	b = msgp.AppendString(msgp.AppendString(b, "capability"), d.Capability)
	if d.ClientID != "" {
		b = msgp.AppendString(msgp.AppendString(b, "clientId"), d.ClientID)
	}
	return b
}
