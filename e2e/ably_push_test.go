package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// deviceDetails is a registration as the SDK returns it.
type deviceDetails struct {
	ID, ClientID, Platform, FormFactor, DeviceSecret string
	Metadata                                         map[string]any
	Push                                             struct {
		State     string
		Recipient map[string]any
	}
	DeviceIdentityToken *struct {
		Token, KeyName, Capability, ClientID, DeviceID string
		Issued, Expires                                int64
	}
}

// fiveYears is how long a device token lives, in milliseconds.
const fiveYears = 5 * 365 * 24 * 3_600_000

func admin(of, method string, argument any) ablyCall {
	return ablyCall{"do": "admin", "of": of, "method": method, "argument": argument}
}

func registrations(method string, argument any) ablyCall {
	return admin("deviceRegistrations", method, argument)
}

func subscriptions(method string, argument any) ablyCall {
	return admin("channelSubscriptions", method, argument)
}

// tablet is a registration with everything in it.
func tablet(id, clientID string) object {
	return object{
		"id": id, "clientId": clientID, "deviceSecret": "secret of " + id, "platform": "android", "formFactor": "tablet", "metadata": object{"room": "kitchen"},
		"push": object{"recipient": object{"transportType": "fcm", "registrationToken": "t"}},
	}
}

func (d ablyDid) deviceOf(t *testing.T, i int) (details deviceDetails) {
	t.Helper()
	require.Greater(t, len(d.Outcomes), i)
	d.Outcomes[i].into(t, &details)
	return details
}

// idsOf are the ids of a list of registrations.
func (d ablyDid) idsOf(t *testing.T, i int) (ids []string) {
	t.Helper()
	var list []deviceDetails
	d.Outcomes[i].into(t, &list)
	for _, device := range list {
		ids = append(ids, device.ID)
	}
	return ids
}

