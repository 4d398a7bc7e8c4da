package e2e

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// mint mints one token of keyName that lives an hour. claims are added to, or
// take the place of, iat and exp; nil removes one.
func mint(t testing.TB, keyName string, claims map[string]any) string {
	t.Helper()
	now := nowSeconds()
	all := jwt.MapClaims{"iat": now, "exp": now + 3600}
	for name, value := range claims {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, all)
	token.Header["kid"] = keyName
	text, err := token.SignedString([]byte(secretOf(keyName)))
	require.NoError(t, err)
	return text
}

func TestEveryWayOfPresentingAToken(t *testing.T) {
	server := startServer(t, baseConfig())
	now := nowSeconds()
	var token string
	for id := "c"; ; id += "c" { // of a length whose base64 is padded
		if token = mint(t, keyChat, map[string]any{"iat": now, "exp": now + 60, "x-ably-clientId": id}); len(token)%3 != 0 {
			break
		}
	}
	padded := base64.StdEncoding.EncodeToString([]byte(token))
	require.Contains(t, padded, "=")
	header := func(value string) request { return request{}.withHeader("Authorization", value) }
	for name, r := range map[string]request{
		"Bearer, raw":                    header("Bearer " + token),
		"Bearer, scheme in lower case":   header("bearer " + token),
		"Bearer, base64":                 header("Bearer " + padded),
		"Bearer, base64 without padding": header("Bearer " + strings.TrimRight(padded, "=")),
		"Bearer, base64url":              header("Bearer " + base64.URLEncoding.EncodeToString([]byte(token))),
		"Bearer, base64url unpadded":     header("Bearer " + base64.RawURLEncoding.EncodeToString([]byte(token))),
		"access_token":                   request{}.with("access_token", token),
		"accessToken":                    request{}.with("accessToken", token),
		"both spellings, same token":     request{}.with("accessToken", token, "access_token", token),
		"header before a bad parameter":  header("Bearer "+token).with("access_token", "rubbish", "key", "rubbish"),
		"token before a bad key":         request{}.with("access_token", token, "key", "rubbish"),
		"unknown parameters are ignored": header("Bearer "+token).with("v", "6", "heartbeats", "true"),
		"POST":                           {method: "POST", header: header("Bearer " + token).header},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.send(t, server.public)
			require.Equal(t, 200, a.status, "%s", a.body)
			var got admission
			decodeStrictly(t, a.body, &got)
			require.Equal(t, keyChat, got.KeyName)
			require.Equal(t, unixMilli(now), got.Issued)
			require.Equal(t, unixMilli(now+60), got.Expires)
		})
	}
	t.Run("HEAD has no body", func(t *testing.T) {
		a := request{method: "HEAD", header: header("Bearer " + token).header}.send(t, server.public)
		require.Equal(t, 200, a.status)
		require.Empty(t, a.body)
	})
	server.stop(t)
}

func TestEveryWayOfPresentingAKey(t *testing.T) {
	server := startServer(t, baseConfig())
	key := []byte(apiKey(keyFull))
	std := base64.StdEncoding.EncodeToString(key)
	require.Regexp(t, `[+/]`, std, "the two alphabets must differ")
	require.Contains(t, std, "=")
	for name, r := range map[string]request{
		"Basic":                     request{}.withHeader("Authorization", "Basic "+std),
		"Basic without padding":     request{}.withHeader("Authorization", "Basic "+strings.TrimRight(std, "=")),
		"Basic, base64url":          request{}.withHeader("Authorization", "Basic "+base64.URLEncoding.EncodeToString(key)),
		"Basic, base64url unpadded": request{}.withHeader("Authorization", "Basic "+base64.RawURLEncoding.EncodeToString(key)),
		"key parameter":             request{}.with("key", string(key)),
		"Basic before a bad key":    request{}.withHeader("Authorization", "Basic "+std).with("key", "rubbish"),
	} {
		t.Run(name, func(t *testing.T) {
			requireAdmitted(t, r.send(t, server.public), admission{KeyName: keyFull, ClientID: "*", Capability: `{"*":["*"]}`})
		})
	}
	server.stop(t)
}

