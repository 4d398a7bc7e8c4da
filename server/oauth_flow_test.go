package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/internal/vectors"
	"portcullis/oauth"
	"portcullis/server"
	"portcullis/store"
)

const (
	// RFC 7636, appendix B.
	codeVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	codeChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	redirectP     = "https://p.example.org/cb"
)

// authorizeP is a good authorization request of the public client, with parameters
// changed: name, value, … where "" leaves one out.
func authorizeP(change ...string) string {
	values := url.Values{
		"response_type": {"code"}, "client_id": {"spa"}, "redirect_uri": {redirectP}, "scope": {"payment"}, "state": {"a b&c=d"},
		"code_challenge": {codeChallenge}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(change); i += 2 {
		values.Set(change[i], change[i+1])
		if change[i+1] == "" {
			values.Del(change[i])
		}
	}
	return values.Encode()
}

// location is responseContent as the query of a redirect to uri.
func location(t *testing.T, answer object, uri string) url.Values {
	t.Helper()
	require.Equal(t, "LOCATION", answer["action"], "%v", answer)
	rest, found := strings.CutPrefix(answer["responseContent"].(string), uri+"?")
	require.True(t, found, answer["responseContent"])
	values, err := url.ParseQuery(rest)
	require.NoError(t, err)
	require.Equal(t, []string{"https://as.example.com"}, values["iss"], "RFC 9207")
	return values
}

func TestAuthorizationRequests(t *testing.T) {
	a := newAuthSite(t)
	ask := func(parameters string) object {
		t.Helper()
		return a.call(t, "/auth/authorization", object{"parameters": parameters})
	}
	for name, parameters := range map[string]string{
		"as it is": authorizeP(), "without a scope": authorizeP("scope", ""), "without a redirect URI": authorizeP("redirect_uri", ""), "without a state": authorizeP("state", ""),
		"unknown parameters": authorizeP("nonce", "1", "foo", "bar", "ui_locales", "de"), "response_mode": authorizeP("response_mode", "query"),
	} {
		requireFields(t, object{"action": "INTERACTION"}, ask(parameters))
		_ = name
	}
	requireFields(t, object{"action": "NO_INTERACTION", "prompts": []any{"NONE"}}, ask(authorizeP("prompt", "none")))
	requireFields(t, object{"action": "INTERACTION", "prompts": []any{"LOGIN", "CONSENT"}, "loginHint": "u"}, ask(authorizeP("prompt", "login consent", "login_hint", "u")))

	// Whom the redirect URI belongs to is not sure: RFC 6749 §4.1.2.1.
	for name, parameters := range map[string]string{
		"nothing": "", "no client": authorizeP("client_id", ""), "a redirect URI of nobody": authorizeP("redirect_uri", "https://evil.example/cb"),
		"one that is longer": authorizeP("redirect_uri", redirectP+"/"), "one of other case": authorizeP("redirect_uri", strings.ToUpper(redirectP)),
		"another client's": authorizeP("redirect_uri", redirectA), "malformed": authorizeP() + "&x=%", "a NUL": authorizeP("state", "\x00"),
	} {
		got := ask(parameters)
		require.Equal(t, "BAD_REQUEST", got["action"], name)
		requireFields(t, object{"error": "invalid_request"}, content(t, got))
	}
	for name, c := range map[string]struct {
		parameters, err, code string
	}{
		"no response type":        {authorizeP("response_type", ""), "invalid_request", "A009301"},
		"implicit":                {authorizeP("response_type", "token"), "unsupported_response_type", "A009305"},
		"hybrid":                  {authorizeP("response_type", "code id_token"), "unsupported_response_type", "A009305"},
		"a scope of another":      {authorizeP("scope", "payment admin"), "invalid_scope", ""},
		"openid":                  {authorizeP("scope", "openid"), "invalid_scope", ""},
		"a malformed scope":       {authorizeP("scope", "payment  payment"), "invalid_scope", ""},
		"no challenge":            {authorizeP("code_challenge", "", "code_challenge_method", ""), "invalid_request", "A124301"},
		"a plain challenge":       {authorizeP("code_challenge_method", "plain"), "invalid_request", "A124308"},
		"a challenge by default":  {authorizeP("code_challenge_method", ""), "invalid_request", "A124308"},
		"a short challenge":       {authorizeP("code_challenge", codeChallenge[1:]), "invalid_request", ""},
		"a request object":        {authorizeP("request", "x.y.z"), "request_not_supported", ""},
		"a request URI":           {authorizeP("request_uri", "urn:x"), "request_uri_not_supported", ""},
		"a resource":              {authorizeP("resource", "https://api.example"), "invalid_target", ""},
		"authorization details":   {authorizeP("authorization_details", "[]"), "invalid_authorization_details", ""},
		"form_post":               {authorizeP("response_mode", "form_post"), "invalid_request", ""},
		"jwt":                     {authorizeP("response_mode", "jwt"), "invalid_request", ""},
		"max_age":                 {authorizeP("max_age", "1"), "invalid_request", ""},
		"acr_values":              {authorizeP("acr_values", "mfa"), "invalid_request", ""},
		"claims":                  {authorizeP("claims", "{}"), "invalid_request", ""},
		"DPoP":                    {authorizeP("dpop_jkt", "x"), "invalid_request", ""},
		"grant management":        {authorizeP("grant_management_action", "create"), "invalid_request", ""},
		"no prompt and a prompt":  {authorizeP("prompt", "none login"), "invalid_request", ""},
		"an unknown prompt":       {authorizeP("prompt", "shout"), "invalid_request", ""},
		"one without a challenge": {query("response_type", "code", "client_id", "clientapp01", "redirect_uri", redirectA, "code_challenge_method", "S256"), "invalid_request", "A124301"},
	} {
		uri := redirectP
		if name == "one without a challenge" {
			uri = redirectA
		}
		got := ask(c.parameters)
		values := location(t, got, uri)
		require.Equal(t, c.err, values.Get("error"), name)
		require.NotContains(t, values, "code")
		if uri == redirectP {
			require.Equal(t, "a b&c=d", values.Get("state"), "as the client has sent it")
		}
		if c.code != "" {
			require.Equal(t, c.code, got["resultCode"], name)
		}
		require.Contains(t, values.Get("error_description"), got["resultCode"])
	}
	a.change(t, func(s *oauth.ServiceConfig) {
		s.Clients[4].RedirectURIs = append(s.Clients[4].RedirectURIs, "com.example.app:/cb?a=1")
		s.Clients[0].GrantTypes = []oauth.GrantType{oauth.ClientCredentials}
	})
	requireFields(t, object{"action": "BAD_REQUEST"}, ask(authorizeP("redirect_uri", "")))
	require.Equal(t, "unauthorized_client", location(t, a.authorize(t, "clientapp01"), redirectA).Get("error"))
	got := ask(authorizeP("redirect_uri", "com.example.app:/cb?a=1", "response_type", "", "state", ""))
	require.True(t, strings.HasPrefix(got["responseContent"].(string), "com.example.app:/cb?a=1&error=invalid_request&"), got["responseContent"])
}

// codeP gets a code of the public client.
func (a *authSite) codeP(t *testing.T, change ...string) string {
	t.Helper()
	ticket := a.call(t, "/auth/authorization", object{"parameters": authorizeP(change...)})["ticket"]
	values := location(t, a.call(t, "/auth/authorization/issue", object{"ticket": ticket, "subject": "u"}), redirectP)
	return values.Get("code")
}

func TestCodesAreRedeemedByTheirClientAlone(t *testing.T) {
	a := newAuthSite(t)
	redeem := func(t *testing.T, code string, change ...string) object {
		t.Helper()
		values := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectP}, "client_id": {"spa"}, "code_verifier": {codeVerifier}}
		for i := 0; i < len(change); i += 2 {
			values.Set(change[i], change[i+1])
			if change[i+1] == "" {
				values.Del(change[i])
			}
		}
		return a.call(t, "/auth/token", object{"parameters": values.Encode()})
	}
	code := a.codeP(t)
	for name, c := range map[string]struct {
		change []string
		err    string
	}{
		"no verifier":             {[]string{"code_verifier", ""}, "invalid_grant"},
		"another verifier":        {[]string{"code_verifier", codeVerifier[1:] + "a"}, "invalid_grant"},
		"the challenge itself":    {[]string{"code_verifier", codeChallenge}, "invalid_grant"},
		"no redirect URI":         {[]string{"redirect_uri", ""}, "invalid_grant"},
		"another redirect URI":    {[]string{"redirect_uri", redirectP + "/"}, "invalid_grant"},
		"a scope beyond":          {[]string{"scope", "payment admin"}, "invalid_scope"},
		"another code":            {[]string{"code", code[:len(code)-2] + "AA"}, "invalid_grant"},
		"no code":                 {[]string{"code", ""}, "invalid_request"},
		"no grant type":           {[]string{"grant_type", ""}, "invalid_request"},
		"the password grant":      {[]string{"grant_type", "password"}, "unsupported_grant_type"},
		"token exchange":          {[]string{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"}, "unsupported_grant_type"},
		"not its grant type":      {[]string{"grant_type", "client_credentials"}, "unauthorized_client"},
		"a code as refresh token": {[]string{"grant_type", "refresh_token", "refresh_token", code}, "invalid_grant"},
		"a resource":              {[]string{"resource", "https://api.example"}, "invalid_target"},
		"an assertion":            {[]string{"client_assertion", "x.y.z"}, "invalid_request"},
	} {
		got := redeem(t, code, c.change...)
		require.Equal(t, "BAD_REQUEST", got["action"], name)
		requireFields(t, object{"error": c.err}, content(t, got))
		requireFields(t, object{"accessToken": nil, "clientId": nil}, got)
	}
	other := a.call(t, "/auth/token", object{"parameters": query("grant_type", "authorization_code", "code", code, "redirect_uri", redirectP, "code_verifier", codeVerifier), "clientId": "clientapp01", "clientSecret": "s3cret"})
	requireFields(t, object{"error": "invalid_grant"}, content(t, other))
	// None of all that has spent the code.
	got := redeem(t, code, "client_id", idP)
	requireFields(t, object{"action": "OK", "clientId": number(idP), "clientIdAliasUsed": false, "subject": "u"}, got)

	t.Run("of a request without a redirect URI", func(t *testing.T) {
		requireFields(t, object{"action": "OK"}, redeem(t, a.codeP(t, "redirect_uri", ""), "redirect_uri", ""))
		requireFields(t, object{"action": "OK"}, redeem(t, a.codeP(t, "redirect_uri", "")))
		requireFields(t, object{"action": "BAD_REQUEST"}, redeem(t, a.codeP(t, "redirect_uri", ""), "redirect_uri", redirectA))
	})
	t.Run("a verifier without a challenge", func(t *testing.T) {
		code := a.code(t, "clientapp01")
		got := a.call(t, "/auth/token", object{"parameters": query("grant_type", "authorization_code", "code", code, "redirect_uri", redirectA, "code_verifier", codeVerifier), "clientId": "clientapp01", "clientSecret": "s3cret"})
		requireFields(t, object{"action": "BAD_REQUEST", "resultCode": "A050317"}, got)
	})
	t.Run("within its minute", func(t *testing.T) {
		code := a.codeP(t)
		a.now.Add(60_000)
		requireFields(t, object{"action": "BAD_REQUEST"}, redeem(t, code))
		a.now.Add(-1)
		requireFields(t, object{"action": "OK"}, redeem(t, code))
	})
	t.Run("its client gone", func(t *testing.T) {
		code := a.code(t, "clientapp01")
		a.change(t, func(s *oauth.ServiceConfig) { s.Clients = s.Clients[1:] })
		requireFields(t, object{"action": "INVALID_CLIENT"}, a.token(t, idA, code))
		a.configure(t, serviceConfig())
		a.change(t, func(s *oauth.ServiceConfig) { s.ClientIDAliasEnabled = false })
		requireFields(t, object{"action": "OK"}, a.token(t, idA, code))
	})
}

func TestARefreshTokenIsGoodOnce(t *testing.T) {
	a := newAuthSite(t)
	refresh := func(t *testing.T, token any, more ...string) object {
		t.Helper()
		pairs := append([]string{"grant_type", "refresh_token", "refresh_token", token.(string)}, more...)
		return a.call(t, "/auth/token", object{"parameters": query(pairs...), "clientId": "clientapp01", "clientSecret": "s3cret"})
	}
	first := a.token(t, "clientapp01", a.code(t, "clientapp01"))
	second := refresh(t, first["refreshToken"])
	requireFields(t, object{"action": "OK", "refreshTokenExpiresAt": first["refreshTokenExpiresAt"]}, second)
	require.NotEqual(t, first["refreshToken"], second["refreshToken"])
	requireFields(t, object{"action": "OK", "refreshable": true}, a.introspect(t, first["accessToken"].(string)))

	got := refresh(t, second["refreshToken"], "scope", "payment admin")
	requireFields(t, object{"error": "invalid_scope"}, content(t, got))
	other := a.call(t, "/auth/token", object{"parameters": query("grant_type", "refresh_token", "refresh_token", second["refreshToken"].(string)), "clientAuthorization": basicAuth("legacy%2Fapp%2B1", "p%25q%3Ar+s")})
	requireFields(t, object{"error": "invalid_grant"}, content(t, other))
	third := refresh(t, second["refreshToken"])
	requireFields(t, object{"action": "OK"}, third)

	// The second was used by somebody else before: everything ends.
	got = refresh(t, second["refreshToken"])
	requireFields(t, object{"action": "BAD_REQUEST"}, got)
	requireFields(t, object{"error": "invalid_grant"}, content(t, got))
	for _, answer := range []object{first, second, third} {
		for _, token := range []any{answer["accessToken"], answer["jwtAccessToken"]} {
			requireFields(t, object{"action": "UNAUTHORIZED", "existent": false, "refreshable": false}, a.introspect(t, token.(string)))
		}
		requireFields(t, object{"error": "invalid_grant"}, content(t, refresh(t, answer["refreshToken"])))
	}
	another := a.token(t, "clientapp01", a.code(t, "clientapp01"))
	requireFields(t, object{"action": "OK"}, a.introspect(t, another["accessToken"].(string)))

	t.Run("for thirty days", func(t *testing.T) {
		a.now.Add(720 * 3_600_000)
		requireFields(t, object{"error": "invalid_grant"}, content(t, refresh(t, another["refreshToken"])))
		a.now.Add(-1)
		requireFields(t, object{"action": "OK"}, refresh(t, another["refreshToken"]))
	})
	t.Run("narrowed once it is not narrowed for good", func(t *testing.T) {
		a.change(t, func(s *oauth.ServiceConfig) { s.Clients[0].Scopes = []string{"payment", "admin"} })
		ticket := a.call(t, "/auth/authorization", object{"parameters": query("response_type", "code", "client_id", idA, "redirect_uri", redirectA, "scope", "payment admin")})["ticket"]
		code := a.call(t, "/auth/authorization/issue", object{"ticket": ticket, "subject": "u"})["authorizationCode"]
		wide := a.token(t, idA, code.(string))
		narrow := refresh(t, wide["refreshToken"], "scope", "admin")
		requireFields(t, object{"action": "OK", "scopes": []any{"admin"}}, narrow)
		requireFields(t, object{"action": "OK", "scopes": []any{"payment", "admin"}}, refresh(t, narrow["refreshToken"]))
	})
	t.Run("a shorter life holds for what was issued before", func(t *testing.T) {
		issued := a.token(t, idA, a.code(t, idA))
		a.change(t, func(s *oauth.ServiceConfig) { s.RefreshTokenTTL = time.Minute })
		a.now.Add(60_000)
		requireFields(t, object{"error": "invalid_grant"}, content(t, refresh(t, issued["refreshToken"])))
	})
}

func TestACodeThatIsUsedTwiceEndsItsTokens(t *testing.T) {
	a := newAuthSite(t)
	code := a.code(t, "clientapp01")
	issued := a.token(t, "clientapp01", code)
	requireFields(t, object{"action": "OK"}, a.introspect(t, issued["accessToken"].(string)))
	again := a.token(t, "clientapp01", code)
	requireFields(t, object{"action": "BAD_REQUEST", "accessToken": nil}, again)
	requireFields(t, object{"error": "invalid_grant"}, content(t, again))
	requireFields(t, object{"action": "UNAUTHORIZED"}, a.introspect(t, issued["accessToken"].(string)))
	got := a.call(t, "/auth/token", object{"parameters": query("grant_type", "refresh_token", "refresh_token", issued["refreshToken"].(string)), "clientId": "clientapp01", "clientSecret": "s3cret"})
	requireFields(t, object{"error": "invalid_grant"}, content(t, got))
	requireFields(t, object{"error": "invalid_grant"}, content(t, a.token(t, "clientapp01", code)))
}

func TestTickets(t *testing.T) {
	a := newAuthSite(t)
	ticket := func() any { return a.authorize(t, "clientapp01")["ticket"] }
	issue := func(ticket any) object {
		return a.call(t, "/auth/authorization/issue", object{"ticket": ticket, "subject": "u"})
	}
	fail := func(ticket any, reason string) object {
		return a.call(t, "/auth/authorization/fail", object{"ticket": ticket, "reason": reason})
	}
	used := ticket()
	requireFields(t, object{"action": "LOCATION"}, issue(used))
	requireFields(t, object{"action": "BAD_REQUEST"}, issue(used))
	requireFields(t, object{"action": "BAD_REQUEST"}, fail(used, "DENIED"))
	used = ticket()
	require.Equal(t, "access_denied", location(t, fail(used, "DENIED"), redirectA).Get("error"))
	requireFields(t, object{"action": "BAD_REQUEST"}, issue(used))
	requireFields(t, object{"action": "BAD_REQUEST"}, issue("nosuch"))
	requireFields(t, object{"action": "BAD_REQUEST"}, fail("nosuch", "DENIED"))
	requireFields(t, object{"action": "BAD_REQUEST"}, issue(a.code(t, idA)))
	old := ticket()
	a.now.Add(3_600_000)
	requireFields(t, object{"action": "BAD_REQUEST"}, issue(old))
	a.now.Add(-3_600_000)
	requireFields(t, object{"action": "LOCATION"}, issue(old))

	for reason, want := range map[string]string{
		"UNKNOWN": "server_error", "NOT_LOGGED_IN": "login_required", "MAX_AGE_NOT_SUPPORTED": "login_required", "EXCEEDS_MAX_AGE": "login_required", "DIFFERENT_SUBJECT": "login_required",
		"ACR_NOT_SATISFIED": "login_required", "DENIED": "access_denied", "SERVER_ERROR": "server_error", "NOT_AUTHENTICATED": "login_required",
		"ACCOUNT_SELECTION_REQUIRED": "account_selection_required", "CONSENT_REQUIRED": "consent_required", "INTERACTION_REQUIRED": "interaction_required", "INVALID_TARGET": "invalid_target",
	} {
		require.Equal(t, want, location(t, fail(ticket(), reason), redirectA).Get("error"), reason)
	}
	got := a.call(t, "/auth/authorization/fail", object{"ticket": ticket(), "reason": "DENIED", "description": "not today"})
	require.Contains(t, location(t, got, redirectA).Get("error_description"), "not today")
}

// What is attached to an authorization is in its tokens, as far as it is meant to be.
func TestPropertiesAndClaims(t *testing.T) {
	a := newAuthSite(t)
	properties := []object{{"key": "tier", "value": "gold"}, {"key": "risk", "value": "low", "hidden": true}}
	issued := a.call(t, "/auth/authorization/issue", object{
		"ticket": a.authorize(t, "clientapp01")["ticket"], "subject": "testuser01", "acr": "mfa", "authTime": 1_700_000_000,
		"properties": properties, "jwtAtClaims": `{"tenant":"x\"y","limits":{"n":1.50},"list":[1]}`,
	})
	first := a.token(t, "clientapp01", issued["authorizationCode"].(string))
	second := a.call(t, "/auth/token", object{
		"parameters": query("grant_type", "refresh_token", "refresh_token", first["refreshToken"].(string)), "clientId": "clientapp01", "clientSecret": "s3cret",
		"properties": `[{"key":"tier","value":"silver"}]`, "jwtAtClaims": `{"tenant":"z"}`, // the SDK sends properties as text
	})
	for _, c := range []struct {
		answer       object
		tier, tenant string
	}{{first, "gold", `x"y`}, {second, "silver", "z"}} {
		requireFields(t, object{"action": "OK"}, c.answer)
		want := []any{object{"key": "tier", "value": c.tier, "hidden": false}, object{"key": "risk", "value": "low", "hidden": true}}
		require.ElementsMatch(t, want, c.answer["properties"])
		body := content(t, c.answer)
		requireFields(t, object{"tier": c.tier, "risk": nil, "tenant": nil}, body)
		requireFields(t, object{"tier": c.tier, "risk": nil, "tenant": c.tenant, "limits": object{"n": 1.5}, "list": []any{1.0}, "acr": "mfa", "auth_time": 1_700_000_000}, claimsOf(t, c.answer["jwtAccessToken"]))
		for _, token := range []any{c.answer["accessToken"], c.answer["jwtAccessToken"]} {
			got := a.introspect(t, token.(string))
			require.ElementsMatch(t, want, got["properties"])
			requireFields(t, object{"acr": "mfa", "authTime": 1_700_000_000}, got)
			standard := content(t, a.call(t, "/auth/introspection/standard", object{"parameters": "token=" + token.(string)}))
			requireFields(t, object{"tier": c.tier, "risk": nil}, standard)
			standard = content(t, a.call(t, "/auth/introspection/standard", object{"parameters": "token=" + token.(string), "withHiddenProperties": true}))
			requireFields(t, object{"tier": c.tier, "risk": "low"}, standard)
		}
	}

	ticket := a.authorize(t, "clientapp01")["ticket"].(string)
	for name, member := range map[string]string{
		"a registered claim": `"jwtAtClaims":"{\"sub\":\"admin\"}"`, "one of our own": `"jwtAtClaims":"{\"x-portcullis-client\":\"1\"}"`, "the client": `"jwtAtClaims":"{\"client_id\":\"1\"}"`,
		"a claim twice": `"jwtAtClaims":"{\"a\":1,\"a\":2}"`, "a claim twice inside": `"jwtAtClaims":"{\"a\":{\"b\":1,\"b\":2}}"`, "no object": `"jwtAtClaims":"[]"`, "an object in clear": `"jwtAtClaims":{"a":1}`,
		"a reserved property": `"properties":[{"key":"access_token","value":"x"}]`, "a property that is a claim": `"properties":[{"key":"a","value":"x"}],"jwtAtClaims":"{\"a\":1}"`,
		"a property twice": `"properties":[{"key":"a","value":"x"},{"key":"a","value":"y"}]`, "a property without a key": `"properties":[{"value":"x"}]`,
		"a property of another form": `"properties":[{"key":"a","value":1}]`, "no list": `"properties":{"key":"a"}`, "scopes of another client": `"scopes":["admin"]`, "scopes as text": `"scopes":"payment"`,
		"no subject": `"subject":""`, "a subject beyond ASCII": `"subject":"é"`, "a long subject": `"subject":"` + strings.Repeat("u", 101) + `"`, "a time that is none": `"authTime":-1`,
	} {
		body := `{"ticket":"` + ticket + `",` + member
		if !strings.Contains(member, `"subject"`) {
			body += `,"subject":"u"`
		}
		code, message := a.callRefused(t, "/auth/authorization/issue", body+"}")
		require.Equal(t, "V001207", code, "%s: %s", name, message)
	}
	requireFields(t, object{"action": "LOCATION"}, a.call(t, "/auth/authorization/issue", object{"ticket": ticket, "subject": "u", "scopes": []string{"payment"}}))

	a.change(t, func(s *oauth.ServiceConfig) { s.OpaqueAccessTokens = true })
	code, _ := a.callRefused(t, "/auth/token", `{"parameters":"grant_type=client_credentials","clientId":"clientapp01","clientSecret":"s3cret","jwtAtClaims":"{\"a\":1}"}`)
	require.Equal(t, "V001207", code, "there is no JWT to put it into")
	opaque := a.token(t, "clientapp01", a.code(t, "clientapp01"))
	requireFields(t, object{"action": "OK", "jwtAccessToken": nil}, opaque)
	require.Equal(t, opaque["accessToken"], content(t, opaque)["access_token"])
	long := strings.Repeat("v", 9000)
	got := a.call(t, "/auth/token", object{"parameters": "grant_type=client_credentials", "clientId": "clientapp01", "clientSecret": "s3cret", "properties": []object{{"key": "a", "value": long}}})
	requireFields(t, object{"action": "INTERNAL_SERVER_ERROR", "resultCode": "V050201"}, got)
}

// What is not served is refused by name; what says nothing may be there.
func TestCallsAreReadStrictly(t *testing.T) {
	a := newAuthSite(t)
	for _, member := range []string{`"dpop":"x"`, `"accessToken":"x"`, `"clientCertificate":"x"`, `"accessTokenDuration":60`, `"oauthClientAttestation":"x"`, `"dpopNonceRequired":true`} {
		code, message := a.callRefused(t, "/auth/token", `{"parameters":"grant_type=client_credentials",`+member+`}`)
		require.Equal(t, "V001206", code)
		require.Contains(t, message, strings.Split(member, `"`)[1])
	}
	code, message := a.callRefused(t, "/auth/token", `{"tokenn":"secret-value"}`)
	require.Equal(t, "V001206", code)
	require.NotContains(t, message, "secret-value")
	require.NotContains(t, message, "tokenn")
	code, _ = a.callRefused(t, "/auth/introspection/standard", `{"parameters":"token=x","httpAcceptHeader":"application/token-introspection+jwt"}`)
	require.Equal(t, "V001206", code)
	code, _ = a.callRefused(t, "/auth/authorization/issue", `{"accessToken":"x"}`)
	require.Equal(t, "V001206", code)
	code, _ = a.callRefused(t, "/auth/token", `{"parameters":1}`)
	require.Equal(t, "V001207", code)
	code, _ = a.callRefused(t, "/auth/token", `{"clientId":"a","clientAuthorization":"Basic YTpi"}`)
	require.Equal(t, "V001207", code)
	for _, body := range []string{"", "[]", "{", `{"token":"a","token":"b"}`, `{"token":"a","\u0074oken":"b"}`, `{"token":"a"}x`, "{\"token\":\"\xff\"}", strings.Repeat(`{"a":`, 40)} {
		code, _ = a.callRefused(t, "/auth/introspection", body)
		require.Equal(t, "V001205", code, body)
	}
	got := a.post(t, "/api/auth/introspection", "Bearer SVCTOKEN", "text/plain", strings.NewReader(`{"token":"x"}`))
	require.Equal(t, 400, got.status)
	requireFields(t, object{"action": "OK"}, a.call(t, "/auth/introspection", object{"token": tokenJ1, "clientCertificate": nil, "dpop": "", "maxAge": 0, "acrValues": []string{}, "dpopNonceRequired": false, "htm": "GET", "htu": "https://x"}))

	for _, target := range []string{"/api/auth", "/api/auth/", "/api/auth/userinfo", "/api/1415/auth/nothing", "/api/1415/token", "/api/auth/token/", "/api/auth/auth/token", "/api//auth/token"} {
		got := a.post(t, target, "Bearer SVCTOKEN", "application/json", strings.NewReader("{}"))
		require.Contains(t, []int{404, 400}, got.status, target)
	}
	require.Equal(t, 405, a.do(t, "GET", "/api/auth/token", nil).status)
}

// A form that is sent twice, secrets in two places, wrong secrets without end.
func TestClientAuthentication(t *testing.T) {
	a := newAuthSite(t)
	ask := func(body object) object { return a.call(t, "/auth/token", body) }
	grant := "grant_type=client_credentials"
	got := ask(object{"parameters": grant + "&client_secret=s3cret", "clientId": "clientapp01", "clientSecret": "s3cret"})
	requireFields(t, object{"error": "invalid_request"}, content(t, got))
	got = ask(object{"parameters": grant})
	requireFields(t, object{"action": "INVALID_CLIENT"}, got)
	got = ask(object{"parameters": grant, "clientId": "legacy%2Fapp%2B1", "clientSecret": "p%25q%3Ar+s"})
	requireFields(t, object{"action": "INVALID_CLIENT"}, got)
	got = ask(object{"parameters": grant, "clientId": "legacy/app+1", "clientSecret": "p%q:r s"})
	requireFields(t, object{"action": "OK"}, got)
	for _, header := range []string{"Basic", "Basic !", "Basic " + "Y2xpZW50YXBwMDE=", "Bearer SVCTOKEN", "Digest x", basicAuth("clientapp01", "") /* no secret */, basicAuth("", "s3cret")} {
		requireFields(t, object{"action": "INVALID_CLIENT"}, ask(object{"parameters": grant, "clientAuthorization": header}))
	}
	// A secret that means something else when it is decoded, sent as it is: both are
	// tried, and the client is that of the first reading that means one.
	a.change(t, func(s *oauth.ServiceConfig) { s.Clients[2].Secret = "100%25+x" })
	for _, secret := range []string{"100%25+x", "100%2525%2Bx"} {
		requireFields(t, object{"action": "OK"}, ask(object{"parameters": grant, "clientAuthorization": basicAuth("legacy%2Fapp%2B1", secret)}))
	}
	requireFields(t, object{"action": "INVALID_CLIENT"}, ask(object{"parameters": grant, "clientAuthorization": basicAuth("legacy%2Fapp%2B1", "100% x")}))
	a.configure(t, serviceConfig())

	t.Run("a public client", func(t *testing.T) {
		code := query("grant_type", "authorization_code", "code", a.codeP(t), "redirect_uri", redirectP, "code_verifier", codeVerifier)
		requireFields(t, object{"action": "INVALID_CLIENT"}, ask(object{"parameters": code}))
		requireFields(t, object{"action": "INVALID_CLIENT"}, ask(object{"parameters": code + "&client_id=spa&client_secret=x"}))
		requireFields(t, object{"action": "OK"}, ask(object{"parameters": code, "clientAuthorization": basicAuth("spa", "")}))
	})
	t.Run("guesses are counted", func(t *testing.T) {
		wrong, _ := a.callText(t, "/auth/token", object{"parameters": grant, "clientId": "clientapp01", "clientSecret": "wrong"})
		for range oauth.FailuresPerMinute {
			ask(object{"parameters": grant, "clientId": idA, "clientSecret": "wrong"})
		}
		limited, _ := a.callText(t, "/auth/token", object{"parameters": grant, "clientId": "clientapp01", "clientSecret": "s3cret"})
		require.Equal(t, wrong, limited, "even the right secret is not looked at, and nothing tells")
		requireFields(t, object{"action": "OK"}, ask(object{"parameters": grant + "&client_id=dpost&client_secret=dsecret"}))
		a.now.Add(60_000)
		requireFields(t, object{"action": "OK"}, ask(object{"parameters": grant, "clientId": "clientapp01", "clientSecret": "s3cret"}))
	})
}

// callRefused calls an endpoint with a body that the call itself is refused for.
func (a *authSite) callRefused(t *testing.T, path, body string) (code, message string) {
	t.Helper()
	got := a.post(t, "/api"+path, "Bearer SVCTOKEN", "application/json", strings.NewReader(body))
	var fields struct{ ResultCode, ResultMessage string }
	require.NoError(t, json.Unmarshal(got.body, &fields), "%s", got.body)
	require.Equal(t, 400, got.status, "%s", got.body)
	return fields.ResultCode, fields.ResultMessage
}

// fickle is a store that can stop answering.
type fickle struct {
	store.Store
	silent, forgetful bool
	kept              int // revocations
}

func (f *fickle) Spend(ctx context.Context, n *engine.Nonce) (engine.SpendOutcome, time.Duration) {
	if f.silent {
		return engine.Unknown, time.Second
	}
	return f.Store.Spend(ctx, n)
}

func (f *fickle) AppendRevocations(ctx context.Context, keyName string, r []engine.Revocation) error {
	if f.forgetful {
		return store.ErrBusy
	}
	f.kept += len(r)
	return f.Store.AppendRevocations(ctx, keyName, r)
}

// Nobody is told that something was used, or revoked, when that is not known.
func TestAStateThatDoesNotAnswerIsOurFault(t *testing.T) {
	f := new(fickle)
	b := newAuthSiteOn(t, func(s store.Store) store.Store { f.Store = s; return f })
	ticket := b.authorize(t, idA)["ticket"]
	f.silent = true
	for _, c := range []object{
		b.call(t, "/auth/authorization/issue", object{"ticket": ticket, "subject": "u"}), b.call(t, "/auth/authorization/fail", object{"ticket": ticket, "reason": "DENIED"}),
	} {
		requireFields(t, object{"action": "INTERNAL_SERVER_ERROR"}, c)
		requireFields(t, object{"error": "server_error"}, content(t, c))
	}
	f.silent = false
	code := b.call(t, "/auth/authorization/issue", object{"ticket": ticket, "subject": "u"})["authorizationCode"].(string)
	f.silent = true
	requireFields(t, object{"action": "INTERNAL_SERVER_ERROR", "accessToken": nil}, b.token(t, idA, code))
	f.silent = false
	issued := b.token(t, idA, code)
	requireFields(t, object{"action": "OK"}, issued)
	f.silent = true
	refresh := object{"parameters": query("grant_type", "refresh_token", "refresh_token", issued["refreshToken"].(string)), "clientId": idA, "clientSecret": "s3cret"}
	requireFields(t, object{"action": "INTERNAL_SERVER_ERROR"}, b.call(t, "/auth/token", refresh))
	requireFields(t, object{"action": "OK"}, b.introspect(t, issued["accessToken"].(string)))
	f.silent = false
	requireFields(t, object{"action": "OK"}, b.call(t, "/auth/token", refresh))

	f.forgetful = true
	got := b.call(t, "/auth/revocation", object{"parameters": "token=" + issued["accessToken"].(string), "clientId": idA, "clientSecret": "s3cret"})
	requireFields(t, object{"action": "INTERNAL_SERVER_ERROR"}, got)
	requireFields(t, object{"action": "UNAUTHORIZED"}, b.introspect(t, issued["accessToken"].(string)))
	requireFields(t, object{"action": "INTERNAL_SERVER_ERROR"}, b.call(t, "/auth/token", refresh))
	require.Zero(t, f.kept)
	f.forgetful = false
	requireFields(t, object{"error": "invalid_grant"}, content(t, b.call(t, "/auth/token", refresh)))
	requireFields(t, object{"action": "OK"}, b.token(t, idA, b.code(t, idA)))
	require.Equal(t, 2, f.kept, "what was in force and not kept is kept with what comes next")
}

// Revoking a refresh token ends its authorization, an access token itself alone.
func TestRevocationOfTokens(t *testing.T) {
	a := newAuthSite(t)
	revoke := func(body object) object { return a.call(t, "/auth/revocation", body) }
	first := a.token(t, idA, a.code(t, idA))
	requireFields(t, object{"action": "OK"}, revoke(object{"parameters": query("token", first["refreshToken"].(string), "token_type_hint", "access_token"), "clientId": "clientapp01", "clientSecret": "s3cret"}))
	requireFields(t, object{"action": "UNAUTHORIZED"}, a.introspect(t, first["accessToken"].(string)))
	second := a.token(t, idA, a.code(t, idA))
	requireFields(t, object{"action": "OK"}, revoke(object{"parameters": "token=" + second["jwtAccessToken"].(string), "clientId": "clientapp01", "clientSecret": "s3cret"}))
	requireFields(t, object{"action": "UNAUTHORIZED"}, a.introspect(t, second["accessToken"].(string)))
	next := a.call(t, "/auth/token", object{"parameters": query("grant_type", "refresh_token", "refresh_token", second["refreshToken"].(string)), "clientId": idA, "clientSecret": "s3cret"})
	requireFields(t, object{"action": "OK"}, next)
	requireFields(t, object{"action": "OK"}, a.introspect(t, next["accessToken"].(string)))

	requireFields(t, object{"action": "OK"}, revoke(object{"parameters": "token=" + tokenJ1, "clientId": "clientapp01", "clientSecret": "s3cret"}))
	requireFields(t, object{"action": "UNAUTHORIZED"}, a.introspect(t, tokenJ1))
	for parameters, want := range map[string]string{"token=nosuch": "OK", "": "BAD_REQUEST", "token=a&token=b": "BAD_REQUEST", "token=a&callback=f": "BAD_REQUEST", "token=a&client_assertion=x": "BAD_REQUEST"} {
		requireFields(t, object{"action": want}, revoke(object{"parameters": parameters, "clientId": "clientapp01", "clientSecret": "s3cret"}))
	}
	requireFields(t, object{"action": "INVALID_CLIENT"}, revoke(object{"parameters": "token=a", "clientId": "clientapp01", "clientSecret": "wrong"}))
	requireFields(t, object{"action": "OK"}, revoke(object{"parameters": "token=a&client_id=spa"}))
}

// A revocation is in memory as long as a token is left that it refuses.
func TestRevocationsOfTokensAreForgotten(t *testing.T) {
	a := newAuthSite(t)
	issued := a.token(t, idA, a.code(t, idA))
	a.call(t, "/auth/revocation", object{"parameters": "token=" + issued["accessToken"].(string), "clientId": idA, "clientSecret": "s3cret"})
	count := func() string {
		a.introspect(t, "nosuch")
		for line := range strings.Lines(string(a.admin(t, "GET", "/metrics", nil).body)) {
			if n, ok := strings.CutPrefix(line, "portcullis_revocations "); ok {
				return strings.TrimSpace(n)
			}
		}
		return ""
	}
	require.Equal(t, "1", count())
	a.now.Add(2 * 3_600_000)
	require.Equal(t, "1", count(), "an hour and five minutes more, as for all")
	a.now.Add(6 * 60_000)
	require.Equal(t, "0", count())
}

func TestTheRFC9068Profile(t *testing.T) {
	s := serviceConfig()
	s.Profile, s.Audience = engine.RFC9068Profile, "https://api.example.com"
	a := newAuthSite(t, s)
	issued := a.token(t, "clientapp01", a.code(t, "clientapp01"))
	requireFields(t, object{"aud": []any{"https://api.example.com"}, "sub": "testuser01", "client_id": "clientapp01"}, claimsOf(t, issued["jwtAccessToken"]))
	own := a.call(t, "/auth/token", object{"parameters": "grant_type=client_credentials", "clientId": "clientapp01", "clientSecret": "s3cret"})
	requireFields(t, object{"sub": idA}, claimsOf(t, own["jwtAccessToken"])) // never the alias
	for _, token := range []any{issued["jwtAccessToken"], issued["accessToken"], own["jwtAccessToken"], own["accessToken"]} {
		requireFields(t, object{"action": "OK"}, a.introspect(t, token.(string)))
	}
	requireFields(t, object{"action": "OK", "subject": nil}, a.introspect(t, own["jwtAccessToken"].(string)))
	requireFields(t, object{"aud": []any{"https://api.example.com"}}, content(t, a.call(t, "/auth/introspection/standard", object{"parameters": "token=" + issued["accessToken"].(string)})))
	requireFields(t, object{"action": "UNAUTHORIZED"}, a.introspect(t, tokenJ1)) // it has no aud
	code, _ := a.callRefused(t, "/auth/authorization/issue", `{"ticket":"`+a.authorize(t, idA)["ticket"].(string)+`","subject":"`+idC+`"}`)
	require.Equal(t, "V001207", code, "a user that looks like a client (RFC 9068 §5)")
}

// TestIntrospectionOfRFC7662 presents tokens at /v1/introspect as callers of every
// kind.
func TestIntrospectionOfRFC7662(t *testing.T) {
	other := serviceConfig()
	other.ID, other.AccessToken, other.TokenSecret = 1416, "OTHERTOKEN", "another-access-token-secret-of-32"
	a := newAuthSite(t, serviceConfig(), other)
	issued := a.token(t, "clientapp01", a.code(t, "clientapp01"))
	ably, err := signer(t).AppendJWT(nil, &engine.TokenParams{Issued: vectors.DefaultNow, ClientID: "ana", Capability: `{"a":["publish"]}`})
	require.NoError(t, err)
	ask := func(authorization, form string) answer {
		return a.post(t, "/v1/introspect", authorization, "application/x-www-form-urlencoded", strings.NewReader(form))
	}
	const inactive = `{"active":false}`
	key := "Basic " + base64.StdEncoding.EncodeToString([]byte(fixtureKey))
	for _, c := range []struct {
		name, authorization, token string
		want                       object // nil: not active
	}{
		{"a service, its JWT", "Bearer SVCTOKEN", issued["jwtAccessToken"].(string), object{"active": true, "client_id": "clientapp01", "scope": "payment", "sub": "testuser01", "exp": 1_700_003_700, "iat": 1_700_000_100, "token_type": "Bearer", "iss": "https://as.example.com"}},
		{"a service, its opaque token", basicAuth("1415", "svc-secret"), issued["accessToken"].(string), object{"active": true, "client_id": "clientapp01"}},
		{"a service, a token by the number", "Bearer SVCTOKEN", tokenJ2, object{"active": true, "client_id": idA}},
		{"another service", "Bearer OTHERTOKEN", issued["jwtAccessToken"].(string), nil},
		{"another service, opaque", "Bearer OTHERTOKEN", issued["accessToken"].(string), nil},
		{"a service, an Ably token", "Bearer SVCTOKEN", string(ably), nil},
		{"a service, a refresh token", "Bearer SVCTOKEN", issued["refreshToken"].(string), nil},
		{"a service, nonsense", "Bearer SVCTOKEN", "nosuch", nil},
		{"an API key, its token", key, string(ably), object{"active": true, "sub": "ana", "exp": 1_700_003_700, "iat": 1_700_000_100, "x-ably-keyName": "appId.keyId", "x-ably-clientId": "ana", "x-ably-capability": `{"a":["publish"]}`, "client_id": nil}},
		{"an API key, an access token", key, issued["jwtAccessToken"].(string), nil},
		{"an API key, another's token", "Basic " + base64.StdEncoding.EncodeToString([]byte("appId.k3:k3-1aWiNq6xVbY0hTr8")), string(ably), nil},
	} {
		got := ask(c.authorization, query("token", c.token, "token_type_hint", "access_token"))
		require.Equal(t, 200, got.status, "%s: %s", c.name, got.body)
		require.Equal(t, "no-store", got.header.Get("Cache-Control"))
		if c.want == nil {
			require.Equal(t, inactive, string(got.body), c.name)
			continue
		}
		requireFields(t, c.want, got.json(t))
	}
	for _, authorization := range []string{"", "Bearer svctoken", basicAuth("1415", "wrong"), basicAuth("1417", "svc-secret"), "Bearer " + string(ably), basicAuth("appId.keyId", "wrong"), basicAuth("nosuch", "x"), "Digest x"} {
		for _, form := range []string{"token=nosuch", "token=" + tokenJ1, ""} {
			got := ask(authorization, form)
			require.Equal(t, 401, got.status, "%s: %s", authorization, got.body)
			require.NotEmpty(t, got.header.Get("Www-Authenticate"))
		}
	}
	require.Equal(t, 401, a.post(t, "/v1/introspect?key="+fixtureKey, "", "application/x-www-form-urlencoded", strings.NewReader("token=x")).status)
	for _, form := range []string{"", "token=", "tokn=x", "token=a&token=b"} {
		require.Equal(t, 400, ask("Bearer SVCTOKEN", form).status, form)
	}
	require.Equal(t, 400, a.post(t, "/v1/introspect", "Bearer SVCTOKEN", "application/json", strings.NewReader(`{"token":"x"}`)).status)
	got := a.do(t, "OPTIONS", "/v1/introspect", http.Header{"Origin": {"https://a.example"}})
	require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
	require.NotContains(t, a.log.String(), issued["jwtAccessToken"].(string))
}

// Credentials of a service are worth as much as an API key, and are not sent in clear.
func TestServicesAreNotCalledInClear(t *testing.T) {
	a := newAuthSite(t)
	a.Apply(server.Settings{})
	for _, authorization := range []string{"Bearer SVCTOKEN", basicAuth("1415", "svc-secret")} {
		got := a.post(t, "/api/auth/introspection", authorization, "application/json", strings.NewReader(`{"token":"x"}`))
		require.Equal(t, 400, got.status)
		require.Contains(t, string(got.body), "A001201")
		require.Equal(t, 401, a.post(t, "/v1/introspect", authorization, "application/x-www-form-urlencoded", strings.NewReader("token=x")).status)
	}
}

// What is counted of calls has labels of closed sets, and nothing of clients.
func TestCallsAreCounted(t *testing.T) {
	a := newAuthSite(t)
	a.introspect(t, tokenJ1)
	a.introspect(t, "nosuch")
	a.call(t, "/auth/token", object{"parameters": "grant_type=client_credentials", "clientId": "clientapp01", "clientSecret": "wrong"})
	a.callRefused(t, "/auth/token", "{")
	text := string(a.admin(t, "GET", "/metrics", nil).body)
	for _, line := range []string{
		`portcullis_oauth_calls_total{api="/auth/introspection",result="A056001"} 1`, `portcullis_oauth_calls_total{api="/auth/introspection",result="V056302"} 1`,
		`portcullis_oauth_calls_total{api="/auth/token",result="V050302"} 1`, `portcullis_oauth_calls_total{api="/auth/token",result="V001205"} 1`,
		`portcullis_decisions_total{reason="",result="admitted",surface="introspect"} 1`, `portcullis_decisions_total{reason="jwt_segments",result="refused",surface="introspect"} 1`,
	} {
		require.Contains(t, text, line+"\n")
	}
	require.NotContains(t, text, "clientapp01")
}

func TestServicesNeedAStore(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{})
	require.NoError(t, s.ConfigureServices(nil, oauth.Rules{}))
	require.ErrorContains(t, s.ConfigureServices([]oauth.ServiceConfig{serviceConfig()}, oauth.Rules{AllowWeakSecrets: true}), "store")
	require.Error(t, s.CheckServices([]oauth.ServiceConfig{serviceConfig()}, oauth.Rules{}))
}
