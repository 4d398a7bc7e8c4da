package realtime_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"go.uber.org/goleak"

	"portcullis/admission"
	"portcullis/admission/registry"
	"portcullis/capability"
	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/fanout/memory"
	"portcullis/server/realtime"
	"portcullis/server/realtime/frame"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	keyName = "app.key"
	secret  = "0123456789abcdef0123456789abcdef"
)

// world is a Hub, what verifies the credentials of its clients, and whatever else
// a server has around it. It lives in a bubble of testing/synctest: nothing waits
// for real, and once synctest.Wait returns everything has happened that can happen
// without time passing.
type world struct {
	*testing.T
	*engine.Verifier
	hub    *realtime.Hub
	fanout *watchedFanout
	keys   []engine.Key
	http   fasthttp.Server
	log    bytes.Buffer

	clients []*client                         // who has connected
	verify  func(*engine.Grant, []byte) error // what verifies the tokens of AUTH, nil for the Verifier
}

// run runs test in a bubble. When it is over the hub is closed, and then nothing may
// be left: no goroutine, no connection, no log, no subscription, no member.
func run(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.abandon()
		test(w)
		w.close()
		w.requireNothingLeft()
		require.Empty(t, w.log.String(), "nothing here is worth a log line")
	})
}

func newWorld(t *testing.T) *world {
	everything, err := capability.Parse([]byte(`{"[*]*":["*"]}`))
	require.NoError(t, err)
	seal, err := engine.NewSealSecret("a sealing secret of at least 32 bytes")
	require.NoError(t, err)
	w := &world{T: t, fanout: watch(memory.New(memory.Options{Epoch: uint64(engine.Now())})), keys: []engine.Key{
		{Name: keyName, Secret: secret, Capability: everything, RevocableTokens: true},
		{Name: "app.other", Secret: secret, Capability: everything},
		{Name: "second.key", Secret: secret, Capability: everything},
	}}
	for i := range w.keys[1:] {
		w.keys[1+i].RevocableTokens = false
	}
	w.Verifier, err = engine.NewVerifier(engine.Options{Keys: w.keys, Seal: []engine.SealSecret{seal}})
	require.NoError(t, err)
	w.hub = realtime.New(realtime.Options{
		Verify: func(g *engine.Grant, token []byte) error {
			if w.verify != nil {
				return w.verify(g, token)
			}
			return w.VerifyToken(g, token, engine.Now())
		},
		Fanout: w.fanout, Now: engine.Now, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	w.http = fasthttp.Server{Handler: w.serve, KeepHijackedConns: true, ReadBufferSize: 16 << 10, Logger: noLog{}}
	return w
}

type noLog struct{}

func (noLog) Printf(string, ...any) {}

// serve does what package server does for GET /.
func (w *world) serve(ctx *fasthttp.RequestCtx) {
	q := ctx.QueryArgs()
	o := &realtime.Opening{
		NoEcho: string(q.Peek("echo")) == "false", Heartbeats: string(q.Peek("heartbeats")) != "false", Resume: string(q.Peek("resume")),
		Peer: admission.Peer{ClientID: bytes.Clone(q.Peek("clientId"))},
	}
	if string(q.Peek("format")) == "msgpack" {
		o.Format = frame.Msgpack
	}
	var g engine.Grant
	var err error
	if token := q.Peek("access_token"); len(token) > 0 {
		err = w.VerifyToken(&g, token, engine.Now())
		o.Token = registry.FingerprintOf(token)
	} else {
		err = w.VerifyKey(&g, q.Peek("key"), engine.Now())
	}
	if err == nil {
		err = admission.Admit(new(admission.Session), &g, o.Peer)
	}
	if err != nil {
		o.Refused = err.(*engine.ErrorInfo)
	} else {
		o.Grant = g.Clone()
	}
	w.hub.Accept(ctx, o)
}

// connect returns the client's end of a connection to the server.
func (w *world) connect() net.Conn {
	client, server := net.Pipe()
	go func() { _ = w.http.ServeConn(server) }()
	return client
}

// close closes the hub.
func (w *world) close() {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	require.NoError(w, w.hub.Close(ctx))
}

// abandon closes what a failed test has left behind: a bubble must end empty, or
// nobody sees why the test has failed.
func (w *world) abandon() {
	for _, c := range w.clients {
		_ = c.ws.Close()
	}
	_ = w.hub.Close(w.Context())
	time.Sleep(time.Hour)
}

func (w *world) requireNothingLeft() {
	w.Helper()
	synctest.Wait()
	require.Equal(w, realtime.Kept{}, w.hub.Kept())
	w.fanout.requireEmpty(w)
}

// configure changes the first key.
func (w *world) configure(change func(k *engine.Key)) {
	w.Helper()
	change(&w.keys[0])
	require.NoError(w, w.ReplaceKeys(w.keys))
	w.hub.KeysChanged()
}

// revoke revokes the tokens of a clientId that were issued until now, from after a
// margin on.
func (w *world) revoke(clientID string, margin time.Duration) {
	now := engine.Now()
	r := engine.Revocation{Target: engine.RevokeClientID, Value: clientID, IssuedBefore: now, AppliesAt: now.Add(margin)}
	w.Revoke(keyName, r)
	w.hub.Revoked(keyName, r)
}

// namespaces makes a namespace of an app one for identified clients.
func namespaces(app, id string) map[string]*admission.Namespaces {
	return map[string]*admission.Namespaces{app: admission.NewNamespaces(id)}
}

// claims is what a test's token says.
type claims struct {
	key        string // name of the key that signs it; "" means the first one
	clientID   string
	capability string        // "" means all that the key has
	life       time.Duration // 0 means an hour
	age        time.Duration // how long ago it was issued
	more       map[string]any
}

// jwt returns an Ably JWT that was signed now, in whole seconds.
func (w *world) jwt(c claims) []byte {
	w.Helper()
	if c.key == "" {
		c.key = keyName
	}
	if c.life == 0 {
		c.life = time.Hour - time.Minute
	}
	now := time.Now()
	body := map[string]any{"iat": now.Add(-c.age).Unix(), "exp": float64(now.Add(c.life).UnixMilli()) / 1000}
	if c.clientID != "" {
		body["x-ably-clientId"] = c.clientID
	}
	if c.capability != "" {
		body["x-ably-capability"] = c.capability
	}
	maps.Copy(body, c.more)
	text, err := json.Marshal(body)
	require.NoError(w, err)
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT","kid":"`+c.key+`"}`)) + "." + encode(text)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return []byte(signed + "." + encode(mac.Sum(nil)))
}

// opaque returns an issued token of the same.
func (w *world) opaque(c claims) []byte {
	w.Helper()
	var g engine.Grant
	require.NoError(w, w.VerifyToken(&g, w.jwt(c), engine.Now()))
	var details engine.TokenDetails
	require.NoError(w, engine.NewIssuer().Issue(&details, &g))
	return details.Token
}

// members returns the clientIds that are present on a channel of the first app, as
// the fanout knows it.
func (w *world) members(channel string) (ids []string) {
	for _, m := range w.fanout.Members(fanout.Channel{App: "app", Resource: channel}) {
		ids = append(ids, m.ClientID)
	}
	return ids
}

// watchedFanout counts what is subscribed to and remembers every channel.
type watchedFanout struct {
	fanout.Fanout
	mu            sync.Mutex
	subscriptions int
	channels      map[fanout.Channel]bool
	presenting    func() // called once, before the next presence event
}

func (f *watchedFanout) Present(ctx context.Context, e *fanout.Event) error {
	if meanwhile := f.presenting; meanwhile != nil {
		f.presenting = nil
		meanwhile()
	}
	return f.Fanout.Present(ctx, e)
}

func watch(f fanout.Fanout) *watchedFanout {
	return &watchedFanout{Fanout: f, channels: make(map[fanout.Channel]bool)}
}

func (f *watchedFanout) add(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscriptions += n
}

func (f *watchedFanout) Subscribe(c fanout.Channel, deliver func(*fanout.Event)) (*fanout.Subscription, error) {
	s, err := f.Fanout.Subscribe(c, deliver)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.channels[c] = true
	f.mu.Unlock()
	f.add(1)
	cancel, once := s.Cancel, sync.OnceFunc(func() { f.add(-1) })
	s.Cancel = func() { cancel(); once() }
	return s, nil
}

func (f *watchedFanout) requireEmpty(t require.TestingT) {
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Zero(t, f.subscriptions, "subscriptions")
	for c := range f.channels {
		require.Empty(t, f.Members(c), "members of %v", c)
	}
}
