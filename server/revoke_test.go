package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"portcullis/engine"
	"portcullis/internal/vectors"
	"portcullis/server"
	"portcullis/store"
	"portcullis/store/memory"
)

const revocableKey = "appId.revocable:revocable-3JqvWc8nTzL5yRk2"

func newRevocationSite(t *testing.T, o server.Options) *site {
	t.Helper()
	o.Settings.ChannelRevocation = true
	s := newTokenSite(t, o)
	require.NoError(t, s.LoadRevocations())
	return s
}

// revocable mints a token of the revocable key.
func revocable(t *testing.T, p engine.TokenParams) http.Header {
	t.Helper()
	s, err := engine.NewSigner(revocableKey)
	require.NoError(t, err)
	if p.Issued == 0 {
		p.Issued = vectors.DefaultNow - 1000
	}
	token, err := s.AppendJWT(nil, &p)
	require.NoError(t, err)
	return bearerToken(string(token))
}

func versioned(header http.Header) http.Header {
	header = header.Clone()
	header.Set("X-Ably-Version", "3")
	return header
}

func TestRevokedTokensAreRefusedFromTheNextRequestOn(t *testing.T) {
	s := newRevocationSite(t, server.Options{})
	tokens := map[string]http.Header{
		"alice": revocable(t, engine.TokenParams{ClientID: "alice"}), "bob": revocable(t, engine.TokenParams{ClientID: "bob"}),
		"group": revocable(t, engine.TokenParams{RevocationKey: "a:b"}), "channel": revocable(t, engine.TokenParams{Capability: `{"chat:*":["publish"]}`}),
		"star": revocable(t, engine.TokenParams{ClientID: "*"}), "later": revocable(t, engine.TokenParams{ClientID: "alice", Issued: vectors.DefaultNow + 1000}),
	}
	status := func(name string) int { return s.do(t, "GET", "/v1/admit", tokens[name]).status }
	for name := range tokens {
		require.Equal(t, 200, status(name), name)
	}
	a := s.send(t, "POST", "/keys/appId.revocable/revokeTokens", "application/json", []byte(`{"targets":["clientId:alice","revocationKey:a:b","channel:chat:*","clientId:*","device:x","clientId:"]}`), versioned(basic(revocableKey)))
	require.Equal(t, 201, a.status, "%s", a.body)
	var answer struct {
		SuccessCount, FailureCount int
		Results                    []struct {
			Target                  string
			IssuedBefore, AppliesAt int64
			Error                   *struct{ Code, StatusCode int }
		}
	}
	require.NoError(t, json.Unmarshal(a.body, &answer))
	require.Equal(t, [2]int{4, 2}, [2]int{answer.SuccessCount, answer.FailureCount})
	require.Equal(t, "revocationKey:a:b", answer.Results[1].Target)
	for i, r := range answer.Results {
		if i < 4 {
			require.Nil(t, r.Error)
			require.Equal(t, [2]int64{vectors.DefaultNow, vectors.DefaultNow}, [2]int64{r.IssuedBefore, r.AppliesAt})
			continue
		}
		require.Equal(t, [2]int{40000, 400}, [2]int{r.Error.Code, r.Error.StatusCode})
	}
	for _, name := range []string{"alice", "group", "channel", "star"} {
		s.do(t, "GET", "/v1/admit", tokens[name]).requireRefused(t, 40141, 401, name)
	}
	for _, name := range []string{"bob", "later"} {
		require.Equal(t, 200, status(name), name)
	}
	require.Contains(t, string(s.admin(t, "GET", "/metrics", nil).body), "portcullis_revocations 4")
}

