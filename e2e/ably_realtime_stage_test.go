package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// The keys that the servers of the realtime tests know, by the name that the
// scenes have for them.
var realtimeKeys = map[string]string{
	"full":            "rtApp.full:rt-full-9Zq2xWm7hVbR4tYkLpN0s",
	"second":          "rtApp.second:rt-second-6Jd81mQvTzXy3RbKfN",
	"narrow":          "rtApp.narrow:rt-narrow-2Hf94nSwUcVz7TdMgP",
	"revocable":       "rtApp.revocs:rt-revocs-8Kd02mNwQcVz5TdXgR",
	"other":           "rtOther.full:rt-other-4Gh73kLpWsEd6RfTyU",
	"limited json":    "rtLimJ.full:rt-limj-1Az52xCvBnMk8JhGfD",
	"unknown app":     "rtNone.full:rt-none-5Rt73kLpWsEd6RfTyU", // to no server
	"limited msgpack": "rtLimM.full:rt-limm-3Qw64eRtYuIo9PlKjH",
}

// identifiedNamespace is one that the configuration makes known.
const identifiedNamespace = "members"

// realtimeConfig configures these keys; more is added as it is. State is kept in
// memory unless more says where: no scene is to wait for a disk.
func realtimeConfig(more ...string) string {
	if !slices.ContainsFunc(more, func(line string) bool { return strings.HasPrefix(line, "store:") }) {
		more = append(more, "store: 'memory:'")
	}
	key := func(name, rest string) string {
		keyName, secret, _ := strings.Cut(realtimeKeys[name], ":")
		_, id, _ := strings.Cut(keyName, ".")
		return "      - {id: " + id + ", secret: " + secret + rest + "}\n"
	}
	return "server: {listen: 127.0.0.1:0, admin_listen: 127.0.0.1:0}\ncache: {max_bytes: 16MiB}\napps:\n" +
		"  - id: rtApp\n    namespaces: [{id: " + identifiedNamespace + ", identified: true}]\n    keys:\n" +
		key("full", "") + key("second", "") + key("narrow", `, capability: {"sub:*": [subscribe]}`) + key("revocable", ", revocable_tokens: true") +
		"  - id: rtOther\n    keys:\n" + key("other", "") +
		"  - id: rtLimJ\n    keys:\n" + key("limited json", "") +
		"  - id: rtLimM\n    keys:\n" + key("limited msgpack", "") +
		strings.Join(more, "\n") + "\n"
}

// stage is what scenes are played on: servers, a proxy before them for each client,
// and what scenes ask for over HTTP.
type stage struct {
	url     string
	errands chan func() // what must be done on the test's own goroutine

	mu      sync.Mutex
	servers map[string]*process
	proxies map[string]*wireProxy // by scene, format and client
	leads   map[string][]*wireProxy
}

func startStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{errands: make(chan func()), proxies: map[string]*wireProxy{}, leads: map[string][]*wireProxy{}}
	s.servers = map[string]*process{
		"main":               startServer(t, realtimeConfig()),
		"limited":            startServer(t, realtimeConfig("limits: {connections_per_app: 2}")),
		"one per token":      startServer(t, realtimeConfig("limits: {connections_per_token: 1}")),
		"forgetful":          startForgetful(t),
		"restarting json":    startServer(t, realtimeConfig("store: bolt:"+filepath.Join(t.TempDir(), "portcullis.db"))),
		"restarting msgpack": startServer(t, realtimeConfig("store: bolt:"+filepath.Join(t.TempDir(), "portcullis.db"))),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /proxy", s.answer(s.proxy))
	mux.HandleFunc("POST /wire", s.answer(s.disturb))
	mux.HandleFunc("POST /restart", s.answer(func(o order) (string, error) { return "", s.restart(t, o) }))
	mux.HandleFunc("/auth/{form}", authServerOfStage)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// startForgetful starts a server that has lost its state, and knows that it had one:
// it cannot tell whether a TokenRequest is new.
func startForgetful(t *testing.T) *process {
	t.Helper()
	path := filepath.Join(t.TempDir(), "portcullis.db")
	config := realtimeConfig("store: bolt:" + path)
	startServer(t, config).stop(t)
	require.NoError(t, os.Remove(path))
	return startServer(t, config)
}

// order is what a scene asks for.
type order struct{ Scene, Name, Server, Act string }

func (s *stage) answer(do func(order) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var o order
		err := json.NewDecoder(r.Body).Decode(&o)
		if err == nil {
			var text string
			if text, err = do(o); err == nil {
				fmt.Fprint(w, text)
				return
			}
		}
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// proxy makes the proxy of a client.
func (s *stage) proxy(o order) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	server, known := s.servers[o.Server]
	if !known {
		return "", fmt.Errorf("no server %q", o.Server)
	}
	name := o.Scene + "/" + o.Name
	if s.proxies[name] != nil {
		return "", fmt.Errorf("two clients %q", name)
	}
	p, err := newWireProxy(strings.TrimPrefix(server.public, "http://"))
	if err != nil {
		return "", err
	}
	s.proxies[name] = p
	s.leads[o.Server] = append(s.leads[o.Server], p)
	return "http://" + p.address(), nil
}

func (s *stage) disturb(o order) (string, error) {
	s.mu.Lock()
	p := s.proxies[o.Scene+"/"+o.Name]
	s.mu.Unlock()
	if p == nil {
		return "", fmt.Errorf("no client %q", o.Name)
	}
	switch o.Act {
	case "cut":
		p.cut()
	case "refuse":
		p.refuse(true)
	case "accept":
		p.refuse(false)
	case "hold":
		p.hold(fromClient, true)
		p.hold(fromServer, true)
	case "mute":
		p.hold(fromServer, true)
	case "flow":
		p.hold(fromClient, false)
		p.hold(fromServer, false)
	default:
		return "", fmt.Errorf("cannot %q", o.Act)
	}
	return "", nil
}

// restart stops a server as a service manager does, starts it again, and leads its
// clients there.
func (s *stage) restart(t *testing.T, o order) error {
	done := make(chan struct{})
	s.errands <- func() {
		defer close(done)
		s.mu.Lock()
		old := s.servers[o.Server]
		s.mu.Unlock()
		config, err := os.ReadFile(old.config)
		require.NoError(t, err)
		old.stop(t)
		again := startServer(t, string(config))
		s.mu.Lock()
		defer s.mu.Unlock()
		s.servers[o.Server] = again
		for _, p := range s.leads[o.Server] {
			p.lead(strings.TrimPrefix(again.public, "http://"))
		}
	}
	<-done
	return nil
}

// close ends the proxies, so that everything is recorded, and stops the servers.
func (s *stage) close(t *testing.T) {
	t.Helper()
	var closing sync.WaitGroup
	for _, p := range s.proxies {
		closing.Go(p.close)
	}
	closing.Wait()
	for _, server := range s.servers {
		server.stop(t)
	}
}

// authServerOfStage answers an authUrl with a JWT, or with a signed TokenRequest.
func authServerOfStage(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	keyName, secret, _ := strings.Cut(realtimeKeys["full"], ":")
	clientID := r.Form.Get("clientId")
	if r.PathValue("form") == "jwt" {
		now := nowSeconds()
		token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iat": now, "exp": now + 600, "x-ably-clientId": clientID})
		token.Header["kid"] = keyName
		text, err := token.SignedString([]byte(secret))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/jwt")
		fmt.Fprint(w, text)
		return
	}
	text, err := signedTokenRequest(keyName, secret, clientID, base64.RawURLEncoding.EncodeToString(fmt.Append(nil, time.Now().UnixNano())))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, text)
}
