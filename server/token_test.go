package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"portcullis/engine"
	"portcullis/internal/vectors"
	"portcullis/server"
	"portcullis/store"
	"portcullis/store/memory"
)

const fixtureKey = "appId.keyId:0123456789abcdef0123456789abcdef"

// newTokenSite is a site that issues tokens, on a store in memory.
func newTokenSite(t *testing.T, o server.Options) *site {
	t.Helper()
	o.Settings.AllowInsecureBasic = true
	if o.Store == nil {
		o.Store = memory.New(memory.Options{Now: func() engine.UnixMilli { return vectors.DefaultNow }})
	}
	s := newSite(t, vectors.Keys(), o)
	keys, err := vectors.EngineKeys(vectors.Keys())
	require.NoError(t, err)
	seal, err := engine.NewSealSecret("a sealing secret of at least 32 bytes")
	require.NoError(t, err)
	require.NoError(t, s.Configure(keys, engine.TokenRules{}, []engine.SealSecret{seal}))
	require.NoError(t, s.LoadSandbox())
	require.NoError(t, s.LoadDevices())
	return s
}

func (s *site) send(t *testing.T, method, target, contentType string, body []byte, header http.Header) answer {
	t.Helper()
	request, err := http.NewRequest(method, "http://127.0.0.1:8080"+target, bytes.NewReader(body))
	require.NoError(t, err)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	response, err := s.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var got bytes.Buffer
	_, err = got.ReadFrom(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, got.Bytes()}
}

func basic(key string) http.Header {
	return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(key))}}
}

func bearerToken(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + base64.StdEncoding.EncodeToString([]byte(token))}}
}

// signed returns a signed TokenRequest as JSON.
func signed(t *testing.T, p engine.TokenRequestParams) []byte {
	t.Helper()
	if p.Timestamp == 0 {
		p.Timestamp = vectors.DefaultNow
	}
	text, err := signer(t).AppendTokenRequest(nil, &p)
	require.NoError(t, err)
	return text
}

func TestRequestToken(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	const path = "/keys/appId.keyId/requestToken"
	for name, c := range map[string]struct {
		contentType string
		body        []byte
		header      http.Header
	}{
		"signed":                       {"application/json", signed(t, engine.TokenRequestParams{ClientID: "ana", TTL: time.Minute, Capability: `{"b":["subscribe"],"a":["*"]}`}), nil},
		"signed, without content type": {"", signed(t, engine.TokenRequestParams{ClientID: "ana", TTL: time.Minute, Capability: `{"b":["subscribe"],"a":["*"]}`}), nil},
		"signed, as text":              {"text/plain", signed(t, engine.TokenRequestParams{ClientID: "ana", TTL: time.Minute, Capability: `{"b":["subscribe"],"a":["*"]}`}), nil},
		"signed, with a key beside it": {"application/json", signed(t, engine.TokenRequestParams{ClientID: "ana", TTL: time.Minute, Capability: `{"b":["subscribe"],"a":["*"]}`}), basic(fixtureKey)},
		"signed, sent by curl -d":      {"application/x-www-form-urlencoded", signed(t, engine.TokenRequestParams{ClientID: "ana", TTL: time.Minute, Capability: `{"b":["subscribe"],"a":["*"]}`}), nil},
		"by key":                       {"application/json", []byte(`{"keyName":"appId.keyId","timestamp":"1700000100000","ttl":"60000","clientId":"ana","capability":"{\"a\":[\"*\"],\"b\":[\"subscribe\"]}"}`), basic(fixtureKey)},
		"by key, as a form":            {"application/x-www-form-urlencoded", []byte(url.Values{"keyName": {"appId.keyId"}, "timestamp": {"1700000100000"}, "ttl": {"60000"}, "clientId": {"ana"}, "capability": {`{"a":["*"],"b":["subscribe"]}`}}.Encode()), basic(fixtureKey)},
		"by key, as msgpack":           {"application/x-msgpack", msgpackRequest(), basic(fixtureKey)},
		"X-Ably-ClientId is ignored":   {"application/json", signed(t, engine.TokenRequestParams{ClientID: "ana", TTL: time.Minute, Capability: `{"b":["subscribe"],"a":["*"]}`}), http.Header{"X-Ably-Clientid": {"Ym9i"}}},
	} {
		a := s.send(t, "POST", path, c.contentType, c.body, c.header)
		require.Equal(t, 201, a.status, "%s: %s", name, a.body)
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		d := a.json(t)
		require.Equal(t, "appId.keyId", d["keyName"], name)
		require.EqualValues(t, vectors.DefaultNow, d["issued"], name)
		require.EqualValues(t, vectors.DefaultNow+60_000, d["expires"], name)
		require.Equal(t, `{"a":["*"],"b":["subscribe"]}`, d["capability"], name)
		require.Equal(t, "ana", d["clientId"], name)
		token := d["token"].(string)

		got := s.do(t, "GET", "/v1/admit?channel=b&op=subscribe", bearerToken(token))
		require.Equal(t, 200, got.status, "%s: %s", name, got.body)
		require.Equal(t, "ana", got.json(t)["clientId"])
		s.do(t, "GET", "/v1/admit?channel=b&op=publish", bearerToken(token)).requireRefused(t, 40160, 401, name)
	}
	anonymous := s.send(t, "POST", path, "application/json", signed(t, engine.TokenRequestParams{}), http.Header{"Accept": {"application/x-msgpack"}})
	v, _, err := msgp.ReadIntfBytes(anonymous.body)
	require.NoError(t, err)
	details := v.(map[string]any)
	require.NotContains(t, details, "clientId")
	require.Equal(t, int64(vectors.DefaultNow+3_600_000), details["expires"])
}

