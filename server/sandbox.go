package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/segmentio/encoding/json"

	"portcullis/capability"
	"portcullis/engine"
	"portcullis/store"
)

// Limits on the sandbox.
const (
	maxSandboxApps = 1000
	maxSandboxKeys = 20
	sandboxAppLife = 24 * time.Hour
)

// sandbox joins the configured keys with those of sandbox apps, which anybody
// may make who may use the sandbox and which are kept in the store.
type sandbox struct {
	verifier *engine.Verifier
	store    store.Store
	log      *slog.Logger
	leaving  func(ctx context.Context, id string) error // forgets what an app leaves behind; may be nil

	mu         sync.Mutex
	making     int // apps that are being kept just now
	configured []engine.Key
	rules      engine.TokenRules
	seal       []engine.SealSecret
	apps       map[string]*sandboxApp
	loaded     bool // from now on a change of the apps changes the keys
}

// sandboxApp is a sandbox app as it is kept.
type sandboxApp struct {
	ID         string            `json:"id"`
	Keys       []sandboxKey      `json:"keys"`
	Namespaces []json.RawMessage `json:"namespaces"`
	Created    engine.UnixMilli  `json:"created"`
}

type sandboxKey struct {
	ID         string `json:"id"`
	Secret     string `json:"secret"`
	Capability string `json:"capability"` // canonical text
	Revocable  bool   `json:"revocable"`

	set *capability.Set
}

func (a *sandboxApp) expires() engine.UnixMilli { return a.Created.Add(sandboxAppLife) }

func newSandbox(v *engine.Verifier, st store.Store, log *slog.Logger) *sandbox {
	return &sandbox{verifier: v, store: st, log: log, apps: make(map[string]*sandboxApp)}
}

// errSandboxFull is why no further app is made.
var errSandboxFull = errors.New("server: the sandbox is full")

// configure makes keys, rules and sealing secrets the configured ones, beside
// those of the sandbox; all of it or, after an error, nothing.
func (b *sandbox) configure(keys []engine.Key, rules engine.TokenRules, seal []engine.SealSecret) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.verifier.Replace(b.joined(keys), rules, seal); err != nil {
		return err
	}
	b.configured, b.rules, b.seal = keys, rules, seal
	return nil
}

// joined returns the keys together with those of the sandbox. The caller holds
// mu.
func (b *sandbox) joined(keys []engine.Key) []engine.Key {
	all := append([]engine.Key(nil), keys...)
	for _, app := range b.apps {
		for _, k := range app.Keys {
			all = append(all, k.engineKey(app))
		}
	}
	return all
}

// engineKey returns the key as a Verifier takes it. Its capability was parsed when
// the app was taken in.
func (k *sandboxKey) engineKey(app *sandboxApp) engine.Key {
	return engine.Key{
		Name: app.ID + "." + k.ID, Secret: engine.Secret(k.Secret), Capability: k.set, RevocableTokens: k.Revocable,
		NotAfter: app.expires(), Since: app.Created, Sandbox: true,
	}
}

// read takes an app from its record, and refuses one that is not as create
// makes them: it would make the keys of all others unusable.
func (b *sandbox) read(id string, value []byte) (*sandboxApp, error) {
	app := new(sandboxApp)
	if err := json.Unmarshal(value, app); err != nil {
		return nil, err
	}
	if app.ID != id {
		return nil, errors.New("the record names another app")
	}
	keys := make([]engine.Key, len(app.Keys))
	for i := range app.Keys {
		k := &app.Keys[i]
		var err error
		if k.set, err = capability.Parse([]byte(k.Capability)); err != nil {
			return nil, err
		}
		keys[i] = k.engineKey(app)
	}
	v, err := engine.NewVerifier(engine.Options{Keys: keys})
	if err != nil {
		return nil, err
	}
	v.Close()
	return app, nil
}

// load takes in the apps of the store, and from then on what changes there.
func (b *sandbox) load() error {
	err := b.store.Watch(store.Apps, func(id string, value []byte) {
		var app *sandboxApp
		if value != nil {
			var err error
			if app, err = b.read(id, value); err != nil {
				b.log.Error("a sandbox app in the store is left out", "app", id, "error", err)
				return
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if app == nil {
			delete(b.apps, id)
		} else {
			b.apps[id] = app
		}
		if b.loaded {
			if err := b.verifier.Replace(b.joined(b.configured), b.rules, b.seal); err != nil {
				b.log.Error("a change of the sandbox apps has no effect", "app", id, "error", err)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("server: sandbox apps: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.loaded = true
	return b.verifier.Replace(b.joined(b.configured), b.rules, b.seal)
}

// create keeps a new app and makes its keys known before it returns.
func (b *sandbox) create(ctx context.Context, keys []sandboxKey, namespaces []json.RawMessage, now engine.UnixMilli) (*sandboxApp, error) {
	if err := b.reserve(ctx, now); err != nil {
		return nil, err
	}
	defer b.unreserve()
	app := &sandboxApp{Keys: keys, Namespaces: namespaces, Created: now}
	for i := range keys {
		keys[i].ID, keys[i].Secret = randomID(6), randomID(32)
	}
	for {
		app.ID = randomID(6)
		if b.known(app.ID) {
			continue
		}
		value, err := json.Marshal(app)
		if err != nil {
			return nil, err
		}
		switch err := b.store.Put(ctx, store.Apps, app.ID, value, true); {
		case errors.Is(err, store.ErrExists):
			continue
		case err != nil:
			return nil, err
		}
		return app, nil
	}
}

// known says whether an app of that id is configured or in the sandbox.
func (b *sandbox) known(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.configured {
		if len(k.Name) > len(id) && k.Name[:len(id)+1] == id+"." {
			return true
		}
	}
	return b.apps[id] != nil
}

// reserve forgets apps whose day is over and makes room for another one, until
// unreserve.
func (b *sandbox) reserve(ctx context.Context, now engine.UnixMilli) error {
	b.mu.Lock()
	var expired []string
	for id, app := range b.apps {
		if now >= app.expires() {
			expired = append(expired, id)
		}
	}
	full := len(b.apps)-len(expired)+b.making >= maxSandboxApps
	if !full {
		b.making++
	}
	b.mu.Unlock()
	if full {
		return errSandboxFull
	}
	for _, id := range expired {
		if err := b.forget(ctx, id); err != nil {
			b.unreserve()
			return err
		}
	}
	return nil
}

func (b *sandbox) unreserve() {
	b.mu.Lock()
	b.making--
	b.mu.Unlock()
}

// forget deletes an app, after what it leaves behind; its keys are unknown when it
// returns.
func (b *sandbox) forget(ctx context.Context, id string) error {
	if b.leaving != nil {
		if err := b.leaving(ctx, id); err != nil {
			return err
		}
	}
	return b.store.Delete(ctx, store.Apps, id)
}

// firstKey returns the name of an app's first key, "" when there is no such app.
func (b *sandbox) firstKey(id string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if app := b.apps[id]; app != nil && len(app.Keys) > 0 {
		return id + "." + app.Keys[0].ID
	}
	return ""
}

// randomID returns random letters and digits: SDKs refuse some other characters
// in keys.
func randomID(size int) string {
	text := rand.Text()
	for len(text) < size {
		text += rand.Text()
	}
	return text[:size]
}
