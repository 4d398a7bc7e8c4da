package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFixtures holds the booted server against the credentials that any
// Ably-compatible server can be held against, with the configuration that the
// program prints for it.
func TestFixtures(t *testing.T) {
	printed := command{args: []string{"fixtures", "config"}}.run(t)
	require.Zero(t, printed.code, printed.stderr)
	server := startServer(t, strings.Replace(printed.stdout, "server:\n", "server:\n  listen: 127.0.0.1:0\n  admin_listen: 127.0.0.1:0\n", 1))
	for _, surface := range []string{"ably", "admit"} {
		r := command{args: []string{"fixtures", "run", "--server", server.public, "--surface", surface}}.run(t)
		require.Zero(t, r.code, r.stdout+r.stderr)
		require.Empty(t, r.stdout, "only deviations are printed")
		require.Contains(t, r.stderr, " 0 deviations")
	}
	require.Empty(t, command{args: []string{"fixtures", "run", "--quiet", "--server", server.public + "/"}}.run(t).stderr)

	r := command{args: []string{"fixtures", "run", "--json", "--quiet", "--server", server.public}}.run(t)
	require.Zero(t, r.code)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	require.Greater(t, len(lines), 850)
	for _, line := range lines {
		var result struct {
			Name      string
			Want, Got struct{ Status int }
			OK        *bool
		}
		require.NoError(t, json.Unmarshal([]byte(line), &result), line)
		require.NotEmpty(t, result.Name)
		require.True(t, *result.OK && result.Got.Status == result.Want.Status || result.Want.Status == 200, line)
	}
	server.stop(t)
}

// TestFixturesAgainstAnotherServer shows the exit codes: a server that admits
// everybody, one without a clock, and none.
func TestFixturesAgainstAnotherServer(t *testing.T) {
	open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/time" {
			_ = json.NewEncoder(w).Encode([]int64{time.Now().UnixMilli()})
		}
	}))
	r := command{args: []string{"fixtures", "run", "--server", open.URL}}.run(t)
	require.Equal(t, 1, r.code, r.stderr)
	require.Contains(t, r.stdout, "DEVIATES  token/alg-none  want 40144/401, got HTTP 200")
	require.NotContains(t, r.stdout, "want HTTP 200, got", "good credentials are admitted here too")
	open.Close()
	require.Equal(t, 4, command{args: []string{"fixtures", "run", "--server", open.URL}}.run(t).code)

	closed := httptest.NewServer(http.NotFoundHandler())
	defer closed.Close()
	require.Equal(t, 4, command{args: []string{"fixtures", "run", "--server", closed.URL}}.run(t).code)
	for _, args := range [][]string{{"run"}, {"run", "--server", "here"}, {"run", "--server", closed.URL, "--surface", "mqtt"}, {}} {
		require.Equal(t, 2, command{args: append([]string{"fixtures"}, args...)}.run(t).code, args)
	}
}