// TestAblyPushAdmin manages the devices of an app with client.push.admin.
func TestAblyPushAdmin(t *testing.T) {
	dev := startDev(t)
	runAblyAnew(t, dev.Server, func(t *testing.T) []ablyCase {
		// An app each, as every case begins with an empty one.
		full, narrow, paged := createApp(t, dev.Server, object{})[0], createApp(t, dev.Server, object{})[0], createApp(t, dev.Server, object{})[0]
		var pages []ablyCall
		for i := range 7 {
			pages = append(pages, registrations("save", tablet(fmt.Sprint("d", i), "")))
		}
		of := func(channel string, rest ...string) object {
			s := object{"channel": channel}
			for i := 0; i < len(rest); i += 2 {
				s[rest[i]] = rest[i+1]
			}
			return s
		}
		return []ablyCase{
			{name: "deviceRegistrations", client: keyClient(full.KeyStr), calls: []ablyCall{
				registrations("save", tablet("d/1 ü", "ana")), registrations("get", "d/1 ü"), registrations("save", tablet("d2", "ana")), registrations("save", tablet("d3", "ben")),
				registrations("list", object{"clientId": "ana"}), registrations("list", object{"deviceId": "d3"}), registrations("list", object{}),
				registrations("save", tablet("d2", "ben")), registrations("list", object{"clientId": "ben"}),
				registrations("remove", "d2"), registrations("remove", "d2"), registrations("get", "d2"),
				registrations("removeWhere", object{"deviceId": "d3"}), registrations("removeWhere", object{"clientId": "ana"}), registrations("list", object{}),
				registrations("removeWhere", object{}),
			}, check: func(t *testing.T, did ablyDid) {
				require.Len(t, did.Outcomes, 16)
				saved, got := did.deviceOf(t, 0), did.deviceOf(t, 1)
				token := saved.DeviceIdentityToken
				require.NotNil(t, token)
				require.Equal(t, [4]string{full.KeyName, `{"*":["push-subscribe"]}`, "ana", "d/1 ü"}, [4]string{token.KeyName, token.Capability, token.ClientID, token.DeviceID})
				require.GreaterOrEqual(t, token.Issued, did.Before)
				require.EqualValues(t, fiveYears, token.Expires-token.Issued)
				require.Empty(t, saved.DeviceSecret, "a secret is never answered")
				saved.DeviceIdentityToken = nil
				require.Equal(t, saved, got)
				require.Equal(t, [5]string{"d/1 ü", "ana", "android", "tablet", "ACTIVE"}, [5]string{got.ID, got.ClientID, got.Platform, got.FormFactor, got.Push.State})
				require.Equal(t, map[string]any{"room": "kitchen"}, got.Metadata)
				require.Equal(t, map[string]any{"transportType": "fcm", "registrationToken": "t"}, got.Push.Recipient)
				for i, want := range map[int][]string{4: {"d/1 ü", "d2"}, 5: {"d3"}, 6: {"d/1 ü", "d2", "d3"}, 8: {"d2", "d3"}, 14: nil} {
					require.Equal(t, want, did.idsOf(t, i), "call %d", i)
				}
				require.NotNil(t, did.deviceOf(t, 7).DeviceIdentityToken, "another client's now")
				for _, i := range []int{9, 10, 12, 13} {
					require.Nil(t, did.Outcomes[i].Error, "call %d", i)
				}
				did.Outcomes[11].requireThrew(t, 40400, 404, "no device with this id")
				did.Outcomes[15].requireThrew(t, 40000, 400, "either deviceId or clientId")
			}},

			{name: "channelSubscriptions", client: keyClient(narrow.KeyStr), calls: []ablyCall{
				registrations("save", tablet("d1", "ana")), subscriptions("save", of("chat:a", "deviceId", "d1")), subscriptions("save", of("chat:b", "deviceId", "d1")),
				subscriptions("save", of("chat:a", "clientId", "ana")), subscriptions("save", of("chat:a", "deviceId", "nobody's")),
				subscriptions("list", object{"channel": "chat:a"}), subscriptions("listChannels", object{}),
				subscriptions("remove", of("chat:a", "deviceId", "d1")), subscriptions("list", object{}),
				subscriptions("removeWhere", object{"clientId": "ana"}), subscriptions("list", object{"deviceId": "d1", "clientId": "ana", "concatFilters": true}),
				registrations("remove", "d1"), subscriptions("listChannels", object{}),
			}, check: func(t *testing.T, did ablyDid) {
				require.Len(t, did.Outcomes, 13)
				type subscription struct{ Channel, DeviceID, ClientID string }
				var one subscription
				did.Outcomes[1].into(t, &one)
				require.Equal(t, subscription{"chat:a", "d1", ""}, one)
				did.Outcomes[3].into(t, &one)
				require.Equal(t, subscription{"chat:a", "", "ana"}, subscription{one.Channel, "", one.ClientID})
				did.Outcomes[4].requireThrew(t, 40400, 404, "no device with this id")
				for i, want := range map[int][]subscription{
					5: {{"chat:a", "", "ana"}, {"chat:a", "d1", ""}}, 8: {{"chat:a", "", "ana"}, {"chat:b", "d1", ""}}, 10: {{"chat:b", "d1", ""}},
				} {
					var list []subscription
					did.Outcomes[i].into(t, &list)
					require.Equal(t, want, list, "call %d", i)
				}
				for i, want := range map[int][]string{6: {"chat:a", "chat:b"}, 12: {}} {
					var names []string
					did.Outcomes[i].into(t, &names)
					require.Equal(t, want, names, "call %d", i)
				}
			}},

			{name: "pages", client: keyClient(paged.KeyStr), calls: append(pages, registrations("list", object{"limit": 3})), check: func(t *testing.T, did ablyDid) {
				require.Equal(t, []string{"d0", "d1", "d2", "d3", "d4", "d5", "d6"}, did.idsOf(t, 7), "as the SDK follows the links")
			}},
		}
	})
	dev.stop(t)
}

