package server

import (
	"time"

	"github.com/segmentio/encoding/json"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	"portcullis/oauth"
)

// introspect answers POST /v1/introspect (RFC 7662). A service's credentials see the
// access tokens of that service, an API key the Ably tokens of that key; every other
// token is not active, and why is not said.
func (s *Server) introspect(ctx *fasthttp.RequestCtx) {
	start := time.Now()
	// Who asks is found out before the token is looked at.
	see, err := s.introspector(ctx)
	if err != nil {
		refused := s.infoOf(err)
		s.refuse(ctx, refused)
		s.metrics.decided(surfaceIntrospect, refused, time.Since(start))
		return
	}
	token, present, repeated := "", false, false
	if isMediaType(ctx.Request.Header.ContentType(), "application/x-www-form-urlencoded") {
		for name, value := range ctx.PostArgs().All() {
			if string(name) == "token" {
				repeated = present
				token, present = string(value), true
			}
		}
	}
	content, refused := `{"error":"invalid_request"}`, engine.ErrBadRequest
	if token == "" || repeated {
		ctx.SetStatusCode(fasthttp.StatusBadRequest)
	} else {
		content, err = see(token)
		refused = s.infoOf(err)
	}
	ctx.Response.Header.SetContentTypeBytes(contentTypes[formatJSON])
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.SetBodyString(content)
	s.metrics.decided(surfaceIntrospect, refused, time.Since(start))
}

// introspector finds out who asks, and returns what that one can see: the body of the
// answer for a token, and why it is not active.
func (s *Server) introspector(ctx *fasthttp.RequestCtx) (func(token string) (string, error), error) {
	if service, err := s.findService(ctx); err == nil {
		return func(token string) (string, error) {
			w := s.services.introspections.Get().(*oauth.Introspection)
			defer s.services.introspections.Put(w)
			content, err := service.IntrospectToken(w, token, false, s.now())
			s.metrics.lookedUp(w.FromCache())
			return content, err
		}, nil
	}
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	if len(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)) == 0 {
		return nil, engine.ErrNoCredentials // a credential in the target is not the caller's own
	}
	if _, err := s.verifyCredential(ctx, w, &w.grant); err != nil {
		if info := s.infoOf(err); info.StatusCode < 500 && info.StatusCode != 429 {
			return nil, engine.ErrSecret // RFC 7662 §2.3: whoever may not ask is told 401 and no more
		}
		return nil, err
	}
	if err := w.grant.PermitPeer(ctx.Request.Header.Peek(fasthttp.HeaderOrigin), s.settings.Load().clientIP(ctx)); err != nil {
		return nil, err
	}
	if w.grant.IsToken() {
		return nil, engine.ErrSecret
	}
	key := w.grant.KeyName()
	return func(token string) (string, error) { return s.introspectAbly(key, []byte(token)) }, nil
}

// introspectAbly is what the holder of a key sees of one of its tokens. What Ably
// knows and RFC 7662 does not has Ably's names.
func (s *Server) introspectAbly(key string, token []byte) (string, error) {
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	g := &w.grant
	err := s.verifier.VerifyToken(g, token, s.now())
	s.metrics.lookedUp(g.FromCache())
	if err == nil && g.KeyName() != key {
		err = engine.ErrKeyMismatch
	}
	if err != nil {
		return oauth.Inactive, err
	}
	answer := struct {
		Active     bool   `json:"active"`
		TokenType  string `json:"token_type"`
		Expires    int64  `json:"exp"`
		Issued     int64  `json:"iat"`
		Subject    string `json:"sub,omitempty"`
		KeyName    string `json:"x-ably-keyName"`
		ClientID   string `json:"x-ably-clientId,omitempty"` // "*" for any
		Capability string `json:"x-ably-capability"`
	}{
		Active: true, TokenType: "Bearer", Expires: int64(g.Expires()) / 1000, Issued: int64(g.Issued()) / 1000, Subject: string(g.Identity().ID),
		KeyName: key, ClientID: string(g.Identity().AppendClientID(nil)), Capability: string(g.AppendCapability(nil)),
	}
	body, _ := json.Append(nil, &answer, 0) // of strings and numbers: it cannot fail
	return string(body), nil
}

// introspected counts a verdict on an access token.
func (s *Server) introspected(w *oauth.Introspection, refused error, start time.Time) {
	if refused != engine.ErrNoCredentials { // then there was no token
		s.metrics.lookedUp(w.FromCache())
	}
	s.metrics.decided(surfaceIntrospect, s.infoOf(refused), time.Since(start))
}
