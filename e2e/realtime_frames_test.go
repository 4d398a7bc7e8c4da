package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"
)

// TestRealtimeFrames shows how the server answers frames, those too that no SDK
// sends.
func TestRealtimeFrames(t *testing.T) {
	t.Parallel()
	server := startServer(t, realtimeConfig())
	t.Run("", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *process, string){
			"every frame is answered once, in order":  answersInOrder,
			"objects and annotations are refused":     refusesUnserved,
			"unknown actions and members are ignored": ignoresUnknown,
			"heartbeats are echoed":                   echoesHeartbeats,
			"heartbeats are sent to the idle":         sendsHeartbeats,
			"pings are sent to the idle":              sendsPings,
			"attach, detach and their flags":          attachesAndDetaches,
			"close":                                   closes,
			"disconnect":                              disconnects,
			"serials only grow":                       growsSerials,
			"messages too long":                       refusesLongMessages,
			"frames too long":                         refusesLongFrames,
			"frames in parts":                         takesFragments,
			"presence is synced":                      syncsPresence,
			"a rate that a token limits":              limitsRate,
			"a client that does not read":             bearsSlowReaders,
		} {
			inBothFormats(t, name, func(t *testing.T, format string) { test(t, server, format) })
		}
		refusesMalformed(t, server)
		inBothFormats(t, "frames in the other format", func(t *testing.T, format string) { otherFormats(t, server, format) })
	})
	server.stop(t)
}

func answersInOrder(t *testing.T, server *process, format string) {
	room := ofTest(t)
	c, _ := withJWT(t, format, "full", object{"x-ably-clientId": "ana", "x-ably-capability": `{"` + room + `":["publish","subscribe"],"here":["presence"]}`}).connect(t, server)
	c.attach(t, room)
	c.attach(t, "here")
	good, bad := object{"name": "n", "data": "d"}, object{"name": "n", "clientId": "ben"}
	frames := []object{
		c.message(room, good),
		c.message(room, bad),
		c.message("elsewhere", good),
		c.presence(room, object{"action": presEnter}),
		c.presence("here", object{"action": presEnter, "clientId": "ben"}),
		c.message(room, good, good, good),
		c.message(":bad", good),
		c.message(room, good, bad),
		c.numbered(object{"action": actObject, "channel": room, "state": []object{}}),
		c.numbered(object{"action": actAnnotation, "channel": room, "annotations": []object{}}),
		c.message(room, good),
	}
	c.send(t, frames...)
	others := c.requireAnswers(t, 0, "ok", "40012/400", "40160/401", "40160/401", "40012/400", "ok", "40010/400", "40012/400",
		"refused", "refused", "ok")
	delivered := 0
	for _, f := range append(others, c.requireAlive(t)...) {
		require.Equal(t, actMessage, f.Action, "%s", f)
		delivered += len(f.Messages)
	}
	require.Equal(t, 5, delivered)
}

func refusesUnserved(t *testing.T, server *process, format string) {
	room := ofTest(t)
	c, _ := withJWT(t, format, "full", object{"x-ably-clientId": "ana"}).connect(t, server)
	for _, f := range []object{
		{"action": actObject, "channel": room, "state": []object{{"operation": object{"action": 0}}}},
		{"action": actAnnotation, "channel": room, "annotations": []object{{"action": 0, "type": "reaction:distinct.v1", "name": "+1"}}},
	} {
		sent := c.numbered(f)
		c.send(t, sent)
		answer := c.next(t)
		require.Equal(t, actNack, answer.Action, "or the SDK would wait for ever: %s", answer)
		require.Equal(t, sent["msgSerial"], *answer.MsgSerial)
		require.EqualValues(t, 1, answer.Count)
		requireWireError(t, "raw", answer)
		require.False(t, answer.Error.Code >= 40140 && answer.Error.Code < 40150, "a new token does not help")
	}
	c.send(t, c.message(room, object{"name": "n"}))
	c.requireAnswers(t, 2, "ok")
}

