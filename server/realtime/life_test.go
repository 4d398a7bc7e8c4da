package realtime_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/stretchr/testify/require"

	"portcullis/server/realtime"
	"portcullis/server/realtime/frame"
)

// A client hears something every 15 s, as CONNECTED has promised: a HEARTBEAT if it
// wants them, and in any case a ping. As long as it answers it stays.
func TestSilenceIsBroken(t *testing.T) {
	run(t, func(w *world) {
		both, pings := w.connected(nil), w.connected(nil, "heartbeats=false")
		time.Sleep(realtime.MaxIdleInterval - time.Millisecond)
		p, b := both.signs()
		require.Equal(t, []int{0, 0}, []int{p, b})
		time.Sleep(time.Millisecond)
		for n := 1; n <= 100; n++ {
			p, b = both.signs()
			require.Equal(t, []int{n, n}, []int{p, b})
			p, b = pings.signs()
			require.Equal(t, []int{n, 0}, []int{p, b})
			time.Sleep(realtime.MaxIdleInterval)
		}
		both.opened()
		pings.opened()
	})
}

// A client that is gone without a word is given up when it has not answered for
// more than 35 s, and its members with the usual grace.
func TestSilentClientIsGivenUp(t *testing.T) {
	run(t, func(w *world) {
		silent, watcher := w.connected(w.jwt(claims{clientID: "ana"})), w.connected(nil)
		silent.ws.SetPingHandler(func(string) error { return nil })
		talks := w.connected(nil)
		talks.ws.SetPingHandler(func(string) error { return nil })
		silent.attach("room")
		silent.entered("room", "ana")
		watcher.attach("room")
		watcher.synced("room")
		start := time.Now()
		for time.Since(start) < realtime.SilenceBeforeLost {
			time.Sleep(5 * time.Second)
			talks.send(message{"action": frame.ActionHeartbeat}) // any frame is a sign of life
		}
		silent.opened()
		talks.opened()
		for time.Since(start) < realtime.SilenceBeforeLost+realtime.MaxIdleInterval {
			time.Sleep(5 * time.Second)
			talks.send(message{"action": frame.ActionHeartbeat})
		}
		silent.closed()
		talks.opened()
		require.Equal(t, 2, w.hub.Kept().Live)
		time.Sleep(realtime.PresenceGrace)
		watcher.left("room", "ana")
		silent.back(w.jwt(claims{clientID: "ana"}))
	})
}

// A frame that is begun and never ended does not hold its memory for ever, even if
// the client is otherwise alive.
func TestFrameThatDoesNotEnd(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		piece, err := c.ws.NextWriter(websocket.TextMessage)
		require.NoError(t, err)
		_, err = piece.Write([]byte(strings.Repeat(" ", 100_000)))
		require.NoError(t, err)
		time.Sleep(29 * time.Second)
		c.opened()
		time.Sleep(time.Second)
		c.closed()
		c.back(nil)
	})
}

// More than maxInboundRate are read no faster than that, whatever they are; other
// clients notice nothing.
func TestInboundPace(t *testing.T) {
	for name, send := range map[string]func(c *client, i int){
		"frames": func(c *client, i int) { c.send(message{"action": frame.ActionHeartbeat, "id": fmt.Sprint(i)}) },
		"pings": func(c *client, _ int) {
			require.NoError(c, c.ws.WriteControl(websocket.PingMessage, nil, time.Time{}))
		},
		"pongs": func(c *client, _ int) {
			require.NoError(c, c.ws.WriteControl(websocket.PongMessage, nil, time.Time{}))
		},
	} {
		run(t, func(w *world) {
			c, other := w.connected(nil), w.connected(nil)
			start := time.Now()
			for i := range realtime.MaxInboundRate {
				send(c, i)
			}
			require.Zero(t, time.Since(start), name)
			for i := range realtime.MaxInboundRate {
				send(c, i)
			}
			require.InDelta(t, time.Second, time.Since(start), float64(5*time.Millisecond), name)
			other.attach("room")
			time.Sleep(time.Second)
			c.all()
			c.send(message{"action": frame.ActionHeartbeat, "id": "r"})
			c.expect(frame.ActionHeartbeat)
		})
	}
}

