package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"

	"portcullis/engine"
	"portcullis/internal/vectors"
	"portcullis/server"
	"portcullis/store"
	"portcullis/store/memory"
)

const (
	registrations = "/push/deviceRegistrations"
	subscriptions = "/push/channelSubscriptions"
	fiveYears     = 157_680_000_000 // 5 years of 365 days, in milliseconds
)

// phoneJSON is a registration as SDKs send it, with members that mean nothing here.
func phoneJSON(id, clientID, secret string) string {
	return fmt.Sprintf(`{"id":%q,"clientId":%q,"deviceSecret":%q,"platform":"ios","formFactor":"phone","deviceIdentityToken":null,`+
		`"push":{"recipient":{"transportType":"apns","deviceToken":"740f","n":5,"inner":{"a":[true,null,"b"]}},"state":null,"error":null}}`, id, clientID, secret)
}

// minted is a token of the fixture key.
func minted(t *testing.T, clientID, capability string) http.Header {
	t.Helper()
	token, err := signer(t).AppendJWT(nil, &engine.TokenParams{Issued: vectors.DefaultNow, ClientID: clientID, Capability: capability})
	require.NoError(t, err)
	return bearerToken(string(token))
}

const (
	subscribing = `{"*":["push-subscribe"]}`
	managing    = `{"*":["push-admin"]}`
)

// and returns header with more fields, in pairs.
func and(header http.Header, pairs ...string) http.Header {
	header = maps.Clone(header)
	if header == nil {
		header = http.Header{}
	}
	for i := 0; i < len(pairs); i += 2 {
		header[http.CanonicalHeaderKey(pairs[i])] = []string{pairs[i+1]}
	}
	return header
}

func (s *site) sendJSON(t *testing.T, method, target, body string, header http.Header) answer {
	t.Helper()
	return s.send(t, method, target, "application/json", []byte(body), header)
}

// deviceToken is the token in an answer to a registration.
func (a answer) deviceToken(t *testing.T) string {
	t.Helper()
	require.Equal(t, 201, a.status, "%s", a.body)
	return a.json(t)["deviceIdentityToken"].(map[string]any)["token"].(string)
}

func TestDeviceRegistration(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	alice := minted(t, "alice", `{"a":["push-subscribe","publish"]}`)
	a := s.sendJSON(t, "POST", registrations, phoneJSON("d 1/é", "alice", "s3cret"), alice)
	require.Equal(t, 201, a.status, "%s", a.body)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	fields := a.json(t)
	token := fields["deviceIdentityToken"].(map[string]any)
	text := token["token"].(string)
	require.True(t, strings.HasPrefix(text, "appId."))
	require.Equal(t, map[string]any{
		"token": text, "keyName": "appId.keyId", "issued": float64(vectors.DefaultNow), "expires": float64(vectors.DefaultNow + fiveYears),
		"capability": `{"a":["push-subscribe"]}`, "clientId": "alice", "deviceId": "d 1/é",
	}, token)
	delete(fields, "deviceIdentityToken")
	want := map[string]any{
		"id": "d 1/é", "clientId": "alice", "platform": "ios", "formFactor": "phone",
		"push": map[string]any{"state": "ACTIVE", "recipient": map[string]any{
			"transportType": "apns", "deviceToken": "740f", "n": float64(5), "inner": map[string]any{"a": []any{true, nil, "b"}},
		}},
	}
	require.Equal(t, want, fields)
	require.NotContains(t, string(a.body), "s3cret", "a secret is never answered")

	own := registrations + "/" + url.PathEscape("d 1/é")
	for name, header := range map[string]http.Header{
		"its token as it is": and(alice, "X-Ably-DeviceToken", text), "its token in base64": and(alice, "X-Ably-DeviceToken", base64.StdEncoding.EncodeToString([]byte(text))),
		"its secret": and(alice, "X-Ably-DeviceSecret", "s3cret"), "push-admin": minted(t, "", managing), "the API key": basic(fixtureKey),
	} {
		a := s.do(t, "GET", own, header)
		require.Equal(t, 200, a.status, "%s: %s", name, a.body)
		require.Equal(t, want, a.json(t), name)
	}
	for name, header := range map[string]http.Header{
		"nothing": alice, "another secret": and(alice, "X-Ably-DeviceSecret", "x"), "no device token": and(alice, "X-Ably-DeviceToken", "x"),
		"an access token": and(alice, "X-Ably-DeviceToken", alice.Get("Authorization")[len("Bearer "):]), "a changed one": and(alice, "X-Ably-DeviceToken", text+"A"),
		"with push-admin": and(minted(t, "", managing), "X-Ably-DeviceToken", text+"A"), "alone": bearerToken(text),
	} {
		s.do(t, "GET", own, header).requireRefused(t, 40100, 401, name)
	}
	require.Equal(t, 400, s.do(t, "GET", own, http.Header{"Authorization": alice["Authorization"], "X-Ably-Devicetoken": {text, text}}).status, "given twice")

	// As ably-js updates its registration: the device token in base64, and only that.
	a = s.sendJSON(t, "PATCH", own, `{"push":{"recipient":{"transportType":"fcm"}}}`, bearerToken(text))
	require.Equal(t, 200, a.status, "%s", a.body)
	require.NotContains(t, a.json(t), "deviceIdentityToken")
	require.Equal(t, map[string]any{"transportType": "fcm"}, a.json(t)["push"].(map[string]any)["recipient"])
	a = s.sendJSON(t, "PATCH", own+"?access_token="+text, `{"push":{"recipient":{"transportType":"fcm"}}}`, nil)
	require.Equal(t, 200, a.status, "%s", a.body)
	// And as it deletes it.
	require.Equal(t, 204, s.do(t, "DELETE", registrations+"?deviceId="+url.QueryEscape("d 1/é"), bearerToken(text)).status)
	s.do(t, "DELETE", own, bearerToken(text)).requireRefused(t, 40100, 401, "it is gone")
	s.do(t, "GET", own, basic(fixtureKey)).requireRefused(t, 40400, 404, "it is gone")
	require.Equal(t, 204, s.do(t, "DELETE", own, basic(fixtureKey)).status, "for push-admin there need not be one")
	for _, secret := range []string{"s3cret", text, base64.StdEncoding.EncodeToString([]byte(text))} {
		require.NotContains(t, s.log.String(), secret)
	}
}

