package frame

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"portcullis/engine"
	"portcullis/fanout"
)

func textData(s string) fanout.Data {
	return fanout.Data{Kind: fanout.Text, Bytes: append([]byte{}, s...)}
}

func binaryData(b ...byte) fanout.Data {
	return fanout.Data{Kind: fanout.Binary, Bytes: append([]byte{}, b...)}
}

// asMessage reads one message, as the only one of a MESSAGE and as the body of a
// publish, and requires that both say the same.
func asMessage(t *testing.T, f Format, message []byte) (fanout.Item, error) {
	t.Helper()
	frame := append(append([]byte(`{"action":15,"messages":[`), message...), "]}"...)
	if f == Msgpack {
		frame = msgp.AppendString(msgp.AppendInt(msgp.AppendString(msgp.AppendMapHeader(nil, 2), "action"), 15), "messages")
		frame = append(msgp.AppendArrayHeader(frame, 1), message...)
	}
	var inFrame, inBody Frame
	err := ReadMessages(&inBody, f, message)
	if readErr := Read(&inFrame, f, frame); readErr != nil {
		require.Equal(t, engine.ErrFrame, readErr)
		require.Equal(t, engine.ErrMessage, err)
		return fanout.Item{}, err
	}
	require.Equal(t, err, inFrame.Err)
	if err != nil {
		require.Empty(t, inFrame.Items)
		require.Empty(t, inBody.Items)
		return fanout.Item{}, err
	}
	require.Equal(t, inBody.Items, inFrame.Items)
	require.Equal(t, inBody.ConnectionKey, inFrame.ConnectionKey)
	require.Len(t, inBody.Items, 1)
	return inBody.Items[0], nil
}

func TestItems(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       fanout.Item
	}{
		{"nothing", `{}`, fanout.Item{}},
		{"null is absent", `{"id":null,"name":null,"data":null,"encoding":null,"clientId":null,"connectionId":null,"connectionKey":null,"extras":null,"action":null}`, fanout.Item{}},
		{"everything", `{"id":"i","name":"n","data":"d","encoding":"utf-8","clientId":"c","connectionId":"o","extras":{"headers":{"a":1}},"action":4}`,
			fanout.Item{ID: "i", Name: "n", Data: textData("d"), Encoding: "utf-8", ClientID: "c", HasClientID: true, ConnectionID: "o", Extras: []byte(`{"headers":{"a":1}}`), Action: 4}},
		{"an empty clientId is one", `{"clientId":""}`, fanout.Item{HasClientID: true}},
		{"names letter for letter", `{"Name":"n","DATA":"d","clientid":"c","userclaim":"u"}`, fanout.Item{}},
		{"what only the server may say", `{"timestamp":1,"serial":"s","userClaim":"admin","version":{"serial":"s"},"annotations":{},"createdAt":1}`, fanout.Item{}},
		{"whatever type that has", `{"timestamp":"x","serial":[],"userClaim":{"a":1},"size":-1}`, fanout.Item{}},
		{"a claim in the extras", `{"extras":{"userClaim":"admin","a":1}}`, fanout.Item{Extras: []byte(`{"a":1}`)}},
		{"one that is spelt otherwise", `{"extras":{"a":1,"user\u0043laim":"admin"}}`, fanout.Item{Extras: []byte(`{"a":1}`)}},
		{"one that is an object", `{"extras":{"userClaim":{"a":{"userClaim":1}}}}`, fanout.Item{Extras: []byte(`{}`)}},
		{"what is nested is the client's own", `{"extras":{"headers":{"userClaim":"x"}}}`, fanout.Item{Extras: []byte(`{"headers":{"userClaim":"x"}}`)}},
		{"privileged extras", `{"extras":{"privileged":{"x":1}}}`, fanout.Item{Extras: []byte(`{"privileged":{"x":1}}`), Privileged: true}},
		{"privileged, null or not", `{"extras":{"priv\u0069leged":null}}`, fanout.Item{Extras: []byte(`{"privileged":null}`), Privileged: true}},
		{"extras without white space", "{\"extras\":{ \"a\" : [ 1 ,\t2 ] ,\n\"b c\":\" d \\\" \" }}", fanout.Item{Extras: []byte(`{"a":[1,2],"b c":" d \" "}`)}},

		{"text", `{"data":"x"}`, fanout.Item{Data: textData("x")}},
		{"empty text", `{"data":""}`, fanout.Item{Data: textData("")}},
		{"base64 is binary", `{"data":"AP8=","encoding":"base64"}`, fanout.Item{Data: binaryData(0, 255)}},
		{"before its encoding is known", `{"encoding":"base64","data":"AP8="}`, fanout.Item{Data: binaryData(0, 255)}},
		{"empty base64", `{"data":"","encoding":"base64"}`, fanout.Item{Data: binaryData()}},
		{"base64 of something else", `{"data":"AP8=","encoding":"utf-8/cipher+aes-128-cbc/base64"}`, fanout.Item{Encoding: "utf-8/cipher+aes-128-cbc", Data: binaryData(0, 255)}},
		{"base64 that is none", `{"data":"AP8","encoding":"base64"}`, fanout.Item{Encoding: "base64", Data: textData("AP8")}},
		{"base64 with a line break", `{"data":"AP8\n=","encoding":"base64"}`, fanout.Item{Encoding: "base64", Data: textData("AP8\n=")}},
		{"base64 with stray bits", `{"data":"AP9=","encoding":"base64"}`, fanout.Item{Encoding: "base64", Data: textData("AP9=")}},
		{"an encoding that only ends so", `{"data":"AP8=","encoding":"xbase64"}`, fanout.Item{Encoding: "xbase64", Data: textData("AP8=")}},
		{"base64 further in", `{"data":"AP8=","encoding":"base64/utf-8"}`, fanout.Item{Encoding: "base64/utf-8", Data: textData("AP8=")}},
		{"an object becomes its text", `{"data":{"a":[1,true,"x"],"b":{}}}`, fanout.Item{Encoding: "json", Data: textData(`{"a":[1,true,"x"],"b":{}}`)}},
		{"an array becomes its text", `{"data":[],"encoding":"x"}`, fanout.Item{Encoding: "x/json", Data: textData(`[]`)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBoth(t, test.text, func(t *testing.T, f Format, data []byte) {
				got, err := asMessage(t, f, data)
				require.NoError(t, err)
				require.Equal(t, test.want, got)
			})
		})
	}
}

func TestItemsThatAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"a number":                 `1`,
		"null":                     `null`,
		"data is a number":         `{"data":1}`,
		"data is true":             `{"data":true}`,
		"name is a number":         `{"name":1}`,
		"clientId is a number":     `{"clientId":1}`,
		"clientId is an object":    `{"clientId":{}}`,
		"id is a number":           `{"id":1}`,
		"id is too long":           `{"id":"` + strings.Repeat("i", maxIDBytes+1) + `"}`,
		"encoding is a number":     `{"encoding":1}`,
		"encoding is too long":     `{"encoding":"` + strings.Repeat("e", maxEncoding+1) + `"}`,
		"connectionId is a number": `{"connectionId":1}`,
		"connectionKey is true":    `{"connectionKey":true}`,
		"extras are text":          `{"extras":"{}"}`,
		"extras are an array":      `{"extras":[]}`,
		"action is text":           `{"action":"create"}`,
		"action is negative":       `{"action":-1}`,
		"action is over 255":       `{"action":256}`,
	} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, text, func(t *testing.T, f Format, data []byte) {
				_, err := asMessage(t, f, data)
				require.Equal(t, engine.ErrMessage, err)
			})
		})
	}
	for name, text := range map[string]string{
		"clientId twice":             `{"clientId":"a","clientId":"a"}`,
		"name twice, once escaped":   `{"name":"a","n\u0061me":"a"}`,
		"a name twice in extras":     `{"extras":{"a":1,"a":1}}`,
		"a name twice in the claim":  `{"extras":{"userClaim":1,"userClaim":1}}`,
		"a name twice further in":    `{"extras":{"a":[{"b":1,"b":1}]}}`,
		"a name twice in data":       `{"data":{"b":1,"b":1}}`,
		"a number beyond all bounds": `{"extras":{"a":[-1e400]}}`,
		"one in data":                `{"data":[1e309]}`,
		"data without end":           `{"data":{"a":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := asMessage(t, JSON, []byte(text))
			require.Equal(t, engine.ErrMessage, err)
		})
	}
	one := func(name string) []byte { return msgp.AppendString(msgp.AppendMapHeader(nil, 1), name) }
	for name, data := range map[string][]byte{
		"name twice":                      {0x82, 0xa4, 'n', 'a', 'm', 'e', 0xa0, 0xa4, 'n', 'a', 'm', 'e', 0xa0},
		"a name that is a number":         {0x81, 1, 1},
		"name is binary":                  msgp.AppendBytes(one("name"), []byte("n")),
		"name is not UTF-8":               msgp.AppendString(one("name"), "\xff"),
		"data is not UTF-8":               msgp.AppendString(one("data"), "\xff"),
		"data is an extension":            append(one("data"), 0xd4, 1, 0),
		"data holds binary":               msgp.AppendBytes(msgp.AppendArrayHeader(one("data"), 1), []byte{1}),
		"data holds text that is none":    msgp.AppendString(msgp.AppendArrayHeader(one("data"), 1), "\xff"),
		"extras hold binary":              append(one("extras"), 0x81, 0xa1, 'a', 0xc4, 1, 0),
		"extras hold an extension":        append(one("extras"), 0x81, 0xa1, 'a', 0xd4, 1, 0),
		"extras with a number for a name": append(one("extras"), 0x81, 1, 1),
		"extras with a name twice":        append(one("extras"), 0x82, 0xa1, 'a', 1, 0xa1, 'a', 1),
		"the same further in":             append(one("extras"), 0x81, 0xa1, 'x', 0x82, 0xa1, 'a', 1, 0xa1, 'a', 1),
		"extras with infinity":            msgp.AppendFloat64(append(one("extras"), 0x81, 0xa1, 'a'), math.Inf(-1)),
		"extras with not a number":        msgp.AppendFloat64(append(one("extras"), 0x81, 0xa1, 'a'), math.NaN()),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := asMessage(t, Msgpack, data)
			require.Equal(t, engine.ErrMessage, err)
		})
	}
}

// Numbers pass from one format into the other and back.
func TestNumbersOfExtras(t *testing.T) {
	for text, packed := range map[string][]byte{
		"0":                       {0},
		"127":                     {127},
		"-32":                     {0xe0},
		"9007199254740993":        {0xd3, 0, 0x20, 0, 0, 0, 0, 0, 1},
		"-9223372036854775808":    {0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0},
		"18446744073709551615":    {0xcf, 255, 255, 255, 255, 255, 255, 255, 255},
		"1.5":                     {0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0},
		"-0":                      {0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0},
		"0.1":                     {0xcb, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a},
		"5e-324":                  {0xcb, 0, 0, 0, 0, 0, 0, 0, 1},
		"1.7976931348623157e+308": {0xcb, 0x7f, 0xef, 255, 255, 255, 255, 255, 255},
	} {
		t.Run(text, func(t *testing.T) {
			extras := `{"n":` + text + `}`
			packed := append([]byte("\x81\xa6extras\x81\xa1n"), packed...)
			fromJSON, err := asMessage(t, JSON, []byte(`{"extras":`+extras+`}`))
			require.NoError(t, err)
			require.Equal(t, extras, string(fromJSON.Extras))
			fromMsgpack, err := asMessage(t, Msgpack, packed)
			require.NoError(t, err)
			require.Equal(t, extras, string(fromMsgpack.Extras))
			event := AppendEvent(nil, Msgpack, nil, &fanout.Event{Items: []fanout.Item{fromJSON}})
			require.Contains(t, string(event), string(packed))
		})
	}
	// What has no 64-bit integer is the nearest double, as JavaScript has it.
	event := AppendEvent(nil, Msgpack, nil, &fanout.Event{Items: []fanout.Item{{Extras: []byte(`{"n":18446744073709551616}`)}}})
	require.Contains(t, string(event), "\xa1n\xcb\x43\xf0\x00\x00\x00\x00\x00\x00", "2^64")
}

// A map of more than 15 members and an array of more than 65535 elements have longer
// headers.
func TestLargeExtras(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"extras":{"list":[0`)
	b.WriteString(strings.Repeat(",0", 20000))
	b.WriteString(`]`)
	for i := range 20 {
		b.WriteString(`,"` + strings.Repeat("n", i+1) + `":{}`)
	}
	b.WriteString(`}}`)
	inBoth(t, b.String(), func(t *testing.T, f Format, data []byte) {
		i, err := asMessage(t, f, data)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSuffix(strings.TrimPrefix(b.String(), `{"extras":`), `}`), string(i.Extras))
	})
}

