package e2e

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAblyREST calls the REST endpoints as the SDK does, with a key and with a
// token, and with credentials that are not good enough.
func TestAblyREST(t *testing.T) {
	dev := startDev(t)
	keys := createApp(t, dev.Server, object{}, object{"capability": `{"chat:*":["publish","history"],"status":["channel-metadata"]}`})
	full, narrow := keys[0], keys[1]
	message := object{"name": "greeting", "data": "hello"}
	channel := func(do, name string) ablyCall { return ablyCall{"do": do, "channel": name} }
	publish := func(name string, message object) ablyCall {
		return ablyCall{"do": "publish", "channel": name, "message": message}
	}
	// raw goes past the SDK's own check of clientIds.
	raw := func(name string, body any) ablyCall {
		return ablyCall{"do": "request", "method": "post", "path": "/channels/" + name + "/messages", "body": body}
	}
	token := func(key sandboxKey, params object) ablyClient {
		return ablyClient{Literal: object{"as": "tokenDetails", "key": key.KeyStr, "params": params}}
	}
	denied := func(t *testing.T, o ablyOutcome) {
		o.requireThrew(t, 40160, 401, "operation not permitted with provided capability")
	}
	serials := func(t *testing.T, o ablyOutcome, n int) {
		var published struct{ Serials []string }
		o.into(t, &published)
		require.Len(t, published.Serials, n)
	}

	everything := func(t *testing.T, did ablyDid) {
		require.Len(t, did.Outcomes, 7)
		var now int64
		did.Outcomes[0].into(t, &now)
		require.GreaterOrEqual(t, now, did.Before)
		did.requireStats(t, 1)
		var status struct {
			ChannelID string
			Status    struct {
				IsActive  bool
				Occupancy struct{ Metrics map[string]any }
			}
		}
		did.Outcomes[2].into(t, &status)
		require.Equal(t, "chat:a b/ü", status.ChannelID)
		require.True(t, status.Status.IsActive)
		require.NotNil(t, status.Status.Occupancy.Metrics)
		serials(t, did.Outcomes[3], 1)
		did.requireStats(t, 4) // the history, an empty list too
		a := did.answerOf(t, 5)
		require.Equal(t, 201, a.StatusCode)
		var published struct {
			Channel, MessageID string
			Serials            []string
		}
		require.Len(t, a.Items, 1)
		require.NoError(t, json.Unmarshal(a.Items[0], &published))
		require.Equal(t, "chat:a", published.Channel)
		require.Len(t, published.Serials, 2)
		require.NotEmpty(t, published.MessageID)
		a = did.answerOf(t, 6)
		require.Equal(t, []any{404, 40400}, []any{a.StatusCode, a.ErrorCode})
		require.NotEmpty(t, a.ErrorMessage)
	}
	all := []ablyCall{
		{"do": "time"}, stats, channel("status", "chat:a b/ü"), publish("chat:a", message), channel("history", "chat:a"),
		raw("chat%3Aa", []object{message, message}), {"do": "request", "method": "get", "path": "/no/such/path"},
	}
	refusedClientID := func(t *testing.T, did ablyDid) {
		for i := range did.Outcomes {
			a := did.answerOf(t, i)
			require.Equal(t, []any{400, 40012, false}, []any{a.StatusCode, a.ErrorCode, a.Success}, "call %d", i)
			require.Equal(t, "invalid clientId", a.ErrorMessage)
		}
	}
	as := func(clientID any) object { return object{"name": "n", "data": "d", "clientId": clientID} }

	runAbly(t, dev.Server, []ablyCase{
		{name: "by key", client: keyClient(full.KeyStr), calls: all, check: everything},
		{name: "by token", client: token(full, nil), calls: all, check: everything},
		{name: "by useTokenAuth", client: ablyClient{Options: object{"key": full.KeyStr, "useTokenAuth": true}}, calls: all, check: everything},

		{name: "what a narrow token may", client: token(narrow, nil), calls: []ablyCall{
			publish("chat:a", message), channel("history", "chat:a"), channel("status", "status"),
			stats, publish("other", message), channel("history", "other"), channel("status", "chat:a"),
		}, check: func(t *testing.T, did ablyDid) {
			require.Len(t, did.Outcomes, 7)
			for i := range 3 {
				require.Nil(t, did.Outcomes[i].Error)
			}
			for i := range 4 {
				denied(t, did.Outcomes[3+i])
			}
		}},

		{name: "publish as oneself", client: token(full, object{"clientId": "ana"}), calls: []ablyCall{publish("a", message), publish("a", as("ana")), raw("a", as("ana")), raw("a", as(nil))},
			check: func(t *testing.T, did ablyDid) {
				serials(t, did.Outcomes[0], 1)
				serials(t, did.Outcomes[1], 1)
				require.Equal(t, 201, did.answerOf(t, 2).StatusCode)
				require.Equal(t, 201, did.answerOf(t, 3).StatusCode, "null is none")
			}},
		{name: "publish as another", client: token(full, object{"clientId": "ana"}),
			calls: []ablyCall{raw("a", as("ben")), raw("a", []object{as("ana"), as("ben")}), raw("a", as("*")), raw("a", as("Ana"))}, check: refusedClientID},
		{name: "publish anonymously as somebody", client: token(full, nil), calls: []ablyCall{raw("a", as("ana")), raw("a", as("*"))}, check: refusedClientID},
		{name: "publish as anybody", client: token(full, object{"clientId": "*"}), calls: []ablyCall{raw("a", as("ana")), raw("a", []object{as("ana"), as("ben"), message})},
			check: func(t *testing.T, did ablyDid) {
				require.Equal(t, 201, did.answerOf(t, 0).StatusCode)
				require.Equal(t, 201, did.answerOf(t, 1).StatusCode)
			}},
		{name: "publish as the wildcard itself", client: token(full, object{"clientId": "*"}), calls: []ablyCall{raw("a", as("*"))}, check: refusedClientID},
		// The SDK then sends X-Ably-ClientId (RSA7e2).
		{name: "publish by key as a clientId", client: ablyClient{Options: object{"key": full.KeyStr, "clientId": "ana"}},
			calls: []ablyCall{publish("a", message), raw("a", as("ana")), raw("a", as("ben"))},
			check: func(t *testing.T, did ablyDid) {
				serials(t, did.Outcomes[0], 1)
				require.Equal(t, 201, did.answerOf(t, 1).StatusCode)
				a := did.answerOf(t, 2)
				require.Equal(t, []any{400, 40012}, []any{a.StatusCode, a.ErrorCode})
			}},
		{name: "requests as another client", client: ablyClient{
			Literal: object{"as": "token", "key": full.KeyStr, "params": object{"clientId": "ana"}},
		}, calls: []ablyCall{
			{"do": "request", "method": "get", "path": "/stats", "headers": object{"X-Ably-ClientId": "YW5h"}},
			{"do": "request", "method": "get", "path": "/stats", "headers": object{"X-Ably-ClientId": "YmVu"}},
		}, check: func(t *testing.T, did ablyDid) {
			require.Equal(t, 200, did.answerOf(t, 0).StatusCode)
			a := did.answerOf(t, 1)
			require.Equal(t, []any{401, 40102}, []any{a.StatusCode, a.ErrorCode})
		}},
	})
	dev.stop(t)
}

