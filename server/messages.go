package server

import (
	"bytes"

	"github.com/segmentio/encoding/json"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/capability"
	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// maxPublishBytes bounds the body of a publish; what it may hold is package frame's
// to say.
const maxPublishBytes = 256 << 10

// messages answers GET and POST /channels/{channel}/messages, and GET of its alias
// history. Nothing is kept, so every history is empty.
func (s *Server) messages(ctx *fasthttp.RequestCtx) {
	s.rest(ctx, func(w *work) error {
		channel := parameter(ctx)
		if ctx.IsPost() {
			return s.publish(ctx, w, channel)
		}
		if err := w.session.Authorize(channel, capability.History); err != nil {
			return err
		}
		name := "messages"
		if path, _, _ := bytes.Cut(ctx.Request.Header.RequestURI(), []byte{'?'}); bytes.HasSuffix(path, []byte("/history")) {
			name = "history"
		}
		writePage(ctx, name)
		return nil
	})
}

// publish delivers one message, or a list of them, to the connections that are
// attached to the channel.
func (s *Server) publish(ctx *fasthttp.RequestCtx, w *work, channel []byte) error {
	if err := w.session.Authorize(channel, capability.Publish); err != nil {
		return err // before anything of the body is looked at
	}
	f := formatJSON
	if isMediaType(ctx.Request.Header.ContentType(), "application/x-msgpack") {
		f = formatMsgpack
	}
	var published frame.Frame
	if err := frame.ReadMessages(&published, f, ctx.Request.Body()); err != nil {
		return err
	}
	app := w.grant.App()
	w.session.SetNamespaces((*s.namespaces.Load())[app])
	e, err := s.hub.PublishRequest(ctx, &w.session, app, channel, &published)
	if err != nil {
		return err
	}
	writePublished(ctx, channel, e)
	return nil
}

// writePublished answers a publish with the id of its first message and the serial
// of each.
func writePublished(ctx *fasthttp.RequestCtx, channel []byte, e *fanout.Event) {
	serials := make([]string, len(e.Items))
	for i := range e.Items {
		serials[i] = e.Items[i].Serial
	}
	id := e.ID + ":0"
	f := formatOf(ctx)
	ctx.SetStatusCode(fasthttp.StatusCreated)
	ctx.Response.Header.SetContentTypeBytes(contentTypes[f])
	if f == formatMsgpack {
		b := msgp.AppendStringFromBytes(msgp.AppendString(msgp.AppendMapHeader(nil, 3), "channel"), channel)
		b = msgp.AppendString(msgp.AppendString(b, "messageId"), id)
		b = msgp.AppendArrayHeader(msgp.AppendString(b, "serials"), uint32(len(serials)))
		for _, serial := range serials {
			b = msgp.AppendString(b, serial)
		}
		ctx.SetBody(b)
		return
	}
	body, _ := json.Marshal(struct { // of strings only: it cannot fail
		Channel   string   `json:"channel"`
		MessageID string   `json:"messageId"`
		Serials   []string `json:"serials"`
	}{string(channel), id, serials})
	ctx.SetBody(body)
}
