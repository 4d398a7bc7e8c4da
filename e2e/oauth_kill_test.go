package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const oauthIssuer = "https://as.example.com"

// killAndStart kills a server, as nobody announces it, and starts it again on its state.
func killAndStart(t *testing.T, p *process, config string) *process {
	t.Helper()
	require.NoError(t, p.cmd.Process.Kill())
	p.wait()
	return startServer(t, config)
}

func legacyCredentials(parameters ...string) object {
	q := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	return object{"parameters": q.Encode(), "clientId": legacyAlias, "clientSecret": legacySecret}
}

func redeemCode(code any) object {
	return legacyCredentials("grant_type", "authorization_code", "code", code.(string), "redirect_uri", appRedirect)
}

func redeemRefresh(token any) object {
	return legacyCredentials("grant_type", "refresh_token", "refresh_token", token.(string))
}

// requireReplayed requires a refusal of what was spent or revoked.
func requireReplayed(t *testing.T, answer object, what string) {
	t.Helper()
	require.Equal(t, "BAD_REQUEST", answer["action"], "%s: %v", what, answer)
	require.Contains(t, answer["responseContent"], `"error":"invalid_grant"`, what)
}

// TestAKillBetweenTheSteps kills the server with SIGKILL between authorization and
// token, and between token and refresh: what was issued is good, and good once.
func TestAKillBetweenTheSteps(t *testing.T) {
	config := oauthConfig(oauthIssuer, "bolt:"+filepath.Join(t.TempDir(), "portcullis.db"))
	server := startServer(t, config)
	authorize := func() any {
		return apiCall(t, server.public, "/auth/authorization", object{"parameters": url.Values{"response_type": {"code"}, "client_id": {legacyAlias}, "redirect_uri": {appRedirect}}.Encode()})["ticket"]
	}
	call := func(path string, body object) object { return apiCall(t, server.public, path, body) }

	ticket := authorize()
	server = killAndStart(t, server, config)
	code := call("/auth/authorization/issue", object{"ticket": ticket, "subject": "u"})["authorizationCode"]
	server = killAndStart(t, server, config)
	require.Equal(t, "BAD_REQUEST", call("/auth/authorization/issue", object{"ticket": ticket, "subject": "u"})["action"], "the ticket was used")
	issued := call("/auth/token", redeemCode(code))
	require.Equal(t, "OK", issued["action"], "%v", issued)
	server = killAndStart(t, server, config)
	refreshed := call("/auth/token", redeemRefresh(issued["refreshToken"]))
	require.Equal(t, "OK", refreshed["action"], "%v", refreshed)
	require.Equal(t, "OK", call("/auth/introspection", object{"token": issued["jwtAccessToken"]})["action"])
	server = killAndStart(t, server, config)

	requireReplayed(t, call("/auth/token", redeemRefresh(issued["refreshToken"])), "a refresh token that was used before two kills")
	for _, token := range []any{issued["accessToken"], issued["jwtAccessToken"], refreshed["accessToken"], refreshed["jwtAccessToken"]} {
		require.Equal(t, "UNAUTHORIZED", call("/auth/introspection", object{"token": token})["action"])
	}
	server = killAndStart(t, server, config)
	requireReplayed(t, call("/auth/token", redeemRefresh(refreshed["refreshToken"])), "the family is revoked")
	for _, token := range []any{issued["accessToken"], refreshed["jwtAccessToken"]} {
		require.Equal(t, "UNAUTHORIZED", call("/auth/introspection", object{"token": token})["action"], "a revocation outlives a kill")
	}
	requireReplayed(t, call("/auth/token", redeemCode(code)), "a code that was used before five kills")

	single := call("/auth/token", legacyCredentials("grant_type", "client_credentials"))
	require.Equal(t, "OK", call("/auth/revocation", legacyCredentials("token", single["jwtAccessToken"].(string)))["action"])
	server = killAndStart(t, server, config)
	require.Equal(t, "UNAUTHORIZED", call("/auth/introspection", object{"token": single["accessToken"]})["action"])

	// What an alias was is kept too.
	renamed := bytes.ReplaceAll([]byte(config), []byte(legacyAlias), []byte("renamed"))
	moved := bytes.ReplaceAll(renamed, []byte("alias: spa"), []byte(`alias: "`+legacyAlias+`"`))
	server = killAndStart(t, server, string(renamed))
	server = killAndStart(t, server, string(renamed))
	path := writeFile(t, "moved.yaml", string(moved))
	require.NoError(t, server.cmd.Process.Kill())
	server.wait()
	refused := start(t, "serve", "-c", path)
	require.Equal(t, 3, refused.exit(t), "%s", refused.stderr.all())
	require.Contains(t, refused.stderr.all(), legacyNumber)
}

