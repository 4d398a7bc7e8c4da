package realtime_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/server/realtime"
	"portcullis/server/realtime/frame"
)

// follower is a client that reads numbers, which somebody publishes in order, loses
// its network again and again, and holds the server to what it claims: after RESUMED
// not a number may be missing, and none may ever come twice or out of order over one
// WebSocket.
type follower struct {
	*client
	t      *testing.T
	random *rand.Rand
	serial string // of the last event that it knows of
	last   int    // the last number, -1 while anything may come
	misses int    // how often continuity was lost
	seen   int
}

// take reads frames, and with how many of those that have come it is content.
func (f *follower) take(most int) {
	frames := f.all()
	for i, m := range frames {
		if i == most {
			return
		}
		switch m.action() {
		case frame.ActionAttached:
			if !m.has(frame.FlagResumed) {
				f.last = -1
				f.misses++
			}
		case frame.ActionMessage:
			n, err := strconv.Atoi(m.list("messages")[0].text("data"))
			require.NoError(f.t, err)
			if f.last >= 0 {
				require.Equal(f.t, f.last+1, n, "a number is missing, or comes again")
			}
			f.last = n
			f.seen++
		case frame.ActionConnected:
			f.id, f.key = m.text("connectionId"), m.object("connectionDetails").text("connectionKey")
		case frame.ActionDisconnected:
			require.Contains(f.t, []int{40141, 40142}, m.code())
		default:
			require.Fail(f.t, "unexpected", "%v", m)
		}
		if s := m.text("channelSerial"); s != "" && !strings.Contains(s, ":") {
			f.serial = s
		}
	}
}

// live does something with a WebSocket, and then loses it.
func (f *follower) live(token func() []byte) {
	_ = f.trySend(message{"action": frame.ActionAttach, "channel": "room", "channelSerial": f.serial})
	for range f.random.IntN(6) {
		time.Sleep(time.Duration(f.random.IntN(300)) * time.Millisecond)
		f.take(1 << 30)
		switch f.random.IntN(4) {
		case 0: // attaching again over the same WebSocket goes on from what it was sent
			_ = f.trySend(message{"action": frame.ActionAttach, "channel": "room", "channelSerial": ""})
		case 1:
			_ = f.trySend(message{"action": frame.ActionAuth, "auth": map[string]any{"accessToken": string(token())}})
		}
	}
	time.Sleep(time.Duration(f.random.IntN(50)) * time.Millisecond)
	if f.random.IntN(2) == 0 {
		f.take(f.random.IntN(5)) // the rest is lost on its way
		f.cut()
	} else {
		f.take(1 << 30) // it has come back before the server knows
	}
}

// Continuity is never claimed falsely, whatever happens at once.
func TestContinuityIsNotClaimedFalsely(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			run(t, func(w *world) { followAll(w, rand.New(rand.NewPCG(seed, seed))) })
		})
	}
}

func followAll(w *world, random *rand.Rand) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	sender := w.connected(nil)
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if sender.trySend(message{"action": frame.ActionMessage, "channel": "room", "msgSerial": n, "messages": []any{map[string]any{"data": strconv.Itoa(n)}}}) != nil {
				return
			}
			time.Sleep(11 * time.Millisecond)
		}
	}()
	var followers []*follower
	for i := range 4 {
		c := w.connected(w.jwt(claims{clientID: fmt.Sprint("f", i)}))
		followers = append(followers, &follower{client: c, t: w.T, random: random, last: -1})
	}
	for round := range 16 {
		for i, f := range followers {
			token := func() []byte { return w.jwt(claims{clientID: fmt.Sprint("f", i)}) }
			f.live(token)
			if round%8 == 7 && i == 0 {
				w.revoke("f1", 0)
				time.Sleep(1100 * time.Millisecond)
			}
			if round == 12 && i == 3 {
				time.Sleep(realtime.StateTTL)
			}
			key := f.key
			f.client = f.resume(token())
			f.key = key
		}
	}
	close(stop)
	<-stopped
	for i, f := range followers {
		f.live(func() []byte { return w.jwt(claims{clientID: fmt.Sprint("f", i)}) })
		require.Greater(w, f.seen, 200)
		require.Less(w, f.misses, 8, "most of the time nothing is lost")
	}
}