func ignoresUnknown(t *testing.T, server *process, format string) {
	room := ofTest(t)
	c, _ := withJWT(t, format, "full", object{"x-ably-clientId": "ana"}).connect(t, server)
	for _, action := range []int{3, actConnected, actDisconnected, actClosed, actError, actAttached, actDetached, actAck, actNack, 18, 20, 22, 99, 1 << 30} {
		c.send(t, object{"action": action, "channel": room, "msgSerial": 7, "count": 1, "error": object{"code": 1, "statusCode": 1, "message": "m"}})
		c.send(t, object{"action": actHeartbeat, "id": "x"})
		f, err := c.read(patience)
		for ; err == nil && f.Action == actNack; f, err = c.read(patience) {
		}
		require.NoError(t, err, "nothing comes of action %d", action)
		require.Equal(t, actHeartbeat, f.Action, "nothing comes of action %d: %s", action, f)
	}
	c.send(t, object{"action": actHeartbeat, "id": "x", "unknown": object{"deep": []any{1, "two", nil, true, 1.5}}})
	require.Equal(t, "x", c.next(t).ID)
	c.attach(t, room, object{"unknown": 1})
	c.send(t, c.message(room, object{"name": "n", "unknown": object{"a": 1}}))
	c.requireAnswers(t, 0, "ok")
}

func echoesHeartbeats(t *testing.T, server *process, format string) {
	c, _ := withJWT(t, format, "full", nil).connect(t, server)
	for _, id := range []string{"a", "ü 😀", strings.Repeat("x", 100)} {
		c.send(t, object{"action": actHeartbeat, "id": id})
		f := c.next(t)
		require.Equal(t, actHeartbeat, f.Action)
		require.Equal(t, id, f.ID, "RTN13e")
	}
}

func sendsHeartbeats(t *testing.T, server *process, format string) {
	c, _ := withJWT(t, format, "full", nil).withQuery("heartbeats", "true").connect(t, server)
	began := time.Now()
	f := c.next(t)
	require.Equal(t, actHeartbeat, f.Action, "%s", f)
	require.False(t, f.has("id"), "nobody asked: %s", f)
	require.Less(t, time.Since(began), 15500*time.Millisecond, "maxIdleInterval is 15 s")
}

func sendsPings(t *testing.T, server *process, format string) {
	c, _ := withJWT(t, format, "full", nil).withQuery("heartbeats", "false").connect(t, server)
	began := time.Now()
	pinged := make(chan time.Duration, 8)
	c.SetPingHandler(func(data string) error {
		pinged <- time.Since(began)
		return c.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(patience))
	})
	f, err := c.read(16 * time.Second)
	require.Error(t, err, "a ping is enough: %s", f)
	require.NotEmpty(t, pinged)
	require.Less(t, <-pinged, 15500*time.Millisecond, "maxIdleInterval is 15 s")
}

func attachesAndDetaches(t *testing.T, server *process, format string) {
	room := ofTest(t)
	c, _ := withJWT(t, format, "full", object{"x-ably-clientId": "ana"}).connect(t, server)
	for i, modes := range []int64{0, modePublish, modeSubscribe | modePresenceSub, modePresence, modeAll} {
		attached := c.attach(t, room, object{"flags": modes})
		want := modes
		if want == 0 {
			want = modeAll
		}
		require.Equal(t, want, attached.Flags&modeAll, "%s", attached)
		require.NotEmpty(t, attached.ChannelSerial)
		require.True(t, i > 0 || attached.Flags&flagResumed == 0, "nothing is resumed: %s", attached)
		require.Zero(t, attached.Flags&flagHasPresence, "nobody is there: %s", attached)
	}
	c.attach(t, room)
	other, _ := withJWT(t, format, "full", nil).connect(t, server)
	first := other.attach(t, room)
	other.send(t, object{"action": actDetach, "channel": room})
	f := other.next(t)
	require.Equal(t, actDetached, f.Action, "%s", f)
	require.Equal(t, room, f.Channel)
	require.False(t, f.has("error"), "%s", f)
	other.send(t, object{"action": actDetach, "channel": room + " never attached"})
	require.Equal(t, actDetached, other.next(t).Action)

	c.send(t, c.message(room, object{"name": "n", "data": "missed"}))
	c.await(t, actAck)
	require.Empty(t, other.requireAlive(t), "it is detached")
	again := other.attach(t, room)
	require.Zero(t, again.Flags&flagResumed)
	require.Greater(t, again.ChannelSerial, first.ChannelSerial)
	for _, f := range append(other.ahead, other.requireAlive(t)...) {
		require.NotEqual(t, actMessage, f.Action, "an attach brings no history: %s", f)
	}
	other.send(t, object{"action": actDetach, "channel": room})
	other.await(t, actDetached)
	lost := other.attach(t, room, object{"channelSerial": "never:7"})
	require.Zero(t, lost.Flags&flagResumed, "%s", lost)
}

