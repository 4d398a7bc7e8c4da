package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// ofAChannel are the actions of the server that name a channel.
var ofAChannel = map[int]bool{actAttached: true, actDetached: true, actPresence: true, actMessage: true, actSync: true}

// requireSoundWire requires of one connection what holds for every one.
func requireSoundWire(t testing.TB, name string, w *tap) {
	t.Helper()
	require.NoError(t, w.broken, name)
	if !w.upgraded {
		for _, r := range w.requests {
			require.False(t, r.path == "/" && r.status >= 400, "%s: an upgrade failed with %d, and the SDK takes that for the network's fault", name, r.status)
		}
		return
	}
	op := byte(opText)
	if w.requests[0].query.Get("format") == "msgpack" {
		op = opBinary
	}
	var asked []int64 // msgSerials that are to be answered
	ended := false
	first := true
	for _, f := range w.frames {
		if f.op >= opClose {
			continue
		}
		if !f.fromServer {
			if f.Action == actMessage || f.Action == actPresence {
				require.NotNil(t, f.MsgSerial, "%s: %s", name, f)
				asked = append(asked, *f.MsgSerial)
			}
			continue
		}
		require.Equal(t, op, f.op, "%s: %s is in the other format", name, f)
		require.False(t, ended, "%s: %s comes after the end", name, f)
		if first {
			require.Contains(t, []int{actConnected, actError, actDisconnected}, f.Action, "%s: the first frame is %s", name, f)
			first = false
		}
		channel := f.has("channel")
		switch f.Action {
		case actAck, actNack:
			require.NotNil(t, f.MsgSerial, "%s: %s", name, f)
			require.Positive(t, f.Count, "%s: %s", name, f)
			require.LessOrEqual(t, f.Count, int64(len(asked)), "%s: %s answers what nobody asked", name, f)
			for i := range f.Count {
				require.Equal(t, asked[0], *f.MsgSerial+i, "%s: %s answers out of turn", name, f)
				asked = asked[1:]
			}
			if f.Action == actNack {
				requireWireError(t, name, f.frame)
			}
			require.False(t, channel, "%s: %s is of no channel", name, f)
		case actError:
			requireWireError(t, name, f.frame)
			require.True(t, !channel || f.Channel != "", "%s: %s: an empty channel is a channel", name, f)
			ended = !channel
		case actDisconnected, actClosed:
			if f.has("error") {
				requireWireError(t, name, f.frame)
			}
			require.False(t, channel, "%s: %s", name, f)
			ended = true
		default:
			require.Equal(t, ofAChannel[f.Action], channel, "%s: %s", name, f)
		}
		if f.Action == actConnected {
			requireConnected(t, name, f.frame)
		}
	}
}

func requireWireError(t testing.TB, name string, f frame) {
	t.Helper()
	require.NotNil(t, f.Error, "%s: %s", name, f)
	require.NotZero(t, f.Error.Code, "%s: %s", name, f)
	require.NotZero(t, f.Error.StatusCode, "%s: %s", name, f)
	require.NotEmpty(t, f.Error.Message, "%s: %s", name, f)
}

// requireConnected requires what every CONNECTED says (CD2).
func requireConnected(t testing.TB, name string, f frame) {
	t.Helper()
	require.NotEmpty(t, f.ConnectionID, "%s: %s", name, f)
	require.GreaterOrEqual(t, len(f.Details.ConnectionKey), 22, "%s: a connectionKey has 128 random bits", name)
	require.EqualValues(t, 65536, f.Details.MaxMessageSize, "%s: %s", name, f)
	require.EqualValues(t, 15000, f.Details.MaxIdleInterval, "%s: %s", name, f)
	require.EqualValues(t, 120000, f.Details.ConnectionStateTTL, "%s: %s", name, f)
	require.True(t, !f.hasDetail("clientId") || f.Details.ClientID != "", "%s: %s: nobody's clientId is left out", name, f)
}
