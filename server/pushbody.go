package server

import (
	"errors"
	"math"

	"github.com/segmentio/encoding/json"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp"

	"portcullis/engine"
	"portcullis/internal/jsonscan"
	"portcullis/internal/msgpackscan"
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
		o, err := readMsgpackObject(body)
		if err != nil {
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

// errMsgpack is why a msgpack value stands for no JSON.
var errMsgpack = errors.New("server: msgpack without JSON")

// readMsgpackObject reads a msgpack map. How deep it nests the scanner bounds.
func readMsgpackObject(value []byte) (object, error) {
	o := make(object)
	var s msgpackscan.Scanner
	for s.Reset(value, maxObjectNames); s.Next(); {
		v, err := readValue(s.Value())
		if err != nil {
			return nil, err
		}
		o[string(s.Name())] = v
	}
	return o, s.Err()
}

// readValue reads one msgpack value.
func readValue(value []byte) (any, error) {
	switch msgp.NextType(value) {
	case msgp.MapType:
		o, err := readMsgpackObject(value)
		return map[string]any(o), err
	case msgp.ArrayType:
		list := []any{}
		var elements msgpackscan.Elements
		elements.Reset(value)
		for e, ok := elements.Next(); ok; e, ok = elements.Next() {
			v, err := readValue(e)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, elements.Err()
	case msgp.StrType:
		text, _, err := msgp.ReadStringBytes(value)
		return text, err
	case msgp.BoolType:
		b, _, err := msgp.ReadBoolBytes(value)
		return b, err
	case msgp.NilType:
		return nil, nil
	case msgp.IntType:
		i, _, err := msgp.ReadInt64Bytes(value)
		return float64(i), err
	case msgp.UintType:
		u, _, err := msgp.ReadUint64Bytes(value)
		return float64(u), err
	case msgp.Float32Type, msgp.Float64Type:
		f, _, err := msgp.ReadFloat64Bytes(value)
		if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
			err = errMsgpack
		}
		return f, err
	}
	return nil, errMsgpack
}

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
	if !o.text("id", &c.ID) || !o.text("platform", &c.Platform) || !o.text("formFactor", &c.FormFactor) || !o.text("deviceSecret", (*string)(&c.Secret)) {
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
