package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const servicesConfig = `services:
  - id: 1415
    api_secret: api-secret-3Kd8wQzT
    issuer: https://as.example.com
    token_secret: token-secret-9Hf2mXvBqL4sJc7RtPn0
    client_id_alias_enabled: true
    clients:
      - {id: 1, alias: first, alias_enabled: true, secret: client-secret-5Gt1, redirect_uris: ["https://a.example/cb"]}
      - {id: 2, secret: client-secret-6Hy2, redirect_uris: ["https://b.example/cb"]}
`

// authorizes says which client an alias means now, 0 for none.
func (s *testServer) authorizes(t *testing.T, alias string) int {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, s.public+"/api/auth/authorization", strings.NewReader(`{"parameters":"response_type=code&client_id=`+alias+`"}`))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth("1415", "api-secret-3Kd8wQzT")
	response, err := s.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, "%s", text)
	var answer struct{ Client struct{ ClientID int } }
	require.NoError(t, json.Unmarshal(text, &answer))
	return answer.Client.ClientID
}

func TestServicesAreReloadedWithTheRest(t *testing.T) {
	s := startServer(t, goodConfig+servicesConfig, nil)
	require.Equal(t, 1, s.authorizes(t, "first"))
	reload := func(text string) int {
		require.NoError(t, os.WriteFile(s.path, []byte(text), 0o600))
		return s.post(t)
	}
	require.Equal(t, http.StatusOK, reload(goodConfig+strings.Replace(servicesConfig, "alias_enabled: true, secret", "alias_enabled: false, secret", 1)))
	require.Zero(t, s.authorizes(t, "first"))
	require.Equal(t, http.StatusOK, reload(goodConfig+servicesConfig))
	require.Equal(t, 1, s.authorizes(t, "first"))

	// The alias of one client to another, at once: refused, and with it the new key.
	moved := strings.Replace(strings.Replace(servicesConfig, "alias: first, alias_enabled: true, ", "", 1), "{id: 2,", "{id: 2, alias: first, alias_enabled: true,", 1)
	seen := s.logs.count()
	require.NotEqual(t, http.StatusOK, reload(configOf("other", moved)))
	record, _ := s.logs.await(t, seen, map[string]any{"level": "ERROR", "msg": "configuration refused, the old one stays"})
	require.Contains(t, record["problem"], `"first"`)
	require.Equal(t, 1, s.authorizes(t, "first"))
	require.True(t, s.admits(t, "app.k1:"+canary))
	require.False(t, s.admits(t, "app.other:"+canary))

	// Two faults of a kind that the configuration itself shows.
	require.NotEqual(t, http.StatusOK, reload(goodConfig+strings.Replace(servicesConfig, "{id: 2,", "{id: 2, alias: first,", 1)))
	require.Equal(t, http.StatusOK, reload(configOf("other", servicesConfig)))
	require.True(t, s.admits(t, "app.other:"+canary))
	require.Equal(t, 1, s.authorizes(t, "first"))
}
