package state

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/store"
)

const noon = engine.UnixMilli(1_700_000_000_000) // 20 s into its minute

func TestMinutesAreDroppedWhole(t *testing.T) {
	var n Nonces
	m, offset := MinuteOf(noon)
	require.EqualValues(t, 20_000, offset)
	begin, last, next := m.Time(0), m.Time(59_999), (m + 1).Time(0)
	for i, expires := range []engine.UnixMilli{begin, noon, last, next} {
		n.Add([16]byte{byte(i)}, expires)
	}
	require.Equal(t, 4, n.Len())
	require.Empty(t, n.Expire(last), "the last millisecond of the minute is to be remembered in it")
	require.True(t, n.Has([16]byte{2}, last, last))
	require.False(t, n.Has([16]byte{1}, last, last), "the others have expired, though they are still there")
	require.Equal(t, []Minute{m}, n.Expire(next))
	require.Equal(t, 1, n.Len())
	require.Empty(t, n.Expire(next))
	require.True(t, n.Has([16]byte{3}, next, next))
	require.False(t, n.Has([16]byte{2}, begin, begin), "it is gone, also for a clock that was put back")
	require.False(t, n.Decidable(last, begin), "and nobody may be told that it was never spent")
	require.True(t, n.Decidable(next, begin))
	require.False(t, n.Decidable(next, next+1), "what has expired may have been spent")
}

// The buckets against a map, with a clock that goes forward in jumps.
func TestNoncesAreThoseOfAMap(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		var n Nonces
		expiry := make(map[[16]byte]engine.UnixMilli)
		now := noon
		for range 3000 {
			key := [16]byte{byte(r.Uint32()), byte(r.Uint32N(4))}
			switch r.Uint32N(8) {
			case 0:
				now += engine.UnixMilli(r.Int64N(20_000))
			case 1:
				n.Expire(now)
				live := 0
				for k, e := range expiry {
					if m, _ := MinuteOf(e); m.over(now) {
						delete(expiry, k)
					} else {
						live++
					}
				}
				require.GreaterOrEqual(t, n.Len(), live)
			default:
				expires, known := expiry[key]
				require.Equal(t, known && expires >= now, n.Has(key, expires, now), "seed %d", seed)
				if !n.Has(key, expires, now) {
					expiry[key] = now + engine.UnixMilli(r.Int64N(300_000))
					n.Add(key, expiry[key])
				}
			}
		}
	}
}

// With a month of refresh tokens in it not every minute is looked through; a
// TokenRequest's nonce is found all the same, and a refresh token's with its expiry.
func TestNoncesOfManyMinutes(t *testing.T) {
	var n Nonces
	const month = 30 * 24 * 60
	key := func(i int) [16]byte { return [16]byte{byte(i), byte(i >> 8), byte(i >> 16)} }
	expiry := func(i int) engine.UnixMilli { return noon + engine.UnixMilli(i)*60_000 }
	for i := range month {
		n.Add(key(i), expiry(i))
	}
	for i := range month {
		require.True(t, n.Has(key(i), expiry(i), noon), "minute %d", i)
		require.True(t, n.Has(key(i), expiry(i), expiry(i)))
		require.False(t, n.Has(key(i), expiry(i), expiry(i)+1), "it has expired")
		require.False(t, n.Has(key(i+month), expiry(i), noon))
	}
	near := noon + engine.NearExpiry
	for i := range 11 { // the expiries of these are up to NearExpiry ahead
		for _, asked := range []engine.UnixMilli{noon, noon + 130_000, near} {
			require.True(t, n.Has(key(i), asked, noon), "minute %d, asked for as %d", i, asked)
		}
	}
	require.Equal(t, month, n.Len())
}

func TestTheFloor(t *testing.T) {
	var f Floor
	_, refused := f.Refuses(&engine.Nonce{}, noon)
	require.False(t, refused, "without a cause there is no floor")
	require.False(t, f.Active(noon))

	f.Raise(noon, "lost")
	noticed := noon + 1 // what was spent in this very millisecond counts as before
	floor := noticed.Add(store.FutureWindow)
	require.Equal(t, Floor{floor, "lost"}, f)
	for _, c := range []struct {
		name           string
		stamped, since engine.UnixMilli
		now            engine.UnixMilli
		wait           time.Duration // 0: not refused
	}{
		{"stamped now", noon, 0, noon, 121 * time.Second},
		{"of a key of before", noon, noticed - 1, noon, 121 * time.Second},
		{"of a key of after", noon, noticed, noon, 0},
		{"stamped just below", floor - 1, 0, noon, 121 * time.Second},
		{"stamped at the floor", floor, 0, noon, 0},
		{"a second before the floor", noon, 0, floor - 1000, time.Second},
		{"a little more than a second before", noon, 0, floor - 1001, 2 * time.Second},
		{"an old one when the floor has passed", floor - 1, 0, floor + 60_000, time.Second},
		{"a new one then", floor + 60_000, 0, floor + 60_000, 0},
	} {
		wait, refused := f.Refuses(&engine.Nonce{Stamped: c.stamped, Since: c.since}, c.now)
		require.Equal(t, c.wait > 0, refused, c.name)
		require.Equal(t, c.wait, wait, c.name)
	}
	require.True(t, f.Active(floor-1))
	require.False(t, f.Active(floor))

	f.Raise(noon-1000, "an earlier one")
	require.Equal(t, Floor{floor, "lost"}, f, "a floor is never lowered")
}

func TestRevocationsAreKeptTheirTime(t *testing.T) {
	e := Entry{"app.key", engine.Revocation{AppliesAt: noon}}
	require.Equal(t, 65*time.Minute, store.RetentionOfRevocations, "an hour, Ably's limit for revocable tokens, and a margin for clocks")
	require.False(t, e.Over(noon.Add(65*time.Minute)))
	require.True(t, e.Over(noon.Add(65*time.Minute)+1))

	b := NewBook()
	for i := range 10 {
		b.Apply([]Entry{{"app.key", engine.Revocation{Value: fmt.Sprint(i), AppliesAt: noon + engine.UnixMilli(i)}}}, nil)
	}
	require.Len(t, b.Prune(noon.Add(65*time.Minute)+5), 5)
	kept, _ := b.All()
	require.Len(t, kept, 5)
}
