package server

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"

	"portcullis/engine"
)

// route is one public endpoint.
type route struct {
	methods []string // HEAD goes with GET
	handle  func(s *Server, ctx *fasthttp.RequestCtx)
	maxBody int  // bytes; 0 means maxBodyBytes
	cors    bool // pages of other origins may use it
}

// routes are the public endpoints, by the path as it is sent: what is
// percent-encoded or spelt otherwise is no path of ours.
var routes = map[string]*route{
	"/v1/admit":       {methods: []string{fasthttp.MethodGet, fasthttp.MethodPost}, handle: (*Server).admit, cors: true},
	"/v1/admit/batch": {methods: []string{fasthttp.MethodPost}, handle: (*Server).admitBatch, maxBody: maxBatchBytes, cors: true},
	"/time":           {methods: []string{fasthttp.MethodGet}, handle: (*Server).time, cors: true},
	"/livez":          {methods: []string{fasthttp.MethodGet}, handle: (*Server).live},
	"/readyz":         {methods: []string{fasthttp.MethodGet}, handle: (*Server).ready},
}

// headerReceived gives every route its own limit on bodies before one is read.
func headerReceived(header *fasthttp.RequestHeader) fasthttp.RequestConfig {
	path, _, _ := bytes.Cut(header.RequestURI(), []byte{'?'})
	if r := routes[string(path)]; r != nil && r.maxBody != 0 {
		return fasthttp.RequestConfig{MaxRequestBodySize: r.maxBody}
	}
	return fasthttp.RequestConfig{}
}

// servePublic answers one request of the public listener.
func (s *Server) servePublic(ctx *fasthttp.RequestCtx) {
	if !s.acceptable(ctx) {
		return
	}
	path, _, _ := bytes.Cut(ctx.Request.Header.RequestURI(), []byte{'?'})
	r := routes[string(path)]
	switch {
	case r == nil:
		s.refuse(ctx, engine.ErrNotFound)
		allowOrigin(ctx)
	case r.cors:
		if !preflight(ctx, strings.Join(r.methods, ", ")) {
			s.serveRoute(ctx, r)
		}
		allowOrigin(ctx)
	default:
		s.serveRoute(ctx, r)
	}
}

// acceptable refuses what is no proper request to this listener, and closes its
// connection: what follows on it may not be what it seems.
func (s *Server) acceptable(ctx *fasthttp.RequestCtx) bool {
	err := checkHead(ctx)
	if err == nil && s.options.LoopbackOnly && !isLoopbackHost(ctx.Host()) && !s.settings.Load().trusts(remoteIP(ctx)) {
		err = engine.ErrMisdirected
	}
	if err == nil {
		return true
	}
	s.refuse(ctx, err)
	ctx.SetConnectionClose()
	return false
}

func (s *Server) serveRoute(ctx *fasthttp.RequestCtx, r *route) {
	method := ctx.Method()
	for _, allowed := range r.methods {
		if string(method) == allowed || allowed == fasthttp.MethodGet && string(method) == fasthttp.MethodHead {
			r.handle(s, ctx)
			return
		}
	}
	s.refuse(ctx, engine.ErrMethod)
	ctx.Response.Header.Set(fasthttp.HeaderAllow, strings.Join(r.methods, ", "))
}