// TestCodesOfALostHistory deletes the state file, not the marker: what was issued
// before may have been used, and nobody is told that it was. What comes later is good.
func TestCodesOfALostHistory(t *testing.T) {
	state := filepath.Join(t.TempDir(), "portcullis.db")
	config := strings.Replace(oauthConfig(oauthIssuer, "bolt:"+state), "allow_weak_secrets: true", "allow_weak_secrets: true, seal_secrets: [a-sealing-secret-of-this-test-0123456789]", 1)
	server := startServer(t, config)
	call := func(path string, body object) object { return apiCall(t, server.public, path, body) }
	authorize := func() any {
		ticket := call("/auth/authorization", object{"parameters": url.Values{"response_type": {"code"}, "client_id": {legacyAlias}, "redirect_uri": {appRedirect}}.Encode()})["ticket"]
		return call("/auth/authorization/issue", object{"ticket": ticket, "subject": "u"})["authorizationCode"]
	}
	used, unused := authorize(), authorize()
	issued := call("/auth/token", redeemCode(used))
	require.Equal(t, "OK", issued["action"])
	require.NoError(t, server.cmd.Process.Kill())
	server.wait()
	require.NoError(t, os.Remove(state))
	server = startServer(t, config)
	for _, body := range []object{redeemCode(used), redeemCode(unused), redeemRefresh(issued["refreshToken"])} {
		answer := call("/auth/token", body)
		require.Equal(t, "INTERNAL_SERVER_ERROR", answer["action"], "%v", answer)
		require.Contains(t, answer["responseContent"], `"error":"server_error"`)
	}
	require.Equal(t, "OK", call("/auth/introspection", object{"token": issued["jwtAccessToken"]})["action"])
	server.stop(t)
}

// flow is one authorization as far as it was acknowledged.
type flow struct{ code, first, second string }

// TestNothingSpentIsGoodAgainAfterAKill kills the server at random points while 32
// callers go from authorization to refresh, and presents everything again that was
// acknowledged as spent.
func TestNothingSpentIsGoodAgainAfterAKill(t *testing.T) {
	config := oauthConfig(oauthIssuer, "bolt:"+filepath.Join(t.TempDir(), "portcullis.db"), "    code_ttl: 10m\n")
	server := startServer(t, config)
	checked := 0
	for range killRounds() {
		var mu sync.Mutex
		var flows []flow
		acked := func() int { mu.Lock(); defer mu.Unlock(); return len(flows) }
		var callers sync.WaitGroup
		stop := make(chan struct{})
		for range 32 {
			callers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if f, ok := oneFlow(server.public); ok {
						mu.Lock()
						flows = append(flows, f)
						mu.Unlock()
					}
				}
			})
		}
		target := 20 + rand.IntN(100)
		require.Eventually(t, func() bool { return acked() >= target }, patience, time.Millisecond)
		require.NoError(t, server.cmd.Process.Kill())
		server.wait()
		close(stop)
		callers.Wait()
		server = startServer(t, config)
		for _, f := range flows {
			// The refresh token first: the code's replay would revoke it anyway.
			requireReplayed(t, apiCall(t, server.public, "/auth/token", redeemRefresh(f.first)), "a refresh token")
			requireReplayed(t, apiCall(t, server.public, "/auth/token", redeemCode(f.code)), "a code")
			requireReplayed(t, apiCall(t, server.public, "/auth/token", redeemRefresh(f.second)), "its family")
			checked++
		}
	}
	server.stop(t)
	t.Logf("%d kills, %d authorizations whose code and refresh token were presented again, 0 accepted", killRounds(), checked)
}

// oneFlow goes from authorization to refresh. It fails when the server is gone.
func oneFlow(base string) (f flow, ok bool) {
	call := func(path string, body object) (answer object) {
		text, _ := json.Marshal(body)
		q, err := http.NewRequest(http.MethodPost, base+"/api/auth"+path, bytes.NewReader(text))
		if err != nil {
			return nil
		}
		q.Header.Set("Authorization", "Bearer "+serviceToken)
		q.Header.Set("Content-Type", typeJSON)
		response, err := client.Do(q)
		if err != nil {
			return nil
		}
		defer response.Body.Close()
		if text, err = io.ReadAll(response.Body); err != nil || json.Unmarshal(text, &answer) != nil {
			return nil
		}
		return answer
	}
	ticket, _ := call("/authorization", object{"parameters": "response_type=code&client_id=" + legacyNumber})["ticket"].(string)
	f.code, _ = call("/authorization/issue", object{"ticket": ticket, "subject": "u"})["authorizationCode"].(string)
	f.first, _ = call("/token", legacyCredentials("grant_type", "authorization_code", "code", f.code))["refreshToken"].(string)
	f.second, ok = call("/token", redeemRefresh(f.first))["refreshToken"].(string)
	return f, ok
}
