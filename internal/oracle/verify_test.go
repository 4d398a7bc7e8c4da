package oracle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	secret = "0123456789abcdef0123456789abcdef"
	now    = int64(1700000100000)
)

var keys = []Key{
	{Name: "appId.keyId", Secret: secret},
	{Name: "appId.short", Secret: secret, RevocableTokens: true},
	{Name: "appId.off", Secret: secret, State: Disabled},
	{Name: "appId.gone", Secret: secret, State: Revoked},
	{Name: "appId.tokens", Secret: secret, State: VerifyOnly},
	{Name: "appId.old", Secret: secret, NotAfter: now},
	{Name: "appId.colon", Secret: "a:b:" + secret},
}

// token signs a header and a claims set with the secret of the keys above.
func token(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + encode(mac.Sum(nil))
}

func header(kid string) string { return `{"alg":"HS256","typ":"JWT","kid":"` + kid + `"}` }

// The header and claims of the published example, under two secrets.
func TestPublishedJWT(t *testing.T) {
	const input = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6ImFwcElkLmtleUlkIn0." +
		"eyJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwieC1hYmx5LWNhcGFiaWxpdHkiOiJ7XCIqXCI6W1wiKlwiXX0iLCJ4LWFibHktY2xpZW50SWQiOiJhbGljZSJ9."
	want := Verdict{
		KeyName: "appId.keyId", ClientID: "alice", ClientKind: Identified, Capability: `{"*":["*"]}`,
		Issued: 1700000000000, Expires: 1700003600000,
	}
	weak := []Key{{Name: "appId.keyId", Secret: "s3cr3t"}}
	require.Equal(t, want, VerifyToken(weak, input+"HGg-lOkgEK00G3vNpNv_b9hdVu6dCdcLT6A3AiKeNg4", now))
	require.Equal(t, want, VerifyToken(keys, input+"BBsfJ75CdJ7GQe0NAuCoNj_MshcOy5ySewSuuekaZTo", now))
	require.Equal(t, "bad_signature", VerifyToken(weak, input+"BBsfJ75CdJ7GQe0NAuCoNj_MshcOy5ySewSuuekaZTo", now).Reason)
	require.Equal(t, "bad_signature", VerifyToken(keys, input+"HGg-lOkgEK00G3vNpNv_b9hdVu6dCdcLT6A3AiKeNg4", now).Reason)
}

func TestErrorTable(t *testing.T) {
	const claims = `{"iat":1700000000,"exp":1700003600}`
	for _, row := range []struct {
		name, header, claims string
		code, status         int
	}{
		{"algorithm", `{"alg":"none","kid":"appId.keyId"}`, claims, 40144, 401},
		{"no kid", `{"alg":"HS256"}`, claims, 40144, 401},
		{"no iat", header("appId.keyId"), `{"exp":1700003600}`, 40144, 400},
		{"no exp", header("appId.keyId"), `{"iat":1700000000}`, 40144, 400},
		{"unknown app", header("nobody.keyId"), claims, 40400, 404},
		{"unknown key", header("appId.nobody"), claims, 40400, 401},
		{"expired", header("appId.keyId"), `{"iat":1700000000,"exp":1700000100}`, 40142, 401},
		{"day and a second", header("appId.keyId"), `{"iat":1700000000,"exp":1700086401}`, 40003, 400},
		{"hour and a second", header("appId.short"), `{"iat":1700000000,"exp":1700003601}`, 40003, 400},
		{"exp before iat", header("appId.keyId"), `{"iat":1700000300,"exp":1700000200}`, 40003, 400},
		{"iat ahead", header("appId.keyId"), `{"iat":1700000161,"exp":1700003600}`, 40144, 401},
		{"nbf ahead", header("appId.keyId"), `{"iat":1700000000,"exp":1700003600,"nbf":1700000161}`, 40144, 401},
		{"clientId number", header("appId.keyId"), `{"iat":1700000000,"exp":1700003600,"x-ably-clientId":1}`, 40012, 400},
		{"clientId empty", header("appId.keyId"), `{"iat":1700000000,"exp":1700003600,"x-ably-clientId":""}`, 40012, 400},
		{"capability null", header("appId.keyId"), `{"iat":1700000000,"exp":1700003600,"x-ably-capability":null}`, 40003, 400},
		{"capability empty text", header("appId.keyId"), `{"iat":1700000000,"exp":1700003600,"x-ably-capability":""}`, 40003, 400},
		{"capability empty", header("appId.keyId"), `{"iat":1700000000,"exp":1700003600,"x-ably-capability":{}}`, 40160, 401},
		{"misspelt claim", header("appId.keyId"), `{"iat":1700000000,"exp":1700003600,"x-ably-clientid":"a"}`, 40003, 400},
		{"misspelt header", `{"alg":"HS256","kid":"appId.keyId","x-ably-tok":1}`, claims, 40003, 400},
		{"disabled", header("appId.off"), claims, 40130, 401},
		{"revoked", header("appId.gone"), claims, 40131, 401},
		{"key expired", header("appId.old"), claims, 40132, 401},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := VerifyToken(keys, token(row.header, row.claims), now)
			require.Equal(t, Verdict{Reason: v.Reason, Code: row.code, Status: row.status}, v)
		})
	}
	require.Empty(t, VerifyToken(keys, token(header("appId.tokens"), claims), now).Reason)
	require.Empty(t, VerifyToken(keys, token(header("appId.old"), claims), now-1).Reason)
}

