package realtime_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/admission"
	"portcullis/engine"
	"portcullis/server/realtime/frame"
)

// request publishes as package server does for POST /channels/{channel}/messages.
func (w *world) request(token []byte, clientID, channel, body string) error {
	w.Helper()
	var g engine.Grant
	if token == nil {
		require.NoError(w, w.VerifyKey(&g, []byte(keyName+":"+secret), engine.Now()))
	} else {
		require.NoError(w, w.VerifyToken(&g, token, engine.Now()))
	}
	var s admission.Session
	require.NoError(w, admission.Admit(&s, &g, admission.Peer{ClientID: []byte(clientID)}))
	var f frame.Frame
	require.NoError(w, frame.ReadMessages(&f, frame.JSON, []byte(body)))
	_, err := w.hub.PublishRequest(w.Context(), &s, g.App(), []byte(channel), &f)
	return err
}

// What is published over HTTP reaches connections, and is nobody's connection's.
func TestPublishOverHTTP(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		c.attach("room")
		require.NoError(t, w.request(w.jwt(claims{clientID: "ana"}), "", "[?rewind=1]room", `[{"data":"a"},{"data":"b","id":"mine"}]`))
		m := c.got("room", "a", "b")
		require.NotContains(t, m, "connectionId")
		require.Equal(t, m.text("id")+":0", m.list("messages")[0]["id"])
		require.Equal(t, "mine", m.list("messages")[1]["id"])
		require.Equal(t, "ana", m.list("messages")[0]["clientId"])
		require.Equal(t, engine.ErrConnectionKey, w.request(nil, "", "room", `{"connectionId":"`+c.id+`"}`))
		require.Equal(t, engine.ErrCapabilityDenied, w.request(w.jwt(claims{capability: `{"x":["publish"]}`}), "", "room", `{}`))
		require.Equal(t, engine.ErrNotServed, w.request(nil, "", "room", `{"action":1}`))
		require.NoError(t, w.request(w.jwt(claims{key: "second.key"}), "", "room", `{"data":"another app's"}`))
		c.quiet()
	})
}

// A request that names a connection's key speaks for it, if its sender may be the
// connection's client (§5, §0.36): for an app's own connections only, never
// anonymously, and as nobody else.
func TestPublishOnBehalf(t *testing.T) {
	run(t, func(w *world) {
		ana, silent := w.connected(w.jwt(claims{clientID: "ana"})), w.connected(w.jwt(claims{clientID: "ana"}), "echo=false")
		ana.attach("room")
		silent.attach("room")
		body := func(key, more string) string { return `{"data":"x","connectionKey":"` + key + `"` + more + `}` }
		for name, c := range map[string]struct {
			token    []byte
			clientID string
			more     string
			ok       bool
		}{
			"the key":             {nil, "", "", true},
			"the key, as her":     {nil, "ana", "", true},
			"her token":           {w.jwt(claims{clientID: "ana"}), "", "", true},
			"a wildcard":          {w.jwt(claims{clientID: "*"}), "", `,"clientId":"ana"`, true},
			"another client":      {w.jwt(claims{clientID: "bob"}), "", "", false},
			"anonymous":           {w.jwt(claims{}), "", "", false},
			"in another name":     {nil, "", `,"clientId":"bob"`, false},
			"another app":         {w.jwt(claims{key: "second.key", clientID: "ana"}), "", "", false},
			"another app's ":      {w.jwt(claims{key: "second.key", clientID: "*"}), "", "", false},
			"another connection":  {nil, "", `,"connectionId":"` + silent.id + `"`, false},
			"with connectionId":   {nil, "", `,"connectionId":"` + ana.id + `"`, true},
			"with userClaim":      {nil, "", `,"extras":{"userClaim":"admin"}`, true},
			"anonymously, as her": {w.jwt(claims{}), "", `,"clientId":"ana"`, false},
		} {
			err := w.request(c.token, c.clientID, "room", body(ana.key, c.more))
			if !c.ok {
				require.Equal(t, engine.ErrConnectionKey, err, name)
				ana.quiet()
				continue
			}
			require.NoError(t, err, name)
			m := ana.got("room", "x")
			require.Equal(t, ana.id, m["connectionId"], name)
			item := m.list("messages")[0]
			require.Equal(t, "ana", item["clientId"], name)
			require.Equal(t, ana.id, item["connectionId"], name)
			if extras, ok := item["extras"]; ok {
				require.Empty(t, extras, name)
			}
			silent.got("room", "x")
		}
		for _, key := range []string{"x", ana.id, ana.key + "0", ana.id + "!"} {
			require.Equal(t, engine.ErrConnectionKey, w.request(nil, "", "room", body(key, "")))
		}
		// As its own it does not come back to a connection that wants no echo.
		require.NoError(t, w.request(nil, "", "room", body(silent.key, "")))
		ana.got("room", "x")
		silent.quiet()
		silent.send(message{"action": frame.ActionClose})
		silent.expect(frame.ActionClosed)
		require.Equal(t, engine.ErrConnectionKey, w.request(nil, "", "room", body(silent.key, "")))
	})
}
