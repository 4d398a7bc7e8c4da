package fanout

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnEventIsEncodedOnce(t *testing.T) {
	var calls [2]atomic.Int64
	encode := [2]func(*Event) []byte{
		func(e *Event) []byte { calls[0].Add(1); return []byte("first " + e.ID) },
		func(e *Event) []byte { calls[1].Add(1); return nil },
	}
	e := &Event{ID: "id"}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if string(e.Encoded(0, encode[0])) != "first id" || e.Encoded(1, encode[1]) != nil {
				t.Error("not what encode made")
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 1, calls[0].Load())
	require.EqualValues(t, 1, calls[1].Load(), "one that is empty is also encoded once")
}

func TestStamp(t *testing.T) {
	e := &Event{Kind: Messages, Items: make([]Item, 1001)}
	e.Stamp("s")
	require.Equal(t, "s", e.Serial)
	require.Equal(t, []string{"s:000", "s:001", "s:999", "s:1000"}, []string{e.Items[0].Serial, e.Items[1].Serial, e.Items[999].Serial, e.Items[1000].Serial})
	p := &Event{Kind: Presence, Items: make([]Item, 1)}
	p.Stamp("s")
	require.Empty(t, p.Items[0].Serial)
}

func TestAppendSerial(t *testing.T) {
	require.Equal(t, "x01700000000000-0000000000000042", string(AppendSerial([]byte("x"), 1700000000000, 42)))
	require.Equal(t, "18446744073709551615-18446744073709551615", string(AppendSerial(nil, math.MaxUint64, math.MaxUint64)))
	require.Less(t, string(AppendSerial(nil, 9, 1<<40)), string(AppendSerial(nil, 10, 0)))
	require.Less(t, string(AppendSerial(nil, 9, 9)), string(AppendSerial(nil, 9, 10)))
}

func TestItemBytes(t *testing.T) {
	i := Item{ID: "1", ClientID: "22", ConnectionID: "333", Name: "4444", Encoding: "5", Serial: "6", UserClaim: "7", Data: Data{Bytes: make([]byte, 100)}, Extras: make([]byte, 10)}
	require.Equal(t, 256+1+2+3+4+1+1+1+100+10, i.Bytes())
}
