package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAForeignPageCannotUseDev shows that a web page which a developer happens to
// visit gets nothing from the server on the developer's own machine: neither under
// its own name, made to resolve to a loopback address (DNS rebinding), nor by
// sending to the admin listener across origins.
func TestAForeignPageCannotUseDev(t *testing.T) {
	p := start(t, "dev", "--json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	var dev struct{ Key, Server, Admin string }
	line := p.stdout.await(t, "{")
	require.NoError(t, json.Unmarshal([]byte(line), &dev), line)

	token := command{args: []string{"issue", "jwt", "--token-only"}, env: []string{"ABLY_API_KEY=" + dev.Key}}.run(t)
	require.Equal(t, 0, token.code, token.stderr)
	good := present(strings.TrimSpace(token.stdout))
	explain := request{method: "POST", path: "/v1/explain", body: `{"key":"` + dev.Key + `"}`}

	for _, c := range []struct {
		listener, base string
		requests       []request
	}{
		{"public", dev.Server, []request{good, presentKey(dev.Key), {path: "/time"}, {path: "/livez"}, {path: "/nothing"}, {method: "OPTIONS"}}},
		{"admin", dev.Admin, []request{{path: "/metrics"}, {path: "/debug/pprof/"}, {path: "/livez"}, {path: "/nothing"}, explain, {method: "POST", path: "/-/reload"}}},
	} {
		u, err := url.Parse(c.base)
		require.NoError(t, err)
		foreign := []string{
			"evil.example", "evil.example:" + u.Port(), "127.0.0.1.evil.example", "localhost.evil.example:" + u.Port(),
			"0.0.0.0:" + u.Port(), "192.0.2.1", "[::2]",
		}
		for _, host := range foreign {
			for _, r := range c.requests {
				t.Run(fmt.Sprint(c.listener, " ", r.method, r.path, " as ", host), func(t *testing.T) {
					r.host = host
					requireRefused(t, r.send(t, c.base), refusal{code: 40300, status: 403})
				})
			}
		}
		for _, host := range []string{"127.0.0.1:" + u.Port(), "localhost:" + u.Port(), "localhost", "[::1]:" + u.Port()} {
			require.Equal(t, 200, request{path: "/livez", host: host}.send(t, c.base).status, host)
		}
	}
	require.Equal(t, 200, good.send(t, dev.Server).status, "its owner can use it")
	require.Equal(t, 200, explain.send(t, dev.Admin).status)

	for _, origin := range []string{"https://evil.example", "null", "http://127.0.0.1:1", dev.Server} {
		requireRefused(t, explain.withHeader("Origin", origin).send(t, dev.Admin), refusal{code: 40300, status: 403})
		a := request{path: "/metrics"}.withHeader("Origin", origin).send(t, dev.Admin)
		require.Empty(t, a.header.Values("Access-Control-Allow-Origin"), "the page may not read the answer")
	}
	require.Equal(t, 200, explain.withHeader("Origin", dev.Admin).send(t, dev.Admin).status, "its own pages may")
	p.stop(t)
}

// TestTheAdminListenerAsksForItsToken shows what a token on the admin listener
// protects.
func TestTheAdminListenerAsksForItsToken(t *testing.T) {
	const adminToken = "admin-3Xk8PzQv5WnJt7RyBc2LfGdM"
	server := startServer(t, baseConfig("admin_token_file: "+writeFile(t, "admin-token", adminToken+"\n")))
	bearing := func(r request, token string) request { return r.withHeader("Authorization", "Bearer "+token) }
	for _, r := range []request{{path: "/metrics"}, {path: "/debug/pprof/"}, {path: "/nothing"}, {method: "POST", path: "/-/reload"}, {method: "POST", path: "/v1/explain", body: "{}"}} {
		want := refusal{code: 40101, status: 401}
		requireRefused(t, r.send(t, server.admin), want)
		requireRefused(t, bearing(r, adminToken+"x").send(t, server.admin), want)
		requireRefused(t, bearing(r, adminToken[1:]).send(t, server.admin), want)
		requireRefused(t, bearing(r, mint(t, keyFull, nil)).send(t, server.admin), want)
		require.NotEqual(t, 401, bearing(r, adminToken).send(t, server.admin).status)
	}
	require.Equal(t, 200, bearing(request{path: "/metrics"}, adminToken).send(t, server.admin).status)
	for _, probe := range []string{"/livez", "/readyz"} {
		require.Equal(t, 200, request{path: probe}.send(t, server.admin).status, "probes bear none")
	}
	server.stop(t)
	require.NotContains(t, server.stdout.all()+server.stderr.all(), adminToken)
}

// TestUnsafeConfigurationsAreRefused shows that serve does not start where others
// could read its secrets or use its admin listener.
func TestUnsafeConfigurationsAreRefused(t *testing.T) {
	withMode := func(path string, mode os.FileMode) string {
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	secretFile := func(mode os.FileMode) string {
		path := withMode(writeFile(t, "secret", secretFull+"\n"), mode)
		return strings.Replace(baseConfig(), fmt.Sprintf("secret: %q", secretFull), "secret_file: "+path, 1)
	}
	adminOn := func(address string, more ...string) string {
		return strings.Replace(baseConfig(more...), "admin_listen: 127.0.0.1:0", "admin_listen: "+strconv.Quote(address), 1)
	}
	adminToken := func(mode os.FileMode) string {
		return "admin_token_file: " + withMode(writeFile(t, "admin-token", secretRest+"\n"), mode)
	}
	for _, c := range []struct {
		name, config string
		mode         os.FileMode // of the configuration itself
		stderr       string
	}{
		{"admin on every IPv4 address", adminOn("0.0.0.0:0"), 0o600, "admin_token_file"},
		{"admin on every address", adminOn(":0"), 0o600, "admin_token_file"},
		{"admin on every IPv6 address", adminOn("[::]:0"), 0o600, "admin_token_file"},
		{"admin on a name that is not loopback", adminOn("host.example:0"), 0o600, "admin_token_file"},
		{"admin token that all can read", baseConfig(adminToken(0o644)), 0o600, "admin_token_file"},
		{"secret file that all can read", secretFile(0o644), 0o600, "secret_file"},
		{"secret file that others can read", secretFile(0o604), 0o600, "secret_file"},
		{"secret file that the group can read", secretFile(0o640), 0o600, "secret_file"},
		{"secret file that all can write", secretFile(0o622), 0o600, "secret_file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := withMode(writeFile(t, "portcullis.yaml", c.config), c.mode)
			r := command{args: []string{"serve", "-c", path}}.run(t)
			require.Equal(t, 3, r.code, "stdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
			require.Contains(t, r.stderr, c.stderr)
			require.NotContains(t, r.stdout+r.stderr, secretFull)
			require.NotContains(t, r.stdout+r.stderr, secretRest)
		})
	}
	t.Run("a secret file that only its owner can read", func(t *testing.T) {
		server := startServer(t, secretFile(0o600))
		require.Equal(t, 200, present(mint(t, keyFull, nil)).send(t, server.public).status)
		server.stop(t)
	})
}
