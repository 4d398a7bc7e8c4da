package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// resumeScenes show connections that break, and go on.
func resumeScenes() []scene {
	return []scene{
		{name: "resume", play: "resumes", timeout: 30 * time.Second, check: func(t *testing.T, did sceneDid) {
			var heard []any
			for round := range 3 {
				for i := range 7 {
					heard = append(heard, strconv.Itoa(100*round+i))
				}
			}
			heard = append(heard, "from ana")
			did.requireNoted(t, "heard", heard) // each once, in order
			did.requireOK(t, "publish")
			var before, after struct {
				ID     string
				Reason *fault
			}
			did.into(t, "before", &before)
			did.into(t, "after", &after)
			require.Equal(t, before.ID, after.ID, "it is the same connection")
			require.Nil(t, after.Reason)
			require.Len(t, did.upgrades("ana"), 4)
			for i, w := range did.upgrades("ana") {
				require.Equal(t, i > 0, w.requests[0].query.Get("resume") != "")
				connected := w.framesOf(fromServer, actConnected)
				require.Len(t, connected, 1)
				require.False(t, connected[0].has("error"), "%s", connected[0])
			}
			for name, changes := range did.ChannelStates {
				if !strings.HasPrefix(name, "ana ") {
					continue
				}
				attached := 0
				for _, c := range changes {
					if c.State == "attached" {
						require.Equal(t, attached > 0, c.Resumed, "%v", changes)
						attached++
					}
				}
				require.Equal(t, 4, attached)
			}
			did.requireNoted(t, "present", []string{"ana"}) // she was never away
			var seen []string
			did.into(t, "seen", &seen)
			require.NotContains(t, seen, "leave")
		}},
		{name: "messages whose acknowledgement is lost", play: "sendsAgain", check: func(t *testing.T, did sceneDid) {
			did.requireOK(t, "first", "unanswered 1", "unanswered 2", "unanswered 3", "last")
			did.requireNoted(t, "heard", []string{"0", "1", "2", "3", "4"}) // RTN19a: sent again, heard once
			require.Len(t, did.upgrades("ana"), 2)
			require.NotEmpty(t, did.upgrades("ana")[1].framesOf(fromClient, actMessage), "the SDK did send again")
		}},
		{name: "a connection that falls silent", play: "stalls", slow: true, timeout: 50 * time.Second, check: func(t *testing.T, did sceneDid) {
			did.requireNoted(t, "heard", []string{"unheard"})
			var before, after struct{ ID string }
			did.into(t, "before", &before)
			did.into(t, "after", &after)
			require.Equal(t, before.ID, after.ID)
			did.requireNever(t, "failed")
		}},
		{name: "an idle connection", play: "idles", args: object{"watch": 36_000}, slow: true, timeout: 50 * time.Second, check: func(t *testing.T, did sceneDid) {
			did.requireNoted(t, "state", "connected")
			did.requireStates(t, "ana", "connecting", "connected")
			pings := 0
			for _, f := range did.upgrades("ana")[0].frames {
				if f.fromServer && f.op == opPing {
					pings++
				}
			}
			require.GreaterOrEqual(t, pings, 2, "one at least in every 15 s")
			require.LessOrEqual(t, pings, 12)
		}},
		{name: "recover", play: "recovers", check: func(t *testing.T, did sceneDid) {
			var first, second string
			did.into(t, "first id", &first)
			did.into(t, "second id", &second)
			require.Equal(t, first, second)
			did.requireNoted(t, "reason", nil)
			after := did.told(t, "after")
			require.Equal(t, []any{"2", "3"}, []any{after[0].Data, after[1].Data})
			require.Len(t, after, 2)
		}},
		recoversNothing("a connectionKey of nobody", "AAAAAAAAAA!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-0"),
		recoversNothing("a connectionKey that is none", "bogus"),
		recoversNothing("an empty connectionKey", ""),
		recoversAsAnother("another client", object{"jwt": object{"clientId": "ben"}}),
		recoversAsAnother("nobody", object{"jwt": object{}}),
		recoversAsAnother("another key", object{"jwt": object{"clientId": "ana", "key": "second"}}),
		recoversAsAnother("another app", object{"jwt": object{"clientId": "ana", "key": "other"}}),
		{name: "a server that is stopped, and one that is started", play: "outlivesTheServer", args: object{"returns": "jwt"}, timeout: 40 * time.Second, check: func(t *testing.T, did sceneDid) {
			did.requireNever(t, "failed")
			did.requireNever(t, "suspended")
			var before, after string
			did.into(t, "before", &before)
			did.into(t, "after", &after)
			require.NotEqual(t, before, after, "its state is lost")
			did.requireRefused(t, "reason", 80018, 400)
			for _, client := range []string{"ana", "ben"} {
				first := did.upgrades(client)[0]
				require.Len(t, first.framesOf(fromServer, actDisconnected), 1, "the server says that it goes")
				require.Empty(t, first.framesOf(fromServer, actError))
			}
			require.Equal(t, []string{"before", "after"}, namesOf(did.told(t, "heard")))
			for name, changes := range did.ChannelStates {
				for _, c := range changes {
					require.False(t, c.Resumed, "%s: %v", name, changes)
				}
			}
			require.Equal(t, 1, did.Callbacks["ana"], "its token is still good")
		}},
	}
}

