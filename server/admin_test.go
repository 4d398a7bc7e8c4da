package server_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp/fasthttputil"

	"portcullis/internal/vectors"
	"portcullis/server"
)

// admin sends one request to the admin listener.
func (s *site) admin(t *testing.T, method, target string, header http.Header, body ...string) answer {
	t.Helper()
	ln := fasthttputil.NewInmemoryListener()
	go func() { _ = s.ServeAdmin(ln) }()
	conn, err := ln.Dial()
	require.NoError(t, err)
	defer conn.Close()
	request, err := http.NewRequest(method, "http://127.0.0.1:8090"+target, strings.NewReader(strings.Join(body, "")))
	require.NoError(t, err)
	for name, values := range header {
		request.Header[name] = values
	}
	if host := header.Get("Host"); host != "" {
		request.Host = host
	}
	go func() { _ = request.Write(conn) }()
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	require.NoError(t, err)
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, got}
}

func TestAdminEndpoints(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{Version: "v1.2.3"})
	sample, err := vectors.Sample("admitted")
	require.NoError(t, err)
	s.do(t, "GET", "/v1/admit?access_token="+string(sample.Token), nil)
	s.do(t, "GET", "/v1/admit", nil)
	metrics := string(s.admin(t, "GET", "/metrics", nil).body)
	for _, line := range []string{
		`portcullis_build_info{goversion="go`, `version="v1.2.3"} 1`,
		`portcullis_decisions_total{reason="",result="admitted",surface="admit"} 1`,
		`portcullis_decisions_total{reason="no_credentials",result="refused",surface="admit"} 1`,
		`portcullis_decision_duration_seconds_count{surface="admit"} 2`,
		`portcullis_cache_lookups_total{result="miss"} 1`,
		`portcullis_keys{state="disabled"} 1`,
		`portcullis_key_last_used_timestamp_seconds{key_name="appId.keyId"} 1.7000001e+09`,
		`portcullis_config_last_reload_successful 1`,
		"go_goroutines", "process_open_fds",
	} {
		require.Contains(t, metrics, line)
	}
	require.Contains(t, string(s.admin(t, "GET", "/debug/pprof/", nil).body), "goroutine")
	require.Equal(t, 200, s.admin(t, "GET", "/debug/pprof/goroutine?debug=1", nil).status)
	require.Equal(t, 200, s.admin(t, "GET", "/readyz", nil).status)
	s.admin(t, "GET", "/v1/admit", nil).requireRefused(t, 40400, 404, "the public endpoints are elsewhere")
	s.admin(t, "POST", "/-/reload", nil).requireRefused(t, 40400, 404, "nothing to reload")
	s.admin(t, "GET", "/v1/explain", nil).requireRefused(t, 40500, 405, "a token in a URL would be logged")
}

func TestReload(t *testing.T) {
	var err error
	calls := 0
	s := newSite(t, vectors.Keys(), server.Options{Reload: func() error { calls++; return err }})
	require.Equal(t, 200, s.admin(t, "POST", "/-/reload", nil).status)
	err = errors.New("portcullis.yaml:3:5: canary")
	a := s.admin(t, "POST", "/-/reload", nil)
	a.requireRefused(t, 40000, 422, "a bad configuration")
	require.NotContains(t, string(a.body), "canary")
	require.Equal(t, 2, calls)
	s.Reloaded(err)
	require.Contains(t, string(s.admin(t, "GET", "/metrics", nil).body), "portcullis_config_last_reload_successful 0")
	s.admin(t, "GET", "/-/reload", nil).requireRefused(t, 40500, 405, "GET")
	s.admin(t, "POST", "/-/reload", http.Header{"Origin": {"https://evil.example"}}).requireRefused(t, 40300, 403, "a foreign page")
	require.Equal(t, 2, calls)
}

