package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
	"github.com/valyala/fasthttp/fasthttputil"

	"portcullis/engine"
	fanout "portcullis/fanout/memory"
	"portcullis/internal/vectors"
	"portcullis/server"
)

// site is a running server of the fixture keys, with a clock that a test sets.
type site struct {
	*server.Server
	client *http.Client
	now    atomic.Int64
	log    bytes.Buffer
}

func newSite(t *testing.T, keys []vectors.Key, o server.Options) *site {
	t.Helper()
	converted, err := vectors.EngineKeys(keys)
	require.NoError(t, err)
	v, err := engine.NewVerifier(engine.Options{Keys: converted, CacheBytes: 1 << 20, Tokens: engine.TokenRules{AllowWeakSecrets: true}})
	require.NoError(t, err)
	s := new(site)
	s.now.Store(vectors.DefaultNow)
	o.Verifier, o.Now = v, func() engine.UnixMilli { return engine.UnixMilli(s.now.Load()) }
	o.Log = slog.New(slog.NewJSONHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if o.Fanout == nil {
		o.Fanout = fanout.New(fanout.Options{})
	}
	s.Server = server.New(o)
	ln := fasthttputil.NewInmemoryListener()
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	s.client = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() }}}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		require.NoError(t, s.Shutdown(context.Background()))
		require.NoError(t, <-served)
		v.Close()
	})
	return s
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (s *site) do(t *testing.T, method, target string, header http.Header) answer {
	t.Helper()
	request, err := http.NewRequest(method, "http://127.0.0.1"+target, nil)
	require.NoError(t, err)
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := s.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, body}
}

func (a answer) json(t *testing.T) (fields map[string]any) {
	t.Helper()
	require.Equal(t, []string{"application/json"}, a.header["Content-Type"])
	require.NoError(t, json.Unmarshal(a.body, &fields), "%s", a.body)
	return fields
}

// requireRefused wants the whole form of a refusal: status, headers and body.
func (a answer) requireRefused(t *testing.T, code, status int, context string) {
	t.Helper()
	require.Equal(t, status, a.status, "%s: %s", context, a.body)
	fields := a.json(t)["error"].(map[string]any)
	require.EqualValues(t, code, fields["code"], context)
	require.EqualValues(t, status, fields["statusCode"], context)
	require.NotEmpty(t, fields["message"], context)
	require.Equal(t, a.header.Get("X-Ably-Errorcode"), jsonNumber(code), context)
	require.Equal(t, fields["message"], a.header.Get("X-Ably-Errormessage"), context)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"), context)
	if status == 401 {
		require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"), context)
	}
}

func jsonNumber(n int) string { text, _ := json.Marshal(n); return string(text) }

// maxQuery is the longest token that fits the head of a request.
const maxQuery = 15 << 10

// Every vector, by every way that can carry its credential.
func TestVectorsOverHTTP(t *testing.T) {
	all, err := vectors.All()
	require.NoError(t, err)
	// Refusals are counted by the token that decides, and many vectors carry the same.
	options := server.Options{Settings: server.Settings{AllowInsecureBasic: true}, RefusalLimit: -1}
	sites := map[string]*site{"": newSite(t, vectors.Keys(), options), "weak": newSite(t, vectors.WeakKeys(), options)}
	requests := 0
	for _, v := range all {
		s := sites[v.KeySetName]
		s.now.Store(v.Now)
		for _, carried := range carry(v) {
			requests++
			query := carried.query
			if v.ClientID != "" {
				query.Set("clientId", v.ClientID)
			}
			if v.Op != "" {
				query.Set("op", v.Op)
				query.Set("channel", v.Channel)
			}
			a := s.do(t, "GET", "/v1/admit?"+query.Encode(), carried.header)
			context := v.Name + " by " + carried.name
			if !v.Want.Admitted {
				a.requireRefused(t, v.Want.Code, v.Want.Status, context)
				continue
			}
			require.Equal(t, 200, a.status, "%s: %s", context, a.body)
			requireAdmitted(t, a.json(t), v.Want, context)
		}
	}
	require.Greater(t, requests, 2*len(all)-100)
}

