package frame

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/internal/jsonscan"
	"portcullis/internal/msgpackscan"
)

// Whatever arrives is read or refused, without a panic. What is read says the same
// when it is spelt in the other format, and again when it has been written and read.
func FuzzFrame(f *testing.F) {
	for _, r := range recordedFrames(f) {
		f.Add(r.data, r.format == Msgpack)
	}
	for _, text := range []string{
		`{"action":11,"channel":"c","flags":983040,"params":{"a":"b"},"channelSerial":"s"}`,
		`{"action":15,"channel":"c","messages":[{"data":{"a":[1.5,-0,1e300,null,true]},"encoding":"x"},{"extras":{"userClaim":1,"privileged":"\u00e9","b":{}}}]}`,
		`{"action":14,"presence":[{"clientId":"","connectionId":"c","id":"i","action":2,"data":"AA==","encoding":"json/base64"}]}`,
		`{"action":0,"x":{"y":1,"y":2}}`, `{"action":0,"action":0}`, `[{"connectionKey":"k"}]`, `{}`,
	} {
		f.Add([]byte(text), false)
		f.Add(transcoded(f, text), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, binary bool) {
		format, other := JSON, Msgpack
		if binary {
			format, other = Msgpack, JSON
		}
		var a, b Frame
		respelt, same := respell(format, data)
		errA := Read(&a, format, data)
		if same && len(data) <= MaxFrameBytes && len(respelt) <= MaxFrameBytes {
			errB := Read(&b, other, respelt)
			require.Equal(t, errA, errB, "%q %q", data, respelt)
			requireFrame(t, normal(&a), normal(&b))
		}
		if errA == nil && a.Err == nil {
			requireWritten(t, &a)
		}
		bodyErr := ReadMessages(&a, format, data)
		if same && len(a.Items) > 0 {
			require.Equal(t, bodyErr, ReadMessages(&b, other, respelt))
			requireFrame(t, normal(&a), normal(&b))
		}
	})
}

// respell returns a frame in the other format, if there it can be said at all.
func respell(format Format, data []byte) ([]byte, bool) {
	v, ok := wholeValue(format, data)
	if !ok || format == JSON && !hasMsgpack(v.json) {
		return nil, false
	}
	if format == JSON {
		return appendMsgpack(nil, v.json), true
	}
	return appendJSON(nil, v)
}

// hasMsgpack says whether a JSON value can be said in msgpack.
func hasMsgpack(v jsonscan.Value) bool {
	_, ok := appendJSON(nil, value{format: JSON, json: v})
	return ok
}

// normal returns f with one spelling of each number and string in what is kept as
// JSON text: 1.0 and 1, é and \u00e9.
func normal(f *Frame) *Frame {
	for i := range f.Items {
		item := &f.Items[i]
		if item.Extras != nil {
			item.Extras = normalText(item.Extras)
		}
		if strings.HasSuffix(item.Encoding, "json") && item.Data.Kind == fanout.Text {
			item.Data.Bytes = normalText(item.Data.Bytes)
		}
	}
	return f
}

func normalText(text []byte) []byte {
	v, err := jsonscan.ReadValue(text)
	if err != nil || !hasMsgpack(v) {
		return text
	}
	out, ok := appendJSON(nil, value{format: Msgpack, msgpack: appendMsgpack(nil, v)})
	if !ok {
		panic("JSON that was made msgpack cannot be made JSON")
	}
	return out
}

// requireWritten writes what f says as a server would, reads it, and requires that it
// is the same.
func requireWritten(t *testing.T, f *Frame) {
	for _, format := range []Format{JSON, Msgpack} {
		var data []byte
		want := *f
		switch f.Action {
		case ActionHeartbeat:
			data = AppendHeartbeat(nil, format, f.ID)
			want = Frame{ID: f.ID}
		case ActionAck:
			data = AppendAck(nil, format, f.MsgSerial, int(f.Count), nil)
			want = Frame{Action: ActionAck, MsgSerial: f.MsgSerial, HasMsgSerial: true, Count: f.Count}
		case ActionError:
			data = AppendError(nil, format, f.Channel, engine.ErrFrame)
			want = Frame{Action: ActionError, Channel: f.Channel}
		case ActionAttached:
			if f.Channel == nil {
				return
			}
			data = AppendAttached(nil, format, &Attached{Channel: f.Channel, ChannelSerial: string(f.ChannelSerial), Flags: f.Flags, Params: f.Params})
			want = Frame{Action: ActionAttached, Channel: f.Channel, ChannelSerial: f.ChannelSerial, Flags: f.Flags, Params: f.Params}
			if len(f.ChannelSerial) == 0 {
				want.ChannelSerial = nil
			}
		case ActionMessage, ActionPresence:
			if f.Channel == nil {
				return
			}
			e := &fanout.Event{Items: f.Items}
			if want = (Frame{Action: f.Action, Channel: f.Channel, Items: written(f.Items)}); f.Action == ActionPresence {
				e.Kind = fanout.Presence
			}
			data = AppendEvent(nil, format, f.Channel, e)
		default:
			return
		}
		var got Frame
		if len(data) > MaxFrameBytes {
			continue // base64 and escapes make a frame longer
		}
		require.NoError(t, Read(&got, format, data), "%q", data)
		requireFrame(t, normal(&want), normal(&got))
	}
}

// written returns items as they come out of a server: an empty clientId is none.
func written(items []fanout.Item) []fanout.Item {
	out := append([]fanout.Item(nil), items...)
	for i := range out {
		out[i].HasClientID = out[i].ClientID != ""
	}
	return out
}

// The two readers of msgpack, ours and msgp's, agree on where a value ends.
func FuzzMsgpack(f *testing.F) {
	for _, r := range recordedFrames(f) {
		if r.format == Msgpack {
			f.Add(r.data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rest, err := msgpackscan.Skip(data)
		want, wantErr := msgp.Skip(data)
		if err == msgpackscan.ErrDepth {
			return
		}
		require.Equal(t, wantErr == nil, err == nil)
		if err == nil {
			require.True(t, bytes.Equal(want, rest))
		}
	})
}