func TestARevocationWithAMargin(t *testing.T) {
	s := newRevocationSite(t, server.Options{})
	token := revocable(t, engine.TokenParams{ClientID: "alice"})
	require.Equal(t, 200, s.do(t, "GET", "/v1/admit", token).status)
	body := fmt.Sprintf(`{"targets":["clientId:alice"],"allowReauthMargin":true,"issuedBefore":%d}`, vectors.DefaultNow-500)
	a := s.send(t, "POST", "/keys/appId.revocable/revokeTokens", "application/json", []byte(body), versioned(basic(revocableKey)))
	require.Equal(t, 201, a.status, "%s", a.body)
	require.Contains(t, string(a.body), fmt.Sprintf(`"issuedBefore":%d`, vectors.DefaultNow-500))
	require.Contains(t, string(a.body), fmt.Sprintf(`"appliesAt":%d`, vectors.DefaultNow+30_001))
	s.now.Add(30_000)
	require.Equal(t, 200, s.do(t, "GET", "/v1/admit", token).status, "a moment before the margin ends")
	s.now.Add(1)
	s.do(t, "GET", "/v1/admit", token).requireRefused(t, 40141, 401, "when it ends")
}

func TestTheShapeOfTheAnswerFollowsTheVersion(t *testing.T) {
	s := newRevocationSite(t, server.Options{})
	post := func(targets string, header http.Header) answer {
		return s.send(t, "POST", "/keys/appId.revocable/revokeTokens", "application/json", []byte(`{"targets":[`+targets+`]}`), header)
	}
	a := post(`"clientId:a","clientId:b"`, basic(revocableKey))
	require.Equal(t, 201, a.status)
	var list []map[string]any
	require.NoError(t, json.Unmarshal(a.body, &list))
	require.Len(t, list, 2)
	require.Equal(t, "clientId:b", list[1]["target"])

	a = post(`"clientId:a","x:b"`, basic(revocableKey))
	require.Equal(t, 400, a.status)
	require.Equal(t, "40020", a.header.Get("X-Ably-Errorcode"))
	legacy := a.json(t)
	require.EqualValues(t, 40020, legacy["error"].(map[string]any)["code"])
	require.Len(t, legacy["batchResponse"], 2)

	body := msgp.AppendMapHeader(nil, 3)
	body = msgp.AppendArrayHeader(msgp.AppendString(body, "targets"), 1)
	body = msgp.AppendString(body, "clientId:carol")
	body = msgp.AppendBool(msgp.AppendString(body, "allowReauthMargin"), false)
	body = msgp.AppendInt64(msgp.AppendString(body, "issuedBefore"), vectors.DefaultNow)
	header := versioned(basic(revocableKey))
	header.Set("Accept", "application/x-msgpack")
	a = s.send(t, "POST", "/keys/appId.revocable/revokeTokens", "application/x-msgpack", body, header)
	require.Equal(t, 201, a.status, "%s", a.body)
	v, _, err := msgp.ReadIntfBytes(a.body)
	require.NoError(t, err)
	require.EqualValues(t, 1, v.(map[string]any)["successCount"])
}