// TestAblyDevice runs the SDK's own push plugin through the life of a device: it
// registers with a token of its clientId, updates its registration and deregisters
// with the device token alone, and subscribes with it beside its credential.
func TestAblyDevice(t *testing.T) {
	dev := startDev(t)
	runAblyAnew(t, dev.Server, func(t *testing.T) []ablyCase {
		key := createApp(t, dev.Server, object{"capability": `{"chat:*":["push-subscribe","subscribe"],"admin":["push-admin"]}`})[0]
		device := func(clientID, capability string) ablyClient {
			params := object{}
			options := object{}
			if clientID != "" {
				params["clientId"], options["clientId"] = clientID, clientID
			}
			if capability != "" {
				params["capability"] = capability
			}
			return ablyClient{Literal: object{"as": "tokenDetails", "key": key.KeyStr, "params": params}, Options: options, Device: true}
		}
		on := func(do, channel string) ablyCall { return ablyCall{"do": do, "channel": channel} }
		list := ablyCall{"do": "listSubscriptions"}
		return []ablyCase{
			{name: "a life", client: device("ana", `{"chat:*":["push-subscribe"]}`), observe: true, calls: []ablyCall{
				{"do": "activate"}, {"do": "updateToken", "token": "second"}, on("subscribeDevice", "chat:a"), on("subscribeDevice", "other"), on("subscribeClient", "chat:b"),
				list, on("unsubscribeDevice", "chat:a"), list, on("unsubscribeClient", "chat:b"), {"do": "deactivate"},
			}, check: func(t *testing.T, did ablyDid) {
				require.Len(t, did.Outcomes, 10)
				var before, after struct{ ID, ClientID, DeviceSecret, DeviceIdentityToken string }
				did.Outcomes[0].into(t, &before)
				require.NotEmpty(t, before.DeviceIdentityToken)
				require.Equal(t, "ana", before.ClientID)
				for _, i := range []int{1, 2, 4, 6, 8} {
					require.Nil(t, did.Outcomes[i].Error, "call %d", i)
				}
				did.Outcomes[3].requireThrew(t, 40160, 401, "operation not permitted")
				for i, want := range map[int]string{5: `[{"channel":"chat:a","deviceId":"` + before.ID + `"}]`, 7: `[]`} {
					require.JSONEq(t, want, string(did.Outcomes[i].Result), "call %d", i)
				}
				did.Outcomes[9].into(t, &after)
				require.Empty(t, after.DeviceIdentityToken)
				require.NotEqual(t, before.ID, after.ID)
				// What the SDK has presented: its token, or the device token in its place.
				credential := map[string]int{}
				for _, e := range did.Exchanges {
					credential[e.Method+" "+e.Path] = e.Token
				}
				require.Equal(t, 0, credential["POST /push/deviceRegistrations"])
				require.Equal(t, 1, credential["PATCH /push/deviceRegistrations/"+before.ID])
				require.Equal(t, 1, credential["DELETE /push/deviceRegistrations"])
				require.Equal(t, 0, credential["POST /push/channelSubscriptions"])
			}},
			{name: "anonymous", client: device("", ""), calls: []ablyCall{{"do": "activate"}, on("subscribeDevice", "chat:a"), {"do": "deactivate"}}, check: func(t *testing.T, did ablyDid) {
				require.Len(t, did.Outcomes, 3)
				for i, o := range did.Outcomes {
					require.Nil(t, o.Error, "call %d", i)
				}
			}},
			{name: "without the right", client: device("ana", `{"chat:*":["subscribe"]}`), calls: []ablyCall{{"do": "activate"}}, check: threw(40160, 401, "operation not permitted")},
			{name: "somebody else's device", client: device("mallory", `{"chat:*":["push-subscribe"]}`), calls: []ablyCall{
				registrations("list", object{}), registrations("get", "d1"), registrations("remove", "d1"), registrations("removeWhere", object{"clientId": "ana"}),
				registrations("save", tablet("d9", "ana")), subscriptions("save", object{"channel": "chat:a", "clientId": "ana"}),
			}, check: func(t *testing.T, did ablyDid) {
				require.Len(t, did.Outcomes, 6)
				for i, want := range [][2]int{{40160, 401}, {40100, 401}, {40100, 401}, {40160, 401}, {40012, 400}, {40102, 401}} {
					did.Outcomes[i].requireThrew(t, want[0], want[1], "")
				}
			}},
		}
	})
	dev.stop(t)
}