// A device token that stands alone, everywhere else: where tokens are expected it is
// none, and on the push endpoints it is a foreign one.
func TestADeviceTokenIsNoCredentialElsewhere(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	alice := minted(t, "alice", subscribing)
	token := s.sendJSON(t, "POST", registrations, phoneJSON("d1", "alice", "s"), alice).deviceToken(t)
	other := s.sendJSON(t, "POST", registrations, phoneJSON("d2", "alice", "s"), alice).deviceToken(t)
	for _, target := range []string{"GET /v1/admit", "GET /stats", "GET /channels/a", "POST /channels/a/messages", "POST /keys/appId.keyId/revokeTokens"} {
		method, path, _ := strings.Cut(target, " ")
		s.sendJSON(t, method, path, `{}`, bearerToken(token)).requireRefused(t, 40145, 401, target)
	}
	a := s.sendJSON(t, "POST", "/v1/admit/batch", `[{"token":"`+token+`"}]`, nil)
	require.Contains(t, string(a.body), `"code":40145`)
	for target, body := range map[string]string{
		"POST " + registrations: phoneJSON("d1", "alice", "s"), "GET " + registrations: "", "GET " + registrations + "?deviceId=d1": "", "GET " + registrations + "/d1": "",
		"DELETE " + registrations + "?clientId=alice": "", "PATCH " + registrations + "/d2": `{}`, "PUT " + registrations + "/d2": phoneJSON("d2", "alice", ""),
		"DELETE " + registrations + "/d2": "", "DELETE " + registrations + "?deviceId=d2": "", "GET /push/channels": "",
		"POST " + subscriptions: `{"channel":"a","deviceId":"d2"}`, "GET " + subscriptions: "", "DELETE " + subscriptions + "?deviceId=d2": "", "GET " + subscriptions + "?deviceId=d2": "",
	} {
		method, path, _ := strings.Cut(target, " ")
		s.sendJSON(t, method, path, body, bearerToken(token)).requireRefused(t, 40100, 401, target)
	}
	s.do(t, "GET", "/push/channels", and(bearerToken(token), "X-Ably-DeviceToken", other)).requireRefused(t, 40000, 400, "twice")
	s.sendJSON(t, "PATCH", registrations+"/d1", `{}`, and(bearerToken(token), "X-Ably-ClientId", "Ym9i")).requireRefused(t, 40102, 401, "as somebody else")
	require.Equal(t, 200, s.sendJSON(t, "PATCH", registrations+"/d1", `{}`, and(bearerToken(token), "X-Ably-ClientId", "YWxpY2U=")).status)
	require.Equal(t, 201, s.sendJSON(t, "POST", subscriptions, `{"channel":"a","deviceId":"d1"}`, bearerToken(token)).status)
	a = s.do(t, "GET", subscriptions+"?deviceId=d1", bearerToken(token))
	require.JSONEq(t, `[{"channel":"a","deviceId":"d1"}]`, string(a.body))
	require.Equal(t, 204, s.do(t, "DELETE", subscriptions+"?deviceId=d1&channel=a", bearerToken(token)).status)
	require.Contains(t, string(s.admin(t, "GET", "/metrics", nil).body), `portcullis_decisions_total{reason="device_token_foreign",result="refused",surface="rest"}`)
}