func TestShapes(t *testing.T) {
	good := token(header("appId.keyId"), `{"iat":1700000000,"exp":1700003600}`)
	for text, reason := range map[string]string{
		"":                        "malformed_token",
		"token":                   "malformed_token",
		"appId.opaque":            "ably_token_invalid",
		"appId.AQIAAAAA":          "token_kind",
		"appId.AQIAAAAA=":         "ably_token_invalid",
		"appId.AQEAAAAA":          "ably_token_invalid",
		".AQIAAAAA":               "ably_token_invalid",
		".":                       "ably_token_invalid",
		"..":                      "header_malformed",
		"...":                     "jwt_segments",
		good + ".":                "jwt_segments",
		strings.Repeat("a", 8193): "token_too_long",
		strings.Repeat("a", 8192): "malformed_token",
		strings.Repeat(".", 8193): "token_too_long",
		good + "=":                "base64_padding",
		good + "\n":               "base64_invalid",
		" " + good:                "base64_invalid",
		good:                      "",
	} {
		require.Equal(t, reason, VerifyToken(keys, text, now).Reason, "%.20q", text)
	}
}

func TestVerifyKey(t *testing.T) {
	for _, row := range []struct{ key, reason string }{
		{"appId.keyId:" + secret, ""},
		{"appId.colon:a:b:" + secret, ""},
		{"appId.old:" + secret, "key_expired"},
		{"appId.off:" + secret, "key_disabled"},
		{"appId.off:wrong", "bad_secret"},
		{"appId.gone:" + secret, "key_revoked"},
		{"appId.tokens:" + secret, "key_verify_only"},
		{"appId.keyId:wrong", "bad_secret"},
		{"this.is:wrong", "key_app_unknown"},
		{"invalid.key:secret", "key_app_unknown"},
		{"appId.nobody:" + secret, "unknown_key"},
		{"appid.keyId:" + secret, "key_app_unknown"},
		{"", "malformed_key"},
		{"appId.keyId", "malformed_key"},
		{"appId.keyId:", "malformed_key"},
		{"appId:" + secret, "malformed_key"},
		{".keyId:" + secret, "malformed_key"},
		{"appId.:" + secret, "malformed_key"},
		{"appId:keyId." + secret, "malformed_key"},
		{"appId." + strings.Repeat("k", 122) + ":x", "unknown_key"},
		{"appId." + strings.Repeat("k", 123) + ":x", "malformed_key"},
		{"appId.keyId:" + strings.Repeat("s", 8192-12), "bad_secret"},
		{"appId.keyId:" + strings.Repeat("s", 8192-11), "malformed_key"},
	} {
		require.Equal(t, row.reason, VerifyKey(keys, row.key, now).Reason, "%.40q", row.key)
	}
	require.Equal(t,
		Verdict{KeyName: "appId.keyId", ClientKind: Wildcard, Capability: `{"*":["*"]}`},
		VerifyKey(keys, "appId.keyId:"+secret, now))
}

