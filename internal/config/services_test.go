package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/oauth"
)

// services is a file with a good key and these services, the first of which begins
// in line 7.
func services(lines ...string) string {
	return good + "services:\n" + strings.Join(lines, "\n") + "\n"
}

const tokenSecret = "token-secret-token-secret-token-secret"

func TestServices(t *testing.T) {
	secret := write(t, "client.secret", "secret-from-a-file\n")
	c := load(t, Source{Path: write(t, "c.yaml", services(
		"  - id: 1415",
		"    api_secret: svc-secret-svc-secret",
		"    access_token: SVCTOKEN-SVCTOKEN-0",
		"    issuer: https://as.example.com",
		"    audience: https://api.example.com",
		"    token_secret: "+tokenSecret,
		"    token_profile: rfc9068",
		"    code_ttl: 30s",
		"    access_token_ttl: 10m",
		"    refresh_token_ttl: 240h",
		"    jwt_access_tokens: false",
		"    client_id_alias_enabled: true",
		"    http_alias_prohibited: false",
		"    basic_raw_fallback: false",
		"    clients:",
		"      - {id: 17201083166161, name: The app, alias: clientapp01, retired_aliases: [older], alias_enabled: true, type: confidential, auth_method: client_secret_post, secret: s3cret-s3cret-s3cret, redirect_uris: [https://client.example.org/cb], scopes: [payment, admin], grant_types: [authorization_code, refresh_token]}",
		"      - {id: 2, type: public, redirect_uris: ['http://127.0.0.1/cb']}",
		"      - {id: 3, secret_file: "+secret+"}",
		"  - {id: 1416, api_secret: svc-secret-svc-secret, issuer: 'https://b.example', token_secret: another-"+tokenSecret+"}",
	))})
	require.Equal(t, []oauth.ServiceConfig{{
		ID: 1415, APISecret: "svc-secret-svc-secret", AccessToken: "SVCTOKEN-SVCTOKEN-0", Issuer: "https://as.example.com", Audience: "https://api.example.com",
		TokenSecret: tokenSecret, Profile: engine.RFC9068Profile, CodeTTL: 30 * time.Second, AccessTokenTTL: 10 * time.Minute, RefreshTokenTTL: 240 * time.Hour,
		OpaqueAccessTokens: true, ClientIDAliasEnabled: true, HTTPAliasAllowed: true, StrictBasic: true,
		Clients: []oauth.ClientConfig{
			{
				ID: 17201083166161, Name: "The app", Alias: "clientapp01", RetiredAliases: []string{"older"}, AliasEnabled: true, AuthMethod: oauth.SecretPost,
				Secret: "s3cret-s3cret-s3cret", RedirectURIs: []string{"https://client.example.org/cb"}, Scopes: []string{"payment", "admin"},
				GrantTypes: []oauth.GrantType{oauth.AuthorizationCode, oauth.RefreshToken},
			},
			{ID: 2, Type: oauth.Public, AuthMethod: oauth.NoAuth, RedirectURIs: []string{"http://127.0.0.1/cb"}},
			{ID: 3, Secret: "secret-from-a-file"},
		},
	}, {
		ID: 1416, APISecret: "svc-secret-svc-secret", Issuer: "https://b.example", TokenSecret: "another-" + tokenSecret,
		CodeTTL: time.Minute, AccessTokenTTL: time.Hour, RefreshTokenTTL: 720 * time.Hour,
	}}, c.OAuth())
	require.Empty(t, c.Warnings)
	printed, err := c.YAML(false)
	require.NoError(t, err)
	for _, hidden := range []string{"svc-secret", "SVCTOKEN", "token-secret-", "s3cret", "from-a-file"} {
		require.NotContains(t, string(printed), hidden)
	}
	for _, shown := range []string{"id: 17201083166161", "jwt_access_tokens: true", "refresh_token_ttl: 720h", "basic_raw_fallback: true", "type: public", "auth_method: none", "secret_file: " + secret} {
		require.Contains(t, string(printed), shown)
	}
}

// Faults of services have their places too. Package oauth's own test has the rules.
func TestFaultsOfServicesHaveTheirPlace(t *testing.T) {
	service := func(rest string) []string {
		return []string{"  - id: 1415", "    api_secret: svc-secret-svc-secret", "    issuer: https://as.example.com", "    token_secret: " + tokenSecret, rest}
	}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"an alias that is another's id": {
			services(service("    clients:\n      - {id: 1, secret: secret-secret-secret}\n      - {id: 2, secret: secret-secret-secret, alias: '1'}")...),
			[]string{`c.yaml:13:54: services[0].clients[1].alias: the alias "1" of the client 2 means the client 1 already`},
		},
		"an id with a sign": {services(service("    clients: [{id: +1, secret: secret-secret-secret}]")...), []string{`c.yaml:11:20: services[0].clients[0].id: "+1" is not a number from 1 to 9007199254740991`}},
		"an id with a zero": {services(service("    clients: [{id: 01, secret: secret-secret-secret}]")...), []string{`c.yaml:11:20: services[0].clients[0].id: "01" is not a number from 1 to 9007199254740991`}},
		"a short secret":    {services(service("    clients: [{id: 1, secret: short}]")...), []string{`c.yaml:11:31: services[0].clients[0].secret: the secret of the client 1 is shorter than 16 bytes`}},
		"a foreign secret": {
			services("  - {id: 1415, api_secret: svc-secret-svc-secret, issuer: 'https://a.example', token_secret: "+tokenSecret+"}") + "tokens: {seal_secrets: [" + tokenSecret + "]}\n",
			[]string{`c.yaml:7:94: services[0].token_secret: also a sealing secret: whoever knows it could mint access tokens`},
		},
		"twice the secret": {services(service("    token_secret_file: x")...), []string{`c.yaml:11:24: services[0].token_secret_file: both token_secret and token_secret_file: one of them is to go`}},
		"an unknown type":  {services(service("    clients: [{id: 1, secret: secret-secret-secret, type: secret}]")...), []string{`c.yaml:11:59: services[0].clients[0].type: "secret" is none of confidential, public`}},
		"a misspelt name":  {services(service("    token_profil: rfc9068")...), []string{`c.yaml:11:5: services[0]: unknown name "token_profil": did you mean token_profile?`}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "c.yaml", c.text)
			_, err := Source{Path: path}.Load()
			require.Error(t, err)
			got := strings.Split(strings.ReplaceAll(err.Error(), path, "c.yaml"), "\n")
			require.Equal(t, c.want, got)
		})
	}
}