// A revocation of its clientId ends a device token for good, though the revocation
// itself is forgotten after an hour; a token that is issued later brings the device
// back.
func TestAClientIDRevocationEndsDeviceTokens(t *testing.T) {
	st := memory.New(memory.Options{Now: func() engine.UnixMilli { return vectors.DefaultNow }})
	s := newRevocationSite(t, server.Options{Store: st})
	alice := revocable(t, engine.TokenParams{ClientID: "alice", Capability: subscribing})
	token := s.sendJSON(t, "POST", registrations, phoneJSON("d1", "alice", "s"), alice).deviceToken(t)
	s.now.Add(1)
	patch := func(header http.Header) answer { return s.sendJSON(t, "PATCH", registrations+"/d1", `{}`, header) }
	require.Equal(t, 200, patch(bearerToken(token)).status)
	require.Equal(t, 201, s.sendJSON(t, "POST", "/keys/appId.revocable/revokeTokens", `{"targets":["clientId:alice"]}`, versioned(basic(revocableKey))).status)
	patch(bearerToken(token)).requireRefused(t, 40100, 401, "at once")
	patch(and(basic(fixtureKey), "X-Ably-DeviceToken", token)).requireRefused(t, 40100, 401, "beside a key as well")
	s.sendJSON(t, "POST", registrations, phoneJSON("d1", "alice", "s"), alice).requireRefused(t, 40141, 401, "what was revoked with it registers nothing")
	for range 3 {
		s.now.Add(3_600_000)
		other := s.sendJSON(t, "POST", "/keys/appId.revocable/revokeTokens", `{"targets":["clientId:bob"]}`, versioned(basic(revocableKey)))
		require.Equal(t, 201, other.status) // forgets what is over
	}
	require.Contains(t, string(s.admin(t, "GET", "/metrics", nil).body), "portcullis_revocations 2", "alice's is forgotten")
	patch(bearerToken(token)).requireRefused(t, 40100, 401, "hours later")
	later := revocable(t, engine.TokenParams{ClientID: "alice", Capability: subscribing, Issued: engine.UnixMilli(s.now.Load())})
	fresh := s.sendJSON(t, "POST", registrations, phoneJSON("d1", "alice", "s"), later).deviceToken(t)
	require.Equal(t, 200, patch(bearerToken(fresh)).status)
}

func TestADeviceTokenObeysTheConfiguration(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	token := s.sendJSON(t, "POST", registrations, phoneJSON("d1", "", "s"), basic(fixtureKey)).deviceToken(t)
	seal, err := engine.NewSealSecret("a sealing secret of at least 32 bytes")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		key  engine.Key
		code int
	}{
		"disabled":       {engine.Key{Name: "appId.keyId", Secret: "0123456789abcdef0123456789abcdef", State: engine.Disabled}, 40130},
		"revoked":        {engine.Key{Name: "appId.keyId", Secret: "0123456789abcdef0123456789abcdef", State: engine.Revoked}, 40131},
		"another secret": {engine.Key{Name: "appId.keyId", Secret: "another secret, long enough"}, 40100},
		"another key":    {engine.Key{Name: "appId.other", Secret: "0123456789abcdef0123456789abcdef"}, 40100},
	} {
		require.NoError(t, s.Configure([]engine.Key{c.key}, engine.TokenRules{}, []engine.SealSecret{seal}))
		s.sendJSON(t, "PATCH", registrations+"/d1", `{}`, bearerToken(token)).requireRefused(t, c.code, 401, name)
	}
	require.NoError(t, s.Configure([]engine.Key{{Name: "appId.keyId", Secret: "0123456789abcdef0123456789abcdef"}}, engine.TokenRules{}, []engine.SealSecret{seal}))
	require.Equal(t, 200, s.sendJSON(t, "PATCH", registrations+"/d1", `{}`, bearerToken(token)).status)
	s.now.Add(fiveYears - 1)
	require.Equal(t, 200, s.sendJSON(t, "PATCH", registrations+"/d1", `{}`, bearerToken(token)).status)
	s.now.Add(1)
	s.sendJSON(t, "PATCH", registrations+"/d1", `{}`, bearerToken(token)).requireRefused(t, 40100, 401, "five years later")
}

