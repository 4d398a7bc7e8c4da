package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// The authorization service of these tests and its clients. The alias and the secret
// of the first look otherwise when they are form-encoded, as Basic credentials must be
// (RFC 6749 §2.3.1).
const (
	serviceID    = "1415"
	serviceToken = "SVCTOKEN-8RkXq2LmWv5TzBnC"
	serviceKey   = "svc-secret-4HdYp9JfQs7GmVtK"
	tokenSecret  = "token-secret-6WzNc3XrLb8PyUeA5MqTf"

	legacyAlias  = "legacy/app+1"
	legacyNumber = "30000000000001"
	legacySecret = "p%q:r s"
	appRedirect  = "https://client.example.org/cb"

	resourceID     = "resource/server:1"
	resourceSecret = "resource-secret-2GvKd7NxPm"
)

// oauthConfig configures the service of that issuer, on a state file. more is added to
// the service.
func oauthConfig(issuer, state string, more ...string) string {
	return baseConfig() + "store: " + state + "\ntokens: {allow_weak_secrets: true}\nservices:\n  - id: " + serviceID + "\n" +
		"    api_secret: " + serviceKey + "\n    access_token: " + serviceToken + "\n    token_secret: " + tokenSecret + "\n" +
		"    issuer: " + issuer + "\n    client_id_alias_enabled: true\n" + strings.Join(more, "") +
		"    clients:\n" +
		"      - {id: " + legacyNumber + `, alias: "` + legacyAlias + `", alias_enabled: true, name: The legacy app, secret: "` + legacySecret + `", redirect_uris: [` + appRedirect + "], scopes: [payment, profile]}\n" +
		"      - {id: 50000000000001, alias: spa, alias_enabled: true, type: public, redirect_uris: [" + appRedirect + "], scopes: [payment]}\n"
}

// apiCall calls the service.
func apiCall(t testing.TB, base, path string, body object) object {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	a := request{method: "POST", path: "/api/" + serviceID + path, body: string(text)}.withHeader("Authorization", "Bearer "+serviceToken).withHeader("Content-Type", typeJSON).send(t, base)
	require.Equal(t, 200, a.status, "%s", a.body)
	var fields object
	require.NoError(t, json.Unmarshal(a.body, &fields))
	return fields
}

