package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// forgery is what a client says of itself that only the server may say. Where it is
// not refused with one of these codes, the truth has to be delivered in its place.
type forgery struct {
	members object // of the message
	frame   object // of the frame that carries it
	codes   []string
}

// forgeries are those of a client called mallory, whose victim is on another
// connection.
func forgeries(victim frame) map[string]forgery {
	mayBeIgnored := []string{"ok", "40006/400"}
	return map[string]forgery{
		"clientId":                      {object{"clientId": "victim"}, nil, []string{"40012/400"}},
		"an empty clientId":             {object{"clientId": ""}, nil, []string{"ok", "40012/400"}},
		"*":                             {object{"clientId": "*"}, nil, []string{"40012/400"}},
		"a clientId that is no string":  {object{"clientId": 7}, nil, []string{"40012/400", "40000/400", "40013/400"}},
		"connectionId":                  {object{"connectionId": victim.ConnectionID}, nil, []string{"40006/400"}},
		"connectionKey":                 {object{"connectionKey": victim.Details.ConnectionKey}, nil, mayBeIgnored},
		"timestamp":                     {object{"timestamp": 1}, nil, []string{"ok"}},
		"serial":                        {object{"serial": "zzzz", "version": object{"serial": "zzzz", "clientId": "victim"}}, nil, []string{"ok", "40003/400", "40000/400"}},
		"userClaim":                     {object{"extras": object{"userClaim": "admin", "headers": object{"kept": "yes"}}}, nil, []string{"ok"}},
		"userClaim beside":              {object{"userClaim": "admin"}, nil, []string{"ok"}},
		"userClaim of any type":         {object{"extras": object{"userClaim": object{"role": "admin"}}}, nil, []string{"ok", "40000/400"}},
		"userClaim twice":               {object{"userClaim": "admin", "extras": object{"userClaim": []string{"admin"}}}, nil, []string{"ok", "40000/400"}},
		"the frame's connectionId":      {nil, object{"connectionId": victim.ConnectionID}, mayBeIgnored},
		"the frame's id":                {nil, object{"id": victim.ConnectionID + ":7"}, []string{"ok"}},
		"the frame's timestamp":         {nil, object{"timestamp": 1}, []string{"ok"}},
		"the frame's channelSerial":     {nil, object{"channelSerial": "zzzz"}, []string{"ok"}},
		"the frame's clientId":          {nil, object{"clientId": "victim"}, []string{"ok"}},
		"the frame's connectionDetails": {nil, object{"connectionDetails": object{"clientId": "victim"}}, []string{"ok"}},
	}
}

// TestRealtimeForgeries shows that others never get what a client only claims of
// itself, in messages and in presence.
func TestRealtimeForgeries(t *testing.T) {
	t.Parallel()
	server := startServer(t, realtimeConfig())
	t.Run("", func(t *testing.T) {
		for _, kind := range []string{"messages", "presence"} {
			inBothFormats(t, kind, func(t *testing.T, format string) { forgeEach(t, server, format, kind) })
		}
		t.Run("JSON", func(t *testing.T) {
			t.Parallel()
			forgeSpellings(t, server)
		})
		t.Run("msgpack", func(t *testing.T) {
			t.Parallel()
			forgeDuplicates(t, server)
		})
	})
	server.stop(t)
}

// forgers are an observer, who has attached, and mallory.
func forgers(t *testing.T, server *process, format, room string) (observer, mallory *rawConn, self frame) {
	t.Helper()
	observer, _ = withJWT(t, format, "full", nil).connect(t, server)
	observer.attach(t, room)
	mallory, self = withJWT(t, format, "full", object{"x-ably-clientId": "mallory"}).connect(t, server)
	mallory.attach(t, room)
	return observer, mallory, self
}

func forgeEach(t *testing.T, server *process, format, kind string) {
	room := ofTest(t)
	observer, mallory, self := forgers(t, server, format, room)
	_, victim := withJWT(t, format, "full", object{"x-ably-clientId": "victim"}).connect(t, server)
	accepted := 0
	for name, f := range forgeries(victim) {
		item := object{"data": name}
		for member, value := range f.members {
			item[member] = value
		}
		var sent object
		if kind == "presence" {
			item["action"] = presUpdate
			sent = mallory.presence(room, item)
		} else {
			item["name"] = "n"
			sent = mallory.message(room, item)
		}
		for member, value := range f.frame {
			sent[member] = value
		}
		mallory.send(t, sent)
		answer := mallory.next(t)
		for answer.Action != actAck && answer.Action != actNack {
			answer = mallory.next(t) // what it says itself comes back to it too
		}
		verdict := "ok"
		if answer.Action == actNack {
			verdict = fmt.Sprintf("%d/%d", answer.Error.Code, answer.Error.StatusCode)
		} else {
			accepted++
		}
		require.Contains(t, f.codes, verdict, "%s: %s", name, answer)
	}
	for range accepted {
		var f frame
		var items []wireMessage
		if kind == "presence" {
			f = observer.await(t, actPresence)
			items = f.Presence
		} else {
			f = observer.await(t, actMessage)
			items = f.Messages
		}
		require.Len(t, items, 1)
		requireTruth(t, f, items[0], self)
	}
	require.Empty(t, observer.requireAlive(t), "nothing of what was refused is delivered")
}

