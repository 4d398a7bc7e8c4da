package fanouttest

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"portcullis/fanout"
)

func membersComeAndGo(s *suite) {
	sub := s.subscribe(room, 8)
	require.Empty(s, sub.Members)
	s.present(presence(says(fanout.Enter, "c1", "alice", "fine")))
	require.Equal(s, fanout.Enter, s.next(sub).Items[0].Action)
	s.present(presence(says(fanout.Enter, "c2", "bob", "well")))
	s.next(sub)
	require.Equal(s, map[string]string{"c1 alice": "fine", "c2 bob": "well"}, words(s.fanout.Members(room)))

	s.present(presence(says(fanout.Update, "c1", "alice", "tired")))
	require.Equal(s, fanout.Update, s.next(sub).Items[0].Action)
	s.present(presence(says(fanout.Enter, "c2", "bob", "again")))
	require.Equal(s, fanout.Enter, s.next(sub).Items[0].Action, "delivered as it was sent")
	s.present(presence(says(fanout.Present, "c3", "carol", "back"), says(fanout.Update, "c4", "dave", "new")))
	s.next(sub)
	want := map[string]string{"c1 alice": "tired", "c2 bob": "again", "c3 carol": "back", "c4 dave": "new"}
	require.Equal(s, want, words(s.fanout.Members(room)))
	late := s.subscribe(room, 1)
	require.Equal(s, want, words(late.Members))
	for _, m := range late.Members {
		require.Equal(s, fanout.Present, m.Action)
	}
	late.Cancel()

	s.present(presence(says(fanout.Leave, "c1", "alice", "bye")))
	left := s.next(sub).Items
	require.Len(s, left, 1)
	require.Equal(s, fanout.Leave, left[0].Action)
	require.Equal(s, "bye", string(left[0].Data.Bytes))
	delete(want, "c1 alice")
	require.Equal(s, want, words(s.fanout.Members(room)))
	require.Empty(s, s.fanout.Members(fanout.Channel{App: "app2", Resource: "room"}))
}

func memberKeys(s *suite) {
	s.present(presence(
		says(fanout.Enter, "c1", "alice", "1"), says(fanout.Enter, "c2", "alice", "2"), says(fanout.Enter, "c1", "bob", "3"),
		says(fanout.Enter, "a:b", "c", "4"), says(fanout.Enter, "a", "b:c", "5"), says(fanout.Enter, "ab", "c", "6"), says(fanout.Enter, "a", "bc", "7")))
	want := map[string]string{"c1 alice": "1", "c2 alice": "2", "c1 bob": "3", "a:b c": "4", "a b:c": "5", "ab c": "6", "a bc": "7"}
	require.Equal(s, want, words(s.fanout.Members(room)))
	for len(want) > 0 {
		for _, i := range s.fanout.Members(room)[:1] {
			s.present(presence(says(fanout.Leave, i.ConnectionID, i.ClientID, "")))
			delete(want, i.ConnectionID+" "+i.ClientID)
		}
		require.Equal(s, want, words(s.fanout.Members(room)))
	}
}

func absentLeaves(s *suite) {
	sub := s.subscribe(room, 8)
	e := s.present(presence(says(fanout.Leave, "c1", "alice", "")))
	require.Empty(s, e.Items)
	s.present(presence(says(fanout.Enter, "c1", "alice", "")))
	require.Equal(s, fanout.Enter, s.next(sub).Items[0].Action, "the leave was not delivered")
	s.present(presence(says(fanout.Leave, "c1", "bob", ""), says(fanout.Leave, "c1", "alice", "x"), says(fanout.Leave, "c1", "alice", ""), says(fanout.Enter, "c1", "carol", "")))
	got := s.next(sub).Items
	require.Equal(s, map[string]string{"c1 alice": "x", "c1 carol": ""}, words(got))
	require.Len(s, got, 2, "what changes nothing is taken out")
	require.Equal(s, map[string]string{"c1 carol": ""}, words(s.fanout.Members(room)))
}

