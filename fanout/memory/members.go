package memory

import (
	"slices"

	"portcullis/fanout"
)

// memberKey is who a member is.
type memberKey struct{ connectionID, clientID string }

func keyOf(i *fanout.Item) memberKey { return memberKey{i.ConnectionID, i.ClientID} }

// members is who is present in one channel. The zero value is nobody.
type members struct {
	items []fanout.Item
	at    map[memberKey]int // in items
	bytes int               // of all items
}

// list returns a copy.
func (m *members) list() []fanout.Item { return slices.Clone(m.items) }

// apply makes the changes of a presence event, all of them or none, and takes the
// leaves of who is not there out of it.
func (m *members) apply(e *fanout.Event) error {
	if !m.room(e.Items) {
		return fanout.ErrMembers
	}
	done := e.Items[:0]
	for i := range e.Items {
		if m.change(&e.Items[i]) {
			done = append(done, e.Items[i])
		}
	}
	clear(e.Items[len(done):])
	e.Items = done
	return nil
}

// room says whether the limits hold after each item.
func (m *members) room(items []fanout.Item) bool {
	most := 0
	for i := range items {
		most += items[i].Bytes()
	}
	if len(m.items)+len(items) <= fanout.MaxMembers && m.bytes+most <= fanout.MaxMemberBytes {
		return true
	}
	// Near a limit it is counted exactly: what is there after the items so far, the
	// bytes of each member that they have changed, -1 for who has left.
	count, bytes, changed := len(m.items), m.bytes, make(map[memberKey]int, len(items))
	for i := range items {
		key := keyOf(&items[i])
		was, seen := changed[key]
		if !seen {
			was = -1
			if at, present := m.at[key]; present {
				was = m.items[at].Bytes()
			}
		}
		if was >= 0 {
			count, bytes = count-1, bytes-was
		}
		is := -1
		if items[i].Action != fanout.Leave {
			is = items[i].Bytes()
			count, bytes = count+1, bytes+is
		}
		if changed[key] = is; count > fanout.MaxMembers || bytes > fanout.MaxMemberBytes {
			return false
		}
	}
	return true
}

// change applies one item and says whether there was anything to change.
func (m *members) change(i *fanout.Item) bool {
	key := keyOf(i)
	at, present := m.at[key]
	if i.Action == fanout.Leave {
		if present {
			m.remove(key, at)
		}
		return present
	}
	member := *i
	member.Action = fanout.Present
	if m.bytes += member.Bytes(); present {
		m.bytes -= m.items[at].Bytes()
		m.items[at] = member
		return true
	}
	if m.at == nil {
		m.at = make(map[memberKey]int)
	}
	m.at[key] = len(m.items)
	m.items = append(m.items, member)
	return true
}

// remove puts the last member into the place of the one that leaves.
func (m *members) remove(key memberKey, at int) {
	m.bytes -= m.items[at].Bytes()
	last := len(m.items) - 1
	m.items[at] = m.items[last]
	m.at[keyOf(&m.items[at])] = at
	delete(m.at, key)
	m.items = slices.Delete(m.items, last, last+1)
}