func requireAdmitted(t *testing.T, fields map[string]any, want vectors.Want, context string) {
	t.Helper()
	require.Equal(t, true, fields["admitted"], context)
	if want.KeyName != "" {
		require.Equal(t, want.KeyName, fields["keyName"], context)
	}
	switch want.ClientKind {
	case vectors.Identified:
		require.Equal(t, want.ClientID, fields["clientId"], context)
	case vectors.Wildcard:
		require.Equal(t, "*", fields["clientId"], context)
	case vectors.Anonymous:
		require.NotContains(t, fields, "clientId", context)
	}
	if want.Capability != "" {
		require.Equal(t, want.Capability, fields["capability"], context)
	}
	if want.Issued != 0 {
		require.EqualValues(t, want.Issued, fields["issued"], context)
	}
	if want.Expires != 0 {
		require.EqualValues(t, want.Expires, fields["expires"], context)
	}
}

type carried struct {
	name   string
	query  url.Values
	header http.Header
}

// carry returns the ways to present the vector's credential.
func carry(v vectors.Vector) (ways []carried) {
	if v.Key != nil {
		ways = append(ways, carried{"Basic", url.Values{}, http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString(v.Key)}}})
		return append(ways, carried{"key", url.Values{"key": {string(v.Key)}}, nil})
	}
	if len(url.QueryEscape(string(v.Token))) <= maxQuery {
		ways = append(ways, carried{"access_token", url.Values{"access_token": {string(v.Token)}}, nil})
	}
	if base64.StdEncoding.EncodedLen(len(v.Token)) <= maxQuery && printable(v.Token) {
		ways = append(ways, carried{"Bearer, in base64", url.Values{}, http.Header{"Authorization": {"Bearer " + base64.StdEncoding.EncodeToString(v.Token)}}})
	}
	return ways
}

