package server_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/internal/vectors"
	"portcullis/oauth"
	"portcullis/server"
	"portcullis/store"
	"portcullis/store/memory"
)

// The service 1415 and its clients. A and B have aliases, B's is switched off; C's
// alias and secret look otherwise when they are form-encoded; D sends its secret in
// the form; P is public.
const (
	idA, idB, idC, idD, idP = "17201083166161", "26478243745571", "30000000000001", "40000000000001", "50000000000001"
	redirectA               = "https://client.example.org/cb/example.com"
	accessSecret            = "an-access-token-secret-of-32-byte"

	// Tokens of A that another server has minted, in the year 2020: the first was
	// requested with the alias, the second with the number. They expire in 2100.
	tokenJ1 = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ0ZXN0dXNlcjAxIiwic2NvcGUiOiJwYXltZW50IiwiaXNzIjoiaHR0cHM6Ly9hcy5leGFtcGxlLmNvbSIsImV4cCI6NDEwMjQ0NDgwMCwiaWF0IjoxNTk0NjMyMTg5LCJjbGllbnRfaWQiOiJjbGllbnRhcHAwMSIsImp0aSI6IklSQnEtMSJ9.gr_zscJgHC_oXPJwttH5wAjUja1nZyfhewiavC16ioQ"
	tokenJ2 = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiJ0ZXN0dXNlcjAxIiwic2NvcGUiOiJwYXltZW50IiwiaXNzIjoiaHR0cHM6Ly9hcy5leGFtcGxlLmNvbSIsImV4cCI6NDEwMjQ0NDgwMCwiaWF0IjoxNTk0NjMyMTg5LCJjbGllbnRfaWQiOiIxNzIwMTA4MzE2NjE2MSIsImp0aSI6IklSQnEtMiJ9.m6B9bZ5IHeNPXQK_wkj-B063nLOsYgCOeg2NN0slv9U"
)

func serviceConfig() oauth.ServiceConfig {
	return oauth.ServiceConfig{
		ID: 1415, APISecret: "svc-secret", AccessToken: "SVCTOKEN", Issuer: "https://as.example.com", TokenSecret: accessSecret, ClientIDAliasEnabled: true,
		Clients: []oauth.ClientConfig{
			{ID: 17201083166161, Alias: "clientapp01", AliasEnabled: true, Secret: "s3cret", RedirectURIs: []string{redirectA}, Scopes: []string{"payment"}},
			{ID: 26478243745571, Alias: "my-client", Secret: "bsecret", RedirectURIs: []string{"https://b.example.org/cb"}, Scopes: []string{"payment"}},
			{ID: 30000000000001, Alias: "legacy/app+1", AliasEnabled: true, Secret: "p%q:r s", RedirectURIs: []string{"https://c.example.org/cb"}, Scopes: []string{"payment"}},
			{ID: 40000000000001, Alias: "dpost", AliasEnabled: true, AuthMethod: oauth.SecretPost, Secret: "dsecret", RedirectURIs: []string{"https://d.example.org/cb"}, Scopes: []string{"payment", "admin"}},
			{ID: 50000000000001, Alias: "spa", AliasEnabled: true, Type: oauth.Public, AuthMethod: oauth.NoAuth, RedirectURIs: []string{"https://p.example.org/cb"}, Scopes: []string{"payment"}},
		},
	}
}

// authSite is a server with authorization services.
type authSite struct{ *site }

func newAuthSite(t *testing.T, services ...oauth.ServiceConfig) *authSite {
	t.Helper()
	return newAuthSiteOn(t, func(s store.Store) store.Store { return s }, services...)
}

// newAuthSiteOn is newAuthSite on what wrap makes of a store in memory.
func newAuthSiteOn(t *testing.T, wrap func(store.Store) store.Store, services ...oauth.ServiceConfig) *authSite {
	t.Helper()
	a := &authSite{}
	kept := memory.New(memory.Options{Now: func() engine.UnixMilli {
		if a.site == nil {
			return vectors.DefaultNow
		}
		return engine.UnixMilli(a.now.Load())
	}})
	a.site = newSite(t, vectors.Keys(), server.Options{Store: wrap(kept), Settings: server.Settings{AllowInsecureBasic: true}})
	keys, err := vectors.EngineKeys(vectors.Keys())
	require.NoError(t, err)
	seal, err := engine.NewSealSecret("a sealing secret of this very test, long enough")
	require.NoError(t, err)
	require.NoError(t, a.Configure(keys, engine.TokenRules{AllowWeakSecrets: true}, []engine.SealSecret{seal}))
	require.NoError(t, a.LoadRevocations())
	if services == nil {
		services = []oauth.ServiceConfig{serviceConfig()}
	}
	a.configure(t, services...)
	return a
}

