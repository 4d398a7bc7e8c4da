package oauth

import (
	"sync"

	"portcullis/engine"
)

// Limits on wrong client secrets.
const (
	// FailuresPerMinute is how many wrong secrets of one client are looked at in a
	// minute. What comes then is refused like another wrong one.
	FailuresPerMinute = 60
	failureWindow     = 60_000 // milliseconds
)

// throttle counts failed authentications of each client, in the present window.
// Whoever is not known counts as one client, so there are as many counts as clients.
// The zero throttle is ready.
type throttle struct {
	mu       sync.Mutex
	window   engine.UnixMilli
	failures map[throttled]int
}

type throttled struct{ service, client string } // client "" is everybody who is not known

// open says whether the client's secret is to be looked at.
func (t *throttle) open(who throttled, now engine.UnixMilli) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return now/failureWindow != t.window || t.failures[who] < FailuresPerMinute
}

// failed notes a wrong secret.
func (t *throttle) failed(who throttled, now engine.UnixMilli) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if window := now / failureWindow; window != t.window || t.failures == nil {
		t.window, t.failures = window, make(map[throttled]int)
	}
	t.failures[who]++
}