// hold opens a WebSocket, attaches to a channel and then reads nothing any more.
func (w *world) hold(channel string) *client {
	w.Helper()
	c := w.open(nil)
	read := func() message {
		kind, data, err := c.ws.ReadMessage()
		require.NoError(w, err)
		return c.decode(kind, data)
	}
	c.frames = append(c.frames, read())
	c.welcome()
	c.send(message{"action": frame.ActionAttach, "channel": channel})
	c.frames = append(c.frames, read())
	c.expect(frame.ActionAttached)
	return c
}

// A client that does not read loses its WebSocket when so much waits for it, and no
// continuity is claimed when it comes back. Nobody else waits for it.
func TestSlowReaderIsCut(t *testing.T) {
	run(t, func(w *world) {
		slow, good, sender := w.hold("room"), w.connected(nil), w.connected(nil)
		good.attach("room")
		start := time.Now()
		data := strings.Repeat("x", 60_000)
		for range realtime.MaxQueuedBytes/60_000 + 2 {
			sender.post("room", data)
			sender.acked()
			good.got("room", data)
		}
		require.Zero(t, time.Since(start), "nobody has waited")
		require.Equal(t, 2, w.hub.Kept().Live)
		require.Zero(t, w.hub.Queued())
		slow.cut()
		slow = slow.back(nil)
		slow.reattach("room", "", false)
		sender.post("room", "live")
		slow.got("room", "live")
	})
}

// What waits for all clients together is bounded too: then those are cut first for
// whom much waits.
func TestSlowReadersTogether(t *testing.T) {
	run(t, func(w *world) {
		slow, fair, sender := w.hold("much"), w.hold("little"), w.connected(nil)
		sender.post("little", strings.Repeat("x", 40_000))
		for range 5 {
			sender.post("much", strings.Repeat("x", 60_000))
		}
		synctest.Wait()
		require.Equal(t, 3, w.hub.Kept().Live)
		w.hub.Queue(realtime.MaxAllQueuedBytes)
		sender.post("little", "x")
		sender.post("much", "x")
		synctest.Wait()
		require.Equal(t, 2, w.hub.Kept().Live)
		w.hub.Queue(-realtime.MaxAllQueuedBytes)
		slow.cut()
		go fair.read()
		require.Len(t, fair.all(), 2)
	})
}

// One message that waits for many is in memory once.
func TestWhatWaitsForManyIsThereOnce(t *testing.T) {
	run(t, func(w *world) {
		var slow []*client
		for range 20 {
			slow = append(slow, w.hold("room"))
		}
		sender := w.connected(nil)
		sender.post("room", strings.Repeat("x", 60_000))
		sender.acked()
		require.InDelta(t, 60_000, w.hub.Queued(), 5_000)
		for _, c := range slow {
			c.cut()
		}
		require.Zero(t, w.hub.Queued())
	})
}

// Large frames are paid for by their size, and ATTACH by the members that it makes the
// server look up: otherwise a thousand a second would stop a channel.
func TestFramesThatCostMore(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		start := time.Now()
		large := `{"action":0` + strings.Repeat(" ", 500_000) + `}` // seven times 64 KiB
		for range 250 {
			c.raw(websocket.TextMessage, large)
		}
		require.InDelta(t, time.Second, time.Since(start), float64(50*time.Millisecond))
	})
	run(t, func(w *world) {
		w.connected(nil).fill("room", 5_000, "")
		c := w.connected(w.jwt(claims{clientID: "ana"}))
		start := time.Now()
		for range 40 {
			c.send(message{"action": frame.ActionAttach, "channel": "room", "flags": frame.FlagPublish})
		}
		require.InDelta(t, time.Second, time.Since(start), float64(100*time.Millisecond))
	})
}

// A slow client that has asked for much is not read meanwhile, is not taken for dead,
// and gets it all.
func TestWhoAsksForMuchMustTakeIt(t *testing.T) {
	run(t, func(w *world) {
		w.connected(nil).fill("room", 1_000, strings.Repeat("x", 500))
		c := w.open(nil)
		c.ws.SetPingHandler(func(string) error {
			go func() { _ = c.ws.WriteControl(websocket.PongMessage, nil, time.Time{}) }()
			return nil
		})
		slowly := func() message {
			time.Sleep(9 * time.Second)
			kind, data, err := c.ws.ReadMessage()
			require.NoError(t, err)
			return c.decode(kind, data)
		}
		c.frames = append(c.frames, slowly())
		c.welcome()
		for range 3 {
			c.send(message{"action": frame.ActionAttach, "channel": "room"})
			answered := make(chan struct{})
			go func() { // written at once, but read by nobody before the first is answered
				_ = c.trySend(message{"action": frame.ActionHeartbeat, "id": "r"})
				close(answered)
			}()
			members := 0
			for {
				m := slowly()
				members += len(m.list("presence"))
				if m.text("id") == "r" {
					break
				}
			}
			<-answered
			require.Equal(t, 1_000, members)
		}
		require.Equal(t, 2, w.hub.Kept().Live)
		c.cut()
	})
}