// A publish for another connection names its key in one of its messages or in several.
func TestConnectionKey(t *testing.T) {
	for text, want := range map[string]struct {
		key string
		err error
	}{
		`[{}]`:                     {"", nil},
		`[{"connectionKey":""}]`:   {"", nil},
		`[{"connectionKey":"k"}]`:  {"k", nil},
		`[{"connectionKey":null}]`: {"", nil},
		`[{"connectionKey":"k"},{},{"connectionKey":"k"}]`: {"k", nil},
		`[{"connectionKey":"k"},{"connectionKey":"l"}]`:    {"", engine.ErrConnectionKey},
	} {
		inBoth(t, text, func(t *testing.T, f Format, data []byte) {
			var frame Frame
			require.Equal(t, want.err, ReadMessages(&frame, f, data))
			require.Equal(t, want.key, string(frame.ConnectionKey))
		})
	}
}

func TestMessagesOfABody(t *testing.T) {
	var f Frame
	for text, want := range map[string]int{`{}`: 1, `[]`: 0, "\n [{},\t{}] ": 2, `[{}` + strings.Repeat(`,{}`, 999) + `]`: 1000} {
		inBoth(t, text, func(t *testing.T, format Format, data []byte) {
			require.NoError(t, ReadMessages(&f, format, data))
			require.Len(t, f.Items, want)
		})
	}
	for _, text := range []string{`[[]]`, `[{},1]`, `"x"`, `[{}` + strings.Repeat(`,{}`, 1000) + `]`} {
		inBoth(t, text, func(t *testing.T, format Format, data []byte) {
			require.Equal(t, engine.ErrMessage, ReadMessages(&f, format, data))
			require.Empty(t, f.Items)
		})
	}
	for _, text := range []string{``, `[{}`, `{}{}`, `[{}]x`, `{"a":1,"a":1}`, "{\"a\":\"\xff\"}", `{"x":` + nested(16) + `}`, `[` + nested(16) + `]`} {
		require.Equal(t, engine.ErrMessage, ReadMessages(&f, JSON, []byte(text)), text)
	}
	for _, data := range []string{"", "\x91", "\x80\x80", "\x91\x80\xc0", "\xdf\xff\xff\xff\xff", "\xdd\xff\xff\xff\xff", strings.Repeat("\x91", 16) + "\x90"} {
		require.Equal(t, engine.ErrMessage, ReadMessages(&f, Msgpack, []byte(data)), "%q", data)
	}
}

