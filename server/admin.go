package server

import (
	"bytes"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"github.com/valyala/fasthttp/pprofhandler"

	"portcullis/engine"
)

// serveAdmin routes the admin endpoints, which belong on a listener of their
// own, on loopback.
func (s *Server) serveAdmin(ctx *fasthttp.RequestCtx) {
	switch path := ctx.URI().PathOriginal(); {
	case string(path) == "/metrics":
		s.serveMetrics(ctx)
	case bytes.HasPrefix(path, []byte("/debug/pprof/")):
		pprofhandler.PprofHandler(ctx)
	case string(path) == "/livez":
		s.live(ctx)
	case string(path) == "/readyz":
		s.ready(ctx)
	default:
		s.refuse(ctx, engine.ErrNotFound)
	}
}

func (s *Server) serveMetrics(ctx *fasthttp.RequestCtx) {
	fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))(ctx)
}
