package timing

import "math"

// Limit is the |t| from which two classes count as different. By chance alone one
// comparison in some 150,000 exceeds it.
const Limit = 4.5

// moments are number, mean and sum of squared deviations of a sample, by Welford's
// method, which loses no precision where the mean is large beside the spread.
type moments struct {
	n, mean, squares float64
}

func (m *moments) add(x float64) {
	m.n++
	delta := x - m.mean
	m.mean += delta / m.n
	m.squares += delta * (x - m.mean)
}

func (m *moments) variance() float64 { return m.squares / (m.n - 1) }

// welch returns Welch's t of two samples: the difference of the means in units of
// its standard error, each sample with a variance of its own. Samples without any
// spread have no standard error; t is then 0 when they are equal, and infinite
// when not.
func welch(a, b *moments) float64 {
	if a.n < 2 || b.n < 2 {
		return 0
	}
	difference := a.mean - b.mean
	if difference == 0 {
		return 0
	}
	return difference / math.Sqrt(a.variance()/a.n+b.variance()/b.n)
}
