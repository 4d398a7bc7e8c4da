package frame

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/internal/jsonscan"
)

// transcoded returns JSON as msgpack.
func transcoded(t testing.TB, text string) []byte {
	t.Helper()
	v, err := jsonscan.ReadValue([]byte(text))
	require.NoError(t, err)
	return appendMsgpack(nil, v)
}

// inBoth runs test for a frame as JSON and as msgpack.
func inBoth(t *testing.T, text string, test func(t *testing.T, f Format, data []byte)) {
	t.Run("json", func(t *testing.T) { test(t, JSON, []byte(text)) })
	t.Run("msgpack", func(t *testing.T) { test(t, Msgpack, transcoded(t, text)) })
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func TestFramesThatAreRead(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       Frame
	}{
		{"members that are not known", `{"action":0,"Action":9,"x":{"y":[1.5,true,null,"s",{}]},"y":` + nested(15) + `,"error":1,"connectionDetails":7,"timestamp":-1}`, Frame{}},
		{"null is absent", `{"action":10,"id":null,"channel":null,"channelSerial":null,"connectionId":null,"msgSerial":null,"count":null,"flags":null,"params":null,"auth":null,"messages":null,"presence":null}`, Frame{Action: ActionAttach}},
		{"empty is not absent", `{"action":0,"id":"","channel":"","channelSerial":"","connectionId":"","auth":{"accessToken":""}}`, Frame{ID: []byte{}, Channel: []byte{}, ChannelSerial: []byte{}, ConnectionID: []byte{}, AccessToken: []byte{}}},
		{"integers", `{"action":15,"msgSerial":9007199254740992,"count":4294967296,"flags":4294967295}`, Frame{Action: ActionMessage, MsgSerial: 1 << 53, HasMsgSerial: true, Count: 1 << 32, Flags: math.MaxUint32}},
		{"integers with a point or an exponent", `{"action":1.5e1,"msgSerial":1.0,"count":0e5,"flags":0.0}`, Frame{Action: ActionMessage, MsgSerial: 1, HasMsgSerial: true}},
		{"flags of a later protocol", `{"action":10,"flags":4294967301}`, Frame{Action: ActionAttach, Flags: 5}},
		{"an action that is not known", `{"action":22}`, Frame{Action: 22}},
		{"one far away", `{"action":9007199254740992}`, Frame{Action: ActionUnknown}},
		{"what belongs to another action", `{"action":0,"messages":7,"presence":"","params":[]}`, Frame{}},
		{"auth without a token", `{"action":17,"auth":{"clientId":"x","accessToken":null}}`, Frame{Action: ActionAuth}},
		{"escapes", `{"action":17,"auth":{"accessToken":"a\u002eb"},"channel":"\"\\\ud83d\ude00","id":"\/"}`, Frame{Action: ActionAuth, AccessToken: []byte("a.b"), Channel: []byte("\"\\\U0001F600"), ID: []byte("/")}},
		{"params", `{"params":{"rewind":"1","gone":null,"":""},"channel":"c","action":10}`, Frame{Action: ActionAttach, Channel: []byte("c"), Params: []Param{{[]byte("rewind"), []byte("1")}, {[]byte{}, []byte{}}}}},
		{"messages before the action", `{"messages":[{"name":"n"},{}],"msgSerial":0,"action":15}`, Frame{Action: ActionMessage, HasMsgSerial: true, Items: []fanout.Item{{Name: "n"}, {}}}},
		{"the items of the action only", `{"presence":[{"clientId":"p"}],"messages":[{"name":"n"}],"action":14}`, Frame{Action: ActionPresence, Items: []fanout.Item{{ClientID: "p", HasClientID: true}}}},
		{"no messages", `{"action":15,"messages":[]}`, Frame{Action: ActionMessage}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBoth(t, test.text, func(t *testing.T, f Format, data []byte) {
				got := Frame{ID: []byte("of before"), Items: make([]fanout.Item, 3)}
				require.NoError(t, Read(&got, f, data))
				requireFrame(t, &test.want, &got)
			})
		})
	}
}