func TestRevocationsThatAreRefused(t *testing.T) {
	s := newRevocationSite(t, server.Options{})
	off := newTokenSite(t, server.Options{})
	const good = `{"targets":["clientId:a"]}`
	many := strings.TrimSuffix(strings.Repeat(`"clientId:a",`, 101), ",")
	for name, c := range map[string]struct {
		s            *site
		key, body    string
		header       http.Header
		code, status int
	}{
		"nobody":                       {s, "appId.revocable", good, nil, 40101, 401},
		"a token":                      {s, "appId.revocable", good, revocable(t, engine.TokenParams{}), 40162, 401},
		"another key":                  {s, "appId.revocable", good, basic(fixtureKey), 40133, 401},
		"a wrong secret":               {s, "appId.revocable", good, basic("appId.revocable:wrong"), 40101, 401},
		"a key without revocation":     {s, "appId.keyId", good, basic(fixtureKey), 40163, 401},
		"no targets":                   {s, "appId.revocable", `{"targets":[]}`, basic(revocableKey), 40001, 400},
		"no list":                      {s, "appId.revocable", `{}`, basic(revocableKey), 40001, 400},
		"101 targets":                  {s, "appId.revocable", `{"targets":[` + many + `]}`, basic(revocableKey), 40001, 400},
		"a target that is no text":     {s, "appId.revocable", `{"targets":[1]}`, basic(revocableKey), 40001, 400},
		"a misspelt member":            {s, "appId.revocable", `{"targets":["clientId:a"],"issuedbefore":1}`, basic(revocableKey), 40001, 400},
		"a misspelt member of nothing": {s, "appId.revocable", `{"targets":["clientId:a"],"issuedbefore":null}`, basic(revocableKey), 40001, 400},
		"a member twice":               {s, "appId.revocable", `{"targets":["clientId:a"],"targets":["clientId:b"]}`, basic(revocableKey), 40001, 400},
		"no object":                    {s, "appId.revocable", `[]`, basic(revocableKey), 40001, 400},
		"a time to come":               {s, "appId.revocable", fmt.Sprintf(`{"targets":["clientId:a"],"issuedBefore":%d}`, vectors.DefaultNow+1), basic(revocableKey), 40003, 400},
		"a time too long ago":          {s, "appId.revocable", fmt.Sprintf(`{"targets":["clientId:a"],"issuedBefore":%d}`, vectors.DefaultNow-3_600_001), basic(revocableKey), 40003, 400},
		"a fraction of a millisecond":  {s, "appId.revocable", `{"targets":["clientId:a"],"issuedBefore":1.5}`, basic(revocableKey), 40003, 400},
	} {
		c.s.send(t, "POST", "/keys/"+c.key+"/revokeTokens", "application/json", []byte(c.body), c.header).requireRefused(t, c.code, c.status, name)
	}
	a := off.send(t, "POST", "/keys/appId.revocable/revokeTokens", "application/json", []byte(`{"targets":["channel:a"]}`), versioned(basic(revocableKey)))
	require.Contains(t, string(a.body), `"code":40121`)
	s.do(t, "GET", "/keys/appId.revocable/revokeTokens", nil).requireRefused(t, 40400, 404, "another method")
	require.Contains(t, string(s.admin(t, "GET", "/metrics", nil).body), "portcullis_revocations 0")
}

func TestRevocationsAreRateLimited(t *testing.T) {
	s := newRevocationSite(t, server.Options{RevocationsPerMinute: 2})
	post := func() answer {
		return s.send(t, "POST", "/keys/appId.revocable/revokeTokens", "application/json", []byte(`{"targets":["clientId:a"]}`), basic(revocableKey))
	}
	require.Equal(t, 201, post().status)
	require.Equal(t, 201, post().status)
	post().requireRefused(t, 42910, 429, "the third in a minute")
	s.now.Add(60_000)
	require.Equal(t, 201, post().status)
}

func TestRevocationsOutliveTheServer(t *testing.T) {
	st := memory.New(memory.Options{Now: func() engine.UnixMilli { return vectors.DefaultNow }})
	require.NoError(t, st.AppendRevocations(context.Background(), "appId.revocable", []engine.Revocation{{Target: engine.RevokeClientID, Value: "alice", IssuedBefore: vectors.DefaultNow, AppliesAt: vectors.DefaultNow}}))
	s := newRevocationSite(t, server.Options{Store: st})
	s.do(t, "GET", "/v1/admit", revocable(t, engine.TokenParams{ClientID: "alice"})).requireRefused(t, 40141, 401, "revoked before the start")
	require.NoError(t, st.AppendRevocations(context.Background(), "appId.revocable", []engine.Revocation{{Target: engine.RevokeClientID, Value: "bob", IssuedBefore: vectors.DefaultNow, AppliesAt: vectors.DefaultNow}}))
	s.do(t, "GET", "/v1/admit", revocable(t, engine.TokenParams{ClientID: "bob"})).requireRefused(t, 40141, 401, "revoked elsewhere")
}

// forgetful keeps no revocation.
type forgetful struct{ store.Store }

func (forgetful) AppendRevocations(context.Context, string, []engine.Revocation) error {
	return errors.New("no space")
}

func TestARevocationThatIsNotKeptIsNotAnsweredButHolds(t *testing.T) {
	s := newRevocationSite(t, server.Options{Store: forgetful{memory.New(memory.Options{})}})
	s.send(t, "POST", "/keys/appId.revocable/revokeTokens", "application/json", []byte(`{"targets":["clientId:alice"]}`), basic(revocableKey)).requireRefused(t, 50003, 503, "not kept")
	s.do(t, "GET", "/v1/admit", revocable(t, engine.TokenParams{ClientID: "alice"})).requireRefused(t, 40141, 401, "refused all the same")
}
