package fanouttest

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"portcullis/fanout"
)

func reachesAll(s *suite) {
	subs := []*subscriber{s.subscribe(room, 1), s.subscribe(room, 1), s.subscribe(room, 1)}
	e := s.publish(&fanout.Event{Channel: room, Kind: fanout.Messages, ID: "c1:0", ConnectionID: "c1", Timestamp: 1700000000000, Items: []fanout.Item{
		{ID: "c1:0:0", ClientID: "alice", HasClientID: true, ConnectionID: "c1", Name: "n", Encoding: "json", UserClaim: "u", Timestamp: 1700000000000,
			Data: fanout.Data{Kind: fanout.Text, Bytes: []byte("[]")}, Extras: []byte(`{"a":1}`), Action: 1, Privileged: true},
		{Data: fanout.Data{Kind: fanout.Binary, Bytes: []byte{0, 255}}},
	}})
	for _, sub := range subs {
		got := s.next(sub)
		require.Equal(s, [...]any{e.Channel, e.Kind, e.ID, e.ConnectionID, e.Serial, e.Timestamp}, [...]any{got.Channel, got.Kind, got.ID, got.ConnectionID, got.Serial, got.Timestamp})
		require.Equal(s, e.Items, got.Items)
		require.Equal(s, []byte{0, 255}, got.Items[1].Data.Bytes)
	}
}

func channelsAreApart(s *suite) {
	channels := []fanout.Channel{room, {App: "app2", Resource: "room"}, {App: "app", Resource: "[meta]room"}, {App: "app", Resource: "room2"},
		{App: "approom", Resource: ""}, {App: "", Resource: "approom"}, {App: "app", Resource: "room:a"}, {App: "app:room", Resource: "a"}}
	subs := make([]*subscriber, len(channels))
	for i, c := range channels {
		subs[i] = s.subscribe(c, 1)
	}
	for i, c := range channels {
		s.publish(message(c, fmt.Sprint(i)))
	}
	for i, sub := range subs {
		s.sees(sub, fmt.Sprint(i)) // another one before it, or one after it, would not fit
	}
}

func cancelled(s *suite) {
	first, second, third := s.subscribe(room, 4), s.subscribe(room, 4), s.subscribe(room, 4)
	s.publish(message(room, "1"))
	for _, sub := range []*subscriber{first, second, third} {
		s.sees(sub, "1")
	}
	first.Cancel()
	first.Cancel()
	s.publish(message(room, "2"))
	s.sees(second, "2")
	s.sees(third, "2")
	third.Cancel()
	s.publish(message(room, "3"))
	s.sees(second, "3")
	second.Cancel()
	s.publish(message(room, "4"))
	again := s.subscribe(room, 4)
	s.publish(message(room, "5"))
	s.sees(again, "5")
	require.Empty(s, first.events)
	require.Empty(s, second.events)
	require.Empty(s, third.events)
}

func serialsIncrease(s *suite) {
	last := ""
	higher := func(serial string) {
		s.Helper()
		require.Greater(s, serial, last, "as text")
		require.Regexp(s, `^[A-Za-z0-9-]+$`, serial, "what may stand before the colon of a SYNC")
		last = serial
	}
	for range 3 { // the channel is forgotten in between
		for range 12 {
			higher(s.publish(message(room, "nobody listens")).Serial)
		}
		sub := s.subscribe(room, 1)
		require.GreaterOrEqual(s, sub.Serial, last)
		last = sub.Serial
		e := s.publish(&fanout.Event{Channel: room, Items: make([]fanout.Item, 1000)})
		higher(e.Serial)
		require.Equal(s, e.Serial, s.next(sub).Serial)
		items := e.Items
		require.Equal(s, e.Serial+":000", items[0].Serial)
		require.Equal(s, e.Serial+":999", items[999].Serial)
		higher(s.present(presence(says(fanout.Enter, "c", "alice", ""))).Serial)
		require.Empty(s, s.next(sub).Items[0].Serial, "presence has no serials of its own")
		higher(s.present(presence(says(fanout.Leave, "c", "alice", ""))).Serial)
		s.next(sub)
		sub.Cancel()
	}
}

func contextOver(s *suite) {
	sub := s.subscribe(room, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(s, s.fanout.Publish(ctx, message(room, "over")), context.Canceled)
	require.ErrorIs(s, s.fanout.Present(ctx, presence(says(fanout.Enter, "c", "alice", ""))), context.Canceled)
	require.Empty(s, s.fanout.Members(room))
	s.publish(message(room, "next"))
	s.sees(sub, "next")
}