// msgpackRequest is an unsigned request with numbers of several kinds.
func msgpackRequest() []byte {
	b := msgp.AppendMapHeader(nil, 7)
	b = msgp.AppendString(msgp.AppendString(b, "keyName"), "appId.keyId")
	b = msgp.AppendFloat64(msgp.AppendString(b, "timestamp"), vectors.DefaultNow)
	b = msgp.AppendUint64(msgp.AppendString(b, "ttl"), 60_000)
	b = msgp.AppendString(msgp.AppendString(b, "clientId"), "ana")
	b = msgp.AppendString(msgp.AppendString(b, "capability"), `{"a":["*"],"b":["subscribe"]}`)
	b = msgp.AppendNil(msgp.AppendString(b, "nonce"))
	return msgp.AppendInt(msgp.AppendString(b, "unknown"), 1)
}

// msgpackTTL is an unsigned request whose ttl is what number appends.
func msgpackTTL(number func(b []byte) []byte) []byte {
	b := msgp.AppendString(msgp.AppendString(msgp.AppendMapHeader(nil, 3), "keyName"), "appId.keyId")
	b = msgp.AppendInt64(msgp.AppendString(b, "timestamp"), vectors.DefaultNow)
	return number(msgp.AppendString(b, "ttl"))
}

func TestRequestTokenRefuses(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	once := signed(t, engine.TokenRequestParams{})
	require.Equal(t, 201, s.send(t, "POST", "/keys/appId.keyId/requestToken", "application/json", once, nil).status)
	issued := s.send(t, "POST", "/keys/appId.keyId/requestToken", "application/json", signed(t, engine.TokenRequestParams{}), nil).json(t)["token"].(string)
	unsigned := func(fields string) []byte {
		return []byte(`{"keyName":"appId.keyId","timestamp":1700000100000` + fields + `}`)
	}
	twice := msgp.AppendMapHeader(nil, 2)
	twice = msgp.AppendString(msgp.AppendString(twice, "keyName"), "appId.keyId")
	twice = msgp.AppendString(msgp.AppendString(twice, "keyName"), "appId.keyId")
	for name, c := range map[string]struct {
		path, contentType string
		body              []byte
		header            http.Header
		code, status      int
	}{
		"a nonce again":                {"appId.keyId", "application/json", once, nil, 40105, 401},
		"a wrong key beside it":        {"appId.keyId", "application/json", signed(t, engine.TokenRequestParams{}), basic("appId.keyId:wrong"), 40101, 401},
		"an old timestamp":             {"appId.keyId", "application/json", signed(t, engine.TokenRequestParams{Timestamp: vectors.DefaultNow - 1_800_000}), nil, 40104, 401},
		"another path":                 {"appId.k3", "application/json", signed(t, engine.TokenRequestParams{}), nil, 40001, 400},
		"nothing":                      {"appId.keyId", "application/json", nil, basic(fixtureKey), 40001, 400},
		"an array":                     {"appId.keyId", "application/json", []byte(`[]`), basic(fixtureKey), 40001, 400},
		"unsigned, nobody":             {"appId.keyId", "application/json", unsigned(""), nil, 40101, 401},
		"unsigned, by token":           {"appId.keyId", "application/json", unsigned(""), bearerToken(issued), 40162, 401},
		"unsigned, another key":        {"appId.keyId", "application/json", unsigned(""), basic("appId.k5:k5-0oXtBd5wHnC3vRy6"), 40101, 401},
		"unsigned, a wrong key":        {"appId.keyId", "application/json", unsigned(""), basic("appId.keyId:wrong"), 40101, 401},
		"a bad token beside it":        {"appId.keyId", "application/json", signed(t, engine.TokenRequestParams{}), bearerToken("a.b.c"), 40101, 401},
		"an unreadable key beside it":  {"appId.keyId", "application/json", signed(t, engine.TokenRequestParams{}), http.Header{"Authorization": {"Basic !!!"}}, 40101, 401},
		"msgpack beyond 2^53":          {"appId.keyId", "application/x-msgpack", msgpackTTL(func(b []byte) []byte { return msgp.AppendUint64(b, 1<<53+1) }), basic(fixtureKey), 40001, 400},
		"msgpack with a fraction":      {"appId.keyId", "application/x-msgpack", msgpackTTL(func(b []byte) []byte { return msgp.AppendFloat64(b, 1.5) }), basic(fixtureKey), 40001, 400},
		"msgpack without end":          {"appId.keyId", "application/x-msgpack", msgpackTTL(func(b []byte) []byte { return msgp.AppendFloat64(b, math.Inf(1)) }), basic(fixtureKey), 40001, 400},
		"msgpack of nothing":           {"appId.keyId", "application/x-msgpack", msgpackTTL(func(b []byte) []byte { return msgp.AppendFloat64(b, math.NaN()) }), basic(fixtureKey), 40001, 400},
		"msgpack below nothing":        {"appId.keyId", "application/x-msgpack", msgpackTTL(func(b []byte) []byte { return msgp.AppendInt64(b, -1) }), basic(fixtureKey), 40003, 400},
		"a ttl of minus one":           {"appId.keyId", "application/json", unsigned(`,"ttl":-1`), basic(fixtureKey), 40003, 400},
		"a ttl in words":               {"appId.keyId", "application/json", unsigned(`,"ttl":"notanumber"`), basic(fixtureKey), 40003, 400},
		"a clientId that is a number":  {"appId.keyId", "application/json", unsigned(`,"clientId":1`), basic(fixtureKey), 40012, 400},
		"a capability of nonsense":     {"appId.keyId", "application/json", unsigned(`,"capability":"{x}"`), basic(fixtureKey), 40003, 400},
		"msgpack with a name twice":    {"appId.keyId", "application/x-msgpack", twice, basic(fixtureKey), 40001, 400},
		"msgpack that is an array":     {"appId.keyId", "application/x-msgpack", msgp.AppendArrayHeader(nil, 0), basic(fixtureKey), 40001, 400},
		"msgpack that ends early":      {"appId.keyId", "application/x-msgpack", msgpackRequest()[:20], basic(fixtureKey), 40001, 400},
		"msgpack and more":             {"appId.keyId", "application/x-msgpack", append(msgpackRequest(), 0), basic(fixtureKey), 40001, 400},
		"a form with a name twice":     {"appId.keyId", "application/x-www-form-urlencoded", []byte("keyName=a&keyName=a"), basic(fixtureKey), 40001, 400},
		"a key that only verifies":     {"appId.verifyonly", "application/json", []byte(`{"keyName":"appId.verifyonly","timestamp":1700000100000}`), basic("appId.verifyonly:verifyonly-2gRhBx7mCiD4qEs9"), 40130, 401},
		"more than an hour, revocable": {"appId.revocable", "application/json", []byte(`{"keyName":"appId.revocable","timestamp":1700000100000,"ttl":3600001}`), basic("appId.revocable:revocable-3JqvWc8nTzL5yRk2"), 40003, 400},
	} {
		a := s.send(t, "POST", "/keys/"+c.path+"/requestToken", c.contentType, c.body, c.header)
		a.requireRefused(t, c.code, c.status, name)
	}
	s.do(t, "GET", "/keys/appId.keyId/requestToken", nil).requireRefused(t, 40400, 404, "another method")
	s.send(t, "POST", "/keys/appId.keyId/nothing", "", nil, nil).requireRefused(t, 40400, 404, "another path")
	require.Contains(t, string(s.admin(t, "GET", "/metrics", nil).body), `portcullis_tokens_issued_total{result="issued"} 2`)
}