// printable says whether a token can be a Bearer credential in base64: what is
// inside must be printable, or it is not looked at.
func printable(token []byte) bool {
	return !bytes.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func TestWaysToPresentACredential(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{Settings: server.Settings{AllowInsecureBasic: true}})
	sample, err := vectors.Sample("admitted")
	require.NoError(t, err)
	token := string(sample.Token)
	key := "appId.keyId:0123456789abcdef0123456789abcdef"
	std, raw64, url64 := base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding
	authorization := func(value string) http.Header { return http.Header{"Authorization": {value}} }
	clientID := func(id string) string { return base64.StdEncoding.EncodeToString([]byte(id)) }
	for name, c := range map[string]struct {
		query  string
		header http.Header
		code   int // 0: admitted
	}{
		"Basic":                          {"", authorization("Basic " + std.EncodeToString([]byte(key))), 0},
		"Basic without padding":          {"", authorization("basic " + raw64.EncodeToString([]byte(key))), 0},
		"Bearer":                         {"", authorization("Bearer " + token), 0},
		"bearer in lower case":           {"", authorization("bearer " + token), 0},
		"Bearer in base64":               {"", authorization("Bearer " + std.EncodeToString([]byte(token))), 0},
		"Bearer in base64url":            {"", authorization("Bearer " + url64.EncodeToString([]byte(token))), 0},
		"Bearer in base64, no padding":   {"", authorization("Bearer " + raw64.EncodeToString([]byte(token))), 0},
		"access_token":                   {"access_token=" + token, nil, 0},
		"accessToken":                    {"accessToken=" + token, nil, 0},
		"both names, one value":          {"accessToken=" + token + "&access_token=" + token, nil, 0},
		"key":                            {"key=" + url.QueryEscape(key), nil, 0},
		"unknown parameters":             {"v=6&agent=x&access_token=" + token, nil, 0},
		"header before query":            {"access_token=bad", authorization("Bearer " + token), 0},
		"a bad header is final":          {"access_token=" + token, authorization("Bearer a.b.c"), 40144},
		"token before key":               {"key=" + url.QueryEscape(key) + "&access_token=a.b.c", nil, 40144},
		"none":                           {"", nil, 40101},
		"empty access_token":             {"access_token=", nil, 40005},
		"another scheme":                 {"", authorization("Digest x"), 40000},
		"Basic that is not base64":       {"", authorization("Basic !!!"), 40005},
		"Basic without a colon":          {"", authorization("Basic " + std.EncodeToString([]byte("appId.keyId"))), 40005},
		"Bearer of nothing":              {"", authorization("Bearer "), 40005},
		"Bearer that is not base64":      {"", authorization("Bearer !!!"), 40005},
		"Bearer of base64 without a dot": {"", authorization("Bearer " + std.EncodeToString([]byte("nothing"))), 40005},
		"Bearer of base64 of bits":       {"", authorization("Bearer " + std.EncodeToString([]byte("a.\x00"))), 40005},
		"a token twice":                  {"access_token=" + token + "&access_token=" + token, nil, 40000},
		"two different tokens":           {"access_token=" + token + "&accessToken=a.b.c", nil, 40000},
		"a key twice":                    {"key=a&key=a", nil, 40000},
		"clientId":                       {"clientId=ana&access_token=" + token, nil, 0},
		"another clientId":               {"clientId=bob&access_token=" + token, nil, 40102},
		"empty clientId":                 {"clientId=&access_token=" + token, nil, 0},
		"star as clientId":               {"clientId=*&access_token=" + token, nil, 40012},
		"clientId twice":                 {"clientId=ana&clientId=ana&access_token=" + token, nil, 40000},
		"clientId header":                {"access_token=" + token, http.Header{"X-Ably-Clientid": {clientID("ana")}}, 0},
		"another clientId header":        {"access_token=" + token, http.Header{"X-Ably-Clientid": {clientID("bob")}}, 40102},
		"clientId header in the clear":   {"access_token=" + token, http.Header{"X-Ably-Clientid": {"an!"}}, 40004},
		"header and query agree":         {"clientId=ana&access_token=" + token, http.Header{"X-Ably-Clientid": {clientID("ana")}}, 0},
		"header and query differ":        {"clientId=bob&access_token=" + token, http.Header{"X-Ably-Clientid": {clientID("ana")}}, 40000},
		"an operation":                   {"channel=chat:x&op=publish&access_token=" + token, nil, 0},
		"an operation not granted":       {"channel=chat:x&op=history&access_token=" + token, nil, 40160},
		"a channel not granted":          {"channel=x&op=publish&access_token=" + token, nil, 40160},
		"an encoded channel":             {"channel=chat%3A%2F&op=publish&access_token=" + token, nil, 0},
		"an unknown operation":           {"channel=chat:x&op=fly&access_token=" + token, nil, 40003},
		"star as operation":              {"channel=chat:x&op=*&access_token=" + token, nil, 40003},
		"a channel without operation":    {"channel=chat:x&access_token=" + token, nil, 40000},
		"an operation without channel":   {"op=publish&access_token=" + token, nil, 40000},
		"a bad channel":                  {"channel=:x&op=publish&access_token=" + token, nil, 40010},
		"presence by a wildcard":         {"channel=chat:x&op=presence&key=" + url.QueryEscape(key), nil, 91000},
		"presence without channel":       {"op=presence&key=" + url.QueryEscape(key), nil, 91000},
		"presence with a clientId":       {"clientId=zoe&channel=chat:x&op=presence&key=" + url.QueryEscape(key), nil, 0},
	} {
		a := s.do(t, "GET", "/v1/admit?"+c.query, c.header)
		if c.code == 0 {
			require.Equal(t, 200, a.status, "%s: %s", name, a.body)
			require.Equal(t, true, a.json(t)["admitted"], name)
			require.Equal(t, "no-store", a.header.Get("Cache-Control"), name)
			continue
		}
		info := a.json(t)["error"].(map[string]any)
		require.EqualValues(t, c.code, info["code"], "%s: %s", name, a.body)
		a.requireRefused(t, c.code, int(info["statusCode"].(float64)), name)
	}
}

