package server

import (
	"bytes"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"portcullis/engine"
)

// route is one endpoint.
type route struct {
	methods []string // HEAD goes with GET
	handle  func(s *Server, ctx *fasthttp.RequestCtx)
	maxBody int  // bytes; 0 means maxBodyBytes
	cors    bool // pages of other origins may use it
	hidden  bool // with another method it is not there: 404 instead of 405, as Ably answers
	writes  bool // what is not GET waits for the store
}

// routes are the public endpoints, by the path as it is sent: what is
// percent-encoded or spelt otherwise is no path of ours. {} stands for a
// parameter, which follows one of the parameterised words.
var routes = withCalls(map[string]*route{
	"/":                             {methods: []string{fasthttp.MethodGet}, handle: (*Server).connect, cors: true, hidden: true},
	"/v1/admit":                     {methods: []string{fasthttp.MethodGet, fasthttp.MethodPost}, handle: (*Server).admit, cors: true},
	"/v1/admit/batch":               {methods: []string{fasthttp.MethodPost}, handle: (*Server).admitBatch, maxBody: maxBatchBytes, cors: true},
	"/time":                         {methods: []string{fasthttp.MethodGet}, handle: (*Server).time, cors: true},
	"/stats":                        {methods: []string{fasthttp.MethodGet, fasthttp.MethodPost}, handle: (*Server).stats, cors: true},
	"/keys/{}/requestToken":         {methods: []string{fasthttp.MethodPost}, handle: (*Server).requestToken, cors: true, hidden: true, writes: true},
	"/keys/{}/revokeTokens":         {methods: []string{fasthttp.MethodPost}, handle: (*Server).revokeTokens, cors: true, hidden: true, writes: true},
	"/channels/{}":                  {methods: []string{fasthttp.MethodGet}, handle: (*Server).channelStatus, cors: true},
	"/channels/{}/messages":         {methods: []string{fasthttp.MethodGet, fasthttp.MethodPost}, handle: (*Server).messages, maxBody: maxPublishBytes, cors: true},
	"/channels/{}/presence":         {methods: []string{fasthttp.MethodGet}, handle: (*Server).presence, cors: true},
	"/channels/{}/presence/history": {methods: []string{fasthttp.MethodGet}, handle: (*Server).presenceHistory, cors: true},
	"/channels/{}/history":          {methods: []string{fasthttp.MethodGet}, handle: (*Server).messages, cors: true},
	"/push/deviceRegistrations": {
		methods: []string{fasthttp.MethodPost, fasthttp.MethodGet, fasthttp.MethodDelete}, handle: (*Server).deviceRegistrations, cors: true, writes: true,
	},
	"/push/deviceRegistrations/{}": {
		methods: []string{fasthttp.MethodGet, fasthttp.MethodPut, fasthttp.MethodPatch, fasthttp.MethodDelete}, handle: (*Server).deviceRegistration, cors: true, writes: true,
	},
	"/push/channelSubscriptions": {
		methods: []string{fasthttp.MethodPost, fasthttp.MethodGet, fasthttp.MethodDelete}, handle: (*Server).channelSubscriptions, cors: true, writes: true,
	},
	"/push/channels": {methods: []string{fasthttp.MethodGet}, handle: (*Server).pushChannels, cors: true},
	"/apps":          {methods: []string{fasthttp.MethodPost}, handle: (*Server).createApp, cors: true, writes: true},
	"/apps/{}":       {methods: []string{fasthttp.MethodDelete}, handle: (*Server).deleteApp, cors: true, writes: true},
	"/v1/introspect": {methods: []string{fasthttp.MethodPost}, handle: (*Server).introspect},
	"/livez":         {methods: []string{fasthttp.MethodGet}, handle: (*Server).live},
	"/readyz":        {methods: []string{fasthttp.MethodGet}, handle: (*Server).ready},
})

// withCalls adds the endpoints of the authorization service, each under its two paths.
func withCalls(routes map[string]*route) map[string]*route {
	for _, call := range apiCalls {
		r := &route{methods: []string{fasthttp.MethodPost}, handle: func(s *Server, ctx *fasthttp.RequestCtx) { call.handle(s, ctx) }}
		routes["/api"+call.path], routes["/api/{}"+call.path] = r, r
	}
	return routes
}

