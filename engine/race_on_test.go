//go:build race

package engine

// raceDetector says that this test binary has the race detector, under which
// sync.Pool forgets on purpose and so everything allocates. `make check` runs the
// allocation tests without it.
const raceDetector = true