func TestKeysInTheClearNeedPermission(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{})
	key := url.QueryEscape("appId.keyId:0123456789abcdef0123456789abcdef")
	s.do(t, "GET", "/v1/admit?key="+key, nil).requireRefused(t, 40103, 401, "in the query")
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("appId.keyId:wrong"))
	s.do(t, "GET", "/v1/admit", http.Header{"Authorization": {basic}}).requireRefused(t, 40103, 401, "in the header, whatever the secret")
}

func TestAnswersInMsgpack(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{Settings: server.Settings{AllowInsecureBasic: true}})
	sample, err := vectors.Sample("admitted")
	require.NoError(t, err)
	decode := func(a answer) any {
		require.Equal(t, []string{"application/x-msgpack"}, a.header["Content-Type"])
		v, rest, err := msgp.ReadIntfBytes(a.body)
		require.NoError(t, err)
		require.Empty(t, rest)
		return v
	}
	accept := http.Header{"Accept": {"application/x-msgpack"}}
	require.Equal(t, map[string]any{
		"admitted": true, "keyName": "appId.keyId", "clientId": "ana", "capability": `{"chat:*":["publish","subscribe"]}`,
		"issued": int64(1_700_000_096_000), "expires": int64(1_700_003_696_000),
	}, decode(s.do(t, "GET", "/v1/admit?access_token="+string(sample.Token), accept)))
	require.Equal(t, map[string]any{"admitted": true, "keyName": "appId.meta", "clientId": "*", "capability": `{"[meta]*":["*"]}`},
		decode(s.do(t, "GET", "/v1/admit?key=appId.meta:meta-8kQfUj1zEaL7mVs2", accept)))
	require.Equal(t, map[string]any{"error": map[string]any{
		"code": int64(40101), "statusCode": int64(401), "message": "Not authorized: no credentials", "href": "https://help.ably.io/error/40101",
	}}, decode(s.do(t, "GET", "/v1/admit", accept)))
	require.Equal(t, []any{int64(vectors.DefaultNow)}, decode(s.do(t, "GET", "/time", accept)))

	for value, want := range map[string]string{
		"":                            "application/json",
		"*/*":                         "application/json",
		"text/html":                   "application/json",
		"application/json":            "application/json",
		"application/x-msgpack":       "application/x-msgpack",
		"application/X-MsgPack;q=1.0": "application/x-msgpack",
		"application/x-msgpack;q=0":   "application/json",
		"application/x-msgpack;q=x":   "application/json",
		"application/json, application/x-msgpack":             "application/json",
		"application/x-msgpack, application/json":             "application/x-msgpack",
		"application/json;q=0.5, application/x-msgpack":       "application/x-msgpack",
		"application/x-msgpack;q=0.5,application/json; q=0.6": "application/json",
	} {
		a := s.do(t, "GET", "/time?format=json", http.Header{"Accept": {value}})
		require.Equal(t, want, a.header.Get("Content-Type"), value)
	}
	require.Equal(t, "application/x-msgpack", s.do(t, "GET", "/time?format=msgpack", http.Header{}).header.Get("Content-Type"))
	require.Equal(t, "application/json", s.do(t, "GET", "/time?format=msgpack", http.Header{"Accept": {"application/json"}}).header.Get("Content-Type"))
}