func TestTheAdminTokenIsNeeded(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{AdminToken: "canary-admin-token"})
	for name, header := range map[string]http.Header{
		"none":     nil,
		"wrong":    {"Authorization": {"Bearer canary-admin-tokem"}},
		"as Basic": {"Authorization": {"Basic canary-admin-token"}},
		"and more": {"Authorization": {"Bearer canary-admin-token " + "x"}},
	} {
		for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/v1/explain", "/nothing"} {
			a := s.admin(t, "GET", path, header)
			a.requireRefused(t, 40101, 401, name+" on "+path)
		}
		require.Equal(t, 200, s.admin(t, "GET", "/livez", header).status)
	}
	require.Equal(t, 200, s.admin(t, "GET", "/metrics", http.Header{"Authorization": {"Bearer canary-admin-token"}}).status)
}

func TestALoopbackAdminListenerChecksHost(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{AdminLoopbackOnly: true})
	s.admin(t, "GET", "/metrics", http.Header{"Host": {"evil.example"}}).requireRefused(t, 40300, 403, "a foreign name")
	require.Equal(t, 200, s.admin(t, "GET", "/metrics", nil).status)
}

func TestExplainOverHTTP(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{})
	sample, err := vectors.Sample("wrong-channel")
	require.NoError(t, err)
	ask := func(q map[string]any) answer {
		body, err := json.Marshal(q)
		require.NoError(t, err)
		return s.admin(t, "POST", "/v1/explain", nil, string(body))
	}
	var report struct {
		Admitted bool
		Reason   string
		Fix      string
		Checks   []struct{ Step, Outcome, Detail string }
		Rules    []struct{ Resource, Why string }
	}
	a := ask(map[string]any{"token": string(sample.Token), "channel": "admin:audit", "op": "publish"})
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.NoError(t, json.Unmarshal(a.body, &report))
	require.False(t, report.Admitted)
	require.Equal(t, "capability_denied", report.Reason)
	require.NotEmpty(t, report.Fix)
	require.Equal(t, "operation", report.Checks[len(report.Checks)-1].Step)
	require.Equal(t, "failed", report.Checks[len(report.Checks)-1].Outcome)
	require.Equal(t, "chat:*", report.Rules[0].Resource)
	require.Equal(t, `segment 1 "chat" ≠ "admin"`, report.Rules[0].Why)

	require.Contains(t, string(ask(map[string]any{"token": string(sample.Token), "channel": "chat:x", "op": "publish"}).body), `"admitted":true`)
	require.Contains(t, string(ask(map[string]any{"token": string(sample.Token), "at": "1"}).body), `issued_in_future`)
	require.Contains(t, string(ask(map[string]any{"key": "appId.keyId:wrong"}).body), `bad_secret`)

	connection := "ws://127.0.0.1:8080/?v=6&format=json&heartbeats=true&access_token=" + string(sample.Token)
	for query, want := range map[string]string{
		"":                                   `"admitted":true`,
		"&clientId=somebody-else":            `client_id_mismatch`,
		"&clientType=server":                 `client_type_unsigned`,
		"&access_token=a.b.c":                `ambiguous`,
		"&accessToken=" + "another.one.here": `ambiguous`,
	} {
		require.Contains(t, string(ask(map[string]any{"url": connection + query}).body), want, query)
	}
	require.Contains(t, string(ask(map[string]any{"url": "ws://127.0.0.1:8080/?key=appId.keyId:wrong"}).body), `bad_secret`)
	require.Contains(t, string(ask(map[string]any{"url": "ws://127.0.0.1:8080/"}).body), `no_credentials`)
	for name, q := range map[string]map[string]any{
		"a URL and a token": {"url": connection, "token": "a.b.c"}, "nothing": {}, "both": {"token": "a.b.c", "key": "a.b:c"}, "misspelt": {"token": "a.b.c", "chanel": "x"}, "another type": {"token": 1}, "a time before time": {"token": "a.b.c", "at": "-1"}, "another time": {"token": "a.b.c", "at": 1}, "no address": {"token": "a.b.c", "ip": "x"},
	} {
		ask(q).requireRefused(t, 40001, 400, name)
	}
	ask(map[string]any{"token": "a.b.c", "op": "fly"}).requireRefused(t, 40003, 400, "an unknown operation")
	require.False(t, bytes.Contains(a.body, []byte("0123456789abcdef0123456789abcdef")), "an explanation shows no secret")
}
