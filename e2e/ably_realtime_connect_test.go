package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// connectScenes are all the ways to connect, with who the client then is: its
// credential names a clientId or not, and it asks for one or not (§5 of the
// authentication rules: RSA7, RSA12, RSA15, CD2a).
func connectScenes() (scenes []scene) {
	connects := func(name string, credential, options object, clientID string) {
		scenes = append(scenes, scene{
			name: "connect by " + name, play: "connects", args: object{"credential": credential, "options": options},
			check: func(t *testing.T, did sceneDid) { requireConnects(t, did, clientID) },
		})
	}
	ana, anybody, nobody := object{"clientId": "ana"}, object{"clientId": "*"}, object{}
	asAna := object{"clientId": "ana"}

	connects("key", object{"key": "full"}, nil, "*")
	connects("key as ana", object{"key": "full"}, asAna, "ana")
	connects("key with an empty clientId", object{"key": "full"}, object{"transportParams": object{"clientId": ""}}, "*")
	connects("key that asks for tokens", object{"key": "full"}, object{"useTokenAuth": true, "clientId": "ana"}, "ana")
	for kind, grant := range map[string]func(object) object{
		"token":        func(g object) object { return object{"token": g} },
		"tokenDetails": func(g object) object { return object{"details": g} },
		"JWT":          func(g object) object { return object{"jwt": g} },
		"authCallback": func(g object) object { return object{"callback": g} },
	} {
		connects(kind, grant(ana), nil, "ana")
		connects(kind+" as oneself", grant(ana), asAna, "ana")
		connects(kind+" of anybody", grant(anybody), nil, "*")
		connects(kind+" of anybody as ana", grant(anybody), asAna, "ana")
		connects(kind+" of nobody", grant(nobody), nil, "")
	}
	for _, returns := range []string{"token", "details", "request"} {
		connects("authCallback that returns a "+returns, object{"callback": object{"returns": returns, "clientId": "ana"}}, nil, "ana")
	}
	for _, form := range []string{"jwt", "request"} {
		for _, method := range []string{"GET", "POST"} {
			connects("authUrl "+method+" "+form, object{"authUrl": object{"form": form, "method": method, "params": ana}}, nil, "ana")
		}
	}
	server := object{"transportParams": object{"clientType": "server"}}
	connects("JWT as the server that it says", object{"jwt": object{"clientId": "ana", "claims": object{"x-ably-clientType": "server"}}}, server, "ana")
	connects("key as a server", object{"key": "full"}, server, "*")
	return append(scenes,
		scene{name: "ping", play: "pings", check: func(t *testing.T, did sceneDid) {
			asked, answered := did.frames("ana", fromClient, actHeartbeat), did.frames("ana", fromServer, actHeartbeat)
			require.Len(t, asked, 3)
			require.Len(t, answered, 3)
			for i := range asked {
				require.NotEmpty(t, asked[i].ID)
				require.Equal(t, asked[i].ID, answered[i].ID, "RTN13e: the answer has the ping's id")
				var took float64
				did.into(t, fmt.Sprint("ping ", i), &took)
			}
		}},
		scene{name: "REST calls of a realtime client", play: "asksOverREST", check: func(t *testing.T, did sceneDid) {
			var now int64
			did.into(t, "time", &now)
			require.NotZero(t, now)
			did.requireNoted(t, "stats", []any{})
		}},
	)
}

// requireConnects requires one connection from its beginning to its end.
func requireConnects(t *testing.T, did sceneDid, clientID string) {
	t.Helper()
	var before, now *string
	did.into(t, "clientId before", &before)
	did.into(t, "clientId", &now)
	did.requireOK(t, "attach")
	did.requireStates(t, "ana", "connecting", "connected", "closing 80017/400", "closed 80017/400")
	for _, calls := range did.Callbacks {
		require.Equal(t, 1, calls)
	}
	require.Len(t, did.upgrades("ana"), 1)
	connected := did.connected(t, "ana")
	require.Equal(t, clientID, connected.Details.ClientID)
	require.Equal(t, clientID != "", connected.hasDetail("clientId"), "connectionDetails leaves nobody's clientId out: %s", connected)
	if clientID == "" {
		require.Nil(t, now)
	} else {
		require.NotNil(t, now)
		require.Equal(t, clientID, *now, "the client knows who it is")
	}
	var connection struct{ ID, Key string }
	did.into(t, "connection", &connection)
	require.Equal(t, connected.ConnectionID, connection.ID)
	require.Equal(t, connected.Details.ConnectionKey, connection.Key)
	require.Len(t, did.frames("ana", fromClient, actClose), 1)
}

