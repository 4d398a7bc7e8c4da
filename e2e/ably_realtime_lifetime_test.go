package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lifetimeScenes show tokens that run out while clients are connected.
func lifetimeScenes() (scenes []scene) {
	for _, returns := range []string{"jwt", "details", "token"} {
		scenes = append(scenes, scene{
			name: "a " + returns + " of five seconds", play: "expires", args: object{"returns": returns, "ttl": 5}, slow: true,
			check: func(t *testing.T, did sceneDid) { checkExpires(t, did, returns, 5000) },
		})
	}
	for _, returns := range []string{"jwt", "details"} {
		scenes = append(scenes, scene{
			name: "tokens of twenty seconds, " + returns, play: "shortTokens", args: object{"returns": returns, "watch": 22_000}, slow: true, timeout: 40 * time.Second,
			check: func(t *testing.T, did sceneDid) {
				did.requireNoted(t, "state", "connected")
				did.requireOK(t, "publish")
				did.requireOneConnection(t, "ana")
				// At half its life the server asks for another: at 10 s and at 20 s.
				require.Equal(t, 3, did.Callbacks["ana"], "tokens that were fetched")
				require.Len(t, did.frames("ana", fromServer, actAuth), 2)
				require.Len(t, did.frames("ana", fromClient, actAuth), 2)
				require.Len(t, did.wires["ana"], 1, "the SDK does not loop")
			},
		})
	}
	return append(scenes,
		scene{name: "a token that runs out, and no other", play: "expiresForGood", check: func(t *testing.T, did sceneDid) {
			did.requireRefused(t, "reason", 40171, 403)
			require.Equal(t, []string{"connecting", "connected", "disconnected 40142/401", "connecting", "failed 40171/403"}, statesOf(did.States["ana"]))
			gone := did.frames("ana", fromServer, actDisconnected)
			require.Len(t, gone, 1)
			require.Contains(t, gone[0].Error.Message, "token expired")
		}},
		scene{name: "a token of 35 seconds", play: "renewsInBand", slow: true, timeout: 50 * time.Second, check: func(t *testing.T, did sceneDid) {
			var after int64
			did.into(t, "renewed after", &after)
			// 30 s before its end, which is 34 to 35 s away: JWTs count in seconds.
			require.GreaterOrEqual(t, after, int64(3500))
			require.Less(t, after, int64(6500))
			did.requireNoted(t, "state", "connected")
			did.requireOK(t, "publish")
			did.requireOneConnection(t, "ana")
			require.Len(t, did.frames("ana", fromServer, actAuth), 1)
			require.Len(t, did.frames("ana", fromClient, actAuth), 1)
			require.Equal(t, 2, did.Callbacks["ana"])
		}},
		scene{name: "a longer token before the end of a short one", play: "prolongs", check: func(t *testing.T, did sceneDid) {
			did.requireOK(t, "authorize", "publish")
			did.requireNoted(t, "state", "connected")
			did.requireOneConnection(t, "ana")
		}},
	)
}

// checkExpires checks that a client was disconnected when its token ran out, not
// earlier and not much later, and has lost nothing.
func checkExpires(t *testing.T, did sceneDid, returns string, ttl int64) {
	did.requireOK(t, "publish")
	did.requireStates(t, "ana", "connecting", "connected", "disconnected 40142/401", "connecting", "connected")
	states := did.States["ana"]
	require.Equal(t, states[1].ID, states[4].ID, "it goes on where it was")
	require.Equal(t, 2, did.Callbacks["ana"])
	require.Len(t, did.upgrades("ana"), 2)
	require.Equal(t, []string{"before", "meanwhile", "after"}, namesOf(did.told(t, "heard"))[:3], "each once, in order")
	require.Empty(t, did.frames("ana", fromServer, actAuth), "5 s are too short to be asked")
	require.Contains(t, did.frames("ana", fromServer, actDisconnected)[0].Error.Message, "token expired")

	var minted struct{ Began, Ended, Scene int64 }
	did.into(t, "minted", &minted)
	gone := minted.Scene + states[2].At
	earliest, latest := minted.Began+ttl, minted.Ended+ttl
	if returns == "jwt" { // counted in whole seconds
		earliest = minted.Began/1000*1000 + ttl
	}
	require.GreaterOrEqual(t, gone, earliest, "not before its end")
	require.LessOrEqual(t, gone, latest+1500, "not long after its end")
	for name, changes := range did.ChannelStates {
		if strings.HasPrefix(name, "ana ") {
			require.True(t, changes[len(changes)-1].Resumed, "%s: %v", name, changes)
		}
	}
}

// revocationScenes show tokens that are revoked while clients are connected.
func revocationScenes() []scene {
	revoked := func(t *testing.T, did sceneDid) {
		did.requireStates(t, "ana", "connecting", "connected", "disconnected 40141/401", "connecting", "connected")
		did.requireStates(t, "ben", "connecting", "connected")
		did.requireNoted(t, "states", []string{"connected", "connected"})
		require.Equal(t, 2, did.Callbacks["ana"], "the first new token is good")
		require.Len(t, did.upgrades("ana"), 2)
		require.Contains(t, did.frames("ana", fromServer, actDisconnected)[0].Error.Message, "token revoked")
		var applies int64
		did.into(t, "applies", &applies)
		require.GreaterOrEqual(t, did.States["ana"][2].At, applies)
	}
	return []scene{
		{name: "revocation by clientId", play: "revoked", args: object{"by": "clientId"}, check: revoked},
		{name: "revocation by revocationKey", play: "revoked", args: object{"by": "revocationKey"}, check: revoked},
		{name: "revocation of the only token", play: "revokedForGood", check: func(t *testing.T, did sceneDid) {
			did.requireStates(t, "ana", "connecting", "connected", "disconnected 40141/401", "connecting", "disconnected 40141/401")
			did.requireNoted(t, "state", "disconnected")
			require.Equal(t, 2, did.Callbacks["ana"])
			require.Len(t, did.upgrades("ana"), 2)
			refused := did.upgrades("ana")[1].framesOf(fromServer, actError)
			require.Len(t, refused, 1)
			require.Equal(t, 40141, refused[0].Error.Code)
			require.Equal(t, []string{"connecting", "connected", "disconnected 40141/401", "connecting", "failed 40171/403"}, statesOf(did.States["ben"]))
		}},
		{name: "revocation with a margin", play: "revokedWithMargin", slow: true, timeout: 50 * time.Second, check: func(t *testing.T, did sceneDid) {
			var after int64
			did.into(t, "renewed after", &after)
			require.Less(t, after, int64(3000), "it is asked at once")
			did.requireNoted(t, "state", "connected")
			did.requireOneConnection(t, "ana")
			require.Equal(t, 2, did.Callbacks["ana"])
		}},
	}
}