// requireFrame compares what a frame says, nil and empty told apart except for lists.
func requireFrame(t testing.TB, want, got *Frame) {
	t.Helper()
	require.Equal(t, want.Err, got.Err)
	require.Equal(t, want.Action, got.Action)
	require.Equal(t, [...]any{want.ID, want.Channel, want.ChannelSerial, want.ConnectionID, want.AccessToken, want.ConnectionKey},
		[...]any{got.ID, got.Channel, got.ChannelSerial, got.ConnectionID, got.AccessToken, got.ConnectionKey})
	require.Equal(t, [...]any{want.MsgSerial, want.HasMsgSerial, want.Count, want.Flags}, [...]any{got.MsgSerial, got.HasMsgSerial, got.Count, got.Flags})
	require.Len(t, got.Params, len(want.Params))
	for i := range want.Params {
		require.Equal(t, want.Params[i], got.Params[i])
	}
	require.Len(t, got.Items, len(want.Items))
	for i := range want.Items {
		require.Equal(t, want.Items[i], got.Items[i])
	}
}

func TestFramesThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no action":                   `{}`,
		"action is null":              `{"action":null}`,
		"action is text":              `{"action":"0"}`,
		"action is negative":          `{"action":-1}`,
		"action is no integer":        `{"action":0.5}`,
		"action is beyond 2^53":       `{"action":9007199254740994}`,
		"msgSerial is negative":       `{"action":15,"msgSerial":-1}`,
		"msgSerial is text":           `{"action":15,"msgSerial":"1"}`,
		"msgSerial is beyond 2^53":    `{"action":15,"msgSerial":1e300}`,
		"msgSerial is beyond 64 bits": `{"action":15,"msgSerial":18446744073709551615}`,
		"count is an object":          `{"action":1,"count":{}}`,
		"flags are negative":          `{"action":10,"flags":-1}`,
		"id is a number":              `{"action":0,"id":1}`,
		"channel is a number":         `{"action":10,"channel":1}`,
		"channelSerial is an array":   `{"action":10,"channelSerial":["s"]}`,
		"connectionId is true":        `{"action":0,"connectionId":true}`,
		"auth is text":                `{"action":17,"auth":"token"}`,
		"accessToken is a number":     `{"action":17,"auth":{"accessToken":1}}`,
		"a number":                    `0`,
		"an array":                    `[{"action":0}]`,
		"a string":                    `"action"`,
	} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, text, func(t *testing.T, f Format, data []byte) {
				got := Frame{ID: []byte("of before")}
				require.Equal(t, engine.ErrFrame, Read(&got, f, data))
				requireFrame(t, &Frame{}, &got)
			})
		})
	}
	for name, text := range map[string]string{
		"empty":                       "",
		"cut off":                     `{"action":0`,
		"something behind it":         `{"action":0}{}`,
		"action twice":                `{"action":0,"action":0}`,
		"channel twice, once escaped": `{"action":10,"channel":"a","ch\u0061nnel":"b"}`,
		"accessToken twice":           `{"action":17,"auth":{"accessToken":"a","accessToken":"b"}}`,
		"a comma too many":            `{"action":0,}`,
		"not UTF-8":                   "{\"action\":0,\"x\":\"\xff\"}",
		"a lone surrogate":            `{"action":0,"id":"\ud800"}`,
		"a byte order mark":           "\ufeff{\"action\":0}",
		"nested deeper than 16":       `{"action":0,"x":` + nested(16) + `}`,
		"messages nested deeper":      `{"action":15,"messages":[{"data":` + nested(14) + `}]}`,
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, engine.ErrFrame, Read(new(Frame), JSON, []byte(text))) })
	}
	action := func(b []byte) []byte { return msgp.AppendInt(msgp.AppendString(b, "action"), 0) }
	for name, data := range map[string][]byte{
		"empty":                    {},
		"cut off":                  action(msgp.AppendMapHeader(nil, 2)),
		"something behind it":      append(action(msgp.AppendMapHeader(nil, 1)), 0xc0),
		"action twice":             action(action(msgp.AppendMapHeader(nil, 2))),
		"a name that is a number":  msgp.AppendInt(msgp.AppendInt(action(msgp.AppendMapHeader(nil, 2)), 1), 1),
		"a name that is binary":    append(msgp.AppendBytes(msgp.AppendMapHeader(nil, 1), []byte("action")), 0),
		"a name that is not UTF-8": msgp.AppendInt(msgp.AppendString(action(msgp.AppendMapHeader(nil, 2)), "\xff"), 1),
		"an id that is not UTF-8":  msgp.AppendString(msgp.AppendString(action(msgp.AppendMapHeader(nil, 2)), "id"), "\xff"),
		"a map of 2^32-1 members":  {0xdf, 0xff, 0xff, 0xff, 0xff},
		"an array of 2^32-1":       append(msgp.AppendString(action(msgp.AppendMapHeader(nil, 2)), "x"), 0xdd, 0xff, 0xff, 0xff, 0xff),
		"a prefix never used":      append(msgp.AppendString(action(msgp.AppendMapHeader(nil, 2)), "x"), 0xc1),
		"nested deeper than 16":    append(msgp.AppendString(action(msgp.AppendMapHeader(nil, 2)), "x"), append(bytes.Repeat([]byte{0x91}, 15), 0x90)...),
		"arrays without end":       append(msgp.AppendString(action(msgp.AppendMapHeader(nil, 2)), "x"), bytes.Repeat([]byte{0x91}, 1000)...),
		"msgSerial infinite":       msgp.AppendFloat64(msgp.AppendString(action(msgp.AppendMapHeader(nil, 2)), "msgSerial"), math.Inf(1)),
		"msgSerial not a number":   msgp.AppendFloat64(msgp.AppendString(action(msgp.AppendMapHeader(nil, 2)), "msgSerial"), math.NaN()),
		"msgSerial a time":         append(msgp.AppendString(action(msgp.AppendMapHeader(nil, 2)), "msgSerial"), 0xd6, 0xff, 0, 0, 0, 1),
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, engine.ErrFrame, Read(new(Frame), Msgpack, data)) })
	}
}