// requireTruth requires that what was delivered says what the server knows.
func requireTruth(t *testing.T, f frame, m wireMessage, self frame) {
	t.Helper()
	require.Equal(t, "mallory", m.ClientID, "%s", f)
	require.False(t, f.has("clientId"), "%s", f)
	// A member that the item leaves out is the frame's (TM2, TP3).
	connection, id, timestamp := m.ConnectionID, m.ID, m.Timestamp
	if connection == "" {
		connection = f.ConnectionID
	}
	if id == "" {
		id = f.ID
	}
	if timestamp == 0 {
		timestamp = f.Timestamp
	}
	require.Equal(t, self.ConnectionID, connection, "%s", f)
	require.True(t, f.ConnectionID == "" || f.ConnectionID == self.ConnectionID, "%s", f)
	require.True(t, strings.HasPrefix(id, self.ConnectionID+":"), "%s", f)
	require.Greater(t, timestamp, int64(1), "%s", f)
	require.NotEqual(t, int64(1), f.Timestamp, "%s", f)
	require.NotEqual(t, "zzzz", f.ChannelSerial, "%s", f)
	require.NotEqual(t, "zzzz", m.Serial, "%s", f)
	require.NotContains(t, m.Extras, "userClaim", "%s", f)
	require.NotContains(t, f.String(), "admin", "no member at all tells of a claim")
	require.NotContains(t, f.String(), "victim", "no member at all tells of another")
	if m.Data == "userClaim" {
		require.Equal(t, map[string]any{"headers": map[string]any{"kept": "yes"}}, m.Extras, "the rest of extras is the client's own")
	}
}

// forgeSpellings writes names in other ways, and more than once, as readers of JSON
// are apt to take differently.
func forgeSpellings(t *testing.T, server *process) {
	room := ofTest(t)
	for name, members := range map[string]string{
		"escaped names":        `"extr\u0061s":{"userCl\u0061im":"admin"}`,
		"escaped clientId":     `"client\u0049d":"victim"`,
		"escaped connectionId": `"connection\u0049d":"victim"`,
		"clientId twice":       `"clientId":"mallory","clientId":"victim"`,
		"clientId twice back":  `"clientId":"victim","clientId":"mallory"`,
		"extras twice":         `"extras":{"headers":{}},"extras":{"userClaim":"admin"}`,
		"extras twice back":    `"extras":{"userClaim":"admin"},"extras":{"headers":{}}`,
		"userClaim twice":      `"extras":{"userClaim":"admin","userClaim":"admin"}`,
		"another case":         `"ClientId":"victim","CLIENTID":"victim","Extras":{"userClaim":"admin"}`,
		"white space":          ` "extras" : { "userClaim" : "admin" } , "clientId" : "mallory" `,
		"extras in text":       `"extras":"{\"userClaim\":\"admin\"}"`,
		"a number too large":   `"timestamp":1e999`,
		"unpaired surrogate":   `"clientId":"\ud800victim"`,
	} {
		t.Run(name, func(t *testing.T) {
			observer, mallory, self := forgers(t, server, "json", room)
			mallory.sendText(t, fmt.Sprintf(`{"action":15,"channel":%q,"msgSerial":0,"messages":[{"name":"n","data":"d",%s}]}`, room, members))
			// It is refused, the message or the connection, or told truly.
			f, err := mallory.read(patience)
			require.NoError(t, err)
			switch f.Action {
			case actNack:
				require.Empty(t, observer.requireAlive(t))
			case actError:
				require.False(t, f.has("channel"))
				require.Empty(t, observer.requireAlive(t))
			default:
				m := observer.await(t, actMessage)
				require.Len(t, m.Messages, 1)
				if name == "another case" { // an unknown member, which the SDK ignores
					require.Equal(t, "mallory", m.Messages[0].ClientID)
					require.NotContains(t, m.Messages[0].Extras, "userClaim")
					return
				}
				requireTruth(t, m, m.Messages[0], self)
			}
		})
	}
}

// forgeDuplicates repeats keys of msgpack maps, which must not be (§0.37).
func forgeDuplicates(t *testing.T, server *process) {
	room := ofTest(t)
	text := func(s string) string { return string(encodeAs(t, s, true)) }
	message := func(pairs ...string) string {
		body := string([]byte{byte(0x80 | len(pairs)/2)})
		for i := 0; i < len(pairs); i += 2 {
			body += text(pairs[i]) + pairs[i+1]
		}
		return "\x84" + text("action") + "\x0f" + text("channel") + text(room) + text("msgSerial") + "\x00" + text("messages") + "\x91" + body
	}
	claim := "\x81" + text("userClaim") + text("admin")
	for name, payload := range map[string]string{
		"clientId twice":      message("clientId", text("mallory"), "clientId", text("victim")),
		"clientId twice back": message("clientId", text("victim"), "clientId", text("mallory")),
		"extras twice":        message("extras", "\x80", "extras", claim),
		"userClaim twice":     message("extras", "\x82"+text("userClaim")+text("admin")+text("userClaim")+text("admin")),
		"a name in binary":    message("n", text("d"), "clientId", "\xc4\x06victim"),
		"extras in binary":    message("extras", "\xc4\x05admin"),
	} {
		t.Run(name, func(t *testing.T) {
			observer, mallory, self := forgers(t, server, "msgpack", room)
			require.NoError(t, mallory.WriteMessage(mallory.op(), []byte(payload)))
			f, err := mallory.read(patience)
			require.NoError(t, err)
			if f.Action == actNack || f.Action == actError {
				require.Empty(t, observer.requireAlive(t))
				return
			}
			require.NotContains(t, name, "twice", "msgpack has no duplicate keys: %s", f)
			m := observer.await(t, actMessage)
			requireTruth(t, m, m.Messages[0], self)
		})
	}
}