// pack is msgpack of what msgp knows.
func pack(t *testing.T, v any) []byte {
	t.Helper()
	b, err := msgp.AppendIntf(nil, v)
	require.NoError(t, err)
	return b
}

func unpack(t *testing.T, a answer) any {
	t.Helper()
	require.Equal(t, []string{"application/x-msgpack"}, a.header["Content-Type"])
	v, rest, err := msgp.ReadIntfBytes(a.body)
	require.NoError(t, err)
	require.Empty(t, rest)
	return v
}

func TestDeviceRegistrationInMsgpack(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	header := and(basic(fixtureKey), "Accept", "application/x-msgpack")
	a := s.send(t, "PUT", registrations+"/d1", "application/x-msgpack", pack(t, map[string]any{
		"id": "d1", "clientId": nil, "deviceSecret": "s", "platform": "android", "formFactor": "tablet", "metadata": map[string]any{"a": "b", "n": int64(5)},
		"push": map[string]any{"recipient": map[string]any{"transportType": "fcm", "list": []any{"x", true, nil, uint64(7), float32(1.5)}}},
	}), header)
	require.Equal(t, 201, a.status, "%s", a.body)
	fields := unpack(t, a).(map[string]any)
	token := fields["deviceIdentityToken"].(map[string]any)
	require.Equal(t, int64(vectors.DefaultNow+fiveYears), token["expires"])
	require.Equal(t, `{"*":["push-subscribe"]}`, token["capability"])
	require.NotContains(t, token, "clientId")
	require.NotContains(t, fields, "clientId")
	require.Equal(t, map[string]any{"a": "b", "n": float64(5)}, fields["metadata"])
	require.Equal(t, map[string]any{"transportType": "fcm", "list": []any{"x", true, nil, float64(7), 1.5}}, fields["push"].(map[string]any)["recipient"])

	a = s.send(t, "POST", subscriptions, "application/x-msgpack", pack(t, map[string]any{"channel": "a", "deviceId": "d1", "clientId": nil}), header)
	require.Equal(t, 201, a.status, "%s", a.body)
	require.Equal(t, map[string]any{"channel": "a", "deviceId": "d1"}, unpack(t, a))
	require.Equal(t, []any{map[string]any{"channel": "a", "deviceId": "d1"}}, unpack(t, s.do(t, "GET", subscriptions, header)))
	require.Equal(t, []any{"a"}, unpack(t, s.do(t, "GET", "/push/channels", header)))
	list := unpack(t, s.do(t, "GET", registrations, header)).([]any)
	require.Len(t, list, 1)
	require.Equal(t, "d1", list[0].(map[string]any)["id"])
}