// TestDeviceToken presents a device token as SDKs for other platforms do, and where
// it must not be.
func TestDeviceToken(t *testing.T) {
	dev := startDev(t)
	key := createApp(t, dev.Server, object{}, object{"revocableTokens": true})[1]
	foreign := createApp(t, dev.Server, object{})[0]
	post := func(key sandboxKey, clientID, secret string) answer {
		token := mintWith(t, key, object{"iat": nowSeconds() - 5, "exp": nowSeconds() + 600, "x-ably-clientId": clientID, "x-ably-capability": `{"*":["push-subscribe"]}`})
		body, err := json.Marshal(object{"id": "d1", "deviceSecret": secret, "platform": "ios", "formFactor": "phone", "push": object{"recipient": object{"transportType": "apns"}}})
		require.NoError(t, err)
		r := present(token).withHeader("Content-Type", typeJSON)
		r.method, r.path, r.body = "POST", "/push/deviceRegistrations", string(body)
		return r.send(t, dev.Server)
	}
	tokenOf := func(a answer) string {
		require.Equal(t, 201, a.status, "%s", a.body)
		var d deviceDetails
		require.NoError(t, json.Unmarshal(a.body, &d))
		// A revocation is of what was issued in an earlier millisecond.
		for now := []int64{0}; now[0] <= d.DeviceIdentityToken.Issued; {
			require.NoError(t, json.Unmarshal(request{path: "/time"}.send(t, dev.Server).body, &now))
		}
		return d.DeviceIdentityToken.Token
	}
	get := func(r request) int {
		r.method, r.path = "GET", "/push/deviceRegistrations/d1"
		return r.send(t, dev.Server).status
	}
	patch := func(token string) int {
		r := present(base64.StdEncoding.EncodeToString([]byte(token))).withHeader("Content-Type", typeJSON)
		r.method, r.path, r.body = "PATCH", "/push/deviceRegistrations/d1", `{}`
		return r.send(t, dev.Server).status
	}
	first := tokenOf(post(key, "ana", "mine"))
	alien := tokenOf(post(foreign, "ana", "mine"))
	byKey := presentKey(key.KeyStr)
	require.Equal(t, 200, get(byKey.withHeader("X-Ably-DeviceToken", first)))
	require.Equal(t, 200, get(byKey.withHeader("X-Ably-DeviceToken", base64.StdEncoding.EncodeToString([]byte(first)))), "as ably-cocoa sends it")
	require.Equal(t, 401, get(byKey.withHeader("X-Ably-DeviceToken", alien)))
	require.Equal(t, 401, get(present(first)))
	require.Equal(t, 200, patch(first))
	require.Equal(t, 401, present(first).send(t, dev.Server).status, "it admits to nothing")
	require.Equal(t, "40145", present(first).send(t, dev.Server).header.Get("X-Ably-Errorcode"))

	require.Equal(t, 401, post(key, "ana", "guessed").status)
	second := tokenOf(post(key, "ana", "mine"))
	require.Equal(t, 401, patch(first), "it was replaced")
	require.Equal(t, 200, patch(second))

	revoke := byKey.withHeader("Content-Type", typeJSON)
	revoke.method, revoke.path, revoke.body = "POST", "/keys/"+key.KeyName+"/revokeTokens", `{"targets":["clientId:ana"]}`
	require.Equal(t, 201, revoke.send(t, dev.Server).status)
	require.Equal(t, 401, patch(second))
	dev.stop(t)
}