func (a *authSite) configure(t *testing.T, services ...oauth.ServiceConfig) {
	t.Helper()
	require.NoError(t, a.ConfigureServices(services, oauth.Rules{AllowWeakSecrets: true}))
}

// change reconfigures the service.
func (a *authSite) change(t *testing.T, change func(s *oauth.ServiceConfig)) {
	t.Helper()
	s := serviceConfig()
	change(&s)
	a.configure(t, s)
}

type object = map[string]any

// post sends a body as it stands.
func (a *authSite) post(t *testing.T, target, authorization, contentType string, body io.Reader) answer {
	t.Helper()
	request, err := http.NewRequest("POST", "http://127.0.0.1"+target, body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", contentType)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := a.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, text}
}

func basicAuth(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// actions are what each endpoint may answer.
var actions = map[string][]string{
	"/auth/authorization":          {"INTERNAL_SERVER_ERROR", "BAD_REQUEST", "LOCATION", "FORM", "NO_INTERACTION", "INTERACTION"},
	"/auth/authorization/issue":    {"INTERNAL_SERVER_ERROR", "BAD_REQUEST", "LOCATION", "FORM"},
	"/auth/authorization/fail":     {"INTERNAL_SERVER_ERROR", "BAD_REQUEST", "LOCATION", "FORM"},
	"/auth/token":                  {"INTERNAL_SERVER_ERROR", "INVALID_CLIENT", "BAD_REQUEST", "OK"},
	"/auth/introspection":          {"INTERNAL_SERVER_ERROR", "BAD_REQUEST", "UNAUTHORIZED", "FORBIDDEN", "OK"},
	"/auth/introspection/standard": {"INTERNAL_SERVER_ERROR", "BAD_REQUEST", "OK"},
	"/auth/revocation":             {"INTERNAL_SERVER_ERROR", "INVALID_CLIENT", "BAD_REQUEST", "OK"},
}

// call calls an endpoint, and checks what holds for every answer: no null, ids are
// numbers, the action is one of the endpoint's. The calls take turns in the two paths
// and the two credentials.
func (a *authSite) call(t *testing.T, path string, body object) object {
	t.Helper()
	_, fields := a.callText(t, path, body)
	return fields
}

func (a *authSite) callText(t *testing.T, path string, body object) (string, object) {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	target, authorization := "/api"+path, basicAuth("1415", "svc-secret")
	if len(text)%2 == 0 {
		target, authorization = "/api/1415"+path, "Bearer SVCTOKEN"
	}
	got := a.post(t, target, authorization, "application/json", bytes.NewReader(text))
	require.Equal(t, 200, got.status, "%s", got.body)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	var fields object
	require.NoError(t, json.Unmarshal(got.body, &fields))
	requireNoNull(t, fields)
	require.Contains(t, actions[path], fields["action"])
	require.Equal(t, "["+fields["resultCode"].(string)+"]", strings.Fields(fields["resultMessage"].(string))[0])
	if id, present := fields["clientId"]; present {
		require.IsType(t, float64(0), id)
	}
	return string(got.body), fields
}

func requireNoNull(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case nil:
		require.Fail(t, "a null")
	case object:
		for _, member := range v {
			requireNoNull(t, member)
		}
	case []any:
		for _, element := range v {
			requireNoNull(t, element)
		}
	}
}

// requireFields requires members of an answer; of nil that they are not there.
func requireFields(t *testing.T, want, got object) {
	t.Helper()
	for name, value := range want {
		if value == nil {
			require.NotContains(t, got, name)
			continue
		}
		require.EqualValues(t, value, got[name], "%s in %v", name, got)
	}
}

// content is responseContent as JSON.
func content(t *testing.T, answer object) (fields object) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(answer["responseContent"].(string)), &fields), "%v", answer)
	return fields
}

