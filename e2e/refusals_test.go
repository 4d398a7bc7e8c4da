package e2e

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sign makes a token of texts that a library would not write.
func sign(keyName, header, claims string) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return input + "." + hs256(keyName, input)
}

func hs256(keyName, input string) string {
	mac := hmac.New(sha256.New, []byte(secretOf(keyName)))
	mac.Write([]byte(input))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// opaqueToken makes an Ably token in this server's own form, such as another one
// of its kind would issue for a key that is not known here.
func opaqueToken(app, keyID string) string {
	body := append([]byte{1, 1}, "secretid"...) // version, kind, and which secret sealed it
	body = append(append(body, byte(len(keyID))), keyID...)
	body = append(body, make([]byte, 128)...)
	return app + "." + base64.RawURLEncoding.EncodeToString(body)
}

// anyRefusal is one request and why it is refused.
type anyRefusal struct {
	name string
	request
	want refusal
}

// everyRefusal has a request for each reason for which an admission is refused.
// Codes and statuses are those of Ably's error codes.
func everyRefusal(t testing.TB) []anyRefusal {
	now := nowSeconds()
	header := func(more string) string { return `{"alg":"HS256","kid":"` + keyFull + `"` + more + `}` }
	claims := func(more string) string { return fmt.Sprintf(`{"iat":%d,"exp":%d%s}`, now, now+60, more) }
	withHeader := func(h string) request { return present(sign(keyFull, h, claims(""))) }
	withClaims := func(c string) request { return present(sign(keyFull, header(""), c)) }
	with := func(name string, value any) request { return present(mint(t, keyFull, map[string]any{name: value})) }
	good, key := mint(t, keyFull, nil), apiKey(keyFull)
	parts := strings.Split(good, ".")
	respelt := func(segment string) request { // signed as it is spelt, as careless libraries do
		input := parts[0] + "." + segment
		return present(input + "." + hs256(keyFull, input))
	}
	carries := func(inner, claims string) string {
		return sign(keyOff, `{"alg":"RS256","x-ably-token":"`+inner+`"}`, `{`+claims+`}`)
	}
	carrying := func(inner string) request { return present(carries(inner, "")) }
	return []anyRefusal{
		{"no credential", request{}, refusal{40101, 401, "no_credentials"}},
		{"a key without a secret", presentKey(keyFull), refusal{40005, 400, "malformed_key"}},
		{"a key that is not base64", request{}.withHeader("Authorization", "Basic !"+key), refusal{40005, 400, "malformed_key"}},
		{"no token", present("rubbish"), refusal{40005, 400, "malformed_token"}},
		{"a token over 8 KiB", present(strings.Repeat(good, 8192/len(good)+1)), refusal{40005, 400, "token_too_long"}},
		{"an opaque token", present(app + "." + parts[1]), refusal{40145, 401, "ably_token_invalid"}},
		{"a device token", present("myapp.AQIA"), refusal{40145, 401, "token_kind"}},
		{"an opaque token of another server", present(opaqueToken(app, "nobody")), refusal{40143, 401, "ably_token_unrecognized"}},
		{"two clientIds", present(good).with("clientId", "a", "clientId", "b"), refusal{40000, 400, "ambiguous_credentials"}},
		{"another scheme", request{}.withHeader("Authorization", "Negotiate "+good), refusal{40000, 400, "authorization_malformed"}},
		{"four segments", present(good + "." + parts[1]), refusal{40144, 401, "jwt_segments"}},
		{"padding", respelt(parts[1] + "="), refusal{40144, 401, "base64_padding"}},
		{"standard alphabet", respelt("ab+/"), refusal{40144, 401, "base64_alphabet"}},
		{"stray bits", respelt("eyJ9"[:3]), refusal{40144, 401, "base64_trailing_bits"}},
		{"no base64", respelt("ab~d"), refusal{40144, 401, "base64_invalid"}},
		{"header no object", withHeader(`["HS256"]`), refusal{40144, 401, "header_malformed"}},
		{"alg missing", withHeader(`{"kid":"` + keyFull + `"}`), refusal{40144, 401, "alg_not_allowed"}},
		{"alg in lower case", withHeader(`{"alg":"hs256","kid":"` + keyFull + `"}`), refusal{40144, 401, "alg_not_allowed"}},
		{"crit", withHeader(header(`,"crit":["exp"]`)), refusal{40144, 401, "critical_header"}},
		{"a token within a token within a token", carrying(carries(carries(good, ""), "")), refusal{40144, 401, "embedded_token"}},
		{"null within a token", withHeader(header(`,"x-ably-token":null`)), refusal{40144, 401, "embedded_malformed"}},
		{"no token within a token", carrying("rubbish"), refusal{40144, 401, "embedded_malformed"}},
		{"a token within one that has expired", present(carries(good, fmt.Sprintf(`"exp":%d`, now-1))), refusal{40142, 401, "embedded_outer_expired"}},
		{"a token within one that outlives it", present(carries(good, fmt.Sprintf(`"exp":%d`, now+86400))), refusal{40144, 401, "embedded_outer_later"}},
		{"an OAuth access token", withHeader(header(`,"typ":"at+jwt"`)), refusal{40144, 401, "typ_not_allowed"}},
		{"no kid", withHeader(`{"alg":"HS256"}`), refusal{40144, 401, "kid_missing"}},
		{"kid no string", withHeader(`{"alg":"HS256","kid":7}`), refusal{40144, 401, "kid_invalid"}},
		{"a name twice in the header", withHeader(header(`,"alg":"HS256"`)), refusal{40144, 401, "duplicate_name"}},
		{"a name twice in the claims", withClaims(claims(`,"exp":9999999999`)), refusal{40144, 401, "duplicate_name"}},
		{"unknown app", present(sign("x", `{"alg":"HS256","kid":"noApp.full"}`, claims(""))), refusal{40400, 404, "unknown_app"}},
		{"unknown key", present(sign("x", `{"alg":"HS256","kid":"`+app+`.nobody"}`, claims(""))), refusal{40400, 401, "unknown_key"}},
		{"unknown key, Basic", presentKey(app + ".nobody:" + secretFull), refusal{40400, 401, "unknown_key"}},
		{"unknown app, Basic", presentKey("noApp.full:" + secretFull), refusal{40101, 401, "key_app_unknown"}},
		{"wrong secret", presentKey(key + "x"), refusal{40101, 401, "bad_secret"}},
		{"wrong signature", present(parts[0] + "." + parts[1] + "." + hs256(keyChat, parts[0]+"."+parts[1])), refusal{40144, 401, "bad_signature"}},
		{"key disabled", present(mint(t, keyOff, nil)), refusal{40130, 401, "key_disabled"}},
		{"key disabled, Basic", presentKey(apiKey(keyOff)), refusal{40130, 401, "key_disabled"}},
		{"key in rotation, Basic", presentKey(apiKey(keyDying)), refusal{40130, 401, "key_verify_only"}},
		{"key revoked", present(mint(t, keyRevoked, nil)), refusal{40131, 401, "key_revoked"}},
		{"key expired", present(mint(t, keyPast, nil)), refusal{40132, 401, "key_expired"}},
		{"claims no object", withClaims(`[]`), refusal{40144, 401, "claims_malformed"}},
		{"no iat", with("iat", nil), refusal{40144, 400, "iat_missing"}},
		{"no exp", with("exp", nil), refusal{40144, 400, "exp_missing"}},
		{"exp as text", with("exp", fmt.Sprint(now+60)), refusal{40144, 401, "time_claim_invalid"}},
		{"expired", present(mint(t, keyFull, map[string]any{"iat": now - 60, "exp": now - 1})), refusal{40142, 401, "token_expired"}},
		{"exp not after iat", present(mint(t, keyFull, map[string]any{"iat": now + 50, "exp": now + 50})), refusal{40003, 400, "exp_not_after_iat"}},
		{"iat ahead", with("iat", now+600), refusal{40144, 401, "issued_in_future"}},
		{"nbf ahead", with("nbf", now+600), refusal{40144, 401, "not_yet_valid"}},
		{"over 24 hours", present(mint(t, keyFull, map[string]any{"iat": now, "exp": now + 86401})), refusal{40003, 400, "ttl_too_long"}},
		{"over an hour, revocable", present(mint(t, keyRevocab, map[string]any{"iat": now, "exp": now + 3601})), refusal{40003, 400, "ttl_too_long"}},
		{"misspelt header parameter", withHeader(header(`,"x-ably-tokn":"a.b"`)), refusal{40003, 400, "unknown_ably_header"}},
		{"misspelt claim", with("x-ably-capabilty", `{"a":["publish"]}`), refusal{40003, 400, "unknown_ably_claim"}},
		{"a claim of a wrong type", with("x-ably-revocation-key", 7), refusal{40003, 400, "claim_invalid"}},
		{"clientId no string", with("x-ably-clientId", 7), refusal{40012, 400, "client_id_invalid"}},
		{"unknown operation in a capability", with("x-ably-capability", `{"a":["destroy"]}`), refusal{40003, 400, "capability_invalid"}},
		{"1,600 resources in common with the key", present(mint(t, keyWide, map[string]any{
			"x-ably-capability": namespaces(40, func(n string) string { return "*:t" + n }),
		})), refusal{40003, 400, "capability_too_large"}},
		{"nothing in common with the key", present(mint(t, keyChat, map[string]any{"x-ably-capability": `{"x":["publish"]}`})), refusal{40160, 401, "capability_empty"}},
		{"a key from a foreign address", presentKey(apiKey(keyFar)), refusal{40300, 403, "forbidden"}},
		{"a key from a foreign origin", presentKey(apiKey(keyFenced)).withHeader("Origin", "https://evil.example"), refusal{40300, 403, "forbidden"}},
		{"another clientId", with("x-ably-clientId", "ana").with("clientId", "bob"), refusal{40102, 401, "client_id_mismatch"}},
		{"a clientId that is none", with("x-ably-clientId", "*").with("clientId", "a*"), refusal{40012, 400, "request_client_id_invalid"}},
		{"no channel name", present(good).with("channel", ":a", "op", "publish"), refusal{40010, 400, "channel_invalid"}},
		{"not granted", present(mint(t, keyChat, nil)).with("channel", "admin", "op", "publish"), refusal{40160, 401, "capability_denied"}},
		{"presence of nobody", present(good).with("channel", "a", "op", "presence"), refusal{91000, 400, "presence_without_client_id"}},
		{"clientId header", present(good).withHeader("X-Ably-ClientId", "!"), refusal{40004, 400, "client_id_header_malformed"}},
		{"no such operation", present(good).with("channel", "a", "op", "destroy"), refusal{40003, 400, "operation_unknown"}},
		{"no channel", present(good).with("op", "publish"), refusal{40000, 400, "channel_or_op_missing"}},
	}
}

// reasonsElsewhere are the reasons that no single request to this server's
// /v1/admit can have, and where they come from instead.
var reasonsElsewhere = map[string]string{
	"access_token_invalid":        introspect,
	"access_token_issuer":         introspect,
	"access_token_claim":          introspect,
	"access_token_proof":          introspect,
	"access_token_client":         introspect,
	"insecure_basic":              "TestKeysNeedTLSUnlessAllowedWithoutIt",
	"token_revoked":               "TestAblyRevokesTokens",
	"revoke_other_key":            revokeTokens,
	"key_not_revocable":           revokeTokens,
	"issued_before_invalid":       revokeTokens,
	"revocation_target_invalid":   revokeTokens,
	"channel_revocation_off":      revokeTokens,
	"batch_errors":                revokeTokens,
	"revocation_rate":             revokeTokens,
	"operation_client_id_invalid": messages,
	"too_many_refusals":           "TestARepeatedRefusalIsToldToStop",
	"bad_request":                 "TestRequestsThatAreNotHTTP: refused before there is a decision",
	"header_too_large":            "TestRequestsThatAreNotHTTP",
	"body_too_large":              "TestRequestsThatAreNotHTTP",
	"request_timeout":             "TestRequestsThatAreNotHTTP",
	"expectation_failed":          "TestRequestsThatAreNotHTTP",
	"http_version":                "TestRequestsThatAreNotHTTP",
	"not_found":                   "TestHealthAndAdminEndpoints",
	"method_not_allowed":          "TestHealthAndAdminEndpoints",
	"body_malformed":              "TestBatches",
	"host_not_allowed":            "TestAForeignPageCannotUseDev",
	"origin_not_allowed":          "TestAForeignPageCannotUseDev",
	"admin_token_required":        "TestTheAdminListenerAsksForItsToken",
	"configuration_refused":       "TestABadFileKeepsTheOldConfiguration",
	"token_request_malformed":     requestToken,
	"token_request_key_mismatch":  requestToken,
	"bad_mac":                     requestToken,
	"timestamp_not_current":       requestToken,
	"ttl_invalid":                 requestToken,
	"nonce_replayed":              requestToken,
	"token_too_large":             requestToken,
	"key_mismatch":                requestToken,
	"basic_auth_required":         requestToken,
	"store_unavailable":           requestToken,
	"message_malformed":           messages,
	"connection_key_mismatch":     messages,
	"device_token_invalid":        push,
	"device_token_expired":        push,
	"device_token_revoked":        push,
	"device_token_stale":          push,
	"device_token_foreign":        push,
	"device_secret_wrong":         push,
	"device_not_authenticated":    push,
	"device_unknown":              push,
	"push_limit":                  push,
	"sandbox_refused":             sandbox,
	"sandbox_full":                sandbox,
	"internal":                    "a defect",
	"seal_secret_missing":         "a mistake in embedding the engine: the command always has one",
	"overloaded":                  "shedding",
	"message_too_large":           messages,
	"identified_client_required":  messages,
	"limit_invalid":               "what a list is refused for, not a connection",
	"frame_malformed":             frames,
	"frame_too_large":             frames,
	"operation_not_served":        frames,
	"publish_outcome_unknown":     frames,
	"publish_rate":                frames,
	"presence_full":               frames,
	"mode_not_requested":          frames,
	"channel_not_attached":        frames,
	"too_many_channels":           frames,
	"reauthentication_refused":    frames,
	"connection_key_unknown":      connections,
	"client_type_unsigned":        connections,
	"app_connections":             connections,
	"token_connections":           connections,
	"key_removed":                 connections,
	"draining":                    connections,
}

// What other endpoints than /v1/admit refuse.
const (
	requestToken = "what a TokenRequest is refused for, not a connection"
	messages     = "what a message is refused for, not a connection"
	revokeTokens = "what a revocation is refused for, not a connection"
	push         = "what a device or a subscription is refused for, not a connection"
	frames       = "what a frame of a realtime connection is refused for"
	connections  = "what a realtime connection is refused for, or ends with"
	introspect   = "what an access token is refused for, at an introspection"
	sandbox      = "what a request to make or delete an app is refused for"
)

// TestEveryReason shows every refusal over HTTP, and that the list above leaves
// out no reason which the server can count.
func TestEveryReason(t *testing.T) {
	server := startServer(t, baseConfig())
	for _, r := range everyRefusal(t) {
		t.Run(r.name, func(t *testing.T) { requireRefusedFor(t, server, r.request, r.want) })
	}
	counted := 0
	for name, n := range metrics(t, server) {
		reason, ok := strings.CutPrefix(name, `portcullis_decisions_total{reason="`)
		if !ok || strings.HasPrefix(reason, `"`) || !strings.Contains(reason, `surface="admit"`) {
			continue
		}
		counted++
		reason, _, _ = strings.Cut(reason, `"`)
		_, elsewhere := reasonsElsewhere[reason]
		require.NotEqual(t, elsewhere, n > 0, "%s was counted %v times: it belongs in everyRefusal or in reasonsElsewhere", reason, n)
	}
	require.Greater(t, counted, len(reasonsElsewhere), "the reasons were found in the metrics")
	server.stop(t)
}

// TestARepeatedRefusalIsToldToStop shows that from the eleventh refusal of one
// token within ten seconds on the answer is 42910, at which SDKs stop instead of
// repeating the request at once, and that nobody else is told so.
func TestARepeatedRefusalIsToldToStop(t *testing.T) {
	server := startServer(t, baseConfig())
	good := mint(t, keyFull, nil)
	forged, other := replaceInSegment(1, `"exp":`, `"exp":1`)(t, good), mint(t, keyFull, map[string]any{"iat": nowSeconds() - 60, "exp": nowSeconds() - 1})
	began := time.Now()
	for range 10 {
		requireRefusedFor(t, server, present(forged), refusal{40144, 401, "bad_signature"})
	}
	for range 3 {
		a := requireRefusedFor(t, server, present(forged), refusal{42910, 429, "too_many_refusals"})
		require.Equal(t, "10", a.header.Get("Retry-After"))
	}
	require.Less(t, time.Since(began), 10*time.Second, "the window has passed meanwhile")
	requireRefusedFor(t, server, present(other), refusal{40142, 401, "token_expired"})
	require.Equal(t, 200, present(good).send(t, server.public).status)

	// Refusals at which SDKs fetch no new token are not counted.
	for range 12 {
		requireRefusedFor(t, server, present(mint(t, keyChat, nil)).with("channel", "admin", "op", "publish"), refusal{40160, 401, "capability_denied"})
	}
	server.stop(t)
}

// TestRequestsThatAreNotHTTP shows that what is no request, too large or too slow
// is refused as Ably's errors too, and that the connection is then closed.
func TestRequestsThatAreNotHTTP(t *testing.T) {
	server := startServer(t, baseConfig())
	for _, c := range []struct {
		name, text string
		want       refusal
	}{
		{"no HTTP", "rubbish\r\n\r\n", refusal{code: 40000, status: 400}},
		{"a head over 16 KiB", "GET /v1/admit HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\n", refusal{code: 40000, status: 431}},
		{"a body over 64 KiB", "POST /v1/admit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 70000\r\n\r\n", refusal{code: 40009, status: 413}},
		{"HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refusal{code: 40000, status: 505}},
		{"an expectation that nobody knows", "GET /v1/admit HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 200-maybe\r\n\r\n", refusal{code: 40000, status: 417}},
		{"two lengths of one body", "POST /v1/admit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", refusal{code: 40000, status: 400}},
		{"two Authorization fields", "GET /v1/admit HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer a.b.c\r\nauthorization: Bearer a.b.c\r\n\r\n", refusal{code: 40000, status: 400}},
		{"a head that never ends", "GET /v1/admit HTTP/1.1\r\nHost: 127.0.0.1\r\n", refusal{code: 40000, status: 408}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(server.public, "http://"))
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
			_, err = io.WriteString(conn, c.text)
			require.NoError(t, err)
			r := bufio.NewReader(conn)
			response, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			requireRefused(t, answer{response.StatusCode, response.Header, body}, c.want)
			require.True(t, response.Close)
		})
	}
	server.stop(t)
}