func TestPushBodiesAreReadStrictly(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	nested := func(depth int) string { return strings.Repeat(`{"a":`, depth) + `1` + strings.Repeat(`}`, depth) }
	with := func(member string) string {
		return strings.TrimSuffix(phoneJSON("d1", "", "s"), "}") + "," + member + "}"
	}
	twice := func(name string) []byte {
		b := msgp.AppendMapHeader(nil, 2)
		for range 2 {
			b = msgp.AppendString(msgp.AppendString(b, name), "d1")
		}
		return b
	}
	for name, body := range map[string]string{
		"nothing": ``, "a list": `[]`, "text": `"x"`, "two objects": phoneJSON("d1", "", "s") + phoneJSON("d1", "", "s"), "not closed": phoneJSON("d1", "", "s")[:50],
		"an id twice": with(`"id":"d2"`), "a secret twice": with(`"deviceSecret":"x"`), "a name twice inside": with(`"metadata":{"a":"b","a":"c"}`),
		"an id in capitals is none": `{"ID":"d1","platform":"ios","formFactor":"phone","push":{"recipient":{"transportType":"apns"}}}`,
		"too deep":                  with(`"metadata":` + nested(16)), "metadata of a number": with(`"metadata":5`), "metadata of a list": with(`"metadata":[]`),
		"an id of a number": `{"id":1}`, "a platform of a number": `{"id":"d1","platform":1}`, "push of a text": `{"id":"d1","platform":"ios","formFactor":"phone","push":"x"}`,
		"no recipient":      `{"id":"d1","platform":"ios","formFactor":"phone","push":{}}`,
		"a recipient list":  `{"id":"d1","platform":"ios","formFactor":"phone","push":{"recipient":[]}}`,
		"no transport":      `{"id":"d1","platform":"ios","formFactor":"phone","push":{"recipient":{}}}`,
		"an empty one":      `{"id":"d1","platform":"ios","formFactor":"phone","push":{"recipient":{"transportType":""}}}`,
		"an unknown system": strings.Replace(phoneJSON("d1", "", "s"), "ios", "windows", 1), "an unknown form": strings.Replace(phoneJSON("d1", "", "s"), "phone", "fridge", 1),
		"too many names": with(`"metadata":{` + strings.TrimSuffix(manyNames(300), ",") + `}`),
	} {
		s.sendJSON(t, "POST", registrations, body, basic(fixtureKey)).requireRefused(t, 40001, 400, name)
	}
	s.sendJSON(t, "POST", registrations, strings.Replace(phoneJSON("d1", "", "s"), `"clientId":""`, `"clientId":5`, 1), basic(fixtureKey)).requireRefused(t, 40012, 400, "a clientId of a number")
	s.sendJSON(t, "POST", registrations, phoneJSON("d1", "*", "s"), basic(fixtureKey)).requireRefused(t, 40012, 400, "any clientId")
	s.sendJSON(t, "PUT", registrations+"/d2", phoneJSON("d1", "", "s"), basic(fixtureKey)).requireRefused(t, 40001, 400, "another id than that of the path")
	s.sendJSON(t, "PUT", registrations+"/d2", `{"platform":"ios"}`, basic(fixtureKey)).requireRefused(t, 40001, 400, "no id")
	s.sendJSON(t, "POST", subscriptions, `{"channel":1,"deviceId":"d1"}`, basic(fixtureKey)).requireRefused(t, 40001, 400, "a channel of a number")
	for name, body := range map[string][]byte{
		"nothing": nil, "a list": msgp.AppendArrayHeader(nil, 0), "an id twice": twice("id"), "ends early": pack(t, map[string]any{"id": "d1"})[:4], "more": append(pack(t, map[string]any{}), 0),
		"binary":    append(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "id"), msgp.AppendBytes(nil, []byte("d1"))...),
		"no number": pack(t, map[string]any{"metadata": map[string]any{"a": nan()}}), "a huge list": append(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "x"), 0xdd, 0xff, 0xff, 0xff, 0xff),
		"too deep": append(msgp.AppendString(msgp.AppendMapHeader(nil, 1), "x"), append([]byte(strings.Repeat("\x91", 60_000)), 0xc0)...),
	} {
		a := s.send(t, "POST", registrations, "application/x-msgpack", body, basic(fixtureKey))
		a.requireRefused(t, 40001, 400, name)
	}
	a := s.do(t, "GET", registrations, basic(fixtureKey))
	require.JSONEq(t, `[]`, string(a.body), "nothing of all that was registered")
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":1,`, i)
	}
	return b.String()
}

func nan() float64 { zero := 0.0; return zero / zero }