func closes(t *testing.T, server *process, format string) {
	room := ofTest(t)
	u := withJWT(t, format, "full", object{"x-ably-clientId": "ana"})
	c, connected := u.connect(t, server)
	c.attach(t, room)
	c.send(t, c.presence(room, object{"action": presEnter, "data": "d"}))
	c.await(t, actAck)
	eve, _ := withJWT(t, format, "full", nil).connect(t, server)
	eve.attach(t, room)
	eve.await(t, actSync)
	c.ahead = nil
	c.send(t, object{"action": actClose})
	f := c.await(t, actClosed)
	require.False(t, f.has("channel"))
	c.ahead = nil
	c.requireEnd(t)
	gone := eve.await(t, actPresence)
	require.Equal(t, presLeave, gone.Presence[0].Action)
	require.Equal(t, "ana", gone.Presence[0].ClientID)

	_, again := u.withQuery("resume", connected.Details.ConnectionKey).connect(t, server)
	require.NotEqual(t, connected.ConnectionID, again.ConnectionID, "what is closed is not resumed")
	require.NotNil(t, again.Error)
	require.Equal(t, []int{80018, 400}, []int{again.Error.Code, again.Error.StatusCode})
}

func disconnects(t *testing.T, server *process, format string) {
	u := withJWT(t, format, "full", object{"x-ably-clientId": "ana"})
	c, connected := u.connect(t, server)
	c.send(t, object{"action": actDisconnect})
	f, err := c.read(patience)
	if err == nil {
		require.Equal(t, actDisconnected, f.Action, "%s", f)
		c.requireEnd(t)
	}
	_, again := u.withQuery("resume", connected.Details.ConnectionKey).connect(t, server)
	require.Equal(t, connected.ConnectionID, again.ConnectionID, "it may come back")
	require.Nil(t, again.Error)
}

func growsSerials(t *testing.T, server *process, format string) {
	room := ofTest(t)
	eve, _ := withJWT(t, format, "full", nil).connect(t, server)
	last := eve.attach(t, room).ChannelSerial
	var publishers []*rawConn
	for range 2 {
		c, _ := withJWT(t, format, "full", nil).connect(t, server)
		publishers = append(publishers, c)
	}
	const each = 100
	var acknowledged []string
	for range each {
		for _, c := range publishers {
			c.send(t, c.message(room, object{"name": "n"}, object{"name": "n"}))
			f := c.await(t, actAck)
			require.Len(t, f.Res, 1, "%s", f)
			require.Len(t, f.Res[0].Serials, 2, "%s", f)
			for _, serial := range f.Res[0].Serials {
				require.NotNil(t, serial)
				acknowledged = append(acknowledged, *serial)
			}
		}
	}
	var delivered []string
	ids := map[string]bool{}
	for range 2 * each {
		f := eve.await(t, actMessage)
		require.Greater(t, f.ChannelSerial, last, "channelSerial only grows")
		last = f.ChannelSerial
		for _, m := range f.Messages {
			delivered = append(delivered, m.Serial)
			ids[m.ID] = true
		}
	}
	require.Equal(t, acknowledged, delivered, "a message has the serial that its sender was told")
	require.IsIncreasing(t, delivered)
	require.Len(t, ids, 4*each)
}

func syncsPresence(t *testing.T, server *process, format string) {
	room := ofTest(t)
	host, _ := withJWT(t, format, "full", object{"x-ably-clientId": "*"}).connect(t, server)
	host.attach(t, room)
	const number = 600
	for i := range number {
		host.send(t, host.presence(room, object{"action": presEnter, "clientId": fmt.Sprint("m", i), "data": strings.Repeat("x", 100)}))
	}
	for answered := int64(0); answered < number; {
		answered += host.await(t, actAck).Count
	}
	eve, _ := withJWT(t, format, "full", nil).connect(t, server)
	require.NotZero(t, eve.attach(t, room).Flags&flagHasPresence)
	members := map[string]bool{}
	for {
		f := eve.await(t, actSync)
		require.Equal(t, room, f.Channel)
		for _, m := range f.Presence {
			require.Contains(t, []int{presPresent, presEnter, presUpdate}, m.Action)
			require.False(t, members[m.ClientID], "%s twice", m.ClientID)
			members[m.ClientID] = true
		}
		sequence, cursor, found := strings.Cut(f.ChannelSerial, ":")
		require.True(t, found, "%s", f)
		require.NotEmpty(t, sequence)
		if cursor == "" {
			break
		}
	}
	require.Len(t, members, number)
	require.Empty(t, eve.requireAlive(t))
}