// Other languages' msgpack writers pick other widths, and floats for integers.
func TestIntegersOfEveryWidth(t *testing.T) {
	for name, number := range map[string][]byte{
		"fixint": {15}, "uint8": {0xcc, 15}, "uint16": {0xcd, 0, 15}, "uint32": {0xce, 0, 0, 0, 15}, "uint64": {0xcf, 0, 0, 0, 0, 0, 0, 0, 15},
		"int8": {0xd0, 15}, "int16": {0xd1, 0, 15}, "int32": {0xd2, 0, 0, 0, 15}, "int64": {0xd3, 0, 0, 0, 0, 0, 0, 0, 15},
		"float32": msgp.AppendFloat32(nil, 15), "float64": msgp.AppendFloat64(nil, 15),
	} {
		t.Run(name, func(t *testing.T) {
			var f Frame
			require.NoError(t, Read(&f, Msgpack, append(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "action"), number...)))
			require.Equal(t, ActionMessage, f.Action)
		})
	}
}

func TestUnknownMsgpackValuesMayBeAnything(t *testing.T) {
	b := msgp.AppendInt(msgp.AppendString(msgp.AppendMapHeader(nil, 5), "action"), 7)
	b = append(msgp.AppendString(b, "ext"), 0xd8, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
	b = append(msgp.AppendString(b, "map"), 0x82, 1, 2, 1, 0xa1, 0xff) // keys that are numbers, twice the same, and text that is not UTF-8
	b = append(msgp.AppendString(b, "undefined"), 0xd4, 0, 0)
	b = append(append(msgp.AppendString(b, "deep"), bytes.Repeat([]byte{0x91}, 14)...), 0x90)
	var f Frame
	require.NoError(t, Read(&f, Msgpack, b))
	require.Equal(t, ActionClose, f.Action)
}

// What cannot be granted to a channel is refused for it, not for the connection.
func TestFaultsThatCanBeAnswered(t *testing.T) {
	name := strings.Repeat("c", MaxChannelBytes)
	params := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`,"p` + strconv.Itoa(i) + `":"v"`)
		}
		return `{"action":10,"channel":"c","params":{` + b.String()[1:] + `}}`
	}
	for _, test := range []struct {
		name, text string
		want       error
	}{
		{"a name of 2048 bytes", `{"action":10,"channel":"` + name + `"}`, nil},
		{"a longer one", `{"action":10,"channel":"` + name + `c"}`, engine.ErrChannel},
		{"32 params", params(32), nil},
		{"33 params", params(33), errParams},
		{"params that are no object", `{"action":10,"channel":"c","params":[]}`, errParams},
		{"a param that is no string", `{"action":10,"channel":"c","params":{"rewind":1}}`, errParams},
		{"messages that are no array", `{"action":15,"channel":"c","messages":{}}`, engine.ErrMessage},
		{"presence that is no array", `{"action":14,"channel":"c","presence":"x"}`, engine.ErrMessage},
		{"a message that is no object", `{"action":15,"channel":"c","messages":[{},null]}`, engine.ErrMessage},
		{"1000 messages", `{"action":15,"channel":"c","messages":[{}` + strings.Repeat(",{}", 999) + `]}`, nil},
		{"1001 messages", `{"action":15,"channel":"c","messages":[{}` + strings.Repeat(",{}", 1000) + `]}`, engine.ErrMessage},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBoth(t, test.text, func(t *testing.T, f Format, data []byte) {
				var got Frame
				require.NoError(t, Read(&got, f, data))
				require.Equal(t, test.want, got.Err)
				require.NotEmpty(t, got.Channel, "for the answer")
				if test.want != nil {
					require.Empty(t, got.Items)
				}
			})
		})
	}
	require.ErrorIs(t, errParams, engine.ErrFrame)
	require.Equal(t, 40000, engine.ErrFrame.Code)
}

