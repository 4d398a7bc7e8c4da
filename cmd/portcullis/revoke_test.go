package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// runRevoke runs the verb against a server that answers as it is told.
func runRevoke(t *testing.T, status int, answer string, args ...string) (code int, out string, asked map[string]any, request *http.Request) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request = r
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &asked)
		}
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	t.Setenv(keyVariable, "app.key:canary-secret-of-the-key")
	root := newRoot()
	var stdout bytes.Buffer
	root.SetOut(&stdout)
	root.SetErr(io.Discard)
	root.SetArgs(append([]string{"revoke", "--server", server.URL}, args...))
	err := root.ExecuteContext(t.Context())
	if err != nil {
		code = exitUsage
		if exit, ok := err.(*exitError); ok {
			code = exit.code
		}
		require.NotContains(t, err.Error(), "canary")
	}
	return code, stdout.String(), asked, request
}

func TestRevoke(t *testing.T) {
	const both = `{"successCount":1,"failureCount":1,"results":[{"target":"clientId:a","issuedBefore":1700000000000,"appliesAt":1700000030001},{"target":"x:b","error":{"code":40000,"statusCode":400,"message":"invalid target type"}}]}`
	code, out, asked, request := runRevoke(t, 201, both, "clientId:a", "x:b", "--margin", "--issued-before", "1700000000")
	require.Equal(t, exitNegative, code)
	require.Equal(t, "REVOKED  clientId:a, tokens issued before 2023-11-14T22:13:20Z, from 2023-11-14T22:13:50.001Z on\nREFUSED  x:b: invalid target type (Ably 40000)\n", out)
	require.Equal(t, map[string]any{"targets": []any{"clientId:a", "x:b"}, "allowReauthMargin": true, "issuedBefore": 1.7e12}, asked)
	require.Equal(t, "/keys/app.key/revokeTokens", request.URL.Path)
	require.Equal(t, "3", request.Header.Get("X-Ably-Version"))
	user, secret, ok := request.BasicAuth()
	require.True(t, ok)
	require.Equal(t, [2]string{"app.key", "canary-secret-of-the-key"}, [2]string{user, secret})

	code, out, _, _ = runRevoke(t, 201, `{"results":[{"target":"clientId:a","issuedBefore":1,"appliesAt":2}]}`, "clientId:a", "--json")
	require.Zero(t, code)
	require.JSONEq(t, `{"target":"clientId:a","issuedBefore":1,"appliesAt":2}`, out)
	code, _, _, _ = runRevoke(t, 401, `{"error":{"code":40163,"statusCode":401,"message":"token revocation is not enabled for this key"}}`, "clientId:a")
	require.Equal(t, exitNegative, code)
	code, _, _, _ = runRevoke(t, 503, `{"error":{"code":50003,"statusCode":503,"message":"later"}}`, "clientId:a")
	require.Equal(t, exitUnreachable, code)
	code, _, _, _ = runRevoke(t, 200, `hello`, "clientId:a")
	require.Equal(t, exitUnreachable, code)
}
