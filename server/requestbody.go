package server

import (
	"bytes"
	"math"
	"strconv"

	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
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
	rest, err := readMap(body, maxRequestFields, func(name string, value []byte) (rest []byte, err error) {
		field, number := r.Field([]byte(name))
		kind := msgp.NextType(value)
		switch {
		case field == nil || kind == msgp.NilType:
			return msgp.Skip(value)
		case kind == msgp.StrType:
			*field, rest, err = msgp.ReadStringZC(value)
		case number:
			if *field, rest, err = readDecimal(value); string(*field) == "0" && field == &r.TTL {
				*field = nil // sent as 0, signed as none
			}
		case field == &r.ClientID:
			err = engine.ErrRequestClientID
		default:
			err = engine.ErrTokenRequest
		}
		return rest, err
	})
	switch {
	case err == engine.ErrRequestClientID:
		return err
	case err != nil || len(rest) > 0:
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
func readDecimal(body []byte) (text, rest []byte, err error) {
	switch msgp.NextType(body) {
	case msgp.Float32Type, msgp.Float64Type:
		var f float64
		if f, rest, err = msgp.ReadFloat64Bytes(body); err != nil {
			return nil, nil, err
		}
		if f != math.Trunc(f) || math.Abs(f) > maxInteger {
			return nil, nil, engine.ErrTokenRequest
		}
		return strconv.AppendInt(nil, int64(f), 10), rest, nil
	case msgp.UintType:
		var u uint64
		if u, rest, err = msgp.ReadUint64Bytes(body); err != nil || u > maxInteger {
			return nil, nil, engine.ErrTokenRequest
		}
		return strconv.AppendUint(nil, u, 10), rest, nil
	}
	var i int64
	if i, rest, err = msgp.ReadInt64Bytes(body); err != nil || i < -maxInteger || i > maxInteger {
		return nil, nil, engine.ErrTokenRequest
	}
	return strconv.AppendInt(nil, i, 10), rest, nil
}
