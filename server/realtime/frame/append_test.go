package frame

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"portcullis/engine"
	"portcullis/fanout"
)

func unmarshal(t testing.TB, text []byte, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, v), "%s", text)
}

// both appends a frame in both formats, behind what is there already, and requires
// that they say the same. It returns the JSON.
func both(t *testing.T, appendFrame func(dst []byte, f Format) []byte) string {
	t.Helper()
	const before = "before"
	text, found := bytes.CutPrefix(appendFrame([]byte(before), JSON), []byte(before))
	require.True(t, found)
	packed, found := bytes.CutPrefix(appendFrame([]byte(before), Msgpack), []byte(before))
	require.True(t, found)
	var b bytes.Buffer
	rest, err := msgp.UnmarshalAsJSON(&b, packed)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.JSONEq(t, string(text), b.String())
	return string(text)
}

// The frames are those of Ably's protocol, letter for letter; the expectations were
// written by hand from TR1-TR4, CD1, TM1, TP1 and TI1.
func TestFrames(t *testing.T) {
	alice := fanout.Item{ID: "c1:0:0", ClientID: "alice", ConnectionID: "c1", Name: "e", Data: fanout.Data{Kind: fanout.Text, Bytes: []byte("d")}, Timestamp: 1700000000000}
	member := fanout.Item{ID: "c1:1:0", Action: fanout.Enter, ClientID: "alice", ConnectionID: "c1", Timestamp: 1700000000000, Data: alice.Data}
	c := Connected{ID: "c1", Key: "c1!k", ClientID: "alice", ServerID: "s", MaxMessageBytes: 65536, MaxFrameBytes: 524288, MaxInboundRate: 1000,
		StateTTL: 2 * time.Minute, MaxIdleInterval: 15 * time.Second}
	anonymous, resumed := c, c
	anonymous.ClientID = ""
	resumed.Error = engine.ErrTokenExpired
	const (
		expired = `{"code":40142,"statusCode":401,"message":"token expired","href":"https://help.ably.io/error/40142"}`
		denied  = `{"code":40160,"statusCode":401,"message":"operation not permitted with provided capability","href":"https://help.ably.io/error/40160"}`
		details = `"connectionKey":"c1!k","maxMessageSize":65536,"maxFrameSize":524288,"maxInboundRate":1000,"connectionStateTtl":120000,"maxIdleInterval":15000,"serverId":"s"}`
	)
	room := []byte("c")
	tests := map[string]struct {
		append func(dst []byte, f Format) []byte
		want   string
	}{
		"heartbeat":              {func(d []byte, f Format) []byte { return AppendHeartbeat(d, f, nil) }, `{"action":0}`},
		"answer to a ping":       {func(d []byte, f Format) []byte { return AppendHeartbeat(d, f, []byte("r")) }, `{"action":0,"id":"r"}`},
		"answer to an empty one": {func(d []byte, f Format) []byte { return AppendHeartbeat(d, f, []byte{}) }, `{"action":0,"id":""}`},
		"connected":              {func(d []byte, f Format) []byte { return AppendConnected(d, f, &c) }, `{"action":4,"connectionId":"c1","connectionDetails":{"clientId":"alice",` + details + `}`},
		"connected, anonymous":   {func(d []byte, f Format) []byte { return AppendConnected(d, f, &anonymous) }, `{"action":4,"connectionId":"c1","connectionDetails":{` + details + `}`},
		"connected, not resumed": {func(d []byte, f Format) []byte { return AppendConnected(d, f, &resumed) }, `{"action":4,"connectionId":"c1","connectionDetails":{"clientId":"alice",` + details + `,"error":` + expired + `}`},
		"disconnected":           {func(d []byte, f Format) []byte { return AppendDisconnected(d, f, engine.ErrTokenExpired) }, `{"action":6,"error":` + expired + `}`},
		"disconnected as asked":  {func(d []byte, f Format) []byte { return AppendDisconnected(d, f, nil) }, `{"action":6}`},
		"error":                  {func(d []byte, f Format) []byte { return AppendError(d, f, nil, engine.ErrTokenExpired) }, `{"action":9,"error":` + expired + `}`},
		"error of a channel":     {func(d []byte, f Format) []byte { return AppendError(d, f, room, engine.ErrCapabilityDenied) }, `{"action":9,"channel":"c","error":` + denied + `}`},
		"error of no name":       {func(d []byte, f Format) []byte { return AppendError(d, f, []byte{}, engine.ErrCapabilityDenied) }, `{"action":9,"channel":"","error":` + denied + `}`},
		"ack":                    {func(d []byte, f Format) []byte { return AppendAck(d, f, 0, 1, [][]string{{"s:0", "s:1"}}) }, `{"action":1,"msgSerial":0,"count":1,"res":[{"serials":["s:0","s:1"]}]}`},
		"ack of several":         {func(d []byte, f Format) []byte { return AppendAck(d, f, 70000, 2, [][]string{{"s"}, {}}) }, `{"action":1,"msgSerial":70000,"count":2,"res":[{"serials":["s"]},{"serials":[]}]}`},
		"ack of presence":        {func(d []byte, f Format) []byte { return AppendAck(d, f, 1<<53, 1, nil) }, `{"action":1,"msgSerial":9007199254740992,"count":1}`},
		"nack":                   {func(d []byte, f Format) []byte { return AppendNack(d, f, 0, 1, engine.ErrCapabilityDenied) }, `{"action":2,"msgSerial":0,"count":1,"error":` + denied + `}`},
		"attached": {func(d []byte, f Format) []byte {
			return AppendAttached(d, f, &Attached{Channel: room, ChannelSerial: "s-1", Flags: 983040})
		}, `{"action":11,"channel":"c","flags":983040,"channelSerial":"s-1"}`},
		"attached with params": {func(d []byte, f Format) []byte {
			return AppendAttached(d, f, &Attached{Channel: []byte(`[?rewind=1]"é`), Flags: FlagHasPresence | FlagResumed, Params: []Param{{[]byte("rewind"), []byte("1")}, {[]byte(`"`), []byte("")}}, Error: engine.ErrTokenExpired})
		}, `{"action":11,"channel":"[?rewind=1]\"é","flags":5,"params":{"rewind":"1","\"":""},"error":` + expired + `}`},
		"detached":             {func(d []byte, f Format) []byte { return AppendDetached(d, f, room, nil) }, `{"action":13,"channel":"c"}`},
		"detached by us":       {func(d []byte, f Format) []byte { return AppendDetached(d, f, room, engine.ErrTokenExpired) }, `{"action":13,"channel":"c","error":` + expired + `}`},
		"closed":               {AppendClosed, `{"action":8}`},
		"auth":                 {AppendAuth, `{"action":17}`},
		"no frame, but a body": {func(d []byte, f Format) []byte { return AppendErrorInfo(d, f, engine.ErrTokenExpired) }, `{"error":` + expired + `}`},
		"sync":                 {func(d []byte, f Format) []byte { return AppendSync(d, f, room, "id:", nil) }, `{"action":16,"channel":"c","channelSerial":"id:","presence":[]}`},
		"sync of one member":   {func(d []byte, f Format) []byte { return AppendSync(d, f, room, "id:2", []fanout.Item{member}) }, `{"action":16,"channel":"c","channelSerial":"id:2","presence":[{"id":"c1:1:0","action":2,"clientId":"alice","connectionId":"c1","timestamp":1700000000000,"data":"d"}]}`},
		"message": {func(d []byte, f Format) []byte {
			return AppendEvent(d, f, room, &fanout.Event{ID: "c1:0", ConnectionID: "c1", Serial: "s-1", Timestamp: 1700000000000, Items: []fanout.Item{alice}})
		}, `{"action":15,"channel":"c","id":"c1:0","connectionId":"c1","channelSerial":"s-1","timestamp":1700000000000,"messages":[{"id":"c1:0:0","clientId":"alice","connectionId":"c1","name":"e","data":"d","timestamp":1700000000000}]}`},
		"presence": {func(d []byte, f Format) []byte {
			return AppendEvent(d, f, room, &fanout.Event{Kind: fanout.Presence, ID: "c1:1", Timestamp: 1700000000000, Items: []fanout.Item{member}})
		}, `{"action":14,"channel":"c","id":"c1:1","timestamp":1700000000000,"presence":[{"id":"c1:1:0","action":2,"clientId":"alice","connectionId":"c1","timestamp":1700000000000,"data":"d"}]}`},
		"bare messages": {func(d []byte, f Format) []byte {
			return AppendEvent(d, f, []byte("é"), &fanout.Event{Items: []fanout.Item{{}, {Serial: "s:1", Action: 1}}})
		}, `{"action":15,"channel":"é","messages":[{},{"action":1,"serial":"s:1"}]}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { require.JSONEq(t, test.want, both(t, test.append)) })
	}
}

// Names and numbers of a frame must be there at most once, or two readers see two
// frames; JSONEq would not notice.
func TestNoMemberIsWrittenTwice(t *testing.T) {
	e := fanout.Event{ID: "i", ConnectionID: "c", Serial: "s", Timestamp: 1, Items: []fanout.Item{{ID: "i", ClientID: "a", ConnectionID: "c", Name: "n", Encoding: "e",
		Serial: "s", UserClaim: "u", Data: fanout.Data{Kind: fanout.Binary, Bytes: []byte{1}}, Extras: []byte(`{"a":1}`), Timestamp: 1, Action: 1}}}
	var f Frame
	for _, format := range []Format{JSON, Msgpack} {
		require.NoError(t, Read(&f, format, AppendEvent(nil, format, []byte("c"), &e)))
		require.NoError(t, f.Err)
	}
}

func TestPayloads(t *testing.T) {
	tests := map[string]struct {
		item          fanout.Item
		json, msgpack string // of the item, the latter shown as JSON, bin as base64
	}{
		"nothing":                   {fanout.Item{}, `{}`, `{}`},
		"empty text":                {fanout.Item{Data: fanout.Data{Kind: fanout.Text}}, `{"data":""}`, `{"data":""}`},
		"text":                      {fanout.Item{Data: fanout.Data{Kind: fanout.Text, Bytes: []byte("\x00\b\t\n\f\r\x1f\"\\/<é\u2028\x7f")}}, `{"data":"\u0000\b\t\n\f\r\u001f\"\\/<é` + "\u2028\x7f" + `"}`, `{"data":"\u0000\b\t\n\f\r\u001f\"\\/<é\u2028\u007f"}`},
		"text with an encoding":     {fanout.Item{Encoding: "json", Data: fanout.Data{Kind: fanout.Text, Bytes: []byte("{}")}}, `{"data":"{}","encoding":"json"}`, `{"data":"{}","encoding":"json"}`},
		"binary":                    {fanout.Item{Data: fanout.Data{Kind: fanout.Binary, Bytes: []byte{0, 255}}}, `{"data":"AP8=","encoding":"base64"}`, `{"data":"AP8="}`},
		"empty binary":              {fanout.Item{Data: fanout.Data{Kind: fanout.Binary}}, `{"data":"","encoding":"base64"}`, `{"data":""}`},
		"binary with an encoding":   {fanout.Item{Encoding: "utf-8/cipher+aes-256-cbc", Data: fanout.Data{Kind: fanout.Binary, Bytes: []byte{0, 255}}}, `{"data":"AP8=","encoding":"utf-8/cipher+aes-256-cbc/base64"}`, `{"data":"AP8=","encoding":"utf-8/cipher+aes-256-cbc"}`},
		"extras":                    {fanout.Item{Extras: []byte(`{"a":[1,{"b":null}]}`)}, `{"extras":{"a":[1,{"b":null}]}}`, `{"extras":{"a":[1,{"b":null}]}}`},
		"a claim without extras":    {fanout.Item{UserClaim: `ad"min`}, `{"extras":{"userClaim":"ad\"min"}}`, `{"extras":{"userClaim":"ad\"min"}}`},
		"a claim with empty extras": {fanout.Item{Extras: []byte(`{}`), UserClaim: "admin"}, `{"extras":{"userClaim":"admin"}}`, `{"extras":{"userClaim":"admin"}}`},
		"a claim with extras":       {fanout.Item{Extras: []byte(`{"a":1}`), UserClaim: "admin"}, `{"extras":{"a":1,"userClaim":"admin"}}`, `{"extras":{"a":1,"userClaim":"admin"}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := AppendEvent(nil, JSON, []byte("c"), &fanout.Event{Items: []fanout.Item{test.item}})
			require.Equal(t, `{"action":15,"channel":"c","messages":[`+test.json+`]}`, string(text))
			var b bytes.Buffer
			_, err := msgp.UnmarshalAsJSON(&b, AppendEvent(nil, Msgpack, []byte("c"), &fanout.Event{Items: []fanout.Item{test.item}}))
			require.NoError(t, err)
			require.JSONEq(t, `{"action":15,"channel":"c","messages":[`+test.msgpack+`]}`, b.String())
		})
	}
	// JSON shows no difference between str and bin.
	packed := AppendEvent(nil, Msgpack, []byte("c"), &fanout.Event{Items: []fanout.Item{{Data: fanout.Data{Kind: fanout.Binary, Bytes: []byte{7}}}}})
	require.Contains(t, string(packed), "\xa4data\xc4\x01\x07", "bin 8 of one byte")
	packed = AppendEvent(nil, Msgpack, []byte("c"), &fanout.Event{Items: []fanout.Item{{Data: fanout.Data{Kind: fanout.Text, Bytes: []byte{'7'}}}}})
	require.Contains(t, string(packed), "\xa4data\xa17", "fixstr of one byte")
}

// What differs between those who receive an event is the channel's name only.
func TestEventIsEncodedOnceForAll(t *testing.T) {
	e := &fanout.Event{ID: "c1:0", Items: []fanout.Item{{Name: "e"}}}
	for _, f := range []Format{JSON, Msgpack} {
		short := AppendEvent(nil, f, []byte("c"), e)
		long := AppendEvent(nil, f, []byte("[?rewind=1]c"), e)
		e.Items[0].Name = "changed behind its back"
		require.Equal(t, short, AppendEvent(nil, f, []byte("c"), e), "encoded once")
		e.Items[0].Name = "e"
		var a, b Frame
		require.NoError(t, Read(&a, f, short))
		require.NoError(t, Read(&b, f, long))
		require.Equal(t, a.Items, b.Items)
		require.Equal(t, []string{"c", "[?rewind=1]c"}, []string{string(a.Channel), string(b.Channel)})
	}
}
