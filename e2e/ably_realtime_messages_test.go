package e2e

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// messageScenes show that what is published arrives as it was meant, once, in order,
// and says who has sent it.
func messageScenes() []scene {
	var everyByte []byte
	for i := range 256 {
		everyByte = append(everyByte, byte(i))
	}
	return []scene{
		{name: "messages of every kind to both formats", play: "delivers", check: func(t *testing.T, did sceneDid) {
			var id string
			var began, ended int64
			did.into(t, "connection", &id)
			did.into(t, "began", &began)
			did.into(t, "ended", &ended)
			want := []told{
				{Name: "text", Data: "grüße 😀 \x00 \"quoted\""},
				{Name: "object", Data: object{"a": []any{1.0, 2.5, nil, true}, "b": object{"c": "d"}}},
				{Name: "list", Data: []any{1.0, "two"}},
				{Name: "empty", Data: ""},
				{Name: "nothing"},
				{Name: "binary", Data: object{"base64": base64.StdEncoding.EncodeToString(everyByte)}},
				{Data: "no name"},
				{Name: "several", Data: "0"},
				{Name: "several", Data: "1"},
			}
			ids := map[string]bool{}
			for _, who := range []string{"ana", "ben", "cyd"} {
				heard := did.told(t, who+" heard")
				require.Len(t, heard, len(want), who)
				for i, m := range heard {
					require.Equal(t, want[i].Name, m.Name, who)
					require.Equal(t, want[i].Data, m.Data, "%s: %s", who, m.Name)
					require.Empty(t, m.Encoding, "all is decoded")
					require.Equal(t, "ana", m.ClientID)
					require.Equal(t, id, m.ConnectionID)
					require.True(t, strings.HasPrefix(m.ID, id+":"), m.ID)
					require.GreaterOrEqual(t, m.Timestamp, began)
					require.LessOrEqual(t, m.Timestamp, ended)
					ids[m.ID] = true
				}
			}
			require.Len(t, ids, len(want), "a message has one id, the same for everybody")
			for _, m := range want[:6] {
				did.requireOK(t, m.Name)
				var serials []string
				did.into(t, "serials of "+m.Name, &serials)
				require.Len(t, serials, 1)
				require.NotEmpty(t, serials[0])
			}
		}},
		{name: "binary data between the formats, both ways", play: "binaries", check: func(t *testing.T, did sceneDid) {
			var bytes string
			did.into(t, "bytes", &bytes)
			for _, kind := range []string{"plain", "encrypted"} {
				for _, who := range []string{"ana", "ben"} {
					heard := did.told(t, who+" heard "+kind)
					require.Equal(t, []string{"from ana", "from ben"}, namesOf(heard))
					for _, m := range heard {
						require.Equal(t, object{"base64": bytes}, m.Data, "%s %s heard by %s", kind, m.Name, who)
					}
				}
				seen := did.told(t, "ben saw "+kind)
				require.Equal(t, object{"base64": bytes}, seen[0].Data)
				require.Equal(t, "ana", seen[0].ClientID)
			}
		}},
		{name: "a hundred messages at once", play: "burst", check: func(t *testing.T, did sceneDid) {
			heard := did.told(t, "heard")
			require.Len(t, heard, 100)
			for i, m := range heard {
				require.Equal(t, strconv.Itoa(i), m.Data, "in order, each once")
			}
			var serials []string
			did.into(t, "serials", &serials)
			require.Len(t, serials, 100)
			require.IsIncreasing(t, serials)
			for i, m := range heard {
				require.Equal(t, serials[i], m.Serial, "the acknowledgement has the message's serial")
			}
		}},
		{name: "forged messages", play: "forges", check: checkForged},
		{name: "user claims", play: "userClaims", args: object{
			"claims": object{
				"ably.channel.*": "any", "ably.channel.room:*": "room", "ably.channel.room:a": "a", "ably.channel.*:a": "first star", "ably.channel.x:y:*": "deep",
			},
			"channels": []string{"room:a", "room:b", "elsewhere", "other:a", "x:y:z"},
		}, check: func(t *testing.T, did sceneDid) {
			for channel, claim := range map[string]string{"room:a": "a", "room:b": "room", "elsewhere": "any", "other:a": "first star", "x:y:z": "deep"} {
				for _, m := range append(did.told(t, "heard "+channel), did.told(t, "seen "+channel)...) {
					switch {
					case m.ClientID == "ben":
						require.NotContains(t, m.Extras, "userClaim", channel)
					case m.Name == "ana":
						require.Equal(t, object{"userClaim": claim, "headers": object{"a": "b"}}, m.Extras, channel)
					default:
						require.Equal(t, object{"userClaim": claim}, m.Extras, channel)
					}
				}
			}
		}},
		{name: "no echo", play: "echoes", check: func(t *testing.T, did sceneDid) {
			require.Equal(t, []string{"from ben"}, namesOf(did.told(t, "ana heard")))
			require.Equal(t, []string{"from ana", "from ben"}, namesOf(did.told(t, "ben heard")))
		}},
		{name: "messages over REST", play: "overREST", check: func(t *testing.T, did sceneDid) {
			did.requireOK(t, "ana", "nobody", "anybody", "several", "claimed", "other app", "last")
			heard := did.told(t, "heard")
			var names []string
			for _, m := range heard {
				names = append(names, m.Name+" by "+m.ClientID)
				require.Empty(t, m.ConnectionID, "%s was sent by no connection", m.Name)
				require.NotEmpty(t, m.ID)
				require.NotZero(t, m.Timestamp)
			}
			want := []string{"ana by ana", "nobody by ", "anybody by zoe", "several by ana", "several by ana", "forged by ana", "claimed by ana", "last by ana"}
			require.Equal(t, want, names, "of this app, in order, each once")
			require.Equal(t, object{"a": 1.0}, heard[0].Data)
			require.Equal(t, object{"base64": "AP8="}, heard[4].Data)
			require.NotContains(t, heard[5].Extras, "userClaim")
			require.NotEqual(t, int64(1), heard[5].Timestamp)
			require.Equal(t, "user", heard[6].Extras["userClaim"])
		}},
		{name: "REST messages in the name of a connection", play: "onBehalf", check: func(t *testing.T, did sceneDid) {
			did.requireOK(t, "by the key", "by oneself", "last")
			for _, name := range []string{"by another", "by nobody", "of another app", "of no connection"} {
				did.requireRefused(t, name, 40006, 400)
			}
			var id string
			did.into(t, "connection", &id)
			heard := did.told(t, "heard")
			require.Equal(t, []string{"by the key", "by oneself", "last"}, namesOf(heard))
			for _, m := range heard[:2] {
				require.Equal(t, id, m.ConnectionID)
				require.Equal(t, "ana", m.ClientID)
			}
		}},
		{name: "messages as long as may be", play: "sizes", check: func(t *testing.T, did sceneDid) {
			did.requireOK(t, "the longest", "last")
			did.requireRefused(t, "too long", 40009, 400) // by the SDK, from connectionDetails
			did.requireNoted(t, "heard", []any{[]any{"n", 65535}, []any{"last", 1}})
		}},
	}
}

