package realtime

import "sync"

// maxAway is how many connections without a WebSocket are kept: twice as many as are
// served at once by default. Whoever opens one after the other would otherwise fill
// the memory in the two minutes that each is kept.
const maxAway = 128 << 10

// away is the connections that have no WebSocket, by app.
type away struct {
	max int

	mu    sync.Mutex
	count int
	apps  map[string]map[*connection]struct{}
}

// add adds a connection. If there are too many it returns one that is to be forgotten,
// of the app that has most, so that no app can push out the others'.
func (a *away) add(c *connection) (tooMany *connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.apps[c.app] == nil {
		a.apps[c.app] = make(map[*connection]struct{})
	}
	a.apps[c.app][c] = struct{}{}
	if a.count++; a.count <= a.max {
		return nil
	}
	most := a.apps[c.app]
	for _, connections := range a.apps {
		if len(connections) > len(most) {
			most = connections
		}
	}
	for other := range most {
		if other != c {
			return other
		}
	}
	return c
}

func (a *away) remove(c *connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	connections := a.apps[c.app]
	if _, is := connections[c]; !is {
		return
	}
	a.count--
	if delete(connections, c); len(connections) == 0 {
		delete(a.apps, c.app)
	}
}