// TestAblyWrongKeys shows how the SDK reports a key or a token that names what is
// not there.
func TestAblyWrongKeys(t *testing.T) {
	dev := startDev(t)
	key := createApp(t, dev.Server, object{})[0]
	gone := createApp(t, dev.Server, object{})[0]
	a := request{method: "DELETE", path: "/apps/" + gone.KeyName[:len("123456")]}.withHeader("Authorization", presentKey(gone.KeyStr).header.Get("Authorization")).send(t, dev.Server)
	require.Equal(t, 204, a.status, "%s", a.body)

	appID := key.KeyName[:len("123456")]
	now := nowSeconds()
	claims := object{"iat": now, "exp": now + 60}
	jwt := func(keyName, secret string) ablyClient {
		return ablyClient{Options: object{"token": mintWith(t, sandboxKey{KeyName: keyName, KeySecret: secret}, claims)}}
	}
	one := func(name string, client ablyClient, call ablyCall, code, status int) ablyCase {
		return ablyCase{name: name, client: client, calls: []ablyCall{call}, check: threw(code, status, "")}
	}
	ask := askToken(nil)
	runAbly(t, dev.Server, []ablyCase{
		one("wrong secret", keyClient(key.KeyName+":"+gone.KeySecret), stats, 40101, 401),
		one("unknown key", keyClient(appID+".nobody:"+key.KeySecret), stats, 40400, 401),
		one("unknown app", keyClient("nowhere.nobody:"+key.KeySecret), stats, 40101, 401),
		one("deleted app", keyClient(gone.KeyStr), stats, 40101, 401),
		one("token of a wrong secret", keyClient(key.KeyName+":"+gone.KeySecret), ask, 40101, 401),
		one("token of an unknown key", keyClient(appID+".nobody:"+key.KeySecret), ask, 40400, 401),
		one("token of an unknown app", keyClient("nowhere.nobody:"+key.KeySecret), ask, 40400, 404),
		one("JWT of an unknown app", jwt("nowhere.nobody", key.KeySecret), stats, 40400, 404),
		one("JWT of a deleted app", jwt(gone.KeyName, gone.KeySecret), stats, 40400, 404),
		one("JWT of an unknown key", jwt(appID+".nobody", key.KeySecret), stats, 40400, 401),
	})
	dev.stop(t)
}