// brokenStore answers every spend late, or not at all.
type brokenStore struct{ store.Store }

func (brokenStore) Spend(ctx context.Context, _ *engine.Nonce) (engine.SpendOutcome, time.Duration) {
	<-ctx.Done()
	return engine.Unknown, 1500 * time.Millisecond
}

// sickStore says that it is not well.
type sickStore struct {
	store.Store
	status store.Status
}

func (s sickStore) Status() store.Status { return s.status }

func TestReadinessTellsOfTheStore(t *testing.T) {
	for name, c := range map[string]struct {
		status store.Status
		want   int
		says   string
	}{
		"well":          {store.Status{}, 200, "ok"},
		"sick":          {store.Status{Err: errors.New("canary /var/lib/x: no space")}, 503, "the store is not well"},
		"with a floor":  {store.Status{Floor: vectors.DefaultNow + 1000}, 200, "until 2023-11-14T22:15:01Z"},
		"floor is gone": {store.Status{Floor: vectors.DefaultNow}, 200, "ok"},
	} {
		s := newTokenSite(t, server.Options{Store: sickStore{memory.New(memory.Options{}), c.status}})
		a := s.do(t, "GET", "/readyz", nil)
		require.Equal(t, c.want, a.status, name)
		require.Contains(t, string(a.body), c.says, name)
		require.NotContains(t, string(a.body), "canary", name)
		require.Equal(t, 200, s.do(t, "GET", "/livez", nil).status, name)
	}
}

