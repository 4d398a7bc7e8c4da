package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRealtimeResume shows who may go on with a connection, and with what.
func TestRealtimeResume(t *testing.T) {
	t.Parallel()
	server := startServer(t, realtimeConfig())
	ana := object{"x-ably-clientId": "ana"}
	t.Run("", func(t *testing.T) {
		for _, how := range []string{"resume", "recover"} {
			inBothFormats(t, how+" by oneself", func(t *testing.T, format string) {
				u := withJWT(t, format, "full", ana)
				c, first := u.connect(t, server)
				key := first.Details.ConnectionKey
				for range 3 {
					c.Close()
					again, f := u.withQuery(how, key).connect(t, server)
					require.Equal(t, first.ConnectionID, f.ConnectionID)
					require.Nil(t, f.Error, "%s", f)
					require.Empty(t, again.requireAlive(t))
					c, key = again, f.Details.ConnectionKey
				}
			})
			inBothFormats(t, how+" by another token of the same", func(t *testing.T, format string) {
				c, first := withJWT(t, format, "full", ana).connect(t, server)
				c.Close()
				_, f := withJWT(t, format, "full", object{"x-ably-clientId": "ana", "x-ably-capability": `{"a":["subscribe"]}`}).
					withQuery(how, first.Details.ConnectionKey).connect(t, server)
				require.Equal(t, first.ConnectionID, f.ConnectionID)
			})
			for name, credential := range map[string]struct {
				key    string
				claims object
			}{
				"another app":    {"other", ana},
				"another key":    {"second", ana},
				"another client": {"full", object{"x-ably-clientId": "ben"}},
				"nobody":         {"full", nil},
				"anybody":        {"full", object{"x-ably-clientId": "*"}},
			} {
				inBothFormats(t, how+" by "+name, func(t *testing.T, format string) {
					owner, first := withJWT(t, format, "full", ana).connect(t, server)
					withJWT(t, format, credential.key, credential.claims).withQuery(how, first.Details.ConnectionKey).dial(t, server).requireFatal(t, 40102, 401)
					require.Empty(t, owner.requireAlive(t), "the owner notices nothing")
				})
			}
			for name, key := range map[string]string{
				"a key that is none": "x", "a key of nobody": "AAAAAAAAAAAA!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "a key too long": strings.Repeat("k", 2000),
			} {
				inBothFormats(t, how+" with "+name, func(t *testing.T, format string) {
					_, f := withJWT(t, format, "full", ana).withQuery(how, key).connect(t, server)
					require.NotNil(t, f.Error, "%s", f)
					require.Equal(t, []int{80018, 400}, []int{f.Error.Code, f.Error.StatusCode})
				})
			}
			inBothFormats(t, how+" with a bad credential", func(t *testing.T, format string) {
				owner, first := withJWT(t, format, "full", ana).connect(t, server)
				u := upgrade{format: format}.withQuery(how, first.Details.ConnectionKey)
				u.withQuery("key", "rtApp.full:wrong").dial(t, server).requireFatal(t, 40101, 401)
				u.withQuery("access_token", forge(mintRealtime(t, "full", ana))).dial(t, server).requireFatal(t, 40144, 401)
				u.dial(t, server).requireFatal(t, 40101, 401)
				require.Empty(t, owner.requireAlive(t))
			})
		}
		inBothFormats(t, "resume while the old one is open", func(t *testing.T, format string) { takesOver(t, server, format) })
		inBothFormats(t, "a message that is sent again", func(t *testing.T, format string) { sendsTwice(t, server, format) })
		inBothFormats(t, "keys are not alike", func(t *testing.T, format string) {
			seen := map[string]bool{}
			for range 20 {
				_, f := withJWT(t, format, "full", nil).connect(t, server)
				require.False(t, seen[f.Details.ConnectionKey] || seen[f.ConnectionID])
				require.NotEqual(t, f.ConnectionID, f.Details.ConnectionKey)
				seen[f.Details.ConnectionKey], seen[f.ConnectionID] = true, true
			}
		})
	})
	server.stop(t)
}

// takesOver resumes a connection whose first socket is still open: it is the new one
// that counts.
func takesOver(t *testing.T, server *process, format string) {
	room := ofTest(t)
	u := withJWT(t, format, "full", object{"x-ably-clientId": "ana"})
	old, first := u.connect(t, server)
	serial := old.attach(t, room).ChannelSerial
	again, f := u.withQuery("resume", first.Details.ConnectionKey).connect(t, server)
	require.Equal(t, first.ConnectionID, f.ConnectionID)
	attached := again.attach(t, room, object{"channelSerial": serial})
	require.NotZero(t, attached.Flags&flagResumed, "%s", attached)
	publisher, _ := withJWT(t, format, "full", nil).connect(t, server)
	publisher.send(t, publisher.message(room, object{"name": "n", "data": "d"}))
	require.Equal(t, "d", again.await(t, actMessage).Messages[0].Data)
	require.Empty(t, again.requireAlive(t), "once")
	for {
		f, err := old.read(patience)
		if err != nil {
			require.NotContains(t, err.Error(), "timeout", "the old socket stays open")
			break
		}
		require.Equal(t, actDisconnected, f.Action, "the old socket is told to go, at most: %s", f)
	}
}

// sendsTwice sends frames again after a resume, as RTN19a has clients do when no
// acknowledgement has come: it is answered again, and not delivered again.
func sendsTwice(t *testing.T, server *process, format string) {
	room := ofTest(t)
	eve, _ := withJWT(t, format, "full", nil).connect(t, server)
	eve.attach(t, room)
	u := withJWT(t, format, "full", object{"x-ably-clientId": "ana"})
	c, first := u.connect(t, server)
	var sent []object
	for i := range 5 {
		sent = append(sent, c.message(room, object{"name": "n", "data": strconv.Itoa(i)}))
	}
	c.send(t, sent...)
	c.requireAnswers(t, 0, "ok", "ok", "ok", "ok", "ok")
	c.Close()
	again, _ := u.withQuery("resume", first.Details.ConnectionKey).connect(t, server)
	again.send(t, sent[2:]...)
	again.requireAnswers(t, 2, "ok", "ok", "ok")
	again.serial = 5
	again.send(t, again.message(room, object{"name": "n", "data": "5"}))
	again.requireAnswers(t, 5, "ok")
	for i := range 6 {
		require.Equal(t, strconv.Itoa(i), eve.await(t, actMessage).Messages[0].Data)
	}
	require.Empty(t, eve.requireAlive(t))
}