// TestAuthleteSDK has the unmodified SDK of Authlete make every call, good ones and
// bad ones. It validates every answer against its schema.
func TestAuthleteSDK(t *testing.T) {
	require.DirExists(t, filepath.Join("js", "node_modules", "@authlete", "typescript-sdk"), "run: npm ci --prefix e2e/js")
	server := startServer(t, oauthConfig("https://as.example.com", "'memory:'"))
	defer server.stop(t)
	authorization := func(clientID string, more ...string) object {
		q := url.Values{"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {appRedirect}, "scope": {"payment"}, "state": {"s"}}
		for i := 0; i < len(more); i += 2 {
			q.Set(more[i], more[i+1])
		}
		return object{"parameters": q.Encode()}
	}
	credentials := func(id, parameters string) object {
		return object{"parameters": parameters, "clientId": id, "clientSecret": legacySecret}
	}
	type call struct {
		api     string
		request object
		want    object
	}
	number := float64(30000000000001)
	calls := []call{
		0: {"authorization", authorization(legacyAlias), object{"action": "INTERACTION", "resultCode": "A004001", "clientIdAliasUsed": true}},
		1: {"issue", object{"ticket": "{{0.ticket}}", "subject": "testuser01", "properties": []object{{"key": "tier", "value": "gold"}, {"key": "risk", "value": "low", "hidden": true}}}, object{"action": "LOCATION", "resultCode": "A040001"}},
		2: {"token", credentials(legacyAlias, "grant_type=authorization_code&code={{1.authorizationCode}}&redirect_uri="+url.QueryEscape(appRedirect)), object{
			"action": "OK", "resultCode": "A050001", "clientId": number, "clientIdAlias": legacyAlias, "clientIdAliasUsed": true, "subject": "testuser01", "scopes": []any{"payment"}, "grantType": "AUTHORIZATION_CODE",
		}},
		3: {"introspection", object{"token": "{{2.jwtAccessToken}}", "scopes": []string{"payment"}, "subject": "testuser01"}, object{
			"action": "OK", "resultCode": "A056001", "clientId": number, "clientIdAlias": legacyAlias, "clientIdAliasUsed": true, "existent": true, "usable": true, "sufficient": true, "refreshable": true,
		}},
		4:  {"introspection", object{"token": "{{2.accessToken}}", "scopes": []string{"profile"}}, object{"action": "FORBIDDEN", "sufficient": false}},
		5:  {"standard", object{"parameters": "token={{2.accessToken}}", "withHiddenProperties": true}, object{"action": "OK", "resultCode": "A145001"}},
		6:  {"token", credentials(legacyNumber, "grant_type=refresh_token&refresh_token={{2.refreshToken}}"), object{"action": "OK", "clientIdAliasUsed": false, "grantType": "REFRESH_TOKEN"}},
		7:  {"token", credentials(legacyAlias, "grant_type=client_credentials"), object{"action": "OK", "grantType": "CLIENT_CREDENTIALS"}},
		8:  {"introspection", object{"token": "{{7.accessToken}}"}, object{"action": "OK", "refreshable": false}},
		9:  {"revocation", credentials(legacyAlias, "token={{6.refreshToken}}"), object{"action": "OK", "resultCode": "A113001"}},
		10: {"introspection", object{"token": "{{2.jwtAccessToken}}"}, object{"action": "UNAUTHORIZED", "existent": false, "usable": false}},
		11: {"standard", object{"parameters": "token={{2.accessToken}}"}, object{"action": "OK"}},
		12: {"authorization", authorization("nosuch"), object{"action": "BAD_REQUEST"}},
		13: {"authorization", authorization(legacyAlias, "scope", "admin"), object{"action": "LOCATION"}},
		14: {"authorization", authorization(legacyNumber, "prompt", "none"), object{"action": "NO_INTERACTION", "clientIdAliasUsed": false}},
		15: {"fail", object{"ticket": "{{14.ticket}}", "reason": "NOT_LOGGED_IN"}, object{"action": "LOCATION"}},
		16: {"fail", object{"ticket": "{{14.ticket}}", "reason": "DENIED", "description": "again"}, object{"action": "BAD_REQUEST"}},
		17: {"issue", object{"ticket": "nosuch", "subject": "u"}, object{"action": "BAD_REQUEST"}},
		18: {"token", object{"parameters": "grant_type=client_credentials", "clientId": legacyAlias, "clientSecret": "wrong"}, object{"action": "INVALID_CLIENT"}},
		19: {"token", credentials(legacyAlias, "grant_type=password"), object{"action": "BAD_REQUEST"}},
		20: {"introspection", object{"token": "nosuch"}, object{"action": "UNAUTHORIZED"}},
		21: {"introspection", object{"token": ""}, object{"action": "BAD_REQUEST"}},
		22: {"standard", object{"parameters": "x=y"}, object{"action": "BAD_REQUEST"}},
		23: {"revocation", object{"parameters": "token=nosuch", "clientId": legacyAlias, "clientSecret": "wrong"}, object{"action": "INVALID_CLIENT"}},
		24: {"revocation", credentials(legacyAlias, ""), object{"action": "BAD_REQUEST"}},
		25: {"token", object{"parameters": "grant_type=client_credentials", "clientId": legacyAlias, "clientSecret": legacySecret, "properties": `[{"key":"a","value":"b"}]`, "jwtAtClaims": `{"tenant":"x"}`}, object{"action": "OK"}},
	}
	var sent []object
	for _, c := range calls {
		sent = append(sent, object{"api": c.api, "request": c.request})
	}
	// Calls that are refused themselves, which the SDK throws.
	sent = append(sent, object{"api": "token", "request": object{"parameters": "grant_type=client_credentials", "dpop": "x.y.z"}})
	lines := runAuthlete(t, server.public, serviceToken, serviceID, sent)
	require.Len(t, lines, len(sent))
	for i, c := range calls {
		require.Empty(t, lines[i].Broken, "call %d", i)
		for name, want := range c.want {
			require.Equal(t, want, lines[i].Result[name], "call %d: %s of %v", i, name, lines[i].Result)
		}
	}
	require.JSONEq(t, `{"active":false}`, lines[11].Result["responseContent"].(string))
	var standard object
	require.NoError(t, json.Unmarshal([]byte(lines[5].Result["responseContent"].(string)), &standard))
	require.Equal(t, []any{legacyAlias, "gold", "low", "payment", true}, []any{standard["client_id"], standard["tier"], standard["risk"], standard["scope"], standard["active"]})
	require.Equal(t, &sdkError{Status: 400, ResultCode: "V001206", ResultMessage: lines[len(calls)].Error.ResultMessage}, lines[len(calls)].Error)

	for _, c := range []struct {
		bearer, service string
		want            sdkError
	}{{"wrong", serviceID, sdkError{Status: 401, ResultCode: "V001203"}}, {serviceToken, "1416", sdkError{Status: 403, ResultCode: "V001204"}}} {
		lines := runAuthlete(t, server.public, c.bearer, c.service, []object{{"api": "introspection", "request": object{"token": "x"}}})
		require.NotNil(t, lines[0].Error, "%+v", lines[0])
		c.want.ResultMessage = lines[0].Error.ResultMessage
		require.Equal(t, c.want, *lines[0].Error)
	}
}

// sdkError is a ResultError of the SDK.
type sdkError struct {
	Status                    int
	ResultCode, ResultMessage string
}

type authleteDid struct {
	Result object
	Error  *sdkError
	Broken string
}

func runAuthlete(t *testing.T, base, bearer, service string, calls []object) (did []authleteDid) {
	t.Helper()
	input, err := json.Marshal(object{"url": base, "bearer": bearer, "serviceId": service, "calls": calls})
	require.NoError(t, err)
	for line := range strings.Lines(runMinter(t, exec.Command("node", filepath.Join("js", "authlete.mjs")), input)) {
		var d authleteDid
		require.NoError(t, json.Unmarshal([]byte(line), &d), line)
		did = append(did, d)
	}
	return did
}

// authorizationServer is the example server before a Portcullis.
type authorizationServer struct {
	*process
	url     string
	backend *process
}

// startAuthorizationServer starts both. The example's URL is the issuer, so it must be
// known before Portcullis starts.
func startAuthorizationServer(t *testing.T, more ...string) authorizationServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	s := authorizationServer{url: "http://" + address, backend: startServer(t, oauthConfig("http://"+address, "'memory:'", more...))}
	path := filepath.Join(t.TempDir(), "oauth-server")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = filepath.Join("..", "examples", "oauth-server")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(path)
	cmd.Env = environment("PORTCULLIS_URL="+s.backend.public, "SERVICE_ID="+serviceID, "SERVICE_ACCESS_TOKEN="+serviceToken, "DEMO_PASSWORD="+demoPassword,
		"RESOURCE_ID="+resourceID, "RESOURCE_SECRET="+resourceSecret, "LISTEN="+address)
	s.process = launch(t, cmd)
	s.stderr.await(t, "listening on")
	return s
}