func TestAStoreThatDoesNotAnswerIsOurFault(t *testing.T) {
	s := newTokenSite(t, server.Options{Store: brokenStore{memory.New(memory.Options{})}})
	start := time.Now()
	a := s.send(t, "POST", "/keys/appId.keyId/requestToken", "application/json", signed(t, engine.TokenRequestParams{}), nil)
	took := time.Since(start)
	a.requireRefused(t, 50003, 503, "signed")
	require.Equal(t, "2", a.header.Get("Retry-After"))
	require.Contains(t, string(s.admin(t, "GET", "/metrics", nil).body), `portcullis_store_errors_total{op="spend"} 1`)
	t.Logf("a store that does not answer: 503 after %s", took)
	require.Less(t, took, 2*time.Second, "the wait is bounded") // the figure is printed, not asserted: machines are noisy
	require.Equal(t, 201, s.send(t, "POST", "/keys/appId.keyId/requestToken", "application/json", []byte(`{"keyName":"appId.keyId","timestamp":1700000100000}`), basic(fixtureKey)).status, "without a nonce there is nothing to ask")
	require.Equal(t, 200, s.do(t, "GET", "/v1/admit", basic(fixtureKey)).status)
}

func TestChannelsAndStats(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	token := func(capability, clientID string) http.Header {
		text, err := signer(t).AppendJWT(nil, &engine.TokenParams{Issued: vectors.DefaultNow, Capability: capability, ClientID: clientID})
		require.NoError(t, err)
		return bearerToken(string(text))
	}
	all := token(`{"*":["*"]}`, "ana")
	for name, c := range map[string]struct {
		method, target, body string
		header               http.Header
		code                 int // 0: answered
	}{
		"stats":                             {"GET", "/stats", "", all, 0},
		"stats of one channel":              {"GET", "/stats", "", token(`{"a":["stats"],"b:*":["stats"]}`, ""), 40160},
		"stats without the right":           {"GET", "/stats", "", token(`{"*":["publish"]}`, ""), 40160},
		"stats of nobody":                   {"GET", "/stats", "", nil, 40101},
		"posting stats by key":              {"POST", "/stats", "[]", basic(fixtureKey), 0},
		"posting stats by token":            {"POST", "/stats", "[]", all, 40162},
		"a channel":                         {"GET", "/channels/a", "", token(`{"a":["channel-metadata"]}`, ""), 0},
		"a channel without the right":       {"GET", "/channels/a", "", token(`{"a":["publish","subscribe"]}`, ""), 40160},
		"a channel with a slash":            {"GET", "/channels/a%2Fb%25", "", token(`{"a/b%":["channel-metadata"]}`, ""), 0},
		"a channel with a NUL":              {"GET", "/channels/a%00", "", all, 40010},
		"a queue":                           {"GET", "/channels/%5Bqueue%5Dx", "", all, 40010},
		"a history":                         {"GET", "/channels/a/messages", "", token(`{"a":["history"]}`, ""), 0},
		"a history by its other name":       {"GET", "/channels/a/history", "", token(`{"a":["history"]}`, ""), 0},
		"a history without the right":       {"GET", "/channels/a/messages", "", token(`{"a":["publish"]}`, ""), 40160},
		"a message":                         {"POST", "/channels/a/messages", `{"name":"e","data":"d"}`, token(`{"a":["publish"]}`, ""), 0},
		"messages":                          {"POST", "/channels/a/messages", `[{"name":"e"},{"clientId":"ana"},{"clientId":null}]`, all, 0},
		"a clientId twice":                  {"POST", "/channels/a/messages", `{"clientId":"bob","clientId":null}`, all, 40013},
		"a clientId in capitals is none":    {"POST", "/channels/a/messages", `{"clientId":"bob","CLIENTID":"ana"}`, all, 40012},
		"two messages without a list":       {"POST", "/channels/a/messages", `{},{}`, all, 40013},
		"a message without the right":       {"POST", "/channels/a/messages", `{}`, token(`{"a":["history"]}`, ""), 40160},
		"a message of somebody else":        {"POST", "/channels/a/messages", `[{},{"clientId":"bob"}]`, all, 40012},
		"a message of anybody, by key":      {"POST", "/channels/a/messages", `{"clientId":"bob"}`, basic(fixtureKey), 0},
		"a message of everybody, by key":    {"POST", "/channels/a/messages", `{"clientId":"*"}`, basic(fixtureKey), 40012},
		"a message of somebody, by nobody":  {"POST", "/channels/a/messages", `{"clientId":"bob"}`, token(`{"a":["publish"]}`, ""), 40012},
		"a message on behalf of a stranger": {"POST", "/channels/a/messages", `{"connectionKey":"c!k"}`, token(`{"a":["publish"]}`, ""), 40006},
		"a clientId that is a number":       {"POST", "/channels/a/messages", `{"clientId":1}`, all, 40013},
		"data that is a number":             {"POST", "/channels/a/messages", `{"data":1}`, all, 40013},
		"a message of 65537 bytes":          {"POST", "/channels/a/messages", `{"data":"` + strings.Repeat("x", 65537) + `"}`, all, 40009},
		"a message that is no object":       {"POST", "/channels/a/messages", `"x"`, all, 40013},
		"no message":                        {"POST", "/channels/a/messages", ``, all, 40013},
		"broken JSON":                       {"POST", "/channels/a/messages", `{`, all, 40013},
	} {
		a := s.send(t, c.method, c.target, "application/json", []byte(c.body), c.header)
		if c.code != 0 {
			info := a.json(t)["error"].(map[string]any)
			require.EqualValues(t, c.code, info["code"], "%s: %s", name, a.body)
			continue
		}
		require.Less(t, a.status, 300, "%s: %s", name, a.body)
	}
	require.Equal(t, 201, s.send(t, "POST", "/stats", "application/json", []byte(`[]`), basic(fixtureKey)).status)
	a := s.send(t, "POST", "/channels/a/messages", "application/json", []byte(`[{},{}]`), all)
	require.Equal(t, 201, a.status)
	published := a.json(t)
	require.Equal(t, "a", published["channel"])
	require.Len(t, published["serials"], 2)
	require.True(t, strings.HasSuffix(published["messageId"].(string), ":0"))
	require.JSONEq(t, `{"channelId":"a b","status":{"isActive":true,"occupancy":{"metrics":{}}}}`, string(s.do(t, "GET", "/channels/a%20b", all).body))
	history := s.do(t, "GET", "/channels/a/messages", all)
	require.JSONEq(t, `[]`, string(history.body))
	require.Equal(t, []string{`<./messages?limit=100>; rel="first"`, `<./messages?limit=100>; rel="current"`}, history.header.Values("Link"))
	require.Equal(t, `<./history?limit=100>; rel="first"`, s.do(t, "GET", "/channels/a/history?limit=5", all).header.Get("Link"))
	require.Equal(t, `<./stats?limit=100>; rel="first"`, s.do(t, "GET", "/stats", basic(fixtureKey)).header.Get("Link"))

	pack := func(members ...any) []byte {
		b := msgp.AppendMapHeader(nil, uint32(len(members)/2))
		for _, m := range members {
			b, _ = msgp.AppendIntf(b, m)
		}
		return b
	}
	for name, c := range map[string]struct {
		body   []byte
		status int
	}{
		"one":              {pack("name", "e", "data", []byte{1, 2}), 201},
		"a list":           {append(msgp.AppendArrayHeader(nil, 2), append(pack("clientId", "ana"), pack("clientId", nil)...)...), 201},
		"somebody else":    {pack("clientId", "bob"), 400},
		"a name twice":     {pack("clientId", "ana", "clientId", "bob"), 400},
		"another type":     {pack("clientId", 1), 400},
		"ends early":       {pack("name", "eeee")[:6], 400},
		"a huge map":       {[]byte{0xdf, 0xff, 0xff, 0xff, 0xff}, 400},
		"deeply nested":    {append(pack(), bytes.Repeat([]byte{0x91}, 100_000)...), 400},
		"deep in a member": {append([]byte{0x81, 0xa1, 'x'}, bytes.Repeat([]byte{0x91}, 200_000)...), 400},
	} {
		a := s.send(t, "POST", "/channels/a/messages", "application/x-msgpack", c.body, all)
		require.Equal(t, c.status, a.status, "%s: %s", name, a.body)
	}
}