// TestTheFirstCredentialDecides shows that a credential which fails is not
// followed by the next one.
func TestTheFirstCredentialDecides(t *testing.T) {
	server := startServer(t, baseConfig())
	good, other := mint(t, keyChat, nil), mint(t, keyFull, nil)
	for name, c := range map[string]struct {
		r    request
		want refusal
	}{
		"bad header, good parameters":     {present("a.b.c").with("access_token", good, "key", apiKey(keyFull)), refusal{40144, 401, "base64_invalid"}},
		"bad token, good key":             {request{}.with("access_token", "rubbish", "key", apiKey(keyFull)), refusal{40005, 400, "malformed_token"}},
		"two tokens":                      {request{}.with("access_token", good, "access_token", good), refusal{40000, 400, "ambiguous_credentials"}},
		"two spellings, different tokens": {request{}.with("access_token", good, "accessToken", other), refusal{40000, 400, "ambiguous_credentials"}},
		"two keys":                        {request{}.with("key", apiKey(keyFull), "key", apiKey(keyFull)), refusal{40000, 400, "ambiguous_credentials"}},
		"none":                            {request{}, refusal{40101, 401, "no_credentials"}},
		"an empty token":                  {request{}.with("access_token", ""), refusal{40005, 400, "malformed_token"}},
		"another scheme":                  {request{}.withHeader("Authorization", "Digest "+good).with("access_token", good), refusal{40000, 400, "authorization_malformed"}},
	} {
		t.Run(name, func(t *testing.T) { requireRefusedFor(t, server, c.r, c.want) })
	}
	server.stop(t)
}

func TestKeysNeedTLSUnlessAllowedWithoutIt(t *testing.T) {
	server := startServer(t, baseConfig("allow_insecure_basic: false"))
	want := refusal{40103, 401, "insecure_basic"}
	requireRefusedFor(t, server, presentKey(apiKey(keyFull)), want)
	requireRefusedFor(t, server, request{}.with("key", apiKey(keyFull)), want)
	require.Equal(t, 200, present(mint(t, keyFull, nil)).send(t, server.public).status, "tokens need none")
	server.stop(t)
}

// TestKeyRestrictions shows that restrictions are on the key itself, and that a
// request of no page, which has no Origin, passes a restriction to origins.
func TestKeyRestrictions(t *testing.T) {
	server := startServer(t, baseConfig())
	fenced, far := presentKey(apiKey(keyFenced)), presentKey(apiKey(keyFar))
	forbidden := refusal{40300, 403, "forbidden"}
	admittedKey := admission{KeyName: keyFenced, ClientID: "*", Capability: `{"*":["*"]}`}
	requireAdmitted(t, fenced.send(t, server.public), admittedKey)
	requireAdmitted(t, fenced.withHeader("Origin", fencedOrigin).send(t, server.public), admittedKey)
	for _, foreign := range []string{"https://evil.example", "http://app.example.com", fencedOrigin + ":444", fencedOrigin + ".evil.example", "null"} {
		requireRefusedFor(t, server, fenced.withHeader("Origin", foreign), forbidden)
	}
	requireRefusedFor(t, server, far, forbidden)
	requireRefusedFor(t, server, far.withHeader("X-Forwarded-For", "203.0.113.7"), forbidden)
	for _, keyName := range []string{keyFenced, keyFar} {
		a := present(mint(t, keyName, nil)).withHeader("Origin", "https://evil.example").send(t, server.public)
		require.Equal(t, 200, a.status, "tokens are not restricted")
	}
	server.stop(t)
}

// TestATokenDiesAtItsExpiry admits a token until its last second, also from the
// cache, and refuses it after. The answer's own expiry says how long to wait.
func TestATokenDiesAtItsExpiry(t *testing.T) {
	server := startServer(t, baseConfig())
	exp := nowSeconds() + 2
	token := mint(t, keyFull, map[string]any{"exp": exp})
	require.Equal(t, 200, present(token).send(t, server.public).status)
	deadline := time.Now().Add(patience)
	for {
		before := time.Now()
		a := present(token).send(t, server.public)
		after := time.Now()
		require.True(t, after.Before(deadline), "still admitted")
		if a.status == 200 {
			require.Less(t, before.UnixMilli(), unixMilli(exp), "admitted after its expiry")
			continue
		}
		require.GreaterOrEqual(t, after.UnixMilli(), unixMilli(exp), "refused before its expiry")
		requireRefused(t, a, refusal{40142, 401, "token_expired"})
		break
	}
	require.NotZero(t, metrics(t, server)[`portcullis_cache_lookups_total{result="hit"}`], "the cache had no part in it")
	server.stop(t)
}