func itemsInOrder(s *suite) {
	s.present(presence(says(fanout.Enter, "c", "a", "1"), says(fanout.Leave, "c", "a", ""), says(fanout.Enter, "c", "a", "2"), says(fanout.Update, "c", "a", "3"),
		says(fanout.Enter, "c", "b", "1"), says(fanout.Leave, "c", "b", "")))
	require.Equal(s, map[string]string{"c a": "3"}, words(s.fanout.Members(room)))
}

func membersAlone(s *suite) {
	s.present(presence(says(fanout.Enter, "c1", "alice", "fine")))
	sub := s.subscribe(room, 1)
	require.Equal(s, map[string]string{"c1 alice": "fine"}, words(sub.Members))
	sub.Cancel()
	require.Equal(s, map[string]string{"c1 alice": "fine"}, words(s.fanout.Members(room)))
	s.present(presence(says(fanout.Leave, "c1", "alice", "")))
	require.Empty(s, s.fanout.Members(room))
}

func membersAreCopies(s *suite) {
	e := s.present(presence(says(fanout.Enter, "c1", "alice", "fine")))
	require.Equal(s, fanout.Enter, e.Items[0].Action)
	s.fanout.Members(room)[0].ClientID = "mallory"
	s.subscribe(room, 1).Members[0].ClientID = "mallory"
	require.Equal(s, map[string]string{"c1 alice": "fine"}, words(s.fanout.Members(room)))
}

func memberLimit(s *suite) {
	sub := s.subscribe(room, 64)
	for from := 0; from < fanout.MaxMembers; from += 1000 {
		var items []fanout.Item
		for i := range 1000 {
			items = append(items, says(fanout.Enter, "c", fmt.Sprint(from+i), ""))
		}
		s.present(presence(items...))
		s.next(sub)
	}
	one := says(fanout.Enter, "c", "one too many", "")
	full := func(items ...fanout.Item) {
		s.Helper()
		require.ErrorIs(s, s.fanout.Present(context.Background(), presence(items...)), fanout.ErrMembers)
		require.Len(s, s.fanout.Members(room), fanout.MaxMembers)
	}
	full(one)
	full(says(fanout.Leave, "c", "1", ""), one, says(fanout.Enter, "c", "two too many", ""))
	full(says(fanout.Leave, "c", "1", ""), says(fanout.Leave, "c", "1", ""), one, says(fanout.Enter, "c", "two", ""))
	full(one, says(fanout.Leave, "c", "1", ""))
	s.present(presence(says(fanout.Update, "c", "1", "updated"), says(fanout.Enter, "c", "2", "entered again")))
	require.Equal(s, map[string]string{"c 1": "updated", "c 2": "entered again"}, words(s.next(sub).Items), "nothing of what was refused was delivered")
	s.present(presence(says(fanout.Leave, "c", "1", ""), one))
	require.Len(s, s.next(sub).Items, 2)
	require.Len(s, s.fanout.Members(room), fanout.MaxMembers)
	full(says(fanout.Enter, "c", "1", ""))
	s.present(presence(says(fanout.Leave, "c", "2", "")))
	s.present(presence(says(fanout.Enter, "c", "1", "")))
}

func memberBytesLimit(s *suite) {
	large := make([]byte, 1<<20)
	enter := func(client string, data []byte) error {
		i := says(fanout.Enter, "c", client, "")
		i.Data.Bytes = data
		return s.fanout.Present(context.Background(), presence(i))
	}
	n := 0
	for ; ; n++ {
		if err := enter(fmt.Sprint(n), large); err != nil {
			require.ErrorIs(s, err, fanout.ErrMembers)
			break
		}
		require.Less(s, n, fanout.MaxMemberBytes/len(large))
	}
	require.Equal(s, fanout.MaxMemberBytes/len(large)-1, n, "each is a bit more than its data")
	require.NoError(s, enter("0", large), "the same in place of the same")
	require.ErrorIs(s, enter("0", make([]byte, 3<<20)), fanout.ErrMembers)
	require.NoError(s, enter("0", nil))
	require.NoError(s, enter("another", large))
	s.present(presence(says(fanout.Leave, "c", "another", "")))
	require.NoError(s, enter("another", large))
	require.Len(s, s.fanout.Members(room), n+1)
}