func TestSandbox(t *testing.T) {
	st := memory.New(memory.Options{})
	s := newTokenSite(t, server.Options{Store: st, Sandbox: true})
	setup := `{"keys":[{},{"capability":"{ \"b\":[\"publish\"], \"a\":[\"subscribe\",\"history\"] }"},{"capability":{"c":["*"]},"revocableTokens":true}],"namespaces":[{"id":"persisted","persisted":true}],"channels":[{"name":"x"}],"limits":{}}`
	a := s.send(t, "POST", "/apps", "application/json", []byte(setup), nil)
	require.Equal(t, 201, a.status, "%s", a.body)
	var app struct {
		AppID, Endpoint string
		Port            int
		TLS             bool
		Keys            []struct {
			KeyName, KeySecret, KeyStr, Capability, ID, Value string
			RevocableTokens                                   bool
		}
		Namespaces, Channels []json.RawMessage
	}
	require.NoError(t, json.Unmarshal(a.body, &app))
	require.Len(t, app.Keys, 3)
	require.Len(t, app.Namespaces, 1)
	require.Equal(t, `{"*":["*"]}`, app.Keys[0].Capability)
	require.Equal(t, `{"a":["history","subscribe"],"b":["publish"]}`, app.Keys[1].Capability)
	require.Equal(t, `{"c":["*"]}`, app.Keys[2].Capability)
	require.True(t, app.Keys[2].RevocableTokens)
	require.Equal(t, [3]any{"127.0.0.1", 8080, false}, [3]any{app.Endpoint, app.Port, app.TLS})
	for _, k := range app.Keys {
		require.Equal(t, k.KeyName+":"+k.KeySecret, k.KeyStr)
		require.Equal(t, app.AppID+"."+k.ID, k.KeyName)
		require.Regexp(t, `^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+:[A-Za-z0-9_-]{32}$`, k.KeyStr)
		require.Equal(t, 200, s.do(t, "GET", "/v1/admit", basic(k.KeyStr)).status)
	}
	// The configured keys are still there, and so are both after a new configuration.
	require.Equal(t, 200, s.do(t, "GET", "/v1/admit", basic(fixtureKey)).status)
	require.NoError(t, s.Configure([]engine.Key{{Name: "new.key", Secret: "0123456789abcdef0123456789abcdef"}}, engine.TokenRules{}, nil))
	require.Equal(t, 200, s.do(t, "GET", "/v1/admit", basic(app.Keys[0].KeyStr)).status)
	require.Equal(t, 200, s.do(t, "GET", "/v1/admit", basic("new.key:0123456789abcdef0123456789abcdef")).status)
	s.do(t, "GET", "/v1/admit", basic(fixtureKey)).requireRefused(t, 40101, 401, "no longer configured")

	for name, c := range map[string]struct {
		id     string
		header http.Header
		status int
	}{
		"nobody":                   {app.AppID, nil, 401},
		"another key of the app":   {app.AppID, basic(app.Keys[1].KeyStr), 401},
		"a configured key":         {app.AppID, basic("new.key:0123456789abcdef0123456789abcdef"), 401},
		"a configured app":         {"new", basic("new.key:0123456789abcdef0123456789abcdef"), 401},
		"the first key, elsewhere": {"nothing", basic(app.Keys[0].KeyStr), 401},
	} {
		require.Equal(t, c.status, s.send(t, "DELETE", "/apps/"+c.id, "", nil, c.header).status, name)
	}
	require.Equal(t, 204, s.send(t, "DELETE", "/apps/"+app.AppID, "", nil, basic(app.Keys[0].KeyStr)).status)
	s.do(t, "GET", "/v1/admit", basic(app.Keys[1].KeyStr)).requireRefused(t, 40101, 401, "deleted")

	for name, body := range map[string]string{
		"nothing": ``, "no keys": `{}`, "an array": `[]`, "too many keys": `{"keys":[` + strings.Repeat("{},", 20) + `{}]}`,
		"a bad capability": `{"keys":[{"capability":"{}"}]}`, "another bad capability": `{"keys":[{"capability":{"a":["fly"]}}]}`,
	} {
		require.Equal(t, 400, s.send(t, "POST", "/apps", "application/json", []byte(body), nil).status, name)
	}
}