// checkForged checks that what a client says about itself is refused, or replaced by
// the truth.
func checkForged(t *testing.T, did sceneDid) {
	var id string
	var began, ended int64
	did.into(t, "connection", &id)
	did.into(t, "began", &began)
	did.into(t, "ended", &ended)
	for _, prefix := range []string{"", "presence "} {
		did.requireRefused(t, prefix+"clientId", 40012, 400)
		did.requireRefused(t, prefix+"connectionId", 40006, 400)
		did.requireOK(t, prefix+"timestamp", prefix+"userClaim")
	}
	for _, m := range append(did.told(t, "heard"), did.told(t, "seen")...) {
		label := fmt.Sprintf("%+v", m)
		require.Equal(t, "mallory", m.ClientID, label)
		require.Equal(t, id, m.ConnectionID, label)
		require.GreaterOrEqual(t, m.Timestamp, began, label)
		require.LessOrEqual(t, m.Timestamp, ended, label)
		require.NotContains(t, m.Extras, "userClaim", label)
		require.NotEqual(t, "zzzz", m.Serial, label)
		if m.Name == "userClaim" || m.Data == "userClaim" {
			require.Equal(t, object{"headers": object{"kept": "yes"}}, m.Extras, "the rest of extras is the client's own")
		}
	}
	did.requireStates(t, "mallory", "connecting", "connected")
}