// The resolution table of clientIds.
func TestAdmitClientID(t *testing.T) {
	verdict := func(kind, id string) Verdict {
		return Verdict{ClientKind: kind, ClientID: id, Capability: `{"*":["*"]}`}
	}
	for _, row := range []struct {
		kind, id, requested    string
		wantKind, wantID, fail string
	}{
		{Wildcard, "", "", Wildcard, "", ""},
		{Wildcard, "", "x", Identified, "x", ""},
		{Anonymous, "", "", Anonymous, "", ""},
		{Anonymous, "", "x", "", "", "client_id_mismatch"},
		{Identified, "a", "", Identified, "a", ""},
		{Identified, "a", "a", Identified, "a", ""},
		{Identified, "a", "b", "", "", "client_id_mismatch"},
		{Identified, "a", "A", "", "", "client_id_mismatch"},
		{Wildcard, "", "*", "", "", "client_id_invalid"},
		{Identified, "a", "*", "", "", "client_id_invalid"},
		{Anonymous, "", "*", "", "", "client_id_invalid"},
		{Wildcard, "", "a*", "", "", "client_id_invalid"},
		{Wildcard, "", "a\n", "", "", "client_id_invalid"},
		{Wildcard, "", "a\xff", "", "", "client_id_invalid"},
		{Wildcard, "", strings.Repeat("a", 256), Identified, strings.Repeat("a", 256), ""},
		{Wildcard, "", strings.Repeat("a", 257), "", "", "client_id_invalid"},
	} {
		got := Admit(verdict(row.kind, row.id), row.requested, "", "")
		require.Equal(t, row.fail, got.Reason, "%+v", row)
		require.Equal(t, row.wantKind, got.ClientKind, "%+v", row)
		require.Equal(t, row.wantID, got.ClientID, "%+v", row)
	}
}

func TestAdmitOperation(t *testing.T) {
	some := Verdict{ClientKind: Anonymous, Capability: `{"a":["subscribe","presence"]}`}
	for _, row := range []struct{ channel, op, reason string }{
		{"a", "subscribe", ""},
		{"a", "publish", "capability_denied"},
		{"b", "subscribe", "capability_denied"},
		{"[meta]a", "subscribe", "capability_denied"},
		{"", "subscribe", "channel_invalid"},
		{"", "", ""},
		{"", "presence", "presence_without_client_id"},
	} {
		require.Equal(t, row.reason, Admit(some, "", row.channel, row.op).Reason, "%+v", row)
	}
	some.ClientKind = Wildcard
	require.Equal(t, "presence_without_client_id", Admit(some, "", "a", "presence").Reason)
	require.Empty(t, Admit(some, "bob", "a", "presence").Reason)

	all := Verdict{ClientKind: Anonymous, Capability: `{"*":["*"]}`}
	require.Empty(t, Admit(all, "", "[?rewind=1]foo", "subscribe").Reason)
	for _, channel := range []string{"[meta?rewind=1]log", "[meta]log"} {
		require.Equal(t, "capability_denied", Admit(all, "", channel, "subscribe").Reason, channel)
	}
	for _, channel := range []string{"[foo]x", "[*]x", "[queue]x", "[?a]]x", "[meta", ":x", "a\nb", ""} {
		require.Equal(t, "channel_invalid", Admit(all, "", channel, "subscribe").Reason, "%q", channel)
	}

	refused := refuse("bad_signature")
	require.Equal(t, refused, Admit(refused, "x", "a", "publish"))
}
