package push_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/capability"
	"portcullis/engine"
	"portcullis/push"
	"portcullis/store"
)

const (
	now      = engine.UnixMilli(1_700_000_100_000)
	fiveYear = engine.UnixMilli(157_680_000_000) // 5 years of 365 days, in milliseconds
	secret   = "0123456789abcdef0123456789abcdef"
)

// world is a Registry on a store in memory, with the keys of two apps.
type world struct {
	*push.Registry
	t        testing.TB
	verifier *engine.Verifier
	store    *shelf
	keys     []engine.Key
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOf(t, `{"*":["*"]}`)
}

// newWorldOf is newWorld with another capability of the keys.
func newWorldOf(t testing.TB, rights string) *world {
	t.Helper()
	set, err := capability.Parse([]byte(rights))
	require.NoError(t, err)
	w := &world{t: t, store: &shelf{records: make(map[string][]byte)}}
	for _, name := range []string{"app.key", "app.second", "other.key"} {
		w.keys = append(w.keys, engine.Key{Name: name, Secret: secret, Capability: set, RevocableTokens: true})
	}
	seal, err := engine.NewSealSecret("a sealing secret of at least 32 bytes")
	require.NoError(t, err)
	w.verifier, err = engine.NewVerifier(engine.Options{Keys: w.keys, Seal: []engine.SealSecret{seal}})
	require.NoError(t, err)
	w.reload()
	return w
}

// reload begins anew with what the store has.
func (w *world) reload() {
	w.t.Helper()
	w.Registry = push.New(w.store, slog.New(slog.DiscardHandler))
	require.NoError(w.t, w.Load())
}

// shelf is a store of devices that can be watched again, and fail, and wait. It is
// nothing else.
type shelf struct {
	store.Store
	mu      sync.Mutex
	records map[string][]byte
	told    func(name string, value []byte)
	fault   error           // of the next writes
	hold    <-chan struct{} // a write waits for it
	holding chan struct{}   // is told that a write waits
}

func (s *shelf) Watch(b store.Bucket, told func(name string, value []byte)) error {
	if b != store.Devices {
		return store.ErrInvalid
	}
	s.told = told
	for name, value := range s.records {
		told(name, value)
	}
	return nil
}

func (s *shelf) Put(ctx context.Context, b store.Bucket, name string, value []byte, create bool) error {
	return s.write(ctx, name, append([]byte{}, value...))
}

func (s *shelf) Delete(ctx context.Context, b store.Bucket, name string) error {
	return s.write(ctx, name, nil)
}

func (s *shelf) write(ctx context.Context, name string, value []byte) error {
	if s.hold != nil {
		s.holding <- struct{}{}
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.fault != nil:
		return s.fault
	case len(name) > store.MaxNameBytes || len(value) > store.MaxValueBytes:
		return store.ErrTooLarge
	case value == nil:
		delete(s.records, name)
	default:
		s.records[name] = value
	}
	s.told(name, value)
	return nil
}

// caller is who presents a token of a key; nothing in capability means push-subscribe
// on every channel.
func (w *world) caller(key, clientID, rights string) *push.Caller {
	w.t.Helper()
	if rights == "" {
		rights = `{"*":["push-subscribe"]}`
	}
	s, err := engine.NewSigner(engine.Secret(key + ":" + secret))
	require.NoError(w.t, err)
	token, err := s.AppendJWT(nil, &engine.TokenParams{Issued: now, ClientID: clientID, Capability: rights})
	require.NoError(w.t, err)
	g := new(engine.Grant)
	require.NoError(w.t, w.verifier.VerifyToken(g, token, now))
	return &push.Caller{Grant: g, Identity: g.Identity()}
}

func (w *world) admin() *push.Caller { return w.caller("app.key", "", `{"*":["push-admin"]}`) }

// with adds a device token to a caller.
func (w *world) with(c *push.Caller, token string, at engine.UnixMilli) *push.Caller {
	w.t.Helper()
	d := new(engine.DeviceGrant)
	require.NoError(w.t, w.verifier.VerifyDeviceToken(d, []byte(token), at))
	both := *c
	both.Device = d
	return &both
}

// alone is who presents a device token and nothing else.
func (w *world) alone(token string, at engine.UnixMilli) *push.Caller {
	c := w.with(&push.Caller{}, token, at)
	c.Identity = c.Device.Identity()
	return c
}

func secretly(c *push.Caller, secret string) *push.Caller {
	both := *c
	both.Secret = engine.Secret(secret)
	return &both
}

// phone is a whole registration of a device.
func phone(id, clientID, secret string) *push.Change {
	return &push.Change{Details: push.Details{
		ID: id, ClientID: clientID, Platform: "ios", FormFactor: "phone",
		Recipient: []byte(`{"deviceToken":"740f","transportType":"apns"}`),
	}, Secret: engine.Secret(secret)}
}

// register registers a device and returns its device token.
func (w *world) register(c *push.Caller, change *push.Change, at engine.UnixMilli) string {
	w.t.Helper()
	token, err := w.tryRegister(c, change, at)
	require.NoError(w.t, err)
	return token
}

func (w *world) tryRegister(c *push.Caller, change *push.Change, at engine.UnixMilli) (string, error) {
	var token engine.DeviceTokenDetails
	_, err := w.Register(context.Background(), c, change, &token, at)
	if err != nil {
		return "", err
	}
	return string(token.Token), nil
}

// good says whether a device token is good on its registration.
func (w *world) good(token string, at engine.UnixMilli) error {
	w.t.Helper()
	d := new(engine.DeviceGrant)
	if err := w.verifier.VerifyDeviceToken(d, []byte(token), at); err != nil {
		return err
	}
	key := map[string]string{"app.key": "app.second", "app.second": "app.key", "other.key": "other.key"}[d.KeyName()] // another one, if there is
	c := w.with(w.caller(key, "*", ""), token, at)
	_, err := w.Device(c, string(d.DeviceID()), at)
	return err
}
