package realtime

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"portcullis/admission"
	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// maxAllMemberBytes is how much memory the members of all connections may take. Beyond
// it, none enters more than fairMemberBytes.
const (
	maxAllMemberBytes = 1 << 30
	fairMemberBytes   = 16 << 10
)

// presence is how many members there are, and how much memory they take. One
// connection may have as many as a channel: a server enters its users.
type presence struct{ members, bytes int }

// present has the members of a PRESENCE enter, update or leave, all or none.
func (c *connection) present(f *frame.Frame) (published, error) {
	e, err := c.event(f, fanout.Presence)
	if err != nil {
		return published{}, err
	}
	session, err := c.stampPresence(f.Channel, e)
	if err != nil {
		return published{}, err
	}
	a := c.channels[session]
	if !a.room(e.Items) {
		return published{}, engine.ErrPresenceFull
	}
	said := slices.Clone(e.Items) // the fanout takes out leaves of who is not there
	if err := c.hub.options.Fanout.Present(context.Background(), e); err != nil {
		if err == fanout.ErrMembers {
			return published{}, engine.ErrPresenceFull
		}
		return published{}, err
	}
	for i := range said {
		a.note(&said[i])
	}
	return published{}, nil
}

// stampPresence checks presence items and puts in them what only this server may
// say. It returns the attachment of their channel.
func (c *connection) stampPresence(channel []byte, e *fanout.Event) (a *admission.Attachment, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range e.Items {
		item := &e.Items[i]
		var member []byte
		if member, a, err = c.session.Presence(channel, item.NamedClientID(), c.hub.options.Now()); err != nil {
			return nil, err
		}
		if item.Action != fanout.Enter && item.Action != fanout.Leave && item.Action != fanout.Update {
			return nil, engine.ErrFrame
		}
		item.ClientID, item.ID = string(member), e.ID+":"+strconv.Itoa(i)
		item.UserClaim, _ = c.session.UserClaim(a.Resource())
		e.Channel.Resource = a.Resource().String()
	}
	return a, checkSize(e)
}

// room says whether the connection may have the members that enter or are updated.
func (a *attachment) room(items []fanout.Item) bool {
	after := a.c.entered
	for i := range items {
		if items[i].Action == fanout.Leave {
			continue
		}
		if old, is := a.members[items[i].ClientID]; is {
			after.bytes -= old.Bytes()
		} else {
			after.members++
		}
		after.bytes += items[i].Bytes()
	}
	more := int64(after.bytes - a.c.entered.bytes)
	if more > 0 && after.bytes > fairMemberBytes && a.c.hub.members.Load()+more > maxAllMemberBytes {
		return false
	}
	return after.members <= fanout.MaxMembers && after.bytes <= fanout.MaxMemberBytes
}

// note remembers whom the connection has entered: they leave with it.
func (a *attachment) note(item *fanout.Item) {
	a.strike(item.ClientID)
	if item.Action == fanout.Leave {
		return
	}
	if a.members == nil {
		a.members = make(map[string]fanout.Item)
	}
	a.members[item.ClientID] = *item
	a.c.count(1, item.Bytes())
}

// strike forgets a member.
func (a *attachment) strike(clientID string) {
	if old, is := a.members[clientID]; is {
		delete(a.members, clientID)
		a.c.count(-1, -old.Bytes())
	}
}

func (c *connection) count(members, bytes int) {
	c.entered.members += members
	c.entered.bytes += bytes
	c.hub.members.Add(int64(bytes))
}

// leaveAll has all members of the connection leave. The caller holds ops.
func (c *connection) leaveAll() {
	for _, a := range c.channels {
		a.leave()
	}
}

// leave has the connection's members of the channel leave. A channel that loses
// members so has lost continuity: its client must enter them again. The caller holds
// ops and not mu.
func (a *attachment) leave() {
	if len(a.members) == 0 {
		return
	}
	a.broken = true
	members := slices.Collect(maps.Values(a.members))
	for len(members) > 0 {
		n := frame.SyncPage(members) // no frame may be too large for the others
		a.leavePage(members[:n])
		members = members[n:]
	}
}

func (a *attachment) leavePage(members []fanout.Item) {
	h := a.c.hub
	now := int64(h.options.Now())
	// An id that does not begin with the connection's tells clients that the server
	// says so, and that only the time decides what is newer (RTP2b1).
	e := &fanout.Event{Channel: a.channel, Kind: fanout.Presence, ID: "left-" + random(8), ConnectionID: a.c.id, Timestamp: now}
	for _, m := range members {
		a.strike(m.ClientID)
		m.ID = e.ID + ":" + strconv.Itoa(len(e.Items))
		m.Action, m.Timestamp = fanout.Leave, now
		e.Items = append(e.Items, m)
	}
	if err := h.options.Fanout.Present(context.Background(), e); err != nil {
		h.options.Log.Error("members could not leave", "error", err)
	}
}
