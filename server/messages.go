package server

import (
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	"portcullis/server/realtime/frame"
)

// maxPublishBytes bounds the body of a publish; what it may hold is package frame's
// to say.
const maxPublishBytes = 256 << 10

// readMessages reads a publish, one message or an array of them, and checks that
// the sender may speak as each names. It returns how many there are.
func readMessages(ctx *fasthttp.RequestCtx, sender engine.Identity) (int, error) {
	f := formatJSON
	if isMediaType(ctx.Request.Header.ContentType(), "application/x-msgpack") {
		f = formatMsgpack
	}
	var published frame.Frame
	if err := frame.ReadMessages(&published, f, ctx.Request.Body()); err != nil {
		return 0, err
	}
	for i := range published.Items {
		if _, err := sender.Stamp(published.Items[i].NamedClientID()); err != nil {
			return 0, err
		}
	}
	if published.ConnectionKey != nil {
		return 0, engine.ErrConnectionKey // there are no connections to speak for
	}
	return len(published.Items), nil
}
