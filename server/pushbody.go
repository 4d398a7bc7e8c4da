package server

import (
	"math"

	"github.com/segmentio/encoding/json"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	"portcullis/internal/jsonscan"
	"portcullis/push"
)

// object is a body of JSON or msgpack: strings, float64, bool, nil, []any and
// map[string]any.
type object map[string]any

// maxObjectNames bounds the names in an object, those of inner ones included.
const maxObjectNames = 256

// readObject reads a body strictly: names letter for letter, none of them twice,
// sixteen levels at most, in both formats.
func readObject(ctx *fasthttp.RequestCtx) (object, error) {
	body := ctx.Request.Body()
	if isMediaType(ctx.Request.Header.ContentType(), "application/x-msgpack") {
		v, rest, err := readValue(body, 1)
		o, ok := v.(map[string]any)
		if err != nil || !ok || len(rest) > 0 {
			return nil, engine.ErrBody
		}
		return o, nil
	}
	var s jsonscan.Scanner
	for s.Reset(body, maxObjectNames); s.Next(); {
		if s.Value().Duplicate {
			return nil, engine.ErrBody
		}
	}
	var o object
	if s.Err() != nil || json.Unmarshal(body, &o) != nil {
		return nil, engine.ErrBody
	}
	return o, nil
}

// readValue reads a msgpack value that stands inside depth maps and arrays.
func readValue(body []byte, depth int) (v any, rest []byte, err error) {
	if depth > jsonscan.MaxDepth {
		return nil, nil, errMsgpack
	}
	switch msgp.NextType(body) {
	case msgp.MapType:
		o := make(map[string]any)
		rest, err = readMap(body, maxObjectNames, func(name string, value []byte) (rest []byte, err error) {
			o[name], rest, err = readValue(value, depth+1)
			return rest, err
		})
		return o, rest, err
	case msgp.ArrayType:
		var size uint32
		size, rest, err = msgp.ReadArrayHeaderBytes(body)
		list := []any{}
		for i := uint32(0); i < size && err == nil; i++ {
			var e any
			e, rest, err = readValue(rest, depth+1)
			list = append(list, e)
		}
		return list, rest, err
	case msgp.StrType:
		return firstOf(msgp.ReadStringBytes(body))
	case msgp.BoolType:
		return firstOf(msgp.ReadBoolBytes(body))
	case msgp.NilType:
		rest, err = msgp.ReadNilBytes(body)
		return nil, rest, err
	case msgp.IntType:
		i, rest, err := msgp.ReadInt64Bytes(body)
		return float64(i), rest, err
	case msgp.UintType:
		u, rest, err := msgp.ReadUint64Bytes(body)
		return float64(u), rest, err
	case msgp.Float32Type, msgp.Float64Type:
		f, rest, err := msgp.ReadFloat64Bytes(body)
		if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
			err = errMsgpack // there is no JSON for it
		}
		return f, rest, err
	}
	return nil, nil, errMsgpack
}

func firstOf[T any](v T, rest []byte, err error) (any, []byte, error) { return v, rest, err }

// text reads a member that is a string, or is not there.
func (o object) text(name string, place *string) bool {
	v := o[name]
	if v == nil {
		return true
	}
	text, ok := v.(string)
	*place = text
	return ok
}

// readDevice reads the body of a device registration. What it does not say is empty;
// members that are not known, such as push.state, are ignored.
func readDevice(ctx *fasthttp.RequestCtx) (*push.Change, error) {
	o, err := readObject(ctx)
	if err != nil {
		return nil, err
	}
	c := new(push.Change)
	if !o.text("clientId", &c.ClientID) {
		return nil, engine.ErrRequestClientID
	}
	if !o.text("id", &c.ID) || !o.text("platform", &c.Platform) || !o.text("formFactor", &c.FormFactor) || !o.text("deviceSecret", &c.Secret) {
		return nil, engine.ErrBody.WithDetail("id, platform, formFactor and deviceSecret must be strings")
	}
	switch metadata := o["metadata"].(type) {
	case nil:
	case map[string]any, string:
		c.Metadata = rawJSON(metadata)
	default:
		return nil, engine.ErrBody.WithDetail("metadata must be an object")
	}
	inner, ok := o["push"].(map[string]any)
	if !ok && o["push"] != nil {
		return nil, errRecipient
	}
	switch recipient := inner["recipient"].(type) {
	case nil:
	case map[string]any:
		if transport, ok := recipient["transportType"].(string); !ok || transport == "" {
			return nil, errRecipient
		}
		c.Recipient = rawJSON(recipient)
	default:
		return nil, errRecipient
	}
	return c, nil
}

var errRecipient = engine.ErrBody.WithDetail("push.recipient must be an object with a transportType")

// readSubscription reads the body of a subscription.
func readSubscription(ctx *fasthttp.RequestCtx) (*push.Subscription, error) {
	o, err := readObject(ctx)
	if err != nil {
		return nil, err
	}
	s := new(push.Subscription)
	if !o.text("channel", &s.Channel) || !o.text("deviceId", &s.DeviceID) || !o.text("clientId", &s.ClientID) {
		return nil, engine.ErrBody.WithDetail("channel, deviceId and clientId must be strings")
	}
	return s, nil
}

// rawJSON encodes what readObject has read, the same value always as the same text.
func rawJSON(v any) json.RawMessage {
	text, _ := json.Append(nil, v, json.SortMapKeys) // of kinds that it knows: it cannot fail
	return text
}

// anyOf is the reverse of rawJSON.
func anyOf(raw json.RawMessage) (v any) {
	_ = json.Unmarshal(raw, &v) // what rawJSON has written
	return v
}