// In a query, clientId is not who asks but whose registrations are meant.
func TestPushFilters(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	server := minted(t, "server", managing)
	for i, clientID := range []string{"alice", "bob", "alice"} {
		require.Equal(t, 201, s.sendJSON(t, "POST", registrations, phoneJSON(fmt.Sprint("d", i), clientID, ""), server).status)
		require.Equal(t, 201, s.sendJSON(t, "POST", subscriptions, fmt.Sprintf(`{"channel":"a","deviceId":"d%d"}`, i), server).status)
	}
	require.Equal(t, 201, s.sendJSON(t, "POST", subscriptions, `{"channel":"b","clientId":"alice"}`, server).status)
	ids := func(query string) (ids []string) {
		a := s.do(t, "GET", registrations+query, server)
		require.Equal(t, 200, a.status, "%s", a.body)
		var list []struct{ ID string }
		require.NoError(t, json.Unmarshal(a.body, &list))
		for _, d := range list {
			ids = append(ids, d.ID)
		}
		return ids
	}
	require.Equal(t, []string{"d0", "d2"}, ids("?clientId=alice"))
	require.Equal(t, []string{"d1"}, ids("?deviceId=d1"))
	require.Equal(t, []string{"d0", "d1", "d2"}, ids("?unknown=1"))
	a := s.do(t, "GET", subscriptions+"?deviceId=d1&clientId=alice&concatFilters=true", server)
	require.JSONEq(t, `[{"channel":"a","deviceId":"d1"},{"channel":"b","clientId":"alice"}]`, string(a.body))
	for target, code := range map[string]int{
		"GET " + registrations + "?deviceId=": 40000, "DELETE " + registrations + "?deviceId=": 40000, "DELETE " + registrations: 40000,
		"DELETE " + registrations + "?deviceId=d1&clientId=bob": 40000, "DELETE " + registrations + "?deviceId=d1&deviceId=d2": 40000,
		"DELETE " + subscriptions: 40000, "DELETE " + subscriptions + "?clientId=": 40000, "DELETE " + subscriptions + "?channel=a&deviceId=d1&clientId=bob": 40000,
		"GET " + subscriptions + "?deviceId=d1&clientId=alice": 40000, "GET " + registrations + "?limit=0": 40000, "GET " + registrations + "?limit=1001": 40000,
		"GET " + registrations + "?limit=x": 40000, "GET " + registrations + "?after=!": 40000, "GET " + subscriptions + "?channel=:": 40010,
	} {
		method, path, _ := strings.Cut(target, " ")
		s.do(t, method, path, server).requireRefused(t, code, 400, target)
	}
	s.do(t, "GET", "/push/nothing", server).requireRefused(t, 40400, 404, "no such endpoint")
	s.sendJSON(t, "POST", "/push/publish", `{}`, server).requireRefused(t, 40400, 404, "nothing is delivered")
	require.Equal(t, 405, s.do(t, "PUT", registrations, server).status)
	require.Equal(t, 204, s.do(t, "DELETE", registrations+"?clientId=alice&fullWait=true", server).status)
	require.Equal(t, []string{"d1"}, ids(""))
	s.do(t, "GET", registrations, minted(t, "", subscribing)).requireRefused(t, 40160, 401, "push-admin only")
	s.do(t, "GET", registrations, nil).requireRefused(t, 40101, 401, "nobody")
	s.do(t, "GET", registrations, and(server, "X-Ably-ClientId", "Ym9i")).requireRefused(t, 40102, 401, "as somebody else")
	s.do(t, "GET", registrations, and(server, "X-Ably-ClientId", "!")).requireRefused(t, 40004, 400, "no base64")
}

// Pages are linked as SDKs follow them, and what changes in between neither repeats
// nor hides another device.
func TestPagesOfDevices(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	for i := range 7 {
		require.Equal(t, 201, s.sendJSON(t, "POST", registrations, phoneJSON(fmt.Sprint("d", i), "", ""), basic(fixtureKey)).status)
	}
	var seen []string
	query := "?limit=3&unknown=%3E"
	for range 3 {
		a := s.do(t, "GET", registrations+query+"&key="+url.QueryEscape(fixtureKey), nil)
		require.Equal(t, 200, a.status, "%s", a.body)
		var list []struct{ ID string }
		require.NoError(t, json.Unmarshal(a.body, &list))
		for _, d := range list {
			seen = append(seen, d.ID)
		}
		require.NotContains(t, strings.Join(a.header.Values("Link"), ""), "0123456789abcdef", "a credential is not passed on")
		query = ""
		for _, link := range a.header.Values("Link") {
			target, rel, _ := strings.Cut(link, ">; ")
			if rel == `rel="next"` {
				var found bool
				query, found = strings.CutPrefix(target, "<./deviceRegistrations")
				require.True(t, found)
				require.Contains(t, query, "unknown=%3E")
			}
		}
		require.Equal(t, 204, s.do(t, "DELETE", registrations+"/d2", basic(fixtureKey)).status)
	}
	require.Equal(t, []string{"d0", "d1", "d2", "d3", "d4", "d5", "d6"}, seen)
	require.Empty(t, query, "the last page")
}

