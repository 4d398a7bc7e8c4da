package server

import (
	"bytes"
	"context"
	"errors"

	"github.com/segmentio/encoding/json"
	"github.com/valyala/fasthttp"

	"portcullis/oauth"
)

// The endpoints under /api/auth and /api/{serviceId}/auth are called by authorization
// servers and resource servers. A call that was understood is answered 200, and the
// answer's action says what to do; other statuses are for calls that are themselves
// at fault.

// handle answers a call.
func (c *apiCall) handle(s *Server, ctx *fasthttp.RequestCtx) {
	answer, err := c.call(s, ctx)
	if err != nil {
		s.refuseCall(ctx, c, err)
		return
	}
	body, err := json.Append(nil, answer, 0)
	if err != nil {
		s.refuseCall(ctx, c, err)
		return
	}
	s.metrics.called(c.path, answer.Result())
	s.forgetRevocations(s.now())
	ctx.Response.Header.SetContentTypeBytes(contentTypes[formatJSON])
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.SetBody(body)
}

func (c *apiCall) call(s *Server, ctx *fasthttp.RequestCtx) (apiAnswer, error) {
	service, err := s.findService(ctx)
	if err != nil {
		return nil, err
	}
	if id := parameter(ctx); len(id) > 0 && string(id) != service.ID() {
		return nil, &oauth.RequestError{Result: oauth.ResultOther}
	}
	m, err := readMembers(ctx, c.members)
	if err != nil {
		return nil, err
	}
	within, cancel := context.WithTimeout(context.Background(), storeBudget) // not ctx: draining cancels that
	defer cancel()
	return c.answer(s, within, service, m, s.now())
}

// findService returns the service whose credentials the caller presents: Basic with
// the service's id and api secret, or Bearer with its access token. Both are as good
// as an API key, and protected alike.
func (s *Server) findService(ctx *fasthttp.RequestCtx) (*oauth.Service, error) {
	header := ctx.Request.Header.Peek(fasthttp.HeaderAuthorization)
	switch {
	case len(header) == 0:
		return nil, &oauth.RequestError{Result: oauth.ResultNoCaller}
	case !s.settings.Load().mayPresentKey(ctx):
		return nil, &oauth.RequestError{Result: oauth.ResultTLS}
	}
	if id, secret, ok := basicOf(header); ok {
		return s.services.ByKey(id, secret)
	}
	scheme, token, _ := bytes.Cut(header, []byte{' '})
	if bytes.EqualFold(scheme, []byte("bearer")) {
		return s.services.ByToken(string(bytes.TrimLeft(token, " ")))
	}
	return nil, &oauth.RequestError{Result: oauth.ResultCaller}
}

// refuseCall answers a call that was not looked at.
func (s *Server) refuseCall(ctx *fasthttp.RequestCtx, c *apiCall, err error) {
	var refused *oauth.RequestError
	if !errors.As(err, &refused) {
		s.log.Error("unexpected error", "path", c.path, "error", err)
		refused = &oauth.RequestError{Result: oauth.ResultInternal}
	}
	message := "[" + refused.Code + "] " + c.path + ", " + refused.Text
	if refused.Detail != "" {
		message += " (" + refused.Detail + ")"
	}
	body, _ := json.Marshal(struct { // of strings: it cannot fail
		ResultCode    string `json:"resultCode"`
		ResultMessage string `json:"resultMessage"`
	}{refused.Code, message})
	s.metrics.called(c.path, refused.Code)
	ctx.SetStatusCode(refused.Status)
	ctx.Response.Header.SetContentTypeBytes(contentTypes[formatJSON])
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	if refused.Status == fasthttp.StatusUnauthorized {
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, "Bearer")
	}
	ctx.SetBody(body)
}