func TestOtherPathsAndMethods(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{})
	require.JSONEq(t, `[1700000100000]`, string(s.do(t, "GET", "/time", nil).body))
	require.Equal(t, 200, s.do(t, "GET", "/livez", nil).status)
	require.Equal(t, 200, s.do(t, "GET", "/readyz", nil).status)
	for _, path := range []string{"/", "/v1", "/v1/admit/", "/v1/Admit", "/v1/%61dmit", "/metrics", "/debug/pprof/"} {
		s.do(t, "GET", path, nil).requireRefused(t, 40400, 404, path)
	}
	for _, path := range []string{"/v1%2Fadmit", "//v1/admit", "/v1/../v1/admit", "/v1/./admit", "/v1/%2e%2e/admit", "/v1/admit%00", "/v1%5Cadmit", "/v1/admit%252f"} {
		s.do(t, "GET", path, nil).requireRefused(t, 40000, 400, path)
	}
	for path, allowed := range map[string]string{"/v1/admit": "GET, POST", "/time": "GET"} {
		a := s.do(t, "DELETE", path, nil)
		a.requireRefused(t, 40500, 405, path)
		require.Equal(t, allowed, a.header.Get("Allow"))
	}
	require.Equal(t, 401, s.do(t, "POST", "/v1/admit", nil).status)
}

// Every error of the table has a body in both formats that says what the table
// says, and a message that fits a header.
func TestEveryErrorGoesOverTheWire(t *testing.T) {
	seen := map[engine.Reason]bool{}
	for _, info := range engine.Errors() {
		require.False(t, seen[info.Reason()], "%s is in the table twice", info.Reason())
		seen[info.Reason()] = true
		require.NotEmpty(t, info.Cause())
		require.NotEmpty(t, info.Fix())
		require.LessOrEqual(t, len(info.Message), 256)
		for _, c := range []byte(info.Message) {
			require.True(t, c >= ' ' && c < 0x7f, "%s: a message is printable ASCII", info.Reason())
		}
		require.NotEqual(t, 40320, info.Code)
		if info.StatusCode >= 500 && info != engine.ErrVersion { // which is the client's fault
			require.GreaterOrEqual(t, info.Code, 50000, "%s: our own faults have codes of their own", info.Reason())
		}
	}
}

func TestSecretsStayOutOfAnswersAndLogs(t *testing.T) {
	const canary = "canary-Tq7Zx1"
	s := newSite(t, []vectors.Key{{Name: "appId.keyId", Secret: canary + "-secret-long-enough"}}, server.Options{Settings: server.Settings{AllowInsecureBasic: true}})
	for _, target := range []string{
		"/v1/admit?key=appId.keyId:" + canary, "/v1/admit?access_token=" + canary + ".b.c", "/v1/admit?access_token=eyJhbGciOiJIUzI1NiJ9." + canary + "." + canary,
		"/v1/admit?clientId=" + canary + "&key=appId.keyId:" + canary + "-secret-long-enough&op=presence&channel=:" + canary, "/" + canary,
	} {
		a := s.do(t, "GET", target, http.Header{"X-Canary": {canary}})
		require.NotContains(t, string(a.body), canary, target)
		for name, values := range a.header {
			require.NotContains(t, values, canary, name)
		}
	}
	require.NotContains(t, s.log.String(), canary)
}

func TestUnknownClaimsThatAreLetPassAreLogged(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{})
	keys, err := vectors.EngineKeys(vectors.Keys())
	require.NoError(t, err)
	require.NoError(t, s.Configure(keys, engine.TokenRules{UnknownAblyClaims: engine.WarnUnknown}, nil))
	sample, err := vectors.Sample("misspelt-claim")
	require.NoError(t, err)
	for range 3 {
		require.Equal(t, 200, s.do(t, "GET", "/v1/admit?access_token="+string(sample.Token), nil).status)
	}
	require.Equal(t, 1, strings.Count(s.log.String(), "not known"), "once a second at most")
	s.now.Add(1000)
	require.Equal(t, 200, s.do(t, "GET", "/v1/admit?access_token="+string(sample.Token), nil).status)
	require.Equal(t, 2, strings.Count(s.log.String(), `"msg":"a token carries x-ably- claims that are not known","key":"appId.keyId"`))
}
