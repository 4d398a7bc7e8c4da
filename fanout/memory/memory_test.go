package memory

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/fanout"
	"portcullis/fanout/fanouttest"
)

func TestContract(t *testing.T) {
	fanouttest.Run(t, func(testing.TB) fanout.Fanout { return New(Options{Epoch: 1700000000000}) })
}

var room = fanout.Channel{App: "app", Resource: "room"}

func present(t *testing.T, f *Fanout, action uint8, client string) error {
	return f.Present(context.Background(), &fanout.Event{Channel: room, Kind: fanout.Presence,
		Items: []fanout.Item{{Action: action, ConnectionID: "c", ClientID: client}}})
}

// A channel that nobody needs costs nothing, whatever has happened on it.
func TestChannelsAreForgotten(t *testing.T) {
	f := New(Options{})
	require.NoError(t, f.Publish(context.Background(), &fanout.Event{Channel: room}))
	require.Empty(t, f.channels, "publishing needs none")
	require.Empty(t, f.Members(room))
	require.Empty(t, f.channels, "nor does asking")
	require.NoError(t, present(t, f, fanout.Leave, "alice"))
	require.Empty(t, f.channels, "nor leaving what one is not in")

	a, err := f.Subscribe(room, func(*fanout.Event) {})
	require.NoError(t, err)
	b, err := f.Subscribe(room, func(*fanout.Event) {})
	require.NoError(t, err)
	require.NoError(t, present(t, f, fanout.Enter, "alice"))
	a.Cancel()
	b.Cancel()
	a.Cancel()
	require.Len(t, f.channels, 1, "it has a member")
	require.NoError(t, present(t, f, fanout.Leave, "alice"))
	require.Empty(t, f.channels)

	huge := &fanout.Event{Channel: room, Kind: fanout.Presence, Items: []fanout.Item{{Action: fanout.Enter, Extras: make([]byte, fanout.MaxMemberBytes)}}}
	require.ErrorIs(t, f.Present(context.Background(), huge), fanout.ErrMembers)
	require.Empty(t, f.channels, "nobody has entered")
}

// Serials of one start and of the next are in order.
func TestSerialsIncreaseOverRestarts(t *testing.T) {
	serial := func(f *Fanout) string {
		e := &fanout.Event{Channel: room}
		require.NoError(t, f.Publish(context.Background(), e))
		return e.Serial
	}
	old := New(Options{Epoch: 999})
	var last string
	for range 20 {
		next := serial(old)
		require.Greater(t, next, last)
		last = next
	}
	require.Greater(t, serial(New(Options{Epoch: 1000})), last)
}

func BenchmarkPublish(b *testing.B) {
	for _, subscribers := range []int{0, 1, 100, 10000} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			f := New(Options{})
			n := 0
			for range subscribers {
				_, err := f.Subscribe(room, func(*fanout.Event) { n++ })
				require.NoError(b, err)
			}
			b.ReportAllocs()
			published := 0
			for b.Loop() {
				if err := f.Publish(context.Background(), &fanout.Event{Channel: room, Items: make([]fanout.Item, 1)}); err != nil {
					b.Fatal(err)
				}
				published++
			}
			require.Equal(b, published*subscribers, n)
		})
	}
}
