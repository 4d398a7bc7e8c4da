package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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

	mu         sync.Mutex
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
}

func (a *sandboxApp) expires() engine.UnixMilli { return a.Created.Add(sandboxAppLife) }

func newSandbox(v *engine.Verifier, st store.Store) *sandbox {
	return &sandbox{verifier: v, store: st, apps: make(map[string]*sandboxApp)}
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
			set, err := capability.Parse([]byte(k.Capability))
			if err != nil {
				continue // it was canonical when it was kept: the record is not ours
			}
			all = append(all, engine.Key{
				Name: app.ID + "." + k.ID, Secret: engine.Secret(k.Secret), Capability: set, RevocableTokens: k.Revocable,
				NotAfter: app.expires(), Since: app.Created,
			})
		}
	}
	return all
}

// load takes in the apps of the store, and from then on what changes there.
func (b *sandbox) load() error {
	err := b.store.Watch(store.Apps, func(id string, value []byte) {
		var app *sandboxApp
		if value != nil {
			app = new(sandboxApp)
			if json.Unmarshal(value, app) != nil || app.ID != id {
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
			_ = b.verifier.Replace(b.joined(b.configured), b.rules, b.seal) // of keys that were accepted before
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
	if err := b.forgetExpired(ctx, now); err != nil {
		return nil, err
	}
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

// forgetExpired forgets apps whose day is over, and says whether there is room
// for another one.
func (b *sandbox) forgetExpired(ctx context.Context, now engine.UnixMilli) error {
	b.mu.Lock()
	var expired []string
	for id, app := range b.apps {
		if now >= app.expires() {
			expired = append(expired, id)
		}
	}
	full := len(b.apps)-len(expired) >= maxSandboxApps
	b.mu.Unlock()
	for _, id := range expired {
		if err := b.store.Delete(ctx, store.Apps, id); err != nil {
			return err
		}
	}
	if full {
		return errSandboxFull
	}
	return nil
}

// forget deletes an app; its keys are unknown when it returns.
func (b *sandbox) forget(ctx context.Context, id string) error {
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
