package oauth

import (
	"fmt"
	"time"

	"portcullis/engine"
)

// AliasRecord is what is kept of an alias that a client has or had, so that the
// tokens which name it are not attributed to another client that gets it later.
type AliasRecord struct {
	Service uint64           `json:"service"`
	Alias   string           `json:"alias"`
	Client  uint64           `json:"client"`
	Until   engine.UnixMilli `json:"until,omitempty"` // when no token names it any more; 0 while the client has it
}

// RetiredAlias is an alias that a client had. It means that client in tokens, and
// nobody in a request.
type RetiredAlias struct {
	Service uint64
	Alias   string
	Client  uint64
}

// History is what comes of comparing services with what was kept of their aliases.
type History struct {
	Retired []RetiredAlias
	Changed []AliasRecord // to be kept once the services are the present ones
	Over    []AliasRecord // no longer needed
	Fault   error         // an alias is to be one client's while tokens may still name another one by it
}

// defaultLife is for aliases whose service is gone.
const defaultLife = engine.UnixMilli(DefaultAccessTokenTTL / time.Millisecond)

// Reconcile compares services with what was kept of their aliases.
func Reconcile(services []ServiceConfig, kept []AliasRecord, now engine.UnixMilli) (h History) {
	type place struct {
		service uint64
		alias   string
	}
	live, life := make(map[place]uint64), make(map[uint64]engine.UnixMilli)
	for i := range services {
		s := &services[i]
		life[s.ID] = engine.UnixMilli(orDefault(s.AccessTokenTTL, DefaultAccessTokenTTL).Milliseconds())
		for j := range s.Clients {
			if c := &s.Clients[j]; c.Alias != "" {
				live[place{s.ID, c.Alias}] = c.ID
			}
		}
	}
	known := make(map[place]bool)
	for _, r := range kept {
		at := place{r.Service, r.Alias}
		switch {
		case live[at] == r.Client:
			if known[at] = true; r.Until != 0 { // it has come back
				r.Until = 0
				h.Changed = append(h.Changed, r)
			}
		case r.Until != 0 && r.Until <= now:
			h.Over = append(h.Over, r)
		case live[at] != 0:
			h.Fault = fmt.Errorf("oauth: service %d: the alias %q, which is to be the client %d's, is or was the client %d's: leave it out until no token names it any more, for access_token_ttl", r.Service, r.Alias, live[at], r.Client)
		default:
			if r.Until == 0 {
				r.Until = now + orDefault(life[r.Service], defaultLife)
				h.Changed = append(h.Changed, r)
			}
			h.Retired = append(h.Retired, RetiredAlias{r.Service, r.Alias, r.Client})
		}
	}
	for at, client := range live {
		if !known[at] {
			h.Changed = append(h.Changed, AliasRecord{Service: at.service, Alias: at.alias, Client: client})
		}
	}
	return h
}