func recoversNothing(name, key string) scene {
	return scene{name: "recover with " + name, play: "recoversNothing", args: object{"key": key}, check: func(t *testing.T, did sceneDid) {
		did.requireOK(t, "publish")
		connected := did.connected(t, "ana")
		if key != "" {
			did.requireRefused(t, "reason", 80018, 400)
			require.NotNil(t, connected.Error, "%s", connected)
			require.Equal(t, []int{80018, 400}, []int{connected.Error.Code, connected.Error.StatusCode})
		}
		require.Len(t, did.upgrades("ana"), 1, "it is no refusal")
		for _, changes := range did.ChannelStates {
			for _, c := range changes {
				require.False(t, c.Resumed)
			}
		}
		require.Len(t, did.told(t, "heard"), 1)
	}}
}

// recoversAsAnother is somebody who has another's connectionKey, and not his token.
func recoversAsAnother(name string, credential object) scene {
	return scene{name: "recover as " + name, play: "recoversAsAnother", args: object{"credential": credential}, check: func(t *testing.T, did sceneDid) {
		did.requireRefused(t, "reason", 40102, 401)
		require.Empty(t, did.frames("thief", fromServer, actConnected))
		did.requireOK(t, "ana publishes")
		did.requireNoted(t, "state", "connected")
		did.requireStates(t, "ana", "connecting", "connected")
	}}
}

// faultScenes show that faults which are not the client's leave it trying: it is
// never FAILED.
func faultScenes() []scene {
	tries := func(client string, code, status int) func(*testing.T, sceneDid) {
		return func(t *testing.T, did sceneDid) {
			did.requireNever(t, "failed")
			did.requireRefused(t, "reason", code, status)
			refused := 0
			for _, w := range did.upgrades(client) {
				require.Empty(t, w.framesOf(fromServer, actError), "never ERROR")
				for _, f := range w.framesOf(fromServer, actDisconnected) {
					require.Equal(t, []int{code, status}, []int{f.Error.Code, f.Error.StatusCode})
					refused++
				}
			}
			require.GreaterOrEqual(t, refused, 3)
			require.Equal(t, "connected", did.States[client][len(did.States[client])-1].State)
		}
	}
	return []scene{
		{name: "a limit on the app's connections", play: "waitsForRoom", timeout: 30 * time.Second, check: tries("third", 40150, 401)},
		{name: "a limit on the token's connections", play: "waitsForItsToken", timeout: 30 * time.Second, check: tries("second", 40151, 401)},
		{name: "a server that has lost its state", play: "waitsForTheStore", timeout: 30 * time.Second, check: func(t *testing.T, did sceneDid) {
			did.requireNever(t, "failed")
			did.requireRefused(t, "reason", 80019, 401)
			did.requireRefused(t, "cause", 50003, 503)
			did.requireOK(t, "with a JWT all goes on")
		}},
		{name: "a server that is away", play: "waitsForTheServer", timeout: 30 * time.Second, check: func(t *testing.T, did sceneDid) {
			did.requireNever(t, "failed")
			states := did.States["ana"]
			require.Equal(t, states[1].ID, states[len(states)-1].ID, "resumed")
		}},
	}
}
