package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRealtimeRevocation shows what revocations do to connections that do not react.
func TestRealtimeRevocation(t *testing.T) {
	t.Parallel()
	server := startServer(t, realtimeConfig())
	revoke := func(t *testing.T, body string) {
		keyName, _, _ := strings.Cut(realtimeKeys["revocable"], ":")
		a := request{method: "POST", path: "/keys/" + keyName + "/revokeTokens", body: body, header: presentKey(realtimeKeys["revocable"]).header}.
			withHeader("Content-Type", typeJSON).withHeader("X-Ably-Version", "3").send(t, server.public)
		require.Equal(t, 201, a.status, "%s", a.body)
	}
	issued := func(t *testing.T, format, clientID string) upgrade {
		return withJWT(t, format, "revocable", object{"iat": nowSeconds() - 10, "x-ably-clientId": clientID})
	}
	t.Run("", func(t *testing.T) {
		inBothFormats(t, "at once", func(t *testing.T, format string) {
			me := ofTest(t)
			u := issued(t, format, me)
			c, _ := u.connect(t, server)
			other, _ := issued(t, format, me+" other").connect(t, server)
			c.attach(t, me)
			revoke(t, `{"targets":["clientId:`+me+`"]}`)
			c.requireEnding(t, actDisconnected, 40141, 401)
			u.dial(t, server).requireFatal(t, 40141, 401)
			require.Empty(t, other.requireAlive(t))
			again, _ := other.reauthenticated(t, mintRealtime(t, "revocable", object{"x-ably-clientId": me + " other"}))
			require.NotNil(t, again)
		})
		inBothFormats(t, "with a margin that nobody uses", func(t *testing.T, format string) {
			me := ofTest(t)
			c, _ := issued(t, format, me).connect(t, server)
			began := time.Now()
			revoke(t, `{"targets":["clientId:`+me+`"],"allowReauthMargin":true}`)
			require.Equal(t, actAuth, c.await(t, actAuth).Action)
			require.Less(t, time.Since(began), 3*time.Second, "it is asked at once")
			require.Empty(t, c.requireAlive(t), "it goes on until then")
			var gone frame
			for gone.Action != actDisconnected {
				var err error
				gone, err = c.read(40 * time.Second)
				require.NoError(t, err)
				require.Contains(t, []int{actHeartbeat, actAuth, actDisconnected}, gone.Action, "%s", gone)
			}
			require.Equal(t, 40141, gone.Error.Code)
			require.InDelta(t, 30, time.Since(began).Seconds(), 2.5, "30 s, and to the next whole second")
			c.requireEnd(t)
		})
		inBothFormats(t, "an AUTH with a revoked token", func(t *testing.T, format string) {
			me := ofTest(t)
			held := mintRealtime(t, "revocable", object{"iat": nowSeconds() - 10, "x-ably-clientId": me, "x-ably-revocation-key": me})
			c, _ := withJWT(t, format, "revocable", object{"iat": nowSeconds() - 10, "x-ably-clientId": me}).connect(t, server)
			revoke(t, `{"targets":["revocationKey:`+me+`"]}`)
			c.send(t, object{"action": actAuth, "auth": object{"accessToken": held}})
			c.requireFatal(t, 40141, 401)
		})
	})
	server.stop(t)
}

// reauthenticated sends AUTH and returns the CONNECTED that answers it.
func (c *rawConn) reauthenticated(t testing.TB, token string) (*rawConn, frame) {
	t.Helper()
	c.send(t, object{"action": actAuth, "auth": object{"accessToken": token}})
	return c, c.await(t, actConnected)
}

// TestRealtimeKeyRevocation shows that a key which is revoked takes its connections
// with it, for good, and leaves the others alone.
func TestRealtimeKeyRevocation(t *testing.T) {
	t.Parallel()
	server := startServer(t, realtimeConfig())
	var doomed []*rawConn
	for _, format := range []string{"json", "msgpack"} {
		byToken, _ := withJWT(t, format, "second", object{"x-ably-clientId": "ana"}).connect(t, server)
		byKey, _ := upgrade{format: format}.withQuery("key", realtimeKeys["second"]).connect(t, server)
		doomed = append(doomed, byToken, byKey)
	}
	spared, _ := withJWT(t, "json", "full", nil).connect(t, server)
	config, err := os.ReadFile(server.config)
	require.NoError(t, err)
	_, secret, _ := strings.Cut(realtimeKeys["second"], ":")
	changed := strings.Replace(string(config), "secret: "+secret, "secret: "+secret+", state: revoked", 1)
	require.NotEqual(t, string(config), changed)
	require.NoError(t, os.WriteFile(server.config, []byte(changed), 0o600))
	server.signal(t, syscall.SIGHUP)
	for i, c := range doomed {
		t.Run(fmt.Sprint(i), func(t *testing.T) { c.requireFatal(t, 40131, 401) })
	}
	require.Empty(t, spared.requireAlive(t))
	server.stop(t)
}

// TestRealtimeExpiry shows that a token's end is the connection's, to the second,
// and that nothing is delivered after it.
func TestRealtimeExpiry(t *testing.T) {
	t.Parallel()
	server := startServer(t, realtimeConfig())
	t.Run("", func(t *testing.T) {
		inBothFormats(t, "of a token in use", func(t *testing.T, format string) {
			room := ofTest(t)
			exp := nowSeconds() + 3
			c, _ := withJWT(t, format, "full", object{"exp": exp}).connect(t, server)
			c.attach(t, room)
			publisher, _ := withJWT(t, format, "full", nil).connect(t, server)
			var last time.Time
			for {
				publisher.send(t, publisher.message(room, object{"name": "n", "data": "d"}))
				publisher.await(t, actAck)
				f := c.next(t)
				if f.Action == actDisconnected {
					require.Equal(t, []int{40142, 401}, []int{f.Error.Code, f.Error.StatusCode})
					break
				}
				require.Equal(t, actMessage, f.Action, "%s", f)
				last = time.UnixMilli(f.Timestamp)
				time.Sleep(2 * time.Millisecond) // not a flood
			}
			end := time.Unix(exp, 0)
			require.False(t, time.Now().Before(end), "not before its end")
			require.WithinDuration(t, end, time.Now(), 1500*time.Millisecond)
			require.True(t, last.Before(end), "sent at %s, delivered after the token's end", last)
			c.requireEnd(t)
		})
		inBothFormats(t, "and its renewal in time", func(t *testing.T, format string) {
			exp := nowSeconds() + 3
			c, first := withJWT(t, format, "full", object{"exp": exp}).connect(t, server)
			_, f := c.reauthenticated(t, mintRealtime(t, "full", nil))
			require.Equal(t, first.ConnectionID, f.ConnectionID)
			for time.Now().Before(time.Unix(exp, 0).Add(time.Second)) {
				require.Empty(t, c.requireAlive(t))
				time.Sleep(50 * time.Millisecond) // not a flood
			}
		})
	})
	server.stop(t)
}
