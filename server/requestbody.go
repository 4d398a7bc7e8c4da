package server

import (
	"bytes"
	"math"
	"strconv"

	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	"portcullis/internal/msgpackscan"
)

// readTokenRequest reads a TokenRequest from a body in JSON, msgpack or form
// encoding. Without a content type, and as text/plain, which Ably documents, it
// is JSON.
func readTokenRequest(ctx *fasthttp.RequestCtx, r *engine.TokenRequest) error {
	contentType := ctx.Request.Header.ContentType()
	switch {
	case isMediaType(contentType, "application/x-msgpack"):
		return readMsgpackRequest(ctx.Request.Body(), r)
	case isMediaType(contentType, "application/x-www-form-urlencoded") && !bytes.HasPrefix(ctx.Request.Body(), []byte{'{'}):
		return readFormRequest(ctx, r) // what begins with a brace is JSON that curl has labelled
	}
	return engine.ParseTokenRequest(r, ctx.Request.Body())
}

func readFormRequest(ctx *fasthttp.RequestCtx, r *engine.TokenRequest) error {
	r.Reset()
	for name, value := range ctx.PostArgs().All() {
		field, _ := r.Field(name)
		if field == nil {
			continue
		}
		if *field != nil {
			r.Reset()
			return engine.ErrTokenRequest // given twice
		}
		*field = append([]byte{}, value...)
	}
	return nil
}

// readMsgpackRequest reads a msgpack map.
func readMsgpackRequest(body []byte, r *engine.TokenRequest) error {
	r.Reset()
	var s msgpackscan.Scanner
	for s.Reset(body, maxRequestFields); s.Next(); {
		if err := readMsgpackField(r, s.Name(), s.Value()); err != nil {
			return err
		}
	}
	if s.Err() != nil {
		return engine.ErrTokenRequest
	}
	return nil
}

func readMsgpackField(r *engine.TokenRequest, name, value []byte) (err error) {
	field, number := r.Field(name)
	switch kind := msgp.NextType(value); {
	case field == nil || kind == msgp.NilType:
	case kind == msgp.StrType:
		*field, _, err = msgp.ReadStringZC(value)
	case number:
		if *field, err = readDecimal(value); string(*field) == "0" && field == &r.TTL {
			*field = nil // sent as 0, signed as none
		}
	case field == &r.ClientID:
		return engine.ErrRequestClientID
	default:
		return engine.ErrTokenRequest
	}
	if err != nil {
		return engine.ErrTokenRequest
	}
	return nil
}

// maxRequestFields bounds the members of a msgpack request.
const maxRequestFields = 64

// maxInteger bounds the integers of a body, either way: up to there every number
// of JSON, a float64 for most readers, is exact.
const maxInteger = 1 << 53

// isNumber says whether readDecimal may be asked for such a value.
func isNumber(kind msgp.Type) bool {
	return kind == msgp.IntType || kind == msgp.UintType || kind == msgp.Float32Type || kind == msgp.Float64Type
}

// readDecimal reads a msgpack number of any kind that stands for an integer, as
// decimal text.
func readDecimal(value []byte) ([]byte, error) {
	switch msgp.NextType(value) {
	case msgp.Float32Type, msgp.Float64Type:
		f, _, err := msgp.ReadFloat64Bytes(value)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > maxInteger {
			return nil, engine.ErrTokenRequest
		}
		return strconv.AppendInt(nil, int64(f), 10), nil
	case msgp.UintType:
		u, _, err := msgp.ReadUint64Bytes(value)
		if err != nil || u > maxInteger {
			return nil, engine.ErrTokenRequest
		}
		return strconv.AppendUint(nil, u, 10), nil
	}
	i, _, err := msgp.ReadInt64Bytes(value)
	if err != nil || i < -maxInteger || i > maxInteger {
		return nil, engine.ErrTokenRequest
	}
	return strconv.AppendInt(nil, i, 10), nil
}