func TestTheSandboxIsClosedUnlessOpened(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	s.send(t, "POST", "/apps", "application/json", []byte(`{"keys":[{}]}`), nil).requireRefused(t, 40400, 404, "no sandbox")
	s.send(t, "DELETE", "/apps/x", "", nil, nil).requireRefused(t, 40400, 404, "no sandbox")
	guarded := newTokenSite(t, server.Options{Sandbox: true, SandboxToken: "canary"})
	guarded.send(t, "POST", "/apps", "application/json", []byte(`{"keys":[{}]}`), nil).requireRefused(t, 40101, 401, "no token")
	guarded.send(t, "POST", "/apps", "application/json", []byte(`{"keys":[{}]}`), http.Header{"Authorization": {"Bearer canarx"}}).requireRefused(t, 40101, 401, "another token")
	require.Equal(t, 201, guarded.send(t, "POST", "/apps", "application/json", []byte(`{"keys":[{}]}`), http.Header{"Authorization": {"Bearer canary"}}).status)
}

func TestAForeignPageCannotUseALocalSandbox(t *testing.T) {
	s := newTokenSite(t, server.Options{Sandbox: true, LoopbackOnly: true})
	for origin, want := range map[string]int{
		"": 201, "http://localhost:3000": 201, "http://127.0.0.1:9000": 201, "http://[::1]:9000": 201,
		"https://evil.example": 403, "null": 403, "http://localhost.evil.example": 403, "http://127.0.0.1.evil.example:80": 403,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		require.Equal(t, want, s.send(t, "POST", "/apps", "text/plain", []byte(`{"keys":[{}]}`), header).status, origin)
	}
}