// query makes the text of a form: name, value, …
func query(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

func number(id string) float64 {
	var n float64
	_, _ = fmt.Sscan(id, &n)
	return n
}

// authorize asks for a ticket of A.
func (a *authSite) authorize(t *testing.T, clientID string) object {
	t.Helper()
	return a.call(t, "/auth/authorization", object{"parameters": "response_type=code&client_id=" + clientID + "&scope=payment&redirect_uri=" + redirectA})
}

// code has the user testuser01 consent to what A asks for.
func (a *authSite) code(t *testing.T, clientID string) string {
	t.Helper()
	issued := a.call(t, "/auth/authorization/issue", object{"ticket": a.authorize(t, clientID)["ticket"], "subject": "testuser01"})
	requireFields(t, object{"action": "LOCATION", "resultCode": "A040001", "clientIdAlias": nil}, issued)
	return issued["authorizationCode"].(string)
}

// token redeems a code of A.
func (a *authSite) token(t *testing.T, clientID, code string) object {
	t.Helper()
	return a.call(t, "/auth/token", object{"parameters": query("grant_type", "authorization_code", "code", code, "redirect_uri", redirectA), "clientId": clientID, "clientSecret": "s3cret"})
}

func (a *authSite) introspect(t *testing.T, token string, more ...any) object {
	t.Helper()
	body := object{"token": token}
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return a.call(t, "/auth/introspection", body)
}

// claimsOf are the claims of a JWT.
func claimsOf(t *testing.T, token any) (claims object) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token.(string), ".")[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(payload, &claims))
	return claims
}

