package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// requireOneConnection requires that a client was never away, and that every AUTH it
// has sent was answered by one CONNECTED of the same connection (RTC8a1, RTN24).
func (d sceneDid) requireOneConnection(t testing.TB, client string) {
	t.Helper()
	require.Len(t, d.upgrades(client), 1)
	asked, answered := d.frames(client, fromClient, actAuth), d.frames(client, fromServer, actConnected)
	require.Len(t, answered, 1+len(asked), "one CONNECTED for each AUTH, and one before")
	for _, f := range answered {
		require.Equal(t, answered[0].ConnectionID, f.ConnectionID)
		require.False(t, f.has("error"), "%s", f)
	}
	for _, s := range d.States[client] {
		require.Contains(t, []string{"connecting", "connected", "update"}, s.State)
		require.Zero(t, s.Code)
	}
}

// authorizeScenes show clients that change their tokens while they are connected.
func authorizeScenes() []scene {
	anybody, nobody, ana, ben := object{"clientId": "*"}, object{}, object{"clientId": "ana"}, object{"clientId": "ben"}
	second := object{"clientId": "ana", "key": "second"}
	other := object{"clientId": "ana", "key": "other"}
	asAna := object{"clientId": "ana"}
	return []scene{
		{name: "authorize to more", play: "upgrades", check: func(t *testing.T, did sceneDid) {
			did.requireRefused(t, "publish before", 40160, 401)
			did.requireRefused(t, "enter before", 40160, 401)
			did.requireRefused(t, "attach before", 40160, 401)
			did.requireOK(t, "authorize", "publish after", "enter after", "attach after")
			require.Equal(t, []string{"after"}, namesOf(did.told(t, "heard")))
			did.requireOneConnection(t, "ana")
			require.Equal(t, 2, did.Callbacks["ana"])
			var rooms []string
			did.into(t, "rooms", &rooms)
			attaches := 0
			for _, f := range did.frames("ana", fromClient, actAttach) {
				if f.Channel == rooms[0] {
					attaches++
				}
			}
			require.Equal(t, 1, attaches, "the attachment gains the right")
		}},
		{name: "authorize to less", play: "downgrades", check: func(t *testing.T, did sceneDid) {
			var rooms struct{ Gone, Deaf, Dumb string }
			did.into(t, "rooms", &rooms)
			did.requireOK(t, "authorize", "publish where she may")
			did.requireRefused(t, "reason", 40160, 401)
			var after int
			did.into(t, "failed after", &after)
			require.Less(t, after, 5000, "within five seconds")
			did.requireRefused(t, "publish where she may not", 40160, 401)
			did.requireRefused(t, "attach again", 40160, 401)
			did.requireNoted(t, "states", []string{"connected", "attached", "attached"})
			require.Equal(t, []string{"before"}, namesOf(did.told(t, "heard "+rooms.Gone)))
			require.Equal(t, []string{"before"}, namesOf(did.told(t, "heard "+rooms.Deaf)))
			require.Equal(t, []string{"before", "after"}, namesOf(did.told(t, "heard "+rooms.Dumb)))
			require.Equal(t, []string{"attaching", "attached"}, statesOf(did.ChannelStates["ana "+rooms.Deaf]))
			require.Equal(t, []string{"attaching", "attached"}, statesOf(did.ChannelStates["ana "+rooms.Dumb]))
			did.requireOneConnection(t, "ana")
			for _, f := range did.frames("ana", fromServer, actMessage) {
				if f.Channel != rooms.Dumb {
					require.Equal(t, "before", f.Messages[0].Name, "nothing is even sent")
				}
			}
		}},
		{name: "four authorize calls at once, JWTs", play: "concurrently", args: object{"returns": "jwt"}, check: checkConcurrent},
		{name: "four authorize calls at once, tokens", play: "concurrently", args: object{"returns": "token"}, check: checkConcurrent},
		{name: "authorize from a key", play: "fromBasic", check: func(t *testing.T, did sceneDid) {
			did.requireOK(t, "authorize", "publish as zoe")
			did.requireNoted(t, "method", "token")
			did.requireNoted(t, "clientId", "*")
			did.requireOneConnection(t, "ana")
		}},
		{name: "authorize from anybody to nobody and back", play: "wildcardAndBack", check: func(t *testing.T, did sceneDid) {
			did.requireOK(t, "first", "become nobody", "become anybody", "third")
			did.requireRefused(t, "second", 40012, 400)
			did.requireOneConnection(t, "ana")
			answered := did.frames("ana", fromServer, actConnected)
			require.Len(t, answered, 3)
			require.Equal(t, "*", answered[0].Details.ClientID)
			require.False(t, answered[1].hasDetail("clientId"), "%s", answered[1])
			require.Equal(t, "*", answered[2].Details.ClientID)
		}},
		authorizesAs("ana to ana", ana, ana, nil, "ana"),
		authorizesAs("anybody to anybody", anybody, anybody, nil, "*"),
		authorizesAs("nobody to nobody", nobody, nobody, nil, ""),
		authorizesAs("anybody as ana to anybody", anybody, anybody, asAna, "ana"),
		authorizesAs("anybody as ana to ana", anybody, ana, asAna, "ana"),
		refusesToAuthorizeAs("ana to ben", ana, ben, nil),
		refusesToAuthorizeAs("ana to nobody", ana, nobody, nil),
		refusesToAuthorizeAs("nobody to ana", nobody, ana, nil),
		refusesToAuthorizeAs("nobody to anybody", nobody, anybody, nil),
		refusesToAuthorizeAs("anybody to ana", anybody, ana, nil),
		refusesToAuthorizeAs("anybody as ana to nobody", anybody, nobody, asAna),
		refusesToAuthorizeAs("ana of another key", ana, second, nil),
		refusesToAuthorizeAs("ana of another app", ana, other, nil),
	}
}

func checkConcurrent(t *testing.T, did sceneDid) {
	did.requireNoted(t, "authorized", 4)
	did.requireOK(t, "publish")
	did.requireOneConnection(t, "ana")
	require.NotEmpty(t, did.frames("ana", fromClient, actAuth))
}

func authorizesAs(name string, first, then, options object, clientID string) scene {
	return scene{
		name: "authorize from " + name, play: "authorizesAs", args: object{"first": first, "then": then, "options": options},
		check: func(t *testing.T, did sceneDid) {
			did.requireOK(t, "authorize")
			did.requireNoted(t, "state", "connected")
			did.requireOneConnection(t, "ana")
			for _, f := range did.frames("ana", fromServer, actConnected) {
				require.Equal(t, clientID, f.Details.ClientID)
				require.Equal(t, clientID != "", f.hasDetail("clientId"))
			}
		},
	}
}

func refusesToAuthorizeAs(name string, first, then, options object) scene {
	return scene{
		name: "do not authorize from " + name, play: "authorizesAs", args: object{"first": first, "then": then, "options": options, "refused": true},
		check: func(t *testing.T, did sceneDid) {
			did.requireRefused(t, "authorize", 40102, 401)
			did.requireStates(t, "ana", "connecting", "connected", "failed 40102/401")
			require.Len(t, did.frames("ana", fromServer, actConnected), 1)
			require.Len(t, did.frames("ana", fromServer, actError), 1)
		},
	}
}