// failScenes are connections that must fail for good: they end in FAILED, after one
// attempt, or when there is no way to another token.
func failScenes() (scenes []scene) {
	fails := func(name string, credential, options object, code, status int, more ...func(*testing.T, sceneDid)) {
		scenes = append(scenes, scene{
			name: "fail with " + name, play: "fails", args: object{"credential": credential, "options": options},
			check: func(t *testing.T, did sceneDid) {
				did.requireRefused(t, "reason", code, status)
				require.Equal(t, "failed", did.States["ana"][len(did.States["ana"])-1].State)
				for _, check := range more {
					check(t, did)
				}
			},
		})
	}
	// atOnce is a failure that the server's first frame brings.
	atOnce := func(t *testing.T, did sceneDid) {
		require.Equal(t, []string{"connecting", "failed"}, []string{did.States["ana"][0].State, did.States["ana"][1].State})
		require.Len(t, did.upgrades("ana"), 1)
		frames := did.frames("ana", fromServer, actError)
		require.Len(t, frames, 1)
		require.False(t, frames[0].has("channel"))
		require.Empty(t, did.frames("ana", fromServer, actConnected))
		for _, calls := range did.Callbacks {
			require.Equal(t, 1, calls, "a new token would not help")
		}
	}
	asAna, ben := object{"clientId": "ana"}, object{"clientId": "ben"}
	fails("a wrong secret", object{"literalKey": "rtApp.full:rt-full-wrong"}, nil, 40101, 401, atOnce)
	fails("an unknown app's key", object{"literalKey": "rtNone.full:rt-full-9Zq2xWm7hVbR4tYkLpN0s"}, nil, 40101, 401, atOnce)
	fails("an unknown key", object{"literalKey": "rtApp.none:rt-full-9Zq2xWm7hVbR4tYkLpN0s"}, nil, 40400, 401, atOnce)

	// The SDK does not know whom an opaque token names: the server has to say it.
	for kind, grant := range map[string]func(object) object{
		"token": func(g object) object { return object{"token": g} },
		"JWT":   func(g object) object { return object{"jwt": g} },
		"authCallback": func(g object) object {
			g["returns"] = "token"
			return object{"callback": g}
		},
	} {
		fails("ben's "+kind+" as ana", grant(object{"clientId": "ben"}), asAna, 40102, 401, atOnce)
		fails("nobody's "+kind+" as ana", grant(object{}), asAna, 40102, 401, atOnce)
	}
	fails("ben's JWT as Ben", object{"jwt": ben}, object{"clientId": "Ben"}, 40102, 401, atOnce)
	fails("a JWT of anybody as *", object{"jwt": object{"clientId": "*"}}, object{"transportParams": object{"clientId": "*"}}, 40012, 400, atOnce)
	fails("a key as *", object{"key": "full"}, object{"transportParams": object{"clientId": "*"}}, 40012, 400, atOnce)

	server := object{"transportParams": object{"clientType": "server"}}
	fails("a JWT as a server that it does not say", object{"jwt": asAna}, server, 40167, 401, atOnce)
	fails("a JWT of an unknown app", object{"callback": object{"claims": object{}, "key": "unknown app"}}, nil, 40400, 404, atOnce)
	fails("a JWT that lives too long", object{"callback": object{"ttl": 86401}}, nil, 40003, 400, atOnce)
	fails("a JWT with an unknown claim", object{"callback": object{"claims": object{"x-ably-capabilty": "{}"}}}, nil, 40003, 400, atOnce)
	fails("a JWT for channels that the key has not", object{"callback": object{"key": "narrow", "capability": object{"pub:a": []string{"publish"}}}}, nil, 40160, 401, atOnce)

	// A fault of the token sends the SDK for another one, which it has no way to get.
	forGood := func(code, status int) func(*testing.T, sceneDid) {
		return func(t *testing.T, did sceneDid) {
			states := did.States["ana"]
			require.Equal(t, []string{"connecting", stateChange{State: "disconnected", Code: code, StatusCode: status}.String(), "connecting", "failed 40171/403"}, statesOf(states))
			require.Len(t, did.upgrades("ana"), 1)
		}
	}
	fails("a forged JWT and no other", object{"jwt": object{"secret": "not-the-secret-of-that-key"}}, nil, 40171, 403, forGood(40144, 401))
	fails("an expired JWT and no other", object{"jwt": object{"age": 60, "ttl": 30}}, nil, 40171, 403, forGood(40142, 401))
	fails("a token of another server and no other", object{"text": "rtApp.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, nil, 40171, 403, forGood(40145, 401))

	for name, grant := range map[string]object{
		"forged":  {"secret": "not-the-secret-of-that-key"},
		"expired": {"age": 60, "ttl": 30},
	} {
		code := map[string]string{"forged": "40144", "expired": "40142"}[name]
		scenes = append(scenes, scene{
			name: "an authCallback with " + name + " JWTs only renews once and then waits", play: "renewsOnceThenWaits", args: object{"grant": grant},
			check: func(t *testing.T, did sceneDid) {
				refused := "disconnected " + code + "/401"
				did.requireStates(t, "ana", "connecting", refused, "connecting", refused)
				require.Equal(t, 2, did.Callbacks["ana"])
				require.Len(t, did.upgrades("ana"), 2)
				states := did.States["ana"]
				require.Greater(t, states[3].RetryIn, 10_000.0, "it waits")
				did.requireNoted(t, "state", "disconnected")
			},
		})
	}
	return scenes
}

// identityScenes show that a client learns who it is from the first CONNECTED, and
// stays who it is.
func identityScenes() (scenes []scene) {
	for _, returns := range []string{"jwt", "token", "details"} {
		scenes = append(scenes, scene{
			name: "a later " + returns + " of another client is refused", play: "staysWhoItIs",
			args: object{"first": object{"returns": returns, "clientId": "ana"}, "then": object{"returns": returns, "clientId": "ben"}},
			check: func(t *testing.T, did sceneDid) {
				did.requireNoted(t, "clientId before", nil)
				did.requireNoted(t, "clientId", "ana")
				did.requireNoted(t, "clientId after", "ana")
				did.requireOK(t, "publish")
				did.requireRefused(t, "authorize", 40102, 401)
				require.NotEqual(t, `"ok"`, string(did.Noted["afterwards"]))
				did.requireStates(t, "ana", "connecting", "connected", "failed 40102/401")
				require.Len(t, did.frames("ana", fromServer, actConnected), 1)
				for _, m := range did.told(t, "heard") {
					require.Equal(t, "ana", m.ClientID, "nothing was ever said as ben")
					require.NotEqual(t, "afterwards", m.Name)
				}
			},
		})
	}
	return scenes
}
