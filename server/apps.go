package server

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/segmentio/encoding/json"
	"github.com/valyala/fasthttp"

	"portcullis/capability"
	"portcullis/engine"
	"portcullis/internal/jsonscan"
)

// createAppRequest is the body of POST /apps, in the form of ably-common's
// test-app-setup.json. What is not named here is ignored.
type createAppRequest struct {
	Keys []struct {
		Capability      json.RawMessage `json:"capability"` // text or object; none means every channel
		RevocableTokens bool            `json:"revocableTokens"`
	} `json:"keys"`
	Namespaces []json.RawMessage `json:"namespaces"`
	Channels   []json.RawMessage `json:"channels"`
}

// createdApp is the answer, which holds the only copy of the keys' secrets.
type createdApp struct {
	AccountID  string            `json:"accountId"`
	AppID      string            `json:"appId"`
	Keys       []createdKey      `json:"keys"`
	Namespaces []json.RawMessage `json:"namespaces"`
	Channels   []json.RawMessage `json:"channels"`
	Endpoint   string            `json:"endpoint"`
	Port       int               `json:"port"`
	TLS        bool              `json:"tls"`
}

type createdKey struct {
	ID              string `json:"id"`
	Value           string `json:"value"`
	KeyName         string `json:"keyName"`
	KeySecret       string `json:"keySecret"`
	KeyStr          string `json:"keyStr"`
	Capability      string `json:"capability"`
	RevocableTokens bool   `json:"revocableTokens"`
}

// createApp answers POST /apps: a new app with generated ids and secrets, kept
// for a day. It is there only in a sandbox.
func (s *Server) createApp(ctx *fasthttp.RequestCtx) {
	if !s.options.Sandbox || s.options.Store == nil {
		s.refuse(ctx, engine.ErrNotFound)
		return
	}
	if !bears(ctx, s.options.SandboxToken) {
		s.refuse(ctx, engine.ErrSandbox)
		return
	}
	if s.options.LoopbackOnly && !loopbackOrigin(ctx) {
		s.refuse(ctx, engine.ErrOrigin)
		return
	}
	keys, namespaces, channels, refused := readAppRequest(ctx.Request.Body())
	if refused != nil {
		s.refuse(ctx, refused)
		return
	}
	within, cancel := context.WithTimeout(context.Background(), 4*storeBudget) // not ctx: draining cancels that
	defer cancel()
	app, err := s.sandbox.create(within, keys, namespaces, s.now())
	switch {
	case errors.Is(err, errSandboxFull):
		s.refuse(ctx, engine.ErrSandboxFull)
		return
	case err != nil:
		s.metrics.storeErrors[storeApps].Inc()
		s.log.Error("sandbox app not kept", "error", err)
		s.refuse(ctx, engine.ErrUnavailable)
		return
	}
	answer := createdApp{AccountID: "sandbox", AppID: app.ID, Namespaces: app.Namespaces, Channels: channels, TLS: ctx.IsTLS()}
	host, port, err := net.SplitHostPort(string(ctx.Host()))
	if err != nil {
		host, port = string(ctx.Host()), "80"
	}
	answer.Endpoint = host
	answer.Port, _ = strconv.Atoi(port)
	for _, k := range app.Keys {
		name := app.ID + "." + k.ID
		answer.Keys = append(answer.Keys, createdKey{
			ID: k.ID, Value: k.Secret, KeyName: name, KeySecret: k.Secret, KeyStr: name + ":" + k.Secret,
			Capability: k.Capability, RevocableTokens: k.Revocable,
		})
	}
	body, err := json.Marshal(answer)
	if err != nil {
		s.refuse(ctx, s.infoOf(err))
		return
	}
	ctx.SetStatusCode(fasthttp.StatusCreated)
	ctx.Response.Header.SetContentTypeBytes(contentTypes[formatJSON])
	ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store")
	ctx.SetBody(body)
}

// loopbackOrigin says whether a request comes from no page, or from one of this
// machine: a page of a foreign site must not use the sandbox of whoever looks at
// it.
func loopbackOrigin(ctx *fasthttp.RequestCtx) bool {
	origin := ctx.Request.Header.Peek(fasthttp.HeaderOrigin)
	_, host, _ := bytes.Cut(origin, []byte("://"))
	return len(origin) == 0 || isLoopbackHost(host)
}

func readAppRequest(body []byte) (keys []sandboxKey, namespaces, channels []json.RawMessage, refused *engine.ErrorInfo) {
	var r createAppRequest
	var s jsonscan.Scanner
	for s.Reset(body, 0); s.Next(); { // strict about form and depth; what follows is about names
	}
	if s.Err() != nil || json.Unmarshal(body, &r) != nil || len(r.Keys) == 0 || len(r.Keys) > maxSandboxKeys {
		return nil, nil, nil, engine.ErrBody.WithDetail("want an object with 1 to " + strconv.Itoa(maxSandboxKeys) + " keys")
	}
	for _, k := range r.Keys {
		text := string(k.Capability)
		var inner string
		if json.Unmarshal(k.Capability, &inner) == nil {
			text = inner
		}
		if text == "" || text == "null" {
			text = `{"*":["*"]}`
		}
		set, err := capability.Parse([]byte(text))
		if err != nil || set.Len() == 0 {
			return nil, nil, nil, engine.ErrCapability
		}
		keys = append(keys, sandboxKey{Capability: set.String(), Revocable: k.RevocableTokens})
	}
	namespaces, channels = r.Namespaces, r.Channels
	if namespaces == nil {
		namespaces = []json.RawMessage{}
	}
	if channels == nil {
		channels = []json.RawMessage{}
	}
	return keys, namespaces, channels, nil
}

// deleteApp answers DELETE /apps/{id}, for the holder of the app's first key.
func (s *Server) deleteApp(ctx *fasthttp.RequestCtx) {
	if !s.options.Sandbox || s.options.Store == nil {
		s.refuse(ctx, engine.ErrNotFound)
		return
	}
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	if _, err := s.verifyCredential(ctx, w, &w.grant); err != nil {
		s.refuse(ctx, s.infoOf(err))
		return
	}
	id := string(parameter(ctx))
	if name := s.sandbox.firstKey(id); w.grant.IsToken() || name == "" || name != w.grant.KeyName() {
		s.refuse(ctx, engine.ErrSandbox)
		return
	}
	within, cancel := context.WithTimeout(context.Background(), 4*storeBudget)
	defer cancel()
	if err := s.sandbox.forget(within, id); err != nil {
		s.metrics.storeErrors[storeApps].Inc()
		s.log.Error("sandbox app not deleted", "error", err)
		s.refuse(ctx, engine.ErrUnavailable)
		return
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
