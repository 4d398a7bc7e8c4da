package realtime_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/admission/registry"
	"portcullis/engine"
	"portcullis/server/realtime"
	"portcullis/server/realtime/frame"
)

// What CONNECTED says (CD1, RSA7): who the client is, and the limits it must keep.
func TestConnected(t *testing.T) {
	run(t, func(w *world) {
		for name, c := range map[string]struct {
			token  []byte
			query  []string
			client any
		}{
			"identified":                  {w.jwt(claims{clientID: "ana"}), nil, "ana"},
			"as it asks":                  {w.jwt(claims{clientID: "*"}), []string{"clientId=bob"}, "bob"},
			"wildcard":                    {w.jwt(claims{clientID: "*"}), nil, "*"},
			"a key is a wildcard":         {nil, nil, "*"},
			"anonymous":                   {w.jwt(claims{}), nil, nil},
			"an issued token, identified": {w.opaque(claims{clientID: "ana"}), nil, "ana"},
		} {
			for _, format := range []string{"format=json", "format=msgpack"} {
				m := w.dial(c.token, append(c.query, format)...).welcome()
				require.NotContains(t, m, "error", name)
				details := m.object("connectionDetails")
				require.Equal(t, c.client, details["clientId"], name)
				require.EqualValues(t, 65536, details["maxMessageSize"])
				require.EqualValues(t, 524288, details["maxFrameSize"])
				require.EqualValues(t, 1000, details["maxInboundRate"])
				require.EqualValues(t, 120_000, details["connectionStateTtl"])
				require.EqualValues(t, 15_000, details["maxIdleInterval"])
				require.NotEmpty(t, details["serverId"])
				require.NotContains(t, details["connectionKey"], "app", "an opaque secret of 128 bits at least")
				require.Greater(t, len(details.text("connectionKey")), 2*16)
			}
		}
	})
}

// A refusal is told in an ERROR, or in a DISCONNECTED when the same client may
// succeed later; never by failing the upgrade.
func TestRefusedConnections(t *testing.T) {
	run(t, func(w *world) {
		expired := w.jwt(claims{life: time.Second})
		time.Sleep(2 * time.Second)
		w.dial(expired).failed(40142)
		w.dial([]byte("no.token")).failed(40145)
		w.dial(w.jwt(claims{clientID: "ana"}), "clientId=bob").failed(40102)
		w.dial(nil, "key=app.key:wrong").failed(40101)
		w.dial(nil, "key=app.key:wrong", "format=msgpack").failed(40101)

		w.hub.Apply(realtime.Settings{Limits: registry.Limits{PerApp: 1}})
		w.connected(nil)
		w.dial(nil).disconnected(40150)
		require.Equal(t, realtime.Kept{Connections: 1, Live: 1}, w.hub.Kept(), "nothing is kept of who was refused")
	})
}

// Limits by token count connections that have a WebSocket. API keys have none.
func TestConnectionsOfOneToken(t *testing.T) {
	run(t, func(w *world) {
		w.hub.Apply(realtime.Settings{Limits: registry.Limits{PerToken: 2}})
		token := w.jwt(claims{clientID: "ana"})
		first := w.connected(token)
		second := w.connected(token)
		w.dial(token).disconnected(40151)
		w.connected(w.jwt(claims{clientID: "bob"}))
		for range 3 {
			w.connected(nil)
		}
		// Who is away does not count; who comes back does again.
		second.cut()
		third := w.connected(token)
		second.resume(token).disconnected(40151)
		third.cut()
		second = second.resume(token)
		second.welcome()
		w.dial(token).disconnected(40151)
		// Coming back over a WebSocket that is still there takes no second place.
		first.resume(token).welcome()
	})
}

// A re-authentication is held to the limit by token as well.
func TestReauthenticationWithATokenThatIsUsedUp(t *testing.T) {
	run(t, func(w *world) {
		w.hub.Apply(realtime.Settings{Limits: registry.Limits{PerToken: 1}})
		token := w.jwt(claims{clientID: "ana"})
		w.connected(token)
		c := w.connected(w.jwt(claims{clientID: "ana", life: time.Minute}))
		c.auth(token)
		c.disconnected(40151)
	})
}

// A namespace that becomes one for identified clients is so for who is connected.
func TestNamespacesOfLiveConnections(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(w.jwt(claims{}))
		c.attach("chat:1")
		w.hub.Apply(realtime.Settings{Namespaces: namespaces("app", "chat")})
		c.post("chat:1", "x")
		c.nacked(40161)
		late := w.connected(w.jwt(claims{}))
		late.send(message{"action": frame.ActionAttach, "channel": "chat:1"})
		require.Equal(t, 40161, late.expect(frame.ActionError).code())
		w.connected(w.jwt(claims{key: "second.key"})).attach("chat:1")
	})
}

// A panic over one connection costs that one only.
func TestAPanicEndsOneConnection(t *testing.T) {
	run(t, func(w *world) {
		c, other := w.connected(nil), w.connected(nil)
		w.verify = func(*engine.Grant, []byte) error { panic("a defect") }
		c.auth(w.jwt(claims{clientID: "*"}))
		c.closed()
		other.attach("room")
		require.Contains(t, w.log.String(), "level=ERROR msg=panic type=string")
		w.log.Reset()
		w.verify = nil
		c.resume(nil).welcome()
	})
}
