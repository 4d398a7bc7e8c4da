package frame

import (
	"bytes"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"portcullis/fanout"
)

// recorded is a frame that an SDK has sent; testdata/capture.mjs says how it was.
type recorded struct {
	format Format
	name   string
	data   []byte
}

func recordedFrames(t testing.TB) []recorded {
	text, err := os.ReadFile("testdata/sdk.txt")
	require.NoError(t, err)
	var frames []recorded
	for line := range strings.Lines(string(text)) {
		field := strings.Fields(line)
		require.Len(t, field, 3)
		data, err := base64.StdEncoding.DecodeString(field[2])
		require.NoError(t, err)
		format := JSON
		if field[0] == "msgpack" {
			format = Msgpack
		}
		frames = append(frames, recorded{format, field[1], data})
	}
	require.Len(t, frames, 2*19)
	return frames
}

// What the SDK was told to send (testdata/capture.mjs) is what is read, in both
// formats alike.
func TestFramesOfTheSDK(t *testing.T) {
	text := func(s string) fanout.Data { return fanout.Data{Kind: fanout.Text, Bytes: []byte(s)} }
	binary := func(b ...byte) fanout.Data { return fanout.Data{Kind: fanout.Binary, Bytes: append([]byte{}, b...)} }
	items := map[string][]fanout.Item{
		"text":         {{Name: "greeting", Data: text("héllo \"w\"\n\u2028\U0001F600")}},
		"empty-text":   {{Name: "greeting", Data: text("")}},
		"no-data":      {{Name: "greeting"}},
		"null-data":    {{Name: "greeting"}},
		"no-name":      {{Data: text("x")}},
		"object":       {{Name: "o", Encoding: "json", Data: text(`{"a":[1,2.5,null,"ü"],"b":{"c":true}}`)}},
		"array":        {{Name: "a", Encoding: "json", Data: text(`[1,"two",{"three":3}]`)}},
		"binary":       {{Name: "b", Data: binary(0, 1, 254, 255)}},
		"empty-binary": {{Name: "b", Data: binary()}},
		"several":      {{Name: "1", Data: text("a")}, {Name: "2", Encoding: "json", Data: text(`{"b":1}`)}, {Name: "3", Data: binary('c')}},
		"enter":        {{Action: fanout.Enter, Encoding: "json", Data: text(`{"mood":"fine"}`)}},
		"update":       {{Action: fanout.Update, Data: binary(255)}},
		"leave":        {{Action: fanout.Leave, Data: text("bye")}},
	}
	actions := map[string]Action{"ping": ActionHeartbeat, "attach": ActionAttach, "detach": ActionDetach, "auth": ActionAuth, "close": ActionClose,
		"enter": ActionPresence, "update": ActionPresence, "leave": ActionPresence}
	var f Frame
	serial := map[Format]int64{}
	for _, r := range recordedFrames(t) {
		require.NoError(t, Read(&f, r.format, r.data), r.name)
		require.NoError(t, f.Err, r.name)
		want, ok := actions[r.name]
		if !ok {
			want = ActionMessage
		}
		require.Equal(t, want, f.Action, r.name)
		if want == ActionMessage || want == ActionPresence {
			require.True(t, f.HasMsgSerial)
			require.Equal(t, serial[r.format], f.MsgSerial, "SDKs count from 0 (RTN7b)")
			serial[r.format]++
		}
		switch r.name {
		case "ping":
			require.Regexp(t, `^[0-9]+$`, string(f.ID))
			require.Nil(t, f.Channel)
		case "auth":
			require.Equal(t, 2, bytes.Count(f.AccessToken, []byte{'.'}), "a JWT")
		case "close":
		case "attach":
			require.Equal(t, []Param{{[]byte("rewind"), []byte("1")}, {[]byte("delta"), []byte("vcdiff")}}, f.Params)
			require.EqualValues(t, FlagPresence|FlagPublish|FlagSubscribe|FlagPresenceSubscribe, f.Flags)
			fallthrough
		default:
			require.Equal(t, "room:é", string(f.Channel))
		}
		if r.name == "extras" {
			requireExtras(t, f.Items, r.format)
			continue
		}
		require.Equal(t, items[r.name], f.Items, "%v %s", r.format, r.name)
	}
}

// The SDK's two encoders differ in what they leave out: JSON writes null, msgpack no
// member at all.
func requireExtras(t *testing.T, items []fanout.Item, f Format) {
	require.Len(t, items, 1)
	i := items[0]
	require.Equal(t, [4]string{"e", "d", "alice", "idem:0"}, [4]string{i.Name, string(i.Data.Bytes), i.ClientID, i.ID})
	require.True(t, i.HasClientID)
	headers := `{"f":1.5,"i":-3,"m":9007199254740991,"neg":-9007199254740991,"big":1099511627776,"t":true,"s":"ü","n":null,"l":[1,null,null]}`
	if f == Msgpack {
		headers = strings.Replace(headers, `"n":null,`, "", 1)
	}
	require.Equal(t, `{"headers":`+headers+`,"ref":{"type":"com.example","timeserial":"x"}}`, string(i.Extras))
}

// An SDK counts the size of each message itself and sends it along (TO3l8). It counts
// characters of extras where we count bytes; "extras" has one of two bytes, and in
// msgpack lacks "n":null.
func TestSizeIsThatOfTheSDK(t *testing.T) {
	var f Frame
	for _, r := range recordedFrames(t) {
		require.NoError(t, Read(&f, r.format, r.data))
		if f.Action != ActionMessage {
			continue
		}
		want := sizeSent(t, r)
		if r.name == "extras" {
			want++
			if r.format == Msgpack {
				want -= len(`"n":null,`)
			}
		}
		require.Equal(t, want, Size(f.Items), "%v %s", r.format, r.name)
	}
}

// sizeSent sums the members "size" of a frame's messages.
func sizeSent(t *testing.T, r recorded) (sum int) {
	text := r.data
	if r.format == Msgpack {
		var b bytes.Buffer
		_, err := msgp.UnmarshalAsJSON(&b, r.data)
		require.NoError(t, err)
		text = b.Bytes()
	}
	var frame struct{ Messages []struct{ Size int } }
	unmarshal(t, text, &frame)
	for _, m := range frame.Messages {
		sum += m.Size
	}
	require.NotZero(t, sum)
	return sum
}
