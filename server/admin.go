package server

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/pprofhandler"

	"portcullis/engine"
)

// adminRoutes are the endpoints of the admin listener, beside /debug/pprof/.
var adminRoutes = map[string]*route{
	"/metrics":    {methods: []string{fasthttp.MethodGet}, handle: (*Server).serveMetrics},
	"/v1/explain": {methods: []string{fasthttp.MethodPost}, handle: (*Server).explain},
	"/-/reload":   {methods: []string{fasthttp.MethodPost}, handle: (*Server).reload},
	"/livez":      {methods: []string{fasthttp.MethodGet}, handle: (*Server).live},
	"/readyz":     {methods: []string{fasthttp.MethodGet}, handle: (*Server).ready},
}

var profiles = &route{methods: []string{fasthttp.MethodGet}, handle: (*Server).servePprof}

const pprofPath = "/debug/pprof/"

// serveAdmin answers one request of the admin listener, which belongs on a
// loopback address or behind a token.
func (s *Server) serveAdmin(ctx *fasthttp.RequestCtx) {
	if !s.acceptable(ctx, s.options.AdminLoopbackOnly) {
		return
	}
	path, _, _ := bytes.Cut(ctx.Request.Header.RequestURI(), []byte{'?'})
	r := adminRoutes[string(path)]
	if bytes.HasPrefix(path, []byte(pprofPath)) {
		r = profiles
	}
	probe := string(path) == "/livez" || string(path) == "/readyz"
	switch {
	case !probe && !bears(ctx, s.options.AdminToken):
		s.refuse(ctx, engine.ErrAdminToken)
	case r == nil, string(path) == "/-/reload" && s.options.Reload == nil:
		s.refuse(ctx, engine.ErrNotFound)
	case ctx.IsPost() && !sameOrigin(ctx):
		s.refuse(ctx, engine.ErrOrigin)
	default:
		s.serveRoute(ctx, r)
	}
}

// bears says whether a request bears the token that is wanted, if one is. It
// compares hashes, so that the time it takes says nothing about the length.
func bears(ctx *fasthttp.RequestCtx, want engine.Secret) bool {
	if want == "" {
		return true
	}
	scheme, token, _ := bytes.Cut(ctx.Request.Header.Peek(fasthttp.HeaderAuthorization), []byte{' '})
	have, wanted := sha256.Sum256(token), sha256.Sum256([]byte(want))
	return bytes.EqualFold(scheme, []byte("bearer")) && subtle.ConstantTimeCompare(have[:], wanted[:]) == 1
}

// sameOrigin says whether a request comes from a page of this listener, or from
// no page at all: browsers put Origin into every POST of a page.
func sameOrigin(ctx *fasthttp.RequestCtx) bool {
	origin := ctx.Request.Header.Peek(fasthttp.HeaderOrigin)
	_, host, _ := bytes.Cut(origin, []byte("://"))
	return len(origin) == 0 || bytes.EqualFold(host, ctx.Host())
}

func (s *Server) serveMetrics(ctx *fasthttp.RequestCtx) { s.metrics.handler(ctx) }

func (s *Server) servePprof(ctx *fasthttp.RequestCtx) {
	if string(ctx.Path()) == pprofPath {
		ctx.URI().SetPath("/debug/pprof") // under which fasthttp's handler has its index
	}
	pprofhandler.PprofHandler(ctx)
}

// reload answers POST /-/reload.
func (s *Server) reload(ctx *fasthttp.RequestCtx) {
	if err := s.options.Reload(); err != nil {
		// The reason names places in the configuration, and belongs into the log.
		s.refuse(ctx, engine.ErrConfiguration)
		return
	}
	ctx.SetBodyString("reloaded\n")
}
