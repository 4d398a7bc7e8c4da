package e2e

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// presenceScenes show who is there, to those who come late too.
func presenceScenes() []scene {
	return []scene{
		{name: "presence for one who comes late", play: "lateJoiner", check: func(t *testing.T, did sceneDid) {
			var ids struct{ Ana, Ben string }
			did.into(t, "ids", &ids)
			first := did.told(t, "first")
			require.Len(t, first, 2)
			for i, want := range []struct {
				clientID, connection string
				data                 any
			}{{"ana", ids.Ana, object{"mood": "good"}}, {"ben", ids.Ben, "second"}} {
				require.Equal(t, want.clientID, first[i].ClientID)
				require.Equal(t, want.connection, first[i].ConnectionID)
				require.Equal(t, want.data, first[i].Data)
				require.Equal(t, "present", first[i].Action)
				require.NotZero(t, first[i].Timestamp)
			}
			require.Len(t, did.told(t, "only ben"), 1)

			attached := did.frames("eve", fromServer, actAttached)
			require.NotEmpty(t, attached)
			require.NotZero(t, attached[0].Flags&flagHasPresence, "HAS_PRESENCE announces the members")
			syncs := did.frames("eve", fromServer, actSync)
			require.NotEmpty(t, syncs, "the members come as SYNC")
			require.Regexp(t, `^[\w-]*:$`, syncs[len(syncs)-1].ChannelSerial, "the last page has no cursor")

			var synced int
			did.into(t, "synced", &synced)
			var events []string
			for _, m := range did.told(t, "seen")[synced:] {
				events = append(events, fmt.Sprint(m.ClientID, " ", m.Action, " ", m.Data))
			}
			require.Equal(t, []string{"ben update third", "ana leave bye", "ben leave third"}, events)
			second := did.told(t, "second")
			require.Len(t, second, 1)
			require.Equal(t, []any{"ben", "third"}, []any{second[0].ClientID, second[0].Data})
			did.requireNoted(t, "third", []any{})
		}},
		{name: "presence for one who was there before", play: "earlyJoiner", check: func(t *testing.T, did sceneDid) {
			did.requireNoted(t, "nobody", []any{})
			did.requireNoted(t, "nobody again", []any{})
			var events []string
			for _, m := range did.told(t, "seen") {
				events = append(events, fmt.Sprint(m.ClientID, " ", m.Action, " ", m.Data))
			}
			require.Equal(t, []string{"ana enter in", "ana leave in"}, events, "who detaches leaves")
			attached := did.frames("eve", fromServer, actAttached)
			require.Zero(t, attached[0].Flags&flagHasPresence, "nobody was there")
		}},
		{name: "a crowd", play: "crowd", timeout: 30 * time.Second, check: func(t *testing.T, did sceneDid) {
			var present [][]any
			did.into(t, "present", &present)
			require.Len(t, present, 250)
			for i, m := range present {
				require.Equal(t, []any{fmt.Sprint("m", i), strconv.Itoa(i), "present"}, m)
			}
			var host string
			did.into(t, "host", &host)
			did.requireNoted(t, "connections", []string{host})
			did.requireNoted(t, "left", 250)
		}},
		{name: "presence over REST", play: "overRESTPresence", check: func(t *testing.T, did sceneDid) {
			var ids struct{ Ana string }
			did.into(t, "ids", &ids)
			for _, name := range []string{"first", "of ana"} {
				members := did.told(t, name)
				require.Len(t, members, 1)
				require.Equal(t, []any{"ana", ids.Ana, "present"}, []any{members[0].ClientID, members[0].ConnectionID, members[0].Action})
				require.Equal(t, object{"mood": "good"}, members[0].Data)
			}
			did.requireNoted(t, "of ben", []any{})
			did.requireRefused(t, "without subscribe", 40160, 401)
			did.requireOK(t, "with subscribe")
			did.requireNoted(t, "second", []any{})
		}},
		{name: "one client on two connections", play: "twice", check: func(t *testing.T, did sceneDid) {
			did.requireNoted(t, "both", []any{[]any{"ana", "1"}, []any{"ana", "2"}})
			did.requireNoted(t, "one", []any{[]any{"ana", "2"}})
		}},
	}
}