// TestClientIDAliasVectors are the vectors of the specification, by number.
func TestClientIDAliasVectors(t *testing.T) {
	a := newAuthSite(t)

	t.Run("1 authorization by the alias", func(t *testing.T) {
		got := a.authorize(t, "clientapp01")
		requireFields(t, object{"type": "authorizationResponse", "action": "INTERACTION", "resultCode": "A004001", "clientIdAliasUsed": true, "clientIdAlias": nil, "responseContent": nil}, got)
		requireFields(t, object{"clientId": number(idA), "clientIdAlias": "clientapp01", "clientIdAliasEnabled": true, "clientSecret": nil}, got["client"].(object))
		requireFields(t, object{"apiSecret": nil, "clientIdAliasEnabled": true}, got["service"].(object))
		require.NotEmpty(t, got["ticket"])
		require.Equal(t, "payment", got["scopes"].([]any)[0].(object)["name"])
		require.Contains(t, got["resultMessage"], idA)
		require.Contains(t, got["resultMessage"], "1415")
		require.NotContains(t, got["resultMessage"], "clientapp01")
	})
	t.Run("2 authorization by the number", func(t *testing.T) {
		got := a.authorize(t, idA)
		requireFields(t, object{"action": "INTERACTION", "clientIdAliasUsed": false}, got)
		requireFields(t, object{"clientIdAlias": "clientapp01"}, got["client"].(object))
	})

	byAlias := a.token(t, "clientapp01", a.code(t, "clientapp01"))
	byNumber := a.token(t, idA, a.code(t, "clientapp01"))
	t1, t2 := byAlias["accessToken"].(string), byNumber["accessToken"].(string)
	t.Run("3 token by the alias", func(t *testing.T) {
		requireFields(t, object{
			"type": "tokenResponse", "action": "OK", "resultCode": "A050001", "clientId": number(idA), "clientIdAlias": "clientapp01", "clientIdAliasUsed": true,
			"subject": "testuser01", "scopes": []any{"payment"}, "grantType": "AUTHORIZATION_CODE", "accessTokenDuration": 3600, "refreshTokenDuration": 2592000,
			"accessTokenExpiresAt": 1_700_003_700_000, "refreshTokenExpiresAt": 1_702_592_100_000,
		}, byAlias)
		got := content(t, byAlias)
		requireFields(t, object{"access_token": byAlias["jwtAccessToken"], "token_type": "Bearer", "expires_in": 3600, "refresh_token": byAlias["refreshToken"], "scope": "payment"}, got)
	})
	t.Run("4 token by the number, for a code that the alias has asked for", func(t *testing.T) {
		requireFields(t, object{"action": "OK", "clientId": number(idA), "clientIdAlias": "clientapp01", "clientIdAliasUsed": false}, byNumber)
	})
	t.Run("5 client_id of the JWT", func(t *testing.T) {
		requireFields(t, object{"client_id": "clientapp01", "iss": "https://as.example.com", "sub": "testuser01", "scope": "payment", "exp": 1_700_003_700, "iat": 1_700_000_100, "aud": nil}, claimsOf(t, byAlias["jwtAccessToken"]))
		require.NotEmpty(t, claimsOf(t, byAlias["jwtAccessToken"])["jti"])
		require.Equal(t, idA, claimsOf(t, byNumber["jwtAccessToken"])["client_id"])
	})
	t.Run("6 and 7 introspection", func(t *testing.T) {
		for _, c := range []struct {
			token any
			used  bool
		}{{t1, true}, {t2, false}, {byAlias["jwtAccessToken"], true}, {byNumber["jwtAccessToken"], false}} {
			requireFields(t, object{
				"type": "introspectionResponse", "action": "OK", "resultCode": "A056001", "clientId": number(idA), "clientIdAlias": "clientapp01", "clientIdAliasUsed": c.used,
				"existent": true, "usable": true, "sufficient": true, "refreshable": true, "expiresAt": 1_700_003_700_000, "subject": "testuser01", "scopes": []any{"payment"},
				"responseContent": `Bearer error="invalid_request"`,
			}, a.introspect(t, c.token.(string)))
		}
	})
	t.Run("8 introspection of another server's JWT", func(t *testing.T) {
		for token, used := range map[string]bool{tokenJ1: true, tokenJ2: false} {
			requireFields(t, object{"action": "OK", "clientId": number(idA), "clientIdAliasUsed": used, "expiresAt": 4_102_444_800_000, "refreshable": false, "subject": "testuser01", "scopes": []any{"payment"}}, a.introspect(t, token))
		}
	})
	t.Run("9 standard introspection", func(t *testing.T) {
		for token, clientID := range map[string]string{tokenJ1: "clientapp01", tokenJ2: idA} {
			got := a.call(t, "/auth/introspection/standard", object{"parameters": "token=" + token})
			requireFields(t, object{"action": "OK", "resultCode": "A145001"}, got)
			requireFields(t, object{"active": true, "client_id": clientID, "exp": 4102444800, "scope": "payment", "sub": "testuser01", "iss": "https://as.example.com", "token_type": "Bearer"}, content(t, got))
		}
	})
	t.Run("10 scopes", func(t *testing.T) {
		requireFields(t, object{"action": "OK", "sufficient": true}, a.introspect(t, t1, "scopes", []string{"payment"}))
		requireFields(t, object{"action": "OK", "sufficient": true}, a.introspect(t, t1, "scopes", []string{}))
		for _, scopes := range [][]string{{"payment", "admin"}, {"account payment"}, {""}, {"payment "}, {"PAYMENT"}} {
			got := a.introspect(t, t1, "scopes", scopes)
			requireFields(t, object{"action": "FORBIDDEN", "sufficient": false, "usable": true, "existent": true}, got)
			require.Contains(t, got["responseContent"], `error="insufficient_scope"`)
		}
	})
	t.Run("11 subject", func(t *testing.T) {
		got := a.introspect(t, t1, "subject", "other")
		requireFields(t, object{"action": "FORBIDDEN"}, got)
		require.Contains(t, got["responseContent"], `error="invalid_request"`)
		requireFields(t, object{"action": "OK"}, a.introspect(t, t1, "subject", "testuser01"))
		own := a.call(t, "/auth/token", object{"parameters": "grant_type=client_credentials", "clientId": "clientapp01", "clientSecret": "s3cret"})
		requireFields(t, object{"action": "OK", "subject": nil, "refreshToken": nil, "grantType": "CLIENT_CREDENTIALS"}, own)
		requireFields(t, object{"action": "FORBIDDEN"}, a.introspect(t, own["accessToken"].(string), "subject", "testuser01"))
		requireFields(t, object{"action": "OK", "subject": nil, "refreshable": false}, a.introspect(t, own["accessToken"].(string)))
	})
	t.Run("12 expired and unknown", func(t *testing.T) {
		a.now.Add(3_600_000)
		defer a.now.Add(-3_600_000)
		for range 2 {
			for _, token := range []string{t1, byAlias["jwtAccessToken"].(string)} {
				got := a.introspect(t, token)
				requireFields(t, object{"action": "UNAUTHORIZED", "existent": true, "usable": false, "clientId": number(idA), "clientIdAlias": "clientapp01"}, got)
				require.Contains(t, got["responseContent"], `error="invalid_token"`)
			}
		}
		got := a.introspect(t, "nosuch")
		requireFields(t, object{"action": "UNAUTHORIZED", "existent": false, "usable": false, "clientId": nil, "clientIdAlias": nil, "clientIdAliasUsed": nil}, got)
		require.Contains(t, got["responseContent"], `error="invalid_token"`)
	})
	t.Run("13 no token", func(t *testing.T) {
		got := a.call(t, "/auth/introspection", object{})
		requireFields(t, object{"action": "BAD_REQUEST"}, got)
		require.True(t, strings.HasPrefix(got["responseContent"].(string), `Bearer error="invalid_request"`))
	})
	t.Run("14 a switched off alias is an unknown one", func(t *testing.T) {
		ask := func(clientID string) string {
			body, got := a.callText(t, "/auth/authorization", object{"parameters": query("response_type", "code", "client_id", clientID, "redirect_uri", "https://b.example.org/cb")})
			requireFields(t, object{"action": "BAD_REQUEST"}, got)
			require.NotContains(t, body, "b.example.org", "nothing is redirected")
			return body
		}
		require.Equal(t, ask("nosuch"), ask("my-client"))
	})
	t.Run("15 its client by the number", func(t *testing.T) {
		got := a.call(t, "/auth/authorization", object{"parameters": query("response_type", "code", "client_id", idB, "redirect_uri", "https://b.example.org/cb")})
		requireFields(t, object{"action": "INTERACTION", "clientIdAliasUsed": false}, got)
		requireFields(t, object{"clientIdAliasEnabled": false}, got["client"].(object))
	})
	t.Run("16 the service's switch", func(t *testing.T) {
		a.change(t, func(s *oauth.ServiceConfig) { s.ClientIDAliasEnabled = false })
		defer a.configure(t, serviceConfig())
		requireFields(t, object{"action": "BAD_REQUEST"}, a.authorize(t, "clientapp01"))
		requireFields(t, object{"action": "INTERACTION", "clientIdAliasUsed": false}, a.authorize(t, idA))
	})
	t.Run("17 a switched off alias at the token endpoint", func(t *testing.T) {
		ask := func(clientID, secret string) string {
			body, got := a.callText(t, "/auth/token", object{"parameters": "grant_type=client_credentials", "clientId": clientID, "clientSecret": secret})
			requireFields(t, object{"action": "INVALID_CLIENT"}, got)
			requireFields(t, object{"error": "invalid_client"}, content(t, got))
			return body
		}
		unknown := ask("nosuch", "bsecret")
		require.Equal(t, unknown, ask("my-client", "bsecret"))
		require.Equal(t, unknown, ask("clientapp01", "wrong"), "nor does a wrong secret tell")
		require.Equal(t, unknown, ask("dpost", "wrong"), "nor one in the wrong place")
		require.Equal(t, unknown, ask("spa", "any"), "nor one of a public client")
		require.Equal(t, unknown, ask("clientapp01", ""))
	})
	t.Run("18 a token keeps its alias", func(t *testing.T) {
		a.change(t, func(s *oauth.ServiceConfig) { s.Clients[0].AliasEnabled = false })
		defer a.configure(t, serviceConfig())
		for _, token := range []any{t1, byAlias["jwtAccessToken"], tokenJ1} {
			requireFields(t, object{"action": "OK", "clientIdAlias": "clientapp01", "clientIdAliasUsed": true}, a.introspect(t, token.(string)))
		}
		requireFields(t, object{"action": "INVALID_CLIENT"}, a.call(t, "/auth/token", object{"parameters": "grant_type=client_credentials", "clientId": "clientapp01", "clientSecret": "s3cret"}))
	})
	t.Run("19 and 20 a renamed alias", func(t *testing.T) {
		a.change(t, func(s *oauth.ServiceConfig) { s.Clients[0].Alias = "clientapp02" })
		for _, token := range []any{t1, byAlias["jwtAccessToken"], tokenJ1} {
			requireFields(t, object{"action": "OK", "clientId": number(idA), "clientIdAlias": "clientapp01", "clientIdAliasUsed": true}, a.introspect(t, token.(string)))
		}
		requireFields(t, object{"action": "BAD_REQUEST"}, a.authorize(t, "clientapp01"))
		requireFields(t, object{"action": "INTERACTION", "clientIdAliasUsed": true}, a.authorize(t, "clientapp02"))
		requireFields(t, object{"action": "INVALID_CLIENT"}, a.call(t, "/auth/token", object{"parameters": "grant_type=client_credentials", "clientId": "clientapp01", "clientSecret": "s3cret"}))

		// No other client may have it while tokens name it, whatever the configuration
		// says, and after that it may.
		moved := serviceConfig()
		moved.Clients[0].Alias, moved.Clients[1].Alias = "", "clientapp01"
		require.ErrorContains(t, a.ConfigureServices([]oauth.ServiceConfig{moved}, oauth.Rules{AllowWeakSecrets: true}), idA)
		requireFields(t, object{"action": "INTERACTION"}, a.authorize(t, "clientapp02"))
		a.now.Add(3_600_000)
		require.NoError(t, a.ConfigureServices([]oauth.ServiceConfig{moved}, oauth.Rules{AllowWeakSecrets: true}))
		requireFields(t, object{"action": "OK", "clientId": number(idB)}, a.introspect(t, tokenJ1))
		a.now.Add(-3_600_000)
	})
	t.Run("19 an alias that the configuration retires", func(t *testing.T) {
		a := newAuthSite(t)
		a.change(t, func(s *oauth.ServiceConfig) {
			s.Clients[0].Alias, s.Clients[0].RetiredAliases = "clientapp02", []string{"clientapp01"}
		})
		requireFields(t, object{"action": "OK", "clientIdAlias": "clientapp01", "clientIdAliasUsed": true}, a.introspect(t, tokenJ1))
		requireFields(t, object{"action": "BAD_REQUEST"}, a.authorize(t, "clientapp01"))
	})

	a = newAuthSite(t)
	t.Run("22 no look-alike is known", func(t *testing.T) {
		for _, clientID := range []string{"00" + idA, "+" + idA, idA + ".0", "CLIENTAPP01", "clientapp01 ", " clientapp01", idA + " ", "0x" + idA, "1.7201083166161e13", "", "clientapp01\u0000"} {
			got := a.call(t, "/auth/authorization", object{"parameters": query("response_type", "code", "client_id", clientID, "redirect_uri", redirectA)})
			requireFields(t, object{"action": "BAD_REQUEST"}, got)
			got = a.call(t, "/auth/token", object{"parameters": "grant_type=client_credentials", "clientId": clientID, "clientSecret": "s3cret"})
			requireFields(t, object{"action": "INVALID_CLIENT"}, got)
		}
		requireFields(t, object{"action": "BAD_REQUEST"}, a.authorize(t, "clientapp01%20"))
	})

	ownToken := func(t *testing.T, authorization, parameters string) object {
		t.Helper()
		return a.call(t, "/auth/token", object{"parameters": "grant_type=client_credentials" + parameters, "clientAuthorization": authorization})
	}
	t.Run("23 form-encoded Basic", func(t *testing.T) {
		requireFields(t, object{"action": "OK", "clientId": number(idC), "clientIdAliasUsed": true}, ownToken(t, "Basic bGVnYWN5JTJGYXBwJTJCMTpwJTI1cSUzQXIrcw==", ""))
	})
	t.Run("24 raw Basic", func(t *testing.T) {
		const raw = "Basic bGVnYWN5L2FwcCsxOnAlcTpyIHM="
		requireFields(t, object{"action": "OK", "clientId": number(idC), "clientIdAliasUsed": true}, ownToken(t, raw, ""))
		a.change(t, func(s *oauth.ServiceConfig) { s.StrictBasic = true })
		defer a.configure(t, serviceConfig())
		requireFields(t, object{"action": "INVALID_CLIENT"}, ownToken(t, raw, ""))
		requireFields(t, object{"action": "OK"}, ownToken(t, "Basic bGVnYWN5JTJGYXBwJTJCMTpwJTI1cSUzQXIrcw==", ""))
	})
	t.Run("25 Basic by the alias and by the number", func(t *testing.T) {
		requireFields(t, object{"action": "OK", "clientIdAliasUsed": true}, ownToken(t, "Basic Y2xpZW50YXBwMDE6czNjcmV0", ""))
		requireFields(t, object{"action": "OK", "clientIdAliasUsed": false}, ownToken(t, "Basic MTcyMDEwODMxNjYxNjE6czNjcmV0", ""))
	})
	t.Run("26 credentials in the form that belong into the header", func(t *testing.T) {
		got := a.call(t, "/auth/token", object{"parameters": query("grant_type", "client_credentials", "client_id", "clientapp01", "client_secret", "s3cret")})
		requireFields(t, object{"action": "INVALID_CLIENT", "resultCode": "A157357"}, got)
	})
	t.Run("27 credentials in the header that belong into the form", func(t *testing.T) {
		requireFields(t, object{"action": "INVALID_CLIENT", "resultCode": "A157357"}, ownToken(t, basicAuth("dpost", "dsecret"), ""))
		got := a.call(t, "/auth/token", object{"parameters": "grant_type=client_credentials&client_id=dpost&client_secret=dsecret"})
		requireFields(t, object{"action": "OK", "clientId": number(idD), "clientIdAliasUsed": true}, got)
	})
	t.Run("28 two names", func(t *testing.T) {
		requireFields(t, object{"action": "OK", "clientIdAliasUsed": true}, ownToken(t, basicAuth("clientapp01", "s3cret"), "&client_id="+idA))
		requireFields(t, object{"action": "OK", "clientIdAliasUsed": false}, ownToken(t, basicAuth(idA, "s3cret"), "&client_id=clientapp01"))
		for _, other := range []string{idC, "legacy%2Fapp%2B1", "nosuch", "my-client"} {
			got := ownToken(t, basicAuth("clientapp01", "s3cret"), "&client_id="+other)
			requireFields(t, object{"action": "BAD_REQUEST"}, got)
			requireFields(t, object{"error": "invalid_request"}, content(t, got))
			requireFields(t, object{"action": "INVALID_CLIENT"}, ownToken(t, basicAuth("clientapp01", "wrong"), "&client_id="+other))
		}
	})
	t.Run("29 client_id twice", func(t *testing.T) {
		for _, parameters := range []string{"&client_id=clientapp01&client_id=clientapp01", "&client_id=" + idA + "&client%5Fid=" + idA, "&scope=payment&scope=payment"} {
			got := ownToken(t, basicAuth("clientapp01", "s3cret"), parameters)
			requireFields(t, object{"action": "BAD_REQUEST"}, got)
			requireFields(t, object{"error": "invalid_request"}, content(t, got))
		}
		requireFields(t, object{"action": "BAD_REQUEST"}, a.call(t, "/auth/authorization", object{"parameters": "response_type=code&client_id=clientapp01&client_id=" + idA}))
	})
	t.Run("30 revocation", func(t *testing.T) {
		issued := a.token(t, "clientapp01", a.code(t, "clientapp01"))
		token := issued["accessToken"].(string)
		requireFields(t, object{"action": "OK", "resultCode": "A113001", "responseContent": nil}, a.call(t, "/auth/revocation", object{"parameters": "token=" + token, "clientAuthorization": basicAuth("legacy%2Fapp%2B1", "p%25q%3Ar+s")}))
		requireFields(t, object{"action": "OK"}, a.introspect(t, token))
		requireFields(t, object{"action": "OK", "resultCode": "A113001"}, a.call(t, "/auth/revocation", object{"parameters": "token=" + token, "clientId": idA, "clientSecret": "s3cret"}))
		for _, form := range []any{token, issued["jwtAccessToken"]} {
			requireFields(t, object{"action": "UNAUTHORIZED", "existent": false}, a.introspect(t, form.(string)))
		}
	})
	t.Run("31 refresh by the number", func(t *testing.T) {
		issued := a.token(t, "clientapp01", a.code(t, "clientapp01"))
		got := a.call(t, "/auth/token", object{"parameters": query("grant_type", "refresh_token", "refresh_token", issued["refreshToken"].(string)), "clientId": idA, "clientSecret": "s3cret"})
		requireFields(t, object{"action": "OK", "clientIdAlias": "clientapp01", "clientIdAliasUsed": false, "grantType": "REFRESH_TOKEN", "subject": "testuser01"}, got)
		require.Equal(t, idA, claimsOf(t, got["jwtAccessToken"])["client_id"])
		requireFields(t, object{"action": "OK", "clientIdAliasUsed": true}, a.introspect(t, issued["accessToken"].(string)))
	})
	t.Run("32 refused JWTs", func(t *testing.T) {
		const good = `{"iss":"https://as.example.com","exp":4102444800,"client_id":"clientapp01","jti":"1"`
		for name, token := range map[string]string{
			"client_id is a number":  signJWT(`{"iss":"https://as.example.com","exp":4102444800,"client_id":17201083166161,"jti":"1"}`),
			"the client is unknown":  signJWT(`{"iss":"https://as.example.com","exp":4102444800,"client_id":"nosuch","jti":"1"}`),
			"our claim says another": signJWT(good + `,"x-portcullis-client":"1"}`),
			"the signature is bad":   tokenJ1[:len(tokenJ1)-1] + "A",
			"alg is none":            base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + tokenJ1[strings.IndexByte(tokenJ1, '.'):strings.LastIndexByte(tokenJ1, '.')] + ".",
			"exp has passed":         signJWT(`{"iss":"https://as.example.com","exp":1600000000,"client_id":"clientapp01","jti":"1"}`),
			"cnf":                    signJWT(good + `,"cnf":{"jkt":"x"}}`),
		} {
			got := a.introspect(t, token)
			require.Equal(t, "UNAUTHORIZED", got["action"], name)
			require.Contains(t, got["responseContent"], `error="invalid_token"`, name)
		}
		requireFields(t, object{"action": "OK"}, a.introspect(t, signJWT(good+"}")))
		require.Contains(t, a.introspect(t, signJWT(good+`,"cnf":{"jkt":"x"}}`))["responseContent"], "A065308")
	})
	t.Run("33 who calls", func(t *testing.T) {
		other := serviceConfig()
		other.ID, other.AccessToken, other.TokenSecret = 1416, "OTHERTOKEN", "another-access-token-secret-of-32"
		a.configure(t, serviceConfig(), other)
		defer a.configure(t, serviceConfig())
		for _, path := range []string{"/auth/authorization", "/auth/token", "/auth/introspection"} {
			for _, c := range []struct {
				target, authorization string
				status                int
				code                  string
			}{
				{"/api" + path, "", 401, "A001202"},
				{"/api/1415" + path, "", 401, "A001202"},
				{"/api" + path, basicAuth("1415", "wrong"), 401, "V001203"},
				{"/api" + path, basicAuth("1417", "svc-secret"), 401, "V001203"},
				{"/api" + path, basicAuth("01415", "svc-secret"), 401, "V001203"},
				{"/api" + path, "Bearer svctoken", 401, "V001203"},
				{"/api" + path, "Bearer ", 401, "V001203"},
				{"/api" + path, "DPoP SVCTOKEN", 401, "V001203"},
				{"/api/1415" + path, "Bearer OTHERTOKEN", 403, "V001204"},
				{"/api/1415" + path, basicAuth("1416", "svc-secret"), 403, "V001204"},
				{"/api/01415" + path, "Bearer SVCTOKEN", 403, "V001204"},
			} {
				got := a.post(t, c.target, c.authorization, "application/json", strings.NewReader("{}"))
				require.Equal(t, c.status, got.status, "%+v: %s", c, got.body)
				var fields object
				require.NoError(t, json.Unmarshal(got.body, &fields))
				require.Len(t, fields, 2)
				require.Equal(t, c.code, fields["resultCode"])
				require.True(t, strings.HasPrefix(fields["resultMessage"].(string), "["+c.code+"] "+path+", "), fields["resultMessage"])
			}
		}
	})
	t.Run("35 how the body is sent", func(t *testing.T) {
		body := `{"token":"` + tokenJ1 + `"}`
		for _, contentType := range []string{"application/json", "application/json;charset=UTF-8", "Application/JSON; charset=utf-8"} {
			for _, reader := range []io.Reader{strings.NewReader(body), io.MultiReader(strings.NewReader(body[:10]), strings.NewReader(body[10:]))} { // the second is chunked
				got := a.post(t, "/api/auth/introspection", "Bearer SVCTOKEN", contentType, reader)
				require.Equal(t, 200, got.status)
				require.Contains(t, string(got.body), `"action":"OK"`)
			}
		}
		got := a.post(t, "/api/auth/introspection", "Bearer SVCTOKEN", "application/x-www-form-urlencoded", strings.NewReader(query("token", tokenJ1, "scopes", "payment")))
		require.Contains(t, string(got.body), `"action":"OK"`)
		got = a.post(t, "/api/auth/introspection", "Bearer SVCTOKEN", "application/x-www-form-urlencoded", strings.NewReader(query("token", tokenJ1, "scopes", "payment admin")))
		require.Contains(t, string(got.body), `"action":"FORBIDDEN"`)
	})
}

// signJWT signs claims with the service's secret.
func signJWT(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"HS256","typ":"at+jwt"}`)) + "." + encode([]byte(claims))
	return input + "." + encode(hmacSHA256([]byte(accessSecret), []byte(input)))
}

func hmacSHA256(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}
