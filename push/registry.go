package push

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"portcullis/engine"
	"portcullis/store"
)

// Limits on what is kept.
const (
	MaxRecords          = 100_000 // devices and clientIds with subscriptions, of all apps
	MaxRecordsPerApp    = 10_000
	MaxDevicesPerClient = 100 // of one clientId
	MaxChannels         = 64  // that a device, or a clientId, subscribes to
	MaxChannelBytes     = 256
	MaxSecretBytes      = 256
	MaxDetailBytes      = 8 << 10 // of metadata and of the recipient, each
)

// Registry keeps registrations and subscriptions in a store, and answers from
// memory.
type Registry struct {
	store  store.Store
	issuer *engine.Issuer
	log    *slog.Logger

	// revoking is held for reading from when a credential is looked at once more until
	// what it has registered is in memory, and for writing while a revocation ends
	// tokens: it misses none.
	revoking sync.RWMutex
	// stripes are locks over records, by their names: each is held from the check of a
	// record until its change is in memory.
	stripes [64]chan struct{}
	seed    maphash.Seed

	mu    sync.RWMutex // over what follows
	apps  map[string]*app
	names map[string]place // by the names of records
}

// app is what one app has.
type app struct {
	devices map[string]*device
	clients map[string]*client
}

// place is where a record is in memory.
type place struct{ app, device, client string }

// New returns a Registry without anything in it; see [Registry.Load].
func New(st store.Store, log *slog.Logger) *Registry {
	r := &Registry{store: st, issuer: engine.NewIssuer(), log: log, seed: maphash.MakeSeed(), apps: make(map[string]*app), names: make(map[string]place)}
	for i := range r.stripes {
		r.stripes[i] = make(chan struct{}, 1)
	}
	return r
}

// Load takes in what the store has kept, and from then on what changes there.
func (r *Registry) Load() error { return r.store.Watch(store.Devices, r.told) }

// told takes in one record, or that it was deleted.
func (r *Registry) told(name string, value []byte) {
	var d *device
	var c *client
	if value != nil {
		var err error
		if d, c, err = decode(name, value); err != nil {
			r.log.Error("a device in the store is left out", "record", name, "error", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, known := r.names[name]; known && d == nil && c == nil {
		r.drop(name, at)
	}
	switch {
	case d != nil:
		r.appOf(d.app).devices[d.ID] = d
		r.names[name] = place{app: d.app, device: d.ID}
	case c != nil:
		r.appOf(c.app).clients[c.id] = c
		r.names[name] = place{app: c.app, client: c.id}
	}
}

// drop forgets a record. The caller holds mu.
func (r *Registry) drop(name string, at place) {
	a := r.apps[at.app]
	delete(r.names, name)
	delete(a.devices, at.device)
	delete(a.clients, at.client)
	if len(a.devices)+len(a.clients) == 0 {
		delete(r.apps, at.app)
	}
}

// appOf returns an app to put something into. The caller holds mu.
func (r *Registry) appOf(id string) *app {
	a := r.apps[id]
	if a == nil {
		a = &app{make(map[string]*device), make(map[string]*client)}
		r.apps[id] = a
	}
	return a
}

func (r *Registry) device(appID, id string) *device {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if a := r.apps[appID]; a != nil {
		return a.devices[id]
	}
	return nil
}

func (r *Registry) client(appID, id string) *client {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if a := r.apps[appID]; a != nil {
		return a.clients[id]
	}
	return nil
}

// devices returns the devices of an app that are wanted, by their ids.
func (r *Registry) devices(appID string, wanted func(*device) bool) (found []*device) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if a := r.apps[appID]; a != nil {
		for d := range maps.Values(a.devices) {
			if wanted(d) {
				found = append(found, d)
			}
		}
	}
	slices.SortFunc(found, func(a, b *device) int { return cmp.Compare(a.ID, b.ID) })
	return found
}

// clients returns the clientIds of an app that subscribe to something, sorted.
func (r *Registry) clients(appID string) (found []*client) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if a := r.apps[appID]; a != nil {
		found = slices.Collect(maps.Values(a.clients))
	}
	slices.SortFunc(found, func(a, b *client) int { return cmp.Compare(a.id, b.id) })
	return found
}

// room says whether another record fits in.
func (r *Registry) room(appID string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	a := r.apps[appID]
	return len(r.names) < MaxRecords && (a == nil || len(a.devices)+len(a.clients) < MaxRecordsPerApp)
}

// lock locks the record of that name. A store that is slow holds the lock for long,
// so waiting for it ends with ctx.
func (r *Registry) lock(ctx context.Context, name string) (unlock func(), err error) {
	stripe := r.stripes[maphash.String(r.seed, name)%uint64(len(r.stripes))]
	select {
	case stripe <- struct{}{}:
		return func() { <-stripe }, nil
	case <-ctx.Done():
		return nil, r.failed(ctx.Err())
	}
}

// keep keeps a record, which is in memory when it returns nil.
func (r *Registry) keep(ctx context.Context, name string, value []byte) error {
	return r.failed(r.store.Put(ctx, store.Devices, name, value, false))
}

func (r *Registry) forget(ctx context.Context, name string) error {
	return r.failed(r.store.Delete(ctx, store.Devices, name))
}

// failed returns what a client is told of an error of the store.
func (r *Registry) failed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrTooLarge):
		return engine.ErrPushLimit
	}
	r.log.Error("push registration not kept", "error", err)
	return engine.ErrUnavailable
}

// changesAtOnce is how many records of one request are changed at the same time.
const changesAtOnce = 64

// each calls change for every item, several at once, and returns one of the errors.
func each[T any](items []T, change func(T) error) error {
	var group sync.WaitGroup
	errs := make([]error, len(items))
	room := make(chan struct{}, changesAtOnce)
	for i, item := range items {
		room <- struct{}{}
		group.Go(func() {
			errs[i] = change(item)
			<-room
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err // not joined: it is an ErrorInfo
		}
	}
	return nil
}
