package frame

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/fanout"
)

const oneMessage = `{"action":15,"channel":"room:1","messages":[{"name":"greeting","data":"hello, everybody","action":0,"size":24}],"msgSerial":17}`

func oneEvent() *fanout.Event {
	return &fanout.Event{ID: "c1:17", ConnectionID: "c1", Serial: "01700000000000-0000000000000001", Timestamp: 1700000000000,
		Items: []fanout.Item{{ID: "c1:17:0", ClientID: "alice", ConnectionID: "c1", Name: "greeting", Data: textData("hello, everybody"), Timestamp: 1700000000000}}}
}

var formatNames = [Formats]string{"json", "msgpack"}

func BenchmarkRead(b *testing.B) {
	for f, data := range [Formats][]byte{[]byte(oneMessage), transcoded(b, oneMessage)} {
		b.Run("format="+formatNames[f], func(b *testing.B) {
			var frame Frame
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := Read(&frame, Format(f), data); err != nil || len(frame.Items) != 1 {
					b.Fatal(err, frame.Err)
				}
			}
		})
	}
}

// The event is one that nobody has got yet, and then the same for every other.
func BenchmarkAppendEvent(b *testing.B) {
	channel := []byte("room:1")
	for f := range Formats {
		b.Run("format="+formatNames[f]+"/receiver=first", func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendEvent(dst[:0], f, channel, oneEvent())
			}
		})
		b.Run("format="+formatNames[f]+"/receiver=next", func(b *testing.B) {
			var dst []byte
			e := oneEvent()
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendEvent(dst[:0], f, channel, e)
			}
		})
	}
}

// What is written for every connection allocates nothing.
func TestAppendAllocatesNothing(t *testing.T) {
	channel, e, serials := []byte("room:1"), oneEvent(), [][]string{{"s:0"}}
	c := &Connected{ID: "c1", Key: "c1!k", ClientID: "alice", ServerID: "s"}
	a := &Attached{Channel: channel, ChannelSerial: "s", Params: []Param{{[]byte("rewind"), []byte("1")}}}
	for f := range Formats {
		dst := make([]byte, 0, 4096)
		n := testing.AllocsPerRun(100, func() {
			dst = AppendEvent(dst[:0], f, channel, e)
			dst = AppendHeartbeat(dst, f, channel)
			dst = AppendConnected(dst, f, c)
			dst = AppendAttached(dst, f, a)
			dst = AppendAck(dst, f, 1, 1, serials)
			dst = AppendNack(dst, f, 1, 1, engine.ErrFrame)
			dst = AppendError(dst, f, nil, engine.ErrFrame)
			dst = AppendSync(dst, f, channel, "s:", e.Items)
		})
		require.Zero(t, n, formatNames[f])
		require.Greater(t, len(dst), 500, "all of them were written")
	}
}

// Of a frame only what outlives it is allocated: here the list of items, a name and
// a payload.
func TestReadAllocatesItemsOnly(t *testing.T) {
	for f, data := range [Formats][]byte{[]byte(oneMessage), transcoded(t, oneMessage)} {
		var frame Frame
		require.NoError(t, Read(&frame, Format(f), data))
		require.Equal(t, []fanout.Item{{Name: "greeting", Data: textData("hello, everybody")}}, frame.Items)
		require.EqualValues(t, 3, testing.AllocsPerRun(100, func() { _ = Read(&frame, Format(f), data) }))
	}
	ping := []byte(`{"action":0,"id":"9340954381069528"}`)
	var frame Frame
	require.NoError(t, Read(&frame, JSON, ping))
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = Read(&frame, JSON, ping) }))
}
