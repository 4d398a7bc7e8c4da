package fanouttest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"portcullis/fanout"
)

// Run runs the suite. open returns a fan-out without channels; what it needs is
// closed by the test's Cleanup.
func Run(t *testing.T, open func(t testing.TB) fanout.Fanout) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"an event reaches every subscriber of its channel", reachesAll},
		{"a channel is its app's and its own", channelsAreApart},
		{"a subscription ends", cancelled},
		{"serials increase", serialsIncrease},
		{"members enter, update and leave", membersComeAndGo},
		{"a member is a connection and a clientId", memberKeys},
		{"who is not there cannot leave", absentLeaves},
		{"an event changes members in the order of its items", itemsInOrder},
		{"members are there without subscribers", membersAlone},
		{"members are copies", membersAreCopies},
		{"a channel has so many members", memberLimit},
		{"and so many bytes of them", memberBytesLimit},
		{"a context that is over does nothing", contextOver},
		{"all subscribers see one order, and everything", oneOrder},
		{"a snapshot and what follows it are the whole", snapshots},
		{"who subscribes as the last one leaves is heard", lastOneOut},
		{"all at once", allAtOnce},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			leaks := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, leaks) }) // runs after what open has registered
			test.run(&suite{T: t, fanout: open(t)})
		})
	}
}

// suite is one run of one test.
type suite struct {
	*testing.T
	fanout fanout.Fanout
}

// room is the channel of tests that need but one.
var room = fanout.Channel{App: "app", Resource: "room"}

// message is an event of one message.
func message(c fanout.Channel, name string) *fanout.Event {
	return &fanout.Event{Channel: c, Kind: fanout.Messages, ID: name, Items: []fanout.Item{{Name: name}}}
}

// presence is an event of what members of one channel say.
func presence(items ...fanout.Item) *fanout.Event {
	return &fanout.Event{Channel: room, Kind: fanout.Presence, ID: "p", Items: items}
}

// says is one item of it: the connection, the client, and something to know it by.
func says(action uint8, connection, client, word string) fanout.Item {
	return fanout.Item{Action: action, ConnectionID: connection, ClientID: client, HasClientID: true,
		Data: fanout.Data{Kind: fanout.Text, Bytes: []byte(word)}}
}

func (s *suite) publish(e *fanout.Event) *fanout.Event {
	s.Helper()
	require.NoError(s, s.fanout.Publish(context.Background(), e))
	return e
}

func (s *suite) present(e *fanout.Event) *fanout.Event {
	s.Helper()
	require.NoError(s, s.fanout.Present(context.Background(), e))
	return e
}

// subscriber is what one subscription has got.
type subscriber struct {
	*fanout.Subscription
	events chan *fanout.Event
}

// subscribe subscribes one that takes up to most events.
func (s *suite) subscribe(c fanout.Channel, most int) *subscriber {
	s.Helper()
	sub := &subscriber{events: make(chan *fanout.Event, most)}
	var err error
	sub.Subscription, err = s.fanout.Subscribe(c, func(e *fanout.Event) { sub.events <- e })
	require.NoError(s, err)
	s.Cleanup(sub.Cancel)
	return sub
}

// next returns the next event; a remote fan-out may take its time.
func (s *suite) next(sub *subscriber) *fanout.Event {
	s.Helper()
	select {
	case e := <-sub.events:
		return e
	case <-time.After(10 * time.Second):
		require.FailNow(s, "no event")
		return nil
	}
}

// sees requires the next event by its ID.
func (s *suite) sees(sub *subscriber, id string) *fanout.Event {
	s.Helper()
	e := s.next(sub)
	require.Equal(s, id, e.ID)
	return e
}

// words returns who is there, each with the word by which it is known.
func words(items []fanout.Item) map[string]string {
	m := make(map[string]string)
	for _, i := range items {
		m[i.ConnectionID+" "+i.ClientID] = string(i.Data.Bytes)
	}
	return m
}