func TestFrameSize(t *testing.T) {
	frame := func(n int) []byte {
		const head, tail = `{"action":0,"x":"`, `"}`
		return []byte(head + strings.Repeat("x", n-len(head)-len(tail)) + tail)
	}
	require.NoError(t, Read(new(Frame), JSON, frame(512<<10)))
	require.Equal(t, engine.ErrFrameSize, Read(new(Frame), JSON, frame(512<<10+1)))
	require.Equal(t, [2]int{40009, 413}, [2]int{engine.ErrFrameSize.Code, engine.ErrFrameSize.StatusCode})
}

// Items outlive the frame that they came in.
func TestItemsOwnTheirMemory(t *testing.T) {
	const text = `{"action":15,"messages":[{"id":"i","name":"n","data":"d","encoding":"e","clientId":"c","connectionId":"o","extras":{"x":"y"}},{"data":"AAE=","encoding":"base64"},{"data":{"a":1}}]}`
	inBoth(t, text, func(t *testing.T, f Format, data []byte) {
		var frame, again Frame
		require.NoError(t, Read(&frame, f, data))
		require.NoError(t, Read(&again, f, bytes.Clone(data)))
		items := frame.Items
		clear(data)
		require.NoError(t, Read(&frame, JSON, []byte(`{"action":15,"messages":[{"name":"other","extras":{"other":1}},{},{}]}`)))
		require.Equal(t, again.Items, items)
	})
}

func TestBinaryOwnsItsMemory(t *testing.T) {
	data := []byte("\x82\xa6action\x0f\xa8messages\x91\x81\xa4data\xc4\x02\x01\x02")
	var f Frame
	require.NoError(t, Read(&f, Msgpack, data))
	clear(data)
	require.Equal(t, []fanout.Item{{Data: binaryData(1, 2)}}, f.Items)
}

// JavaScript encoders have an extension for undefined; SDKs leave such members out, but
// not every client does.
func TestUndefinedIsAbsent(t *testing.T) {
	const undefined = "\xd4\x00\x00"
	var f Frame
	require.NoError(t, Read(&f, Msgpack, []byte("\x84\xa6action\x0f\xa7channel"+undefined+"\xa9msgSerial"+undefined+
		"\xa8messages\x91\x83\xa4name"+undefined+"\xa4data"+undefined+"\xa6extras\x81\xa1a"+undefined)))
	requireFrame(t, &Frame{Action: ActionMessage, Items: []fanout.Item{{Extras: []byte(`{"a":null}`)}}}, &f)
	require.Equal(t, engine.ErrFrame, Read(&f, Msgpack, []byte("\x82\xa6action\x0f\xa7channel\xd4\x00\x01")), "another extension")
}