// slowDevices is a store whose devices cannot be written in time.
type slowDevices struct{ store.Store }

func (s slowDevices) Put(ctx context.Context, b store.Bucket, name string, value []byte, create bool) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAStoreThatDoesNotKeepDevicesIsOurFault(t *testing.T) {
	s := newTokenSite(t, server.Options{Store: slowDevices{memory.New(memory.Options{})}})
	a := s.sendJSON(t, "POST", registrations, phoneJSON("d1", "", "s"), basic(fixtureKey))
	a.requireRefused(t, 50003, 503, "slow")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.Contains(t, string(s.admin(t, "GET", "/metrics", nil).body), `portcullis_store_errors_total{op="devices"} 1`)
	none := newSite(t, vectors.Keys(), server.Options{Settings: server.Settings{AllowInsecureBasic: true}})
	none.do(t, "GET", registrations, basic(fixtureKey)).requireRefused(t, 50003, 503, "no store at all")
}

// namedDevices is a store that notes the names of the devices that it has.
type namedDevices struct {
	store.Store
	mu    sync.Mutex
	names map[string]bool
}

func (s *namedDevices) Put(ctx context.Context, b store.Bucket, name string, value []byte, create bool) error {
	s.note(b, name, true)
	return s.Store.Put(ctx, b, name, value, create)
}

func (s *namedDevices) Delete(ctx context.Context, b store.Bucket, name string) error {
	s.note(b, name, false)
	return s.Store.Delete(ctx, b, name)
}

func (s *namedDevices) note(b store.Bucket, name string, there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b != store.Devices {
		return
	}
	delete(s.names, name)
	if there {
		s.names[name] = true
	}
}

// apps are the apps that have a device, by how many.
func (s *namedDevices) apps() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	apps := map[string]int{}
	for name := range s.names {
		app, _, _ := strings.Cut(name, "/")
		apps[app]++
	}
	return apps
}

func TestTheDevicesOfASandboxAppGoWithIt(t *testing.T) {
	st := &namedDevices{Store: memory.New(memory.Options{}), names: map[string]bool{}}
	s := newTokenSite(t, server.Options{Store: st, Sandbox: true})
	newApp := func() (id, key string) {
		var app struct {
			AppID string
			Keys  []struct{ KeyStr string }
		}
		require.NoError(t, json.Unmarshal(s.sendJSON(t, "POST", "/apps", `{"keys":[{}]}`, nil).body, &app))
		return app.AppID, app.Keys[0].KeyStr
	}
	require.Equal(t, 201, s.sendJSON(t, "POST", registrations, phoneJSON("ours", "", "s"), basic(fixtureKey)).status)
	id, key := newApp()
	token := s.sendJSON(t, "POST", registrations, phoneJSON("d1", "", "s"), basic(key)).deviceToken(t)
	require.Equal(t, map[string]int{"appId": 1, id: 1}, st.apps())
	require.Equal(t, 204, s.do(t, "DELETE", "/apps/"+id, basic(key)).status)
	require.Equal(t, map[string]int{"appId": 1}, st.apps())
	s.sendJSON(t, "PATCH", registrations+"/d1", `{}`, bearerToken(token)).requireRefused(t, 40100, 401, "deleted")
	id, key = newApp()
	for i := range 3 {
		require.Equal(t, 201, s.sendJSON(t, "POST", registrations, phoneJSON(fmt.Sprint("d", i), "", "s"), basic(key)).status)
	}
	require.Equal(t, map[string]int{"appId": 1, id: 3}, st.apps())
	s.now.Add(86_400_000)
	newApp() // forgets the one whose day is over
	require.Equal(t, map[string]int{"appId": 1}, st.apps())
}

func TestPagesOfOtherOriginsMayRegister(t *testing.T) {
	s := newTokenSite(t, server.Options{})
	for target, methods := range map[string]string{registrations: "POST, GET, DELETE", registrations + "/d1": "GET, PUT, PATCH, DELETE", subscriptions: "POST, GET, DELETE", "/push/channels": "GET"} {
		a := s.do(t, "OPTIONS", target, http.Header{"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}})
		require.Equal(t, 204, a.status, target)
		require.Equal(t, methods, a.header.Get("Access-Control-Allow-Methods"), target)
		require.Contains(t, a.header.Get("Access-Control-Allow-Headers"), "x-ably-devicetoken")
	}
}
