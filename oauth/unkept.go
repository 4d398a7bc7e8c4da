package oauth

import (
	"sync"

	"portcullis/engine"
)

// unkept holds the revocations that are in force here and that the state has not
// kept: whoever asked for them was told that something is wrong, and need not ask
// again. The zero unkept is ready.
type unkept struct {
	mu   sync.Mutex
	list map[string][]engine.Revocation // by service
}

// maxUnkept bounds how many revocations of one service wait.
const maxUnkept = 1024

// take takes out those of a service.
func (u *unkept) take(service string) []engine.Revocation {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.list[service]
	delete(u.list, service)
	return list
}

func (u *unkept) put(service string, revocations []engine.Revocation) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.list == nil {
		u.list = make(map[string][]engine.Revocation)
	}
	list := append(u.list[service], revocations...)
	u.list[service] = list[max(0, len(list)-maxUnkept):] // the latest
}