// Whoever does not take a single frame in ten seconds is gone.
func TestWriteTimeout(t *testing.T) {
	run(t, func(w *world) {
		c := w.hold("room")
		w.connected(nil).post("room", "x")
		time.Sleep(10*time.Second - time.Millisecond)
		synctest.Wait()
		require.Equal(t, 2, w.hub.Kept().Live)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Equal(t, 1, w.hub.Kept().Live)
		c.cut()
	})
}

// SIGTERM: everybody is told, and Close waits until they have gone. Who comes then
// is told the same.
func TestHubClose(t *testing.T) {
	run(t, func(w *world) {
		var all []*client
		for i := range 100 {
			c := w.connected(nil, []string{"format=json", "format=msgpack"}[i%2])
			c.attach("room")
			all = append(all, c)
		}
		away := w.connected(nil)
		away.cut()
		start := time.Now()
		w.close()
		require.Zero(t, time.Since(start))
		for _, c := range all {
			c.disconnected(50003)
		}
		w.dial(nil).disconnected(50003)
		w.requireNothingLeft()
		w.close() // again
	})
}

// A client that does not read holds it up for a few seconds; one that reads and stays
// for less; and none longer than the context.
func TestHubCloseDoesNotWaitForEver(t *testing.T) {
	run(t, func(w *world) {
		slow := w.hold("room")
		w.connected(nil).post("room", "x")
		start := time.Now()
		w.close()
		require.Equal(t, 5*time.Second, time.Since(start))
		slow.cut()
	})
	run(t, func(w *world) {
		stays := w.connected(nil)
		stays.ws.SetCloseHandler(func(int, string) error { time.Sleep(time.Hour); return nil })
		start := time.Now()
		w.close()
		require.Equal(t, 2*time.Second, time.Since(start))
	})
	run(t, func(w *world) {
		slow := w.hold("room")
		w.connected(nil).post("room", "x")
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.hub.Close(ctx), context.DeadlineExceeded)
		w.requireNothingLeft()
		slow.cut()
	})
}

// Breaking the WebSocket protocol itself ends the WebSocket, and the state is kept.
func TestBrokenWebSockets(t *testing.T) {
	huge := binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, 1<<63)
	for name, data := range map[string]string{
		"not masked": "\x81\x02{}", "reserved bits": "\xf1\x80\x00\x00\x00\x00", "unknown opcode": "\x83\x80\x00\x00\x00\x00",
		"continuation of nothing": "\x80\x80\x00\x00\x00\x00", "a control frame in pieces": "\x09\x80\x00\x00\x00\x00",
		"a negative length": string(huge), "a bad close code": "\x88\x82\x00\x00\x00\x00\x00\x01", "half a header": "\x81",
	} {
		run(t, func(w *world) {
			c := w.connected(nil)
			_, err := c.ws.NetConn().Write([]byte(data))
			require.NoError(t, err)
			if name == "half a header" || name == "a negative length" {
				time.Sleep(time.Second)
				c.cut()
			}
			synctest.Wait()
			t.Log(name)
			require.Zero(t, w.hub.Kept().Live)
			c.back(nil)
		})
	}
}

// A connection may be attached to so many channels (90010).
func TestAttachments(t *testing.T) {
	run(t, func(w *world) {
		c := w.connected(nil)
		for i := range 1000 {
			c.attach(fmt.Sprint("room", i))
		}
		time.Sleep(time.Second)
		c.send(message{"action": frame.ActionAttach, "channel": "one-more"})
		m := c.expect(frame.ActionError)
		require.Equal(t, 90010, m.code())
		require.Equal(t, "one-more", m["channel"])
		c.attach("room0")
		require.Equal(t, 1000, w.hub.Kept().Logs)
		c.send(message{"action": frame.ActionClose})
		c.expect(frame.ActionClosed)
		w.requireNothingLeft()
	})
}
