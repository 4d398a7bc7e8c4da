package timing

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Subject is what is measured. Prepare lays the input of a class, 0 or 1, where Run
// finds it; both classes must lie in the same place, or the memory makes the
// difference. Only Run is timed.
type Subject struct {
	Prepare func(class int)
	Run     func()
}

// crops are the shares of the measurements, the shortest ones, of which t is
// computed. The longest are those that something else has interrupted: they hide
// what there is to see, but leaving some out must not be a choice, so all count.
var crops = [...]float64{1, 0.99, 0.9, 0.5}

// Result is what a comparison has found.
type Result struct {
	Samples int                 // of each class
	Mean    [2]float64          // of all measurements of a class, in the clock's units
	Median  [2]float64          //
	T       [len(crops)]float64 // by crop
}

// Differ says whether the classes can be told apart.
func (r *Result) Differ() bool { return r.Max() >= Limit }

// Max returns the largest |t|.
func (r *Result) Max() (largest float64) {
	for _, t := range r.T {
		largest = math.Max(largest, math.Abs(t))
	}
	return largest
}

func (r *Result) String() string {
	return fmt.Sprintf("%d samples each, medians %.0f and %.0f, means %.1f and %.1f, t %+.2f, of the shortest 99 %%, 90 %%, 50 %%: %+.2f %+.2f %+.2f",
		r.Samples, r.Median[0], r.Median[1], r.Mean[0], r.Mean[1], r.T[0], r.T[1], r.T[2], r.T[3])
}

// Compare measures s with both classes, samples times each, by the clock, whose
// differences are durations. The seed decides the order.
func Compare(s Subject, samples int, clock func() int64, seed uint64) Result {
	random := rand.New(rand.NewPCG(seed, 0x6475646563740000))
	var taken [2][]int64
	for class := range taken {
		taken[class] = make([]int64, 0, samples)
	}
	for range min(samples/10, 10_000) { // caches and predictors get to know both
		s.Prepare(random.IntN(2))
		s.Run()
	}
	for len(taken[0]) < samples || len(taken[1]) < samples {
		class := random.IntN(2)
		s.Prepare(class)
		start := clock()
		s.Run()
		end := clock()
		if len(taken[class]) < samples { // the other class only fills up
			taken[class] = append(taken[class], end-start)
		}
	}
	return evaluate(taken)
}

// evaluate computes what the measurements say. Every crop cuts both classes at one
// and the same duration.
func evaluate(taken [2][]int64) (r Result) {
	r.Samples = len(taken[0])
	pooled := slices.Concat(taken[0], taken[1])
	slices.Sort(pooled)
	for i, share := range crops {
		cut := pooled[int(share*float64(len(pooled)-1))]
		var m [2]moments
		for class := range taken {
			for _, duration := range taken[class] {
				if duration <= cut {
					m[class].add(float64(duration))
				}
			}
		}
		r.T[i] = welch(&m[0], &m[1])
		if share == 1 {
			r.Mean = [2]float64{m[0].mean, m[1].mean}
		}
	}
	for class := range taken {
		slices.Sort(taken[class])
		r.Median[class] = float64(taken[class][len(taken[class])/2])
	}
	return r
}
