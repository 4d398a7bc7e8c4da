package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// batchVerdict is one answer of POST /v1/admit/batch.
type batchVerdict struct {
	admission
	Error *fault `json:"error"`
}

// TestBatches asks about many tokens in one request, as a JSON array and as one
// object a line, and requires a verdict for each, in order.
func TestBatches(t *testing.T) {
	server := startServer(t, baseConfig())
	now := nowSeconds()
	var questions []map[string]string
	var want []batchVerdict
	ask := func(q map[string]string, v batchVerdict) {
		questions, want = append(questions, q), append(want, v)
	}
	refused := func(code, status int) batchVerdict {
		return batchVerdict{Error: &fault{Code: code, StatusCode: status}}
	}
	for _, id := range []string{"ana", "ben", "cleo"} {
		token := mint(t, keyChat, map[string]any{"iat": now, "exp": now + 60, "x-ably-clientId": id})
		yes := batchVerdict{admission: admission{
			Admitted: true, KeyName: keyChat, ClientID: id, Capability: chatCapability, Issued: unixMilli(now), Expires: unixMilli(now + 60),
		}}
		ask(map[string]string{"token": token}, yes)
		ask(map[string]string{"token": token, "clientId": id, "channel": "chat:x", "op": "publish"}, yes)
		ask(map[string]string{"token": token, "clientId": "mallory"}, refused(40102, 401))
		ask(map[string]string{"token": token, "channel": "admin", "op": "publish"}, refused(40160, 401))
		ask(map[string]string{"token": replaceInSegment(1, id, "mallory")(t, token)}, refused(40144, 401))
		ask(map[string]string{"token": apiKey(keyChat)}, refused(40145, 401)) // a key is no token; it has one dot
	}
	post := func(contentType, body string) request {
		return request{method: "POST", path: "/v1/admit/batch", body: body}.withHeader("Content-Type", contentType)
	}
	requireVerdicts := func(verdicts []json.RawMessage) {
		t.Helper()
		require.Len(t, verdicts, len(want))
		for i, text := range verdicts {
			var got batchVerdict
			decodeStrictly(t, text, &got)
			if got.Error != nil {
				require.Regexp(t, printable, got.Error.Message)
				got.Error.Message, got.Error.Href = "", ""
			}
			require.Equal(t, want[i], got, "question %d", i)
		}
	}

	array, err := json.Marshal(questions)
	require.NoError(t, err)
	a := post(typeJSON, string(array)).send(t, server.public)
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, []string{typeJSON}, a.header["Content-Type"])
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	var verdicts []json.RawMessage
	decodeStrictly(t, a.body, &verdicts)
	requireVerdicts(verdicts)

	var body strings.Builder
	lines := json.NewEncoder(&body) // which ends every value with a line feed
	for _, q := range questions {
		require.NoError(t, lines.Encode(q))
	}
	a = post("application/x-ndjson", body.String()).send(t, server.public)
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, []string{"application/x-ndjson"}, a.header["Content-Type"])
	verdicts = nil
	for line := range strings.Lines(string(a.body)) {
		verdicts = append(verdicts, json.RawMessage(line))
	}
	requireVerdicts(verdicts)

	for name, r := range map[string]request{
		"no JSON":           post(typeJSON, "rubbish"),
		"an object":         post(typeJSON, `{"token":"a.b.c"}`),
		"a misspelt member": post(typeJSON, `[{"token":"a.b.c","chanel":"x"}]`),
		"a channel alone":   post(typeJSON, `[{"token":"a.b.c","channel":"x"}]`),
		"1,001 questions":   post(typeJSON, "["+strings.Repeat(`{"token":"a.b.c"},`, 1000)+`{"token":"a.b.c"}]`),
	} {
		t.Run(name, func(t *testing.T) {
			requireRefused(t, r.send(t, server.public), refusal{40001, 400, "body_malformed"})
		})
	}
	requireRefused(t, request{path: "/v1/admit/batch"}.send(t, server.public), refusal{40500, 405, "method_not_allowed"})
	server.stop(t)
}
