package server

import (
	"bytes"
	"strconv"

	"github.com/valyala/fasthttp"

	"portcullis/server/realtime/frame"
)

// format is the encoding of a body.
type format = frame.Format

const (
	formatJSON    = frame.JSON
	formatMsgpack = frame.Msgpack
	formatCount   = frame.Formats
)

// The content types bear no charset: an SDK that finds one does not read the
// error.
var contentTypes = [formatCount][]byte{[]byte("application/json"), []byte("application/x-msgpack")}

// formatOf negotiates the format of the answer: msgpack when Accept prefers it,
// or, where there is no Accept, when the query asks for it; JSON otherwise.
func formatOf(ctx *fasthttp.RequestCtx) format {
	accept := ctx.Request.Header.Peek(fasthttp.HeaderAccept)
	if len(accept) == 0 {
		if string(ctx.QueryArgs().Peek("format")) == "msgpack" {
			return formatMsgpack
		}
		return formatJSON
	}
	best, quality := formatJSON, 0.0
	for len(accept) > 0 {
		var entry []byte
		entry, accept, _ = bytes.Cut(accept, []byte{','})
		media, parameters, _ := bytes.Cut(entry, []byte{';'})
		for f, contentType := range contentTypes {
			if bytes.EqualFold(bytes.TrimSpace(media), contentType) {
				if q := qualityOf(parameters); q > quality {
					best, quality = format(f), q
				}
			}
		}
	}
	return best
}

// qualityOf returns the weight of a media range (RFC 9110 §12.4.2), 1 when it
// has none and 0 when it cannot be read.
func qualityOf(parameters []byte) float64 {
	for len(parameters) > 0 {
		var p []byte
		p, parameters, _ = bytes.Cut(parameters, []byte{';'})
		if weight, ok := bytes.CutPrefix(bytes.ToLower(bytes.TrimSpace(p)), []byte("q=")); ok {
			q, err := strconv.ParseFloat(string(weight), 64)
			if err != nil || q < 0 || q > 1 {
				return 0
			}
			return q
		}
	}
	return 1
}
