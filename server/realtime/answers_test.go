package realtime

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
)

// The ring against a map that forgets nothing.
func TestAnswersAgainstAModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var a answers
		model, next := map[int64]answer{}, int64(0)
		for range 600 {
			var serial int64
			switch r.IntN(20) {
			case 0:
				serial = next + r.Int64N(1000) // left out
			case 1, 2, 3:
				serial = max(0, next-r.Int64N(400)) // repeated
			default:
				serial = next
			}
			found, ok := a.find(serial)
			if serial < next {
				require.True(t, ok, "it was asked for before, or never will be")
				want, known := model[serial]
				if known && next-serial <= maxAnswers {
					require.Equal(t, want, found, "%d of %d", serial, next)
				} else if found != want {
					require.Equal(t, answer{err: engine.ErrForgotten}, found, "%d of %d", serial, next)
				}
				continue
			}
			require.False(t, ok)
			given := answer{published: published{serial: "s", messages: int(serial % 1000)}}
			a.add(serial, given)
			model[serial], next = given, serial+1
			require.LessOrEqual(t, len(a.ring), maxAnswers)
		}
	}
}

// Serials of an ACK are those that the fan-out has given the messages.
func TestSerialsOfAnAck(t *testing.T) {
	require.Nil(t, published{}.serials(), "as of presence")
	require.Equal(t, [][]string{{"x:000", "x:001"}}, published{"x", 2}.serials())
}

// A bucket has room for a second's worth, and then lets through one at a time.
func TestBucket(t *testing.T) {
	b, now := newBucket(10), time.Now()
	for range 10 {
		require.Zero(t, b.take(now))
	}
	require.Equal(t, 100*time.Millisecond, b.take(now))
	require.Equal(t, 200*time.Millisecond, b.take(now))
	now = now.Add(300 * time.Millisecond)
	require.Zero(t, b.take(now))
	require.Equal(t, 100*time.Millisecond, b.take(now))
	now = now.Add(time.Hour) // no more than a second's worth is saved up
	for range 10 {
		require.Zero(t, b.take(now))
	}
	require.Positive(t, b.take(now))
}
