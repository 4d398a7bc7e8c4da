package fanouttest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/fanout"
)

// oneOrder has several publish at once. Every subscriber sees every event, all in one
// order, in which each publisher's own are in order and serials increase.
func oneOrder(s *suite) {
	const publishers, each, subscribers = 4, 200, 5
	subs := make([]*subscriber, subscribers)
	for i := range subs {
		subs[i] = s.subscribe(room, publishers*each)
	}
	var group sync.WaitGroup
	for p := range publishers {
		group.Go(func() {
			for i := range each {
				e := &fanout.Event{Channel: room, ConnectionID: fmt.Sprint(p), Timestamp: int64(i), Items: []fanout.Item{{Name: "n"}}}
				if err := s.fanout.Publish(context.Background(), e); err != nil {
					s.Error(err)
				}
			}
		})
	}
	group.Wait()
	var order []string
	for n, sub := range subs {
		next, last := make(map[string]int64), ""
		for i := range publishers * each {
			e := s.next(sub)
			require.Equal(s, next[e.ConnectionID], e.Timestamp, "the publisher's own order")
			next[e.ConnectionID]++
			require.Greater(s, e.Serial, last)
			if last = e.Serial; n == 0 {
				order = append(order, last)
			}
			require.Equal(s, order[i], e.Serial, "the order of all others")
		}
	}
}

// snapshots subscribes while members come and go. Each subscription's snapshot with
// the events that follow is, after the last event, who is there.
func snapshots(s *suite) {
	const clients, rounds, subscribers = 4, 150, 30
	var group, ready sync.WaitGroup
	ready.Add(1)
	for c := range clients {
		group.Go(func() {
			ready.Wait()
			for i := range rounds {
				action := fanout.Enter
				if i%3 == 2 {
					action = fanout.Leave
				}
				e := presence(says(action, "c", fmt.Sprint(c), fmt.Sprint(i)))
				if err := s.fanout.Present(context.Background(), e); err != nil {
					s.Error(err)
				}
			}
		})
	}
	subs := make([]*subscriber, subscribers)
	for i := range subs {
		group.Go(func() {
			ready.Wait()
			subs[i] = s.subscribe(room, clients*rounds+1)
		})
	}
	ready.Done()
	group.Wait()
	s.publish(message(room, "end"))
	want := words(s.fanout.Members(room))
	for _, sub := range subs {
		there := words(sub.Members)
		for e := s.next(sub); e.ID != "end"; e = s.next(sub) {
			for _, i := range e.Items {
				key, word := i.ConnectionID+" "+i.ClientID, string(i.Data.Bytes)
				if i.Action == fanout.Leave {
					require.Contains(s, there, key, "one that left had been there")
					delete(there, key)
					continue
				}
				require.NotEqual(s, word, there[key], "in the snapshot and an event as well")
				there[key] = word
			}
		}
		require.Equal(s, want, there)
	}
}

// allAtOnce is for the race detector: subscriptions begin and end while channels come
// into being and are forgotten, and nobody misses what was published in its time.
func allAtOnce(s *suite) {
	const workers, each = 6, 150
	channels := []fanout.Channel{room, {App: "app", Resource: "b"}}
	var group sync.WaitGroup
	var missed atomic.Int64
	for w := range workers {
		group.Go(func() {
			for i := range each {
				c := channels[(w+i)%len(channels)]
				id := fmt.Sprint(w, " ", i)
				got := make(chan struct{}, 1)
				sub, err := s.fanout.Subscribe(c, func(e *fanout.Event) {
					if e.ID == id {
						got <- struct{}{}
					}
				})
				if err != nil {
					s.Error(err)
					return
				}
				member := says(fanout.Enter, fmt.Sprint(w), "alice", "")
				leave := member
				leave.Action = fanout.Leave
				for _, run := range []func() error{
					func() error { return s.fanout.Publish(context.Background(), message(c, id)) },
					func() error {
						return s.fanout.Present(context.Background(), &fanout.Event{Channel: c, Kind: fanout.Presence, Items: []fanout.Item{member}})
					},
					func() error {
						return s.fanout.Present(context.Background(), &fanout.Event{Channel: c, Kind: fanout.Presence, Items: []fanout.Item{leave}})
					},
				} {
					if err := run(); err != nil {
						s.Error(err)
					}
				}
				s.fanout.Members(c)
				<-got
				sub.Cancel()
				if len(got) > 0 {
					missed.Add(1)
				}
			}
		})
	}
	group.Wait()
	require.Zero(s, missed.Load(), "delivered twice")
	for _, c := range channels {
		require.Empty(s, s.fanout.Members(c))
	}
}

// lastOneOut has a channel lose its last subscriber again and again while another one
// comes: whoever has subscribed is not forgotten with the channel.
func lastOneOut(s *suite) {
	var group sync.WaitGroup
	for w := range 2 {
		group.Go(func() {
			for i := range 2000 {
				id, got := fmt.Sprint(w, " ", i), make(chan struct{}, 1)
				sub, err := s.fanout.Subscribe(room, func(e *fanout.Event) {
					if e.ID == id {
						got <- struct{}{}
					}
				})
				if err == nil {
					err = s.fanout.Publish(context.Background(), message(room, id))
				}
				if err != nil {
					s.Error(err)
					return
				}
				select {
				case <-got:
				case <-time.After(10 * time.Second):
					s.Error("no event")
					return
				}
				sub.Cancel()
			}
		})
	}
	group.Wait()
}
