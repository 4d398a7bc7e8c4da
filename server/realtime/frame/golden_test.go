package frame

import (
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/fanout"
)

var update = flag.Bool("update", false, "write testdata/server.txt anew; then run testdata/deliver.mjs")

// serverFrames are frames that a server sends, by the names under which
// testdata/deliver.mjs sends them to an unmodified SDK. What the SDK must make of
// them is written there.
func serverFrames(f Format) []recorded {
	channel := []byte("room:é")
	person := func(action uint8, id, client, connection, data string) fanout.Item {
		return fanout.Item{ID: id, Action: action, ClientID: client, ConnectionID: connection, Timestamp: 1700000000000, Encoding: "json", Data: textData(data)}
	}
	event := func(kind fanout.Kind, id string, items ...fanout.Item) []byte {
		e := &fanout.Event{Kind: kind, ID: id, ConnectionID: "c2", Timestamp: 1700000000123, Items: items}
		e.Stamp("e-" + id)
		return AppendEvent(nil, f, channel, e)
	}
	return []recorded{
		{f, "connected", AppendConnected(nil, f, &Connected{ID: "c1", Key: "c1!k", ClientID: "alice", ServerID: "s", MaxMessageBytes: MaxMessageBytes, MaxFrameBytes: MaxFrameBytes,
			MaxInboundRate: 1000, StateTTL: 2 * time.Minute, MaxIdleInterval: 15 * time.Second})},
		{f, "attached", AppendAttached(nil, f, &Attached{Channel: channel, ChannelSerial: "e-0", Params: []Param{{[]byte("rewind"), []byte("1")}},
			Flags: FlagHasPresence | FlagPresence | FlagPublish | FlagSubscribe | FlagPresenceSubscribe})},
		{f, "sync-1", AppendSync(nil, f, channel, "e-0:1", []fanout.Item{person(fanout.Present, "c2:0:0", "bob", "c2", `{"n":1}`)})},
		{f, "sync-2", AppendSync(nil, f, channel, "e-0:", []fanout.Item{person(fanout.Present, "c3:0:0", "carol", "c3", `"é"`)})},
		{f, "text", event(fanout.Messages, "c2:1", fanout.Item{Name: "text", ClientID: "bob", Data: textData("héllo \"w\"\n\u2028\U0001F600")}, fanout.Item{Name: "text", Data: textData("")}, fanout.Item{Name: "text"})},
		{f, "json", event(fanout.Messages, "c2:2", fanout.Item{Name: "json", Encoding: "json", Data: textData(`{"a":[1,2.5,null,"ü"]}`)})},
		{f, "binary", event(fanout.Messages, "c2:3", fanout.Item{Name: "binary", Data: binaryData(0, 1, 254, 255)}, fanout.Item{Name: "binary", Data: binaryData()}, fanout.Item{Name: "binary", Encoding: "utf-8", Data: binaryData([]byte("ü")...)})},
		{f, "extras", event(fanout.Messages, "c2:4", fanout.Item{ID: "idem:0", Name: "extras", UserClaim: "ad\"min", Extras: []byte(`{"headers":{"i":-3,"f":1.5,"m":9007199254740991,"neg":-9007199254740991,"t":true,"n":null,"l":[1,{}]}}`)})},
		{f, "enter", event(fanout.Presence, "c4:0", person(fanout.Enter, "c4:0:0", "dave", "c4", `[]`))},
		{f, "update", event(fanout.Presence, "c2:5", person(fanout.Update, "c2:5:0", "bob", "c2", `{"n":2}`))},
		{f, "leave", event(fanout.Presence, "c3:1", person(fanout.Leave, "c3:1:0", "carol", "c3", `"bye"`))},
		{f, "ack", AppendAck(nil, f, 0, 1, [][]string{{"e-1:000", "e-1:001"}})},
		{f, "nack", AppendNack(nil, f, 1, 1, engine.ErrCapabilityDenied)},
		{f, "ack-presence", AppendAck(nil, f, 2, 1, nil)},
		{f, "denied", AppendError(nil, f, []byte("denied"), engine.ErrCapabilityDenied)},
		{f, "auth", AppendAuth(nil, f)},
		{f, "detached", AppendDetached(nil, f, channel, nil)},
		{f, "disconnected", AppendDisconnected(nil, f, engine.ErrTokenExpired)},
		{f, "error", AppendError(nil, f, nil, engine.ErrKeyRevoked)},
	}
}

// The frames that the SDK is known to understand are those that are still written.
func TestFramesThatTheSDKReads(t *testing.T) {
	var b strings.Builder
	for f := range Formats {
		for _, r := range serverFrames(f) {
			fmt.Fprintln(&b, formatNames[f], r.name, base64.StdEncoding.EncodeToString(r.data))
		}
	}
	if *update {
		require.NoError(t, os.WriteFile("testdata/server.txt", []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile("testdata/server.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}
