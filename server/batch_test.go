package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/internal/vectors"
	"portcullis/server"
)

// post sends a body and returns the answer.
func (s *site) post(t *testing.T, target, contentType string, body string) answer {
	t.Helper()
	response, err := s.client.Post("http://127.0.0.1"+target, contentType, strings.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, got}
}

func signer(t *testing.T) *engine.Signer {
	t.Helper()
	s, err := engine.NewSigner("appId.keyId:0123456789abcdef0123456789abcdef")
	require.NoError(t, err)
	return s
}

// batch makes n questions of which every third is refused, and what they must
// be answered, clientId or error code.
func batch(t *testing.T, n int) (entries []map[string]string, want []any) {
	t.Helper()
	s := signer(t)
	for i := range n {
		client := fmt.Sprint("client", i)
		token, err := s.AppendJWT(nil, &engine.TokenParams{Issued: vectors.DefaultNow, ClientID: client, Capability: `{"a":["publish"]}`})
		require.NoError(t, err)
		entry := map[string]string{"token": string(token), "channel": "a", "op": "publish"}
		switch i % 6 {
		case 2:
			entry["op"] = "subscribe"
			want = append(want, 40160)
		case 5:
			entry["clientId"] = "somebody else"
			want = append(want, 40102)
		default:
			want = append(want, client)
		}
		entries = append(entries, entry)
	}
	return entries, want
}

func requireVerdicts(t *testing.T, lines []json.RawMessage, want []any) {
	t.Helper()
	require.Len(t, lines, len(want))
	for i, line := range lines {
		var got struct {
			Admitted bool
			ClientID string
			Error    *struct{ Code, StatusCode int }
		}
		require.NoError(t, json.Unmarshal(line, &got))
		if client, admitted := want[i].(string); admitted {
			require.True(t, got.Admitted, "%d: %s", i, line)
			require.Equal(t, client, got.ClientID)
			require.Nil(t, got.Error)
		} else {
			require.False(t, got.Admitted, "%d: %s", i, line)
			require.EqualValues(t, want[i], got.Error.Code)
			require.EqualValues(t, 401, got.Error.StatusCode)
		}
	}
}

func TestABatchIsAnsweredInOrder(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{})
	entries, want := batch(t, 1000)
	body, err := json.Marshal(entries)
	require.NoError(t, err)

	a := s.post(t, "/v1/admit/batch", "application/json; charset=utf-8", string(body))
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, []string{"application/json"}, a.header["Content-Type"])
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	var verdicts []json.RawMessage
	require.NoError(t, json.Unmarshal(a.body, &verdicts))
	requireVerdicts(t, verdicts, want)

	var lines bytes.Buffer
	for _, e := range entries {
		line, err := json.Marshal(e)
		require.NoError(t, err)
		lines.Write(append(line, "\r\n\n"...)) // empty lines do not count
	}
	a = s.post(t, "/v1/admit/batch", "application/x-ndjson", lines.String())
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, []string{"application/x-ndjson"}, a.header["Content-Type"])
	verdicts = nil
	for _, line := range strings.Split(strings.TrimSuffix(string(a.body), "\n"), "\n") {
		verdicts = append(verdicts, json.RawMessage(line))
	}
	requireVerdicts(t, verdicts, want)
}

func TestSmallBatches(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{})
	require.JSONEq(t, `[]`, string(s.post(t, "/v1/admit/batch", "application/json", `[]`).body))
	require.Equal(t, "\n", string(s.post(t, "/v1/admit/batch", "application/x-ndjson", "").body))
	a := s.post(t, "/v1/admit/batch", "application/json", `[{},{"token":"x"},{"token":"a.b"},{"token":"a.b.c","op":"presence"}]`)
	var verdicts []struct {
		Admitted bool
		Error    struct{ Code int }
	}
	require.NoError(t, json.Unmarshal(a.body, &verdicts), "%s", a.body)
	codes := []int{}
	for _, v := range verdicts {
		require.False(t, v.Admitted)
		codes = append(codes, v.Error.Code)
	}
	require.Equal(t, []int{40101, 40005, 40145, 40144}, codes)
}