func TestSandboxAppsLiveForADay(t *testing.T) {
	st := memory.New(memory.Options{})
	s := newTokenSite(t, server.Options{Store: st, Sandbox: true})
	var app struct{ Keys []struct{ KeyStr string } }
	require.NoError(t, json.Unmarshal(s.send(t, "POST", "/apps", "application/json", []byte(`{"keys":[{}]}`), nil).body, &app))
	s.now.Add(86_400_000 - 1)
	require.Equal(t, 200, s.do(t, "GET", "/v1/admit", basic(app.Keys[0].KeyStr)).status)
	s.now.Add(1)
	s.do(t, "GET", "/v1/admit", basic(app.Keys[0].KeyStr)).requireRefused(t, 40132, 401, "a day later")
	require.Equal(t, 201, s.send(t, "POST", "/apps", "application/json", []byte(`{"keys":[{}]}`), nil).status)
	s.do(t, "GET", "/v1/admit", basic(app.Keys[0].KeyStr)).requireRefused(t, 40101, 401, "forgotten when the next one is made")
}

func TestTheSandboxIsBounded(t *testing.T) {
	s := newTokenSite(t, server.Options{Sandbox: true})
	for i := range 1000 {
		require.Equal(t, 201, s.send(t, "POST", "/apps", "application/json", []byte(`{"keys":[{}]}`), nil).status, fmt.Sprint(i))
	}
	s.send(t, "POST", "/apps", "application/json", []byte(`{"keys":[{}]}`), nil).requireRefused(t, 40127, 401, "one more")
}