// parameterised are the words after which a parameter follows.
var parameterised = []string{"/channels/", "/keys/", "/apps/", "/push/deviceRegistrations/", "/api/"}

// parameterOf returns where in path the parameter stands; from == to when there
// is none.
func parameterOf(path []byte) (from, to int) {
	if bytes.HasPrefix(path, []byte("/api/auth/")) {
		return 0, 0 // the service is that of the credentials
	}
	for _, word := range parameterised {
		if bytes.HasPrefix(path, []byte(word)) {
			from = len(word)
			if to = bytes.IndexByte(path[from:], '/'); to < 0 {
				return from, len(path)
			}
			return from, from + to
		}
	}
	return 0, 0
}

// find returns the endpoint of a request target, nil when there is none.
func find(target []byte) *route {
	path, _, _ := bytes.Cut(target, []byte{'?'})
	from, to := parameterOf(path)
	if from == to {
		return routes[string(path)]
	}
	var buffer [64]byte
	if from+len("{}")+len(path)-to > len(buffer) {
		return nil
	}
	pattern := append(append(append(buffer[:0], path[:from]...), "{}"...), path[to:]...)
	return routes[string(pattern)]
}

// parameter returns the decoded parameter of the request's path.
func parameter(ctx *fasthttp.RequestCtx) []byte {
	path, _, _ := bytes.Cut(ctx.Request.Header.RequestURI(), []byte{'?'})
	from, to := parameterOf(path)
	var decoded []byte
	for i := from; i < to; i++ {
		c := path[i]
		if c == '%' { // checkTarget has seen that two digits follow
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		}
		decoded = append(decoded, c)
	}
	return decoded
}

// headerReceived gives every route its own limit on bodies before one is read,
// and none room when too much is announced already.
func (s *Server) headerReceived(header *fasthttp.RequestHeader) fasthttp.RequestConfig {
	limit := maxBodyOf(header)
	if size := header.ContentLength(); size <= limit && !s.bodies.take(size, time.Now()) {
		limit = 1 // less than is announced: refused by malformed
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: limit}
}

func maxBodyOf(header *fasthttp.RequestHeader) int {
	if r := find(header.RequestURI()); r != nil && r.maxBody != 0 {
		return r.maxBody
	}
	return maxBodyBytes
}

// servePublic answers one request of the public listener.
func (s *Server) servePublic(ctx *fasthttp.RequestCtx) {
	if !s.acceptable(ctx, s.options.LoopbackOnly) {
		return
	}
	r := find(ctx.Request.Header.RequestURI())
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
func (s *Server) acceptable(ctx *fasthttp.RequestCtx, loopbackOnly bool) bool {
	err := checkHead(ctx)
	if err == nil && loopbackOnly && !isLoopbackHost(ctx.Request.Header.Host()) && !s.settings.Load().trusts(remoteIP(ctx)) {
		err = engine.ErrMisdirected
	}
	if err == nil {
		if bytes.Contains(bytes.ToLower(ctx.Request.Header.Peek(fasthttp.HeaderConnection)), []byte("close")) {
			ctx.SetConnectionClose() // also where it is one of a list (RFC 9112 §9.6)
		}
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
			if r.writes && !ctx.IsGet() && !ctx.IsHead() {
				s.serveWriting(ctx, r)
			} else {
				r.handle(s, ctx)
			}
			return
		}
	}
	if r.hidden {
		s.refuse(ctx, engine.ErrNotFound)
		return
	}
	s.refuse(ctx, engine.ErrMethod)
	ctx.Response.Header.Set(fasthttp.HeaderAllow, strings.Join(r.methods, ", "))
}

// serveWriting serves a request that waits for the store, if there is room for it.
func (s *Server) serveWriting(ctx *fasthttp.RequestCtx, r *route) {
	if !s.storeWork.begin(s.now()) {
		s.metrics.shedStore.Inc()
		s.refuse(ctx, engine.ErrOverloaded)
		return
	}
	defer s.storeWork.end()
	r.handle(s, ctx)
}