// A batch that cannot be read as a whole is answered with one error that says
// where, and nothing of it has been decided.
func TestABatchIsReadWholeOrNotAtAll(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{})
	good, _ := batch(t, 2)
	entry, err := json.Marshal(good[0])
	require.NoError(t, err)
	many := func(n int, between string) string { return strings.Repeat(string(entry)+between, n-1) + string(entry) }
	for name, c := range map[string]struct {
		contentType, body string
		code, status      int
		says              string
	}{
		"not JSON":                       {"application/json", `nonsense`, 40001, 400, "not a JSON array"},
		"nothing":                        {"application/json", ``, 40001, 400, "not a JSON array"},
		"null":                           {"application/json", `null`, 40001, 400, "not a JSON array"},
		"an object":                      {"application/json", `{}`, 40001, 400, "not a JSON array"},
		"data after the array":           {"application/json", `[]x`, 40001, 400, "not a JSON array"},
		"an entry that is no object":     {"application/json", `[` + string(entry) + `,1]`, 40001, 400, "entry 1"},
		"a member of another type":       {"application/json", `[{"token":1}]`, 40001, 400, "entry 0"},
		"a member in capitals":           {"application/json", `[{"token":"a.b.c","channel":"secret","CHANNEL":"open","op":"publish"}]`, 40001, 400, "entry 0"},
		"a member twice":                 {"application/json", `[{"token":"a.b.c","channel":"secret","channel":"open","op":"publish"}]`, 40001, 400, "entry 0"},
		"deep nesting":                   {"application/json", strings.Repeat("[", 1_000_000), 40001, 400, "not a JSON array"},
		"two million entries":            {"application/json", "[" + strings.Repeat("{},", 1_000_000) + "{}]", 40001, 400, "more than 1000"},
		"a member that is misspelt":      {"application/json", `[{"token":"a.b.c","chanel":"x"}]`, 40001, 400, "entry 0"},
		"an operation without a channel": {"application/json", `[{"token":"a.b.c","op":"publish"}]`, 40001, 400, "entry 0: channel and op"},
		"an unknown operation":           {"application/json", `[{"token":"a.b.c","channel":"x","op":"fly"}]`, 40001, 400, "entry 0: op"},
		"1001 entries":                   {"application/json", `[` + many(1001, ",") + `]`, 40001, 400, "more than 1000"},
		"1001 lines":                     {"application/x-ndjson", many(1001, "\n"), 40001, 400, "more than 1000"},
		"a bad line":                     {"application/x-ndjson", string(entry) + "\n\n{\n" + string(entry), 40001, 400, "line 3"},
		"an array as a line":             {"application/x-ndjson", "[" + string(entry) + "]", 40001, 400, "line 1"},
		"two objects on a line":          {"application/x-ndjson", string(entry) + string(entry), 40001, 400, "line 1"},
	} {
		a := s.post(t, "/v1/admit/batch", c.contentType, c.body)
		a.requireRefused(t, c.code, c.status, name)
		require.Contains(t, a.header.Get("X-Ably-Errormessage"), c.says, name)
	}
	require.Contains(t, string(s.admin(t, "GET", "/metrics", nil).body), `portcullis_decisions_total{reason="",result="admitted",surface="batch"} 0`)
	a := s.do(t, "GET", "/v1/admit/batch", nil)
	a.requireRefused(t, 40500, 405, "GET")
	require.Equal(t, "POST", a.header.Get("Allow"))
}

func TestATokenRefusedTooOftenIsToldToStop(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{RefusalLimit: 3})
	for range 3 {
		s.do(t, "GET", "/v1/admit?access_token=a.b.c", nil).requireRefused(t, 40144, 401, "at first")
	}
	a := s.do(t, "GET", "/v1/admit?access_token=a.b.c", nil)
	a.requireRefused(t, 42910, 429, "then")
	require.Equal(t, "10", a.header.Get("Retry-After"))
	s.do(t, "GET", "/v1/admit?access_token=a.b.d", nil).requireRefused(t, 40144, 401, "another token")
	s.now.Add(10_000)
	s.do(t, "GET", "/v1/admit?access_token=a.b.c", nil).requireRefused(t, 40144, 401, "ten seconds later")
}

func TestBrowsers(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{})
	origin := http.Header{"Origin": {"https://app.example.com"}}
	preflight := http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"authorization"}}
	for _, path := range []string{"/v1/admit", "/time", "/v1/admit/batch", "/unknown"} {
		a := s.do(t, "GET", path, origin)
		require.Equal(t, "https://app.example.com", a.header.Get("Access-Control-Allow-Origin"), path)
		require.Equal(t, "true", a.header.Get("Access-Control-Allow-Credentials"))
		require.Equal(t, "Origin", a.header.Get("Vary"))
		require.Equal(t, "link, x-ably-errorcode, x-ably-errormessage", a.header.Get("Access-Control-Expose-Headers"))
		plain := s.do(t, "GET", path, nil)
		require.Empty(t, plain.header.Get("Access-Control-Allow-Origin"), path)
		require.Equal(t, "Origin", plain.header.Get("Vary"), "a cache must not give one answer to both")
		if path == "/unknown" {
			continue
		}
		a = s.do(t, "OPTIONS", path, preflight)
		require.Equal(t, 204, a.status, path)
		require.Empty(t, a.body)
		require.Equal(t, "https://app.example.com", a.header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "authorization, content-type, accept, x-ably-version, ably-agent, x-ably-clientid, x-ably-devicetoken", a.header.Get("Access-Control-Allow-Headers"))
		require.NotEmpty(t, a.header.Get("Access-Control-Allow-Methods"))
		s.do(t, "OPTIONS", path, origin).requireRefused(t, 40500, 405, "OPTIONS that is no preflight")
	}
	require.Empty(t, s.do(t, "GET", "/livez", origin).header.Get("Access-Control-Allow-Origin"))
}
