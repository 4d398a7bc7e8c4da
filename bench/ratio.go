package bench

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// Contestant does a piece of work n times.
type Contestant struct {
	Name string
	Run  func(n int) error
}

// Ratio is one claim about speed: how many times as long the peer takes as the
// subject.
type Ratio struct {
	Name string
	Goal float64
	// New returns the two contestants, ready to run.
	New func() (subject, peer Contestant, err error)
}

var ratios []Ratio

func registerRatio(r Ratio) { ratios = append(ratios, r) }

// Ratios returns every ratio, by name.
func Ratios() []Ratio {
	all := slices.Clone(ratios)
	slices.SortFunc(all, func(a, b Ratio) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Spread is a median and what stands around it.
type Spread struct{ Min, Median, Max float64 }

func spreadOf(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	middle := sorted[len(sorted)/2]
	if len(sorted)%2 == 0 {
		middle = (sorted[len(sorted)/2-1] + middle) / 2
	}
	return Spread{sorted[0], middle, sorted[len(sorted)-1]}
}

// Result is what a measurement has shown: nanoseconds for each piece of work,
// and the ratio of the two medians beside the ratios of single rounds.
type Result struct {
	Rounds        int
	Subject, Peer Spread
	Value         float64 // Peer.Median / Subject.Median
	OfRounds      Spread
}

// Measure runs both contestants in turns, each for about slice in every round.
// Whoever goes first changes from round to round, so that a machine which gets
// slower, or a neighbour on it, disturbs both alike.
func Measure(subject, peer Contestant, rounds int, slice time.Duration) (Result, error) {
	both := [2]Contestant{subject, peer}
	var n [2]int
	for i, c := range both {
		var err error
		if n[i], err = calibrate(c, slice); err != nil {
			return Result{}, err
		}
	}
	var took [2][]float64
	var quotients []float64
	for round := range rounds {
		for turn := range both {
			i := (turn + round) % 2
			ns, err := timed(both[i], n[i])
			if err != nil {
				return Result{}, err
			}
			took[i] = append(took[i], ns)
		}
		quotients = append(quotients, took[1][round]/took[0][round])
	}
	r := Result{Rounds: rounds, Subject: spreadOf(took[0]), Peer: spreadOf(took[1]), OfRounds: spreadOf(quotients)}
	r.Value = r.Peer.Median / r.Subject.Median
	return r, nil
}

// timed returns the nanoseconds of one piece of work.
func timed(c Contestant, n int) (float64, error) {
	runtime.GC() // nobody pays for another's garbage
	start := time.Now()
	err := c.Run(n)
	took := time.Since(start)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.Name, err)
	}
	return float64(took.Nanoseconds()) / float64(n), nil
}

// calibrate finds how many pieces of work take about slice. It also warms up.
func calibrate(c Contestant, slice time.Duration) (int, error) {
	for n := 1000; ; n *= 2 {
		ns, err := timed(c, n)
		if err != nil {
			return 0, err
		}
		if took := ns * float64(n); took >= float64(slice)/4 {
			return max(1, int(float64(slice)/ns)), nil
		}
	}
}
