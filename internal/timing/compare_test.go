package timing

import (
	"crypto/subtle"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The values of Welch's t were computed by hand from its definition:
// (mean1 - mean2) / sqrt(s1²/n1 + s2²/n2).
func TestWelch(t *testing.T) {
	of := func(values ...float64) *moments {
		m := new(moments)
		for _, x := range values {
			m.add(x)
		}
		return m
	}
	// Means 2 and 4, variances 1 and 4, three and three values: -2 / sqrt(5/3).
	require.InDelta(t, -2/math.Sqrt(5.0/3), welch(of(1, 2, 3), of(2, 4, 6)), 1e-12)
	// Means 1.5 and 5, variances 0.5 and 10, two and five: -3.5 / sqrt(0.25 + 2).
	require.InDelta(t, -3.5/1.5, welch(of(1, 2), of(1, 3, 5, 7, 9)), 1e-12)
	require.InDelta(t, 3.5/1.5, welch(of(1, 3, 5, 7, 9), of(1, 2)), 1e-12)
	require.Zero(t, welch(of(3, 3), of(3, 3)))
	require.Zero(t, welch(of(1), of(2, 3)), "one value has no variance")
	require.True(t, math.IsInf(welch(of(4, 4), of(3, 3)), 1))
	// A large mean takes no precision away.
	require.InDelta(t, -2/math.Sqrt(5.0/3), welch(of(1e12+1, 1e12+2, 1e12+3), of(1e12+2, 1e12+4, 1e12+6)), 1e-3)
}

// machine is one that can be computed: every comparison of two bytes takes a tick,
// and everything else takes as long as a random number says, at times very long.
type machine struct {
	ticks  int64
	random *rand.Rand
}

func (m *machine) clock() int64 { return m.ticks }

// work is what a verification does beside the comparison.
func (m *machine) work() {
	m.ticks += 900 + m.random.Int64N(100)
	if m.random.IntN(500) == 0 {
		m.ticks += m.random.Int64N(100_000) // something else had the processor
	}
}

const macBytes = 43

// guesses are a MAC that is wrong in its first byte, and one in its last.
func guesses() (right []byte, wrong [2][]byte) {
	right = make([]byte, macBytes)
	wrong = [2][]byte{make([]byte, macBytes), make([]byte, macBytes)}
	wrong[0][0], wrong[1][macBytes-1] = 1, 1
	return right, wrong
}

func compareOn(m *machine, equal func(m *machine, a, b []byte), samples int) Result {
	right, wrong := guesses()
	input := make([]byte, macBytes)
	return Compare(Subject{
		Prepare: func(class int) { copy(input, wrong[class]) },
		Run:     func() { m.work(); equal(m, right, input) },
	}, samples, m.clock, 1)
}

func constantTime(m *machine, a, b []byte) {
	m.ticks += macBytes
	subtle.ConstantTimeCompare(a, b)
}

// earlyExit is the planted defect: it stops at the first difference.
func earlyExit(m *machine, a, b []byte) {
	for i := range a {
		if m.ticks++; a[i] != b[i] {
			return
		}
	}
}

// Whether an early exit is seen is a property of the statistics, shown on a machine
// that is computed: the real one has its turn in the long run.
func TestAnEarlyExitIsSeen(t *testing.T) {
	for seed := range uint64(20) {
		random := func() *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
		same := compareOn(&machine{random: random()}, constantTime, 20_000)
		require.False(t, same.Differ(), "seed %d: %s", seed, &same)
		found := compareOn(&machine{random: random()}, earlyExit, 20_000)
		require.True(t, found.Differ(), "seed %d: %s", seed, &found)
		require.Negative(t, found.T[2], "the first byte takes less")
	}
}

// Without leaving out what was interrupted, a small difference would drown.
func TestAShortExitIsSeen(t *testing.T) {
	lastTwo := func(m *machine, a, b []byte) {
		m.ticks += macBytes - 1
		if a[0] == b[0] {
			m.ticks += 2
		}
	}
	found := compareOn(&machine{random: rand.New(rand.NewPCG(5, 1))}, lastTwo, 100_000)
	require.True(t, found.Differ(), "%s", &found)
	require.Less(t, math.Abs(found.T[0]), Limit, "%s", &found)
}
