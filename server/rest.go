package server

import (
	"time"

	"github.com/segmentio/encoding/json"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/capability"
	"portcullis/engine"
)

// The endpoints of this file are as thin as a client can bear: credential,
// clientId and capability are checked exactly, and nothing is kept.

// rest runs one authenticated REST request and counts its verdict.
func (s *Server) rest(ctx *fasthttp.RequestCtx, answer func(w *work) error) {
	start := time.Now()
	w := s.work.Get().(*work)
	err := s.authenticate(ctx, w)
	if err == nil {
		err = answer(w)
	}
	refused := s.infoOf(err)
	if refused != nil {
		s.refuse(ctx, refused)
	}
	s.metrics.decided(surfaceREST, refused, time.Since(start))
	s.work.Put(w)
}

// stats answers GET and POST /stats: SDKs use the first as an authenticated ping,
// test suites the second to load fixtures.
func (s *Server) stats(ctx *fasthttp.RequestCtx) {
	s.rest(ctx, func(w *work) error {
		if ctx.IsPost() {
			if w.grant.IsToken() {
				return engine.ErrBasicNeeded
			}
			writeList(ctx, fasthttp.StatusCreated)
			return nil
		}
		if w.grant.Capability().Everywhere()&capability.Stats == 0 {
			return engine.ErrCapabilityDenied
		}
		writePage(ctx, "stats")
		return nil
	})
}

// channelStatus answers GET /channels/{channel}.
func (s *Server) channelStatus(ctx *fasthttp.RequestCtx) {
	s.rest(ctx, func(w *work) error {
		channel := parameter(ctx)
		if err := w.session.Authorize(channel, capability.ChannelMetadata); err != nil {
			return err
		}
		type metrics struct{}
		type occupancy struct {
			Metrics metrics `json:"metrics"`
		}
		type status struct {
			IsActive  bool      `json:"isActive"`
			Occupancy occupancy `json:"occupancy"`
		}
		f := formatOf(ctx)
		ctx.Response.Header.SetContentTypeBytes(contentTypes[f])
		if f == formatMsgpack {
			b := msgp.AppendString(msgp.AppendMapHeader(nil, 2), "channelId")
			b = msgp.AppendString(msgp.AppendStringFromBytes(b, channel), "status")
			b = msgp.AppendBool(msgp.AppendString(msgp.AppendMapHeader(b, 2), "isActive"), true)
			b = msgp.AppendMapHeader(msgp.AppendString(b, "occupancy"), 1)
			ctx.SetBody(msgp.AppendMapHeader(msgp.AppendString(b, "metrics"), 0))
			return nil
		}
		body, err := json.Marshal(struct {
			ChannelID string `json:"channelId"`
			Status    status `json:"status"`
		}{string(channel), status{IsActive: true}})
		ctx.SetBody(body)
		return err
	})
}

// writePage answers with the only page of an empty list. SDKs follow its links
// only where they have a query.
func writePage(ctx *fasthttp.RequestCtx, name string) {
	for _, rel := range []string{"first", "current"} {
		ctx.Response.Header.Add(fasthttp.HeaderLink, "<./"+name+`?limit=100>; rel="`+rel+`"`)
	}
	writeList(ctx, fasthttp.StatusOK)
}

// writeList answers with an empty list.
func writeList(ctx *fasthttp.RequestCtx, status int) {
	f := formatOf(ctx)
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentTypeBytes(contentTypes[f])
	if f == formatMsgpack {
		ctx.SetBody(msgp.AppendArrayHeader(nil, 0))
		return
	}
	ctx.SetBodyString("[]")
}