// browser follows no redirect.
var browser = &http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

var ticketField = regexp.MustCompile(`name="ticket" value="([^"]+)"`)

// decide goes to an authorization URL as a browser does, and has the user decide.
func (s authorizationServer) decide(t testing.TB, authorizationURL, user, password, decision string) *http.Response {
	t.Helper()
	page, err := browser.Get(authorizationURL)
	require.NoError(t, err)
	defer page.Body.Close()
	require.Equal(t, 200, page.StatusCode)
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	html, err := io.ReadAll(page.Body)
	require.NoError(t, err)
	require.Contains(t, string(html), "The legacy app")
	ticket := ticketField.FindStringSubmatch(string(html))
	require.NotNil(t, ticket, "%s", html)
	answer, err := browser.PostForm(s.url+"/consent", url.Values{"ticket": {ticket[1]}, "user": {user}, "password": {password}, "decision": {decision}})
	require.NoError(t, err)
	_ = answer.Body.Close()
	return answer
}

// callback is the query of the redirect that the user's decision has led to.
func callback(t testing.TB, answer *http.Response) url.Values {
	t.Helper()
	require.Equal(t, 302, answer.StatusCode)
	at, err := url.Parse(answer.Header.Get("Location"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(at.String(), appRedirect+"?"))
	return at.Query()
}

// introspect asks as the resource server.
func (s authorizationServer) introspect(t testing.TB, token string) (fields object) {
	t.Helper()
	q, err := http.NewRequest("POST", s.url+"/introspect", strings.NewReader(url.Values{"token": {token}}.Encode()))
	require.NoError(t, err)
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.SetBasicAuth(url.QueryEscape(resourceID), url.QueryEscape(resourceSecret))
	a, err := client.Do(q)
	require.NoError(t, err)
	defer a.Body.Close()
	require.Equal(t, 200, a.StatusCode)
	require.NoError(t, json.NewDecoder(a.Body).Decode(&fields))
	return fields
}

// namings are how a client calls itself in each step: authorization, code, refresh,
// client credentials.
var namings = map[string][4]string{
	"alias":               {legacyAlias, legacyAlias, legacyAlias, legacyAlias},
	"number":              {legacyNumber, legacyNumber, legacyNumber, legacyNumber},
	"mixed":               {legacyAlias, legacyNumber, legacyAlias, legacyNumber},
	"mixed the other way": {legacyNumber, legacyAlias, legacyNumber, legacyAlias},
}

// TestGolangOAuth2 goes through the example server with golang.org/x/oauth2.
func TestGolangOAuth2(t *testing.T) {
	s := startAuthorizationServer(t)
	endpoint := oauth2.Endpoint{AuthURL: s.url + "/authorize", TokenURL: s.url + "/token", AuthStyle: oauth2.AuthStyleInHeader}
	seen := canaries{"service": serviceToken, "token secret": tokenSecret, "resource": resourceSecret, "client": legacySecret}
	for name, names := range namings {
		t.Run(name, func(t *testing.T) {
			config := func(step int) *oauth2.Config {
				return &oauth2.Config{ClientID: names[step], ClientSecret: legacySecret, Endpoint: endpoint, RedirectURL: appRedirect, Scopes: []string{"payment"}}
			}
			verifier := oauth2.GenerateVerifier()
			q := callback(t, s.decide(t, config(0).AuthCodeURL("state-1", oauth2.S256ChallengeOption(verifier)), "ana", demoPassword, "allow"))
			require.Equal(t, []string{"state-1", s.url}, []string{q.Get("state"), q.Get("iss")})
			_, err := config(1).Exchange(context.Background(), q.Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier()))
			var refused *oauth2.RetrieveError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "invalid_grant", refused.ErrorCode)
			token, err := config(1).Exchange(context.Background(), q.Get("code"), oauth2.VerifierOption(verifier))
			require.NoError(t, err)
			require.Equal(t, "Bearer", token.Type())
			for what, text := range map[string]string{"code": q.Get("code"), "token": token.AccessToken, "refresh token": token.RefreshToken} {
				seen.token(what+", "+name, text)
			}
			got := s.introspect(t, token.AccessToken)
			require.Equal(t, []any{true, names[1], "ana", "payment", s.url}, []any{got["active"], got["client_id"], got["sub"], got["scope"], got["iss"]})

			refreshed, err := config(2).TokenSource(context.Background(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
			require.NoError(t, err)
			require.NotEqual(t, token.RefreshToken, refreshed.RefreshToken)
			require.Equal(t, names[2], s.introspect(t, refreshed.AccessToken)["client_id"])

			own := clientcredentials.Config{ClientID: names[3], ClientSecret: legacySecret, TokenURL: endpoint.TokenURL, AuthStyle: oauth2.AuthStyleInHeader, Scopes: []string{"profile"}}
			ownToken, err := own.Token(context.Background())
			require.NoError(t, err)
			got = s.introspect(t, ownToken.AccessToken)
			require.Equal(t, []any{true, names[3], nil, "profile"}, []any{got["active"], got["client_id"], got["sub"], got["scope"]})

			// The first refresh token again: somebody has it who should not.
			_, err = config(2).TokenSource(context.Background(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "invalid_grant", refused.ErrorCode)
			for _, ended := range []string{token.AccessToken, refreshed.AccessToken} {
				require.Equal(t, object{"active": false}, s.introspect(t, ended))
			}
			wrong := clientcredentials.Config{ClientID: names[3], ClientSecret: "wrong", TokenURL: endpoint.TokenURL, AuthStyle: oauth2.AuthStyleInHeader}
			_, err = wrong.Token(context.Background())
			require.ErrorAs(t, err, &refused)
			require.Equal(t, 401, refused.Response.StatusCode)
			require.NotEmpty(t, refused.Response.Header.Get("Www-Authenticate"))
		})
	}
	t.Run("a user who does not want", func(t *testing.T) {
		u := (&oauth2.Config{ClientID: legacyAlias, Endpoint: endpoint, RedirectURL: appRedirect}).AuthCodeURL("s")
		require.Equal(t, "access_denied", callback(t, s.decide(t, u, "ana", demoPassword, "deny")).Get("error"))
		require.Equal(t, 401, s.decide(t, u, "ana", "wrong", "allow").StatusCode)
		require.Equal(t, 401, s.decide(t, u, "eve", demoPassword, "allow").StatusCode)
	})
	t.Run("a client that is not known", func(t *testing.T) {
		a, err := browser.Get(s.url + "/authorize?response_type=code&client_id=nosuch&redirect_uri=" + url.QueryEscape(appRedirect))
		require.NoError(t, err)
		defer a.Body.Close()
		require.Equal(t, 400, a.StatusCode)
	})
	t.Run("a resource server that is not known", func(t *testing.T) {
		a := request{method: "POST", path: "/introspect", body: "token=x"}.withHeader("Content-Type", "application/x-www-form-urlencoded").send(t, s.url)
		require.Equal(t, 401, a.status)
	})
	_ = s.cmd.Process.Kill()
	s.wait()
	seen.requireAbsent(t, "the example's output", s.stdout.all()+s.stderr.all())
	seen.requireAbsent(t, "the server's output", s.backend.stdout.all()+s.backend.stderr.all())
	s.backend.stop(t)
}

// TestOAuth4WebAPI goes through the example server with oauth4webapi.
func TestOAuth4WebAPI(t *testing.T) {
	require.DirExists(t, filepath.Join("js", "node_modules", "oauth4webapi"), "run: npm ci --prefix e2e/js")
	s := startAuthorizationServer(t, "    jwt_access_tokens: false\n")
	for name, names := range namings {
		t.Run(name, func(t *testing.T) {
			input, err := json.Marshal(object{
				"issuer": s.url, "names": object{"authorize": names[0], "token": names[1], "refresh": names[2], "own": names[3]}, "secret": legacySecret,
				"redirect": appRedirect, "scope": "payment", "user": "ben", "password": demoPassword, "resource": object{"id": resourceID, "secret": resourceSecret},
			})
			require.NoError(t, err)
			var did struct {
				Granted, Refreshed, Own object
				Introspected            struct{ Granted, Refreshed, Own, Revoked object }
			}
			require.NoError(t, json.Unmarshal([]byte(runMinter(t, exec.Command("node", filepath.Join("js", "oauth4webapi.mjs")), input)), &did))
			require.Equal(t, "payment", did.Granted["scope"])
			for step, got := range map[int]object{1: did.Introspected.Granted, 2: did.Introspected.Refreshed, 3: did.Introspected.Own} {
				require.Equal(t, []any{true, names[step], "payment", "Bearer"}, []any{got["active"], got["client_id"], got["scope"], got["token_type"]})
			}
			require.Equal(t, "ben", did.Introspected.Refreshed["sub"])
			require.NotContains(t, did.Introspected.Own, "sub")
			require.Equal(t, object{"active": false}, did.Introspected.Revoked)
		})
	}
	s.backend.stop(t)
}