// The limit of 65536 bytes is on the publish, not on its encoding (TO3l8).
func TestSizeOfAPublish(t *testing.T) {
	require.Equal(t, 1+2+3+7, Size([]fanout.Item{{ID: "not counted", ClientID: "a", Name: "é", Data: binaryData(1, 2, 3), Extras: []byte(`{"a":1}`), Encoding: "no"}}))
	require.Equal(t, 3, Size([]fanout.Item{{Name: "a"}, {}, {Data: textData("bc")}}))
	half := strings.Repeat("x", MaxMessageBytes/2)
	tests := map[string]error{
		`[{"data":"` + half + `"},{"data":"` + half + `"}]`:                          nil,
		`[{"data":"` + half + `"},{"data":"` + half + `","name":"n"}]`:               engine.ErrMessageSize,
		`[{"data":"` + half + half + `"}]`:                                           nil,
		`[{"data":"` + half + half + `x"}]`:                                          engine.ErrMessageSize,
		`[{"data":"` + strings.Repeat("AAAA", 21845) + `AA==","encoding":"base64"}]`: nil, // 65536 zeros
		`[{"data":"` + strings.Repeat("AAAA", 21845) + `AAA=","encoding":"base64"}]`: engine.ErrMessageSize,
		`[{"data":"` + half + `","extras":{"h":"` + half + `"}}]`:                    engine.ErrMessageSize,
	}
	for text, want := range tests {
		inBoth(t, text, func(t *testing.T, f Format, data []byte) {
			var frame Frame
			require.Equal(t, want, ReadMessages(&frame, f, data))
		})
	}
	require.Equal(t, [2]int{40009, 413}, [2]int{engine.ErrMessageSize.Code, engine.ErrMessageSize.StatusCode})
}

func TestSyncPages(t *testing.T) {
	small := make([]fanout.Item, 250)
	require.Equal(t, 0, SyncPage(nil))
	require.Equal(t, 100, SyncPage(small))
	require.Equal(t, 50, SyncPage(small[200:]))
	large := []fanout.Item{{Data: fanout.Data{Bytes: make([]byte, 40000)}}, {Data: fanout.Data{Bytes: make([]byte, 25536)}}, {Name: "x"}}
	require.Equal(t, 2, SyncPage(large), "65536 bytes together")
	require.Equal(t, 1, SyncPage([]fanout.Item{{Data: fanout.Data{Bytes: make([]byte, 70000)}}, {}}), "one at least")
}
