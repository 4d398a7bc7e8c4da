package realtime

import (
	"context"
	"slices"
	"strconv"

	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// present has the members of a PRESENCE enter, update or leave, all or none.
func (c *connection) present(f *frame.Frame) ([][]string, error) {
	if err := c.ownWords(f); err != nil {
		return nil, err
	}
	now := c.hub.options.Now()
	e := c.event(f, fanout.Presence, now)
	if err := c.preparePresence(f, e, now); err != nil {
		return nil, err
	}
	said := slices.Clone(e.Items) // the fanout takes out leaves of who is not there
	if err := c.hub.options.Fanout.Present(context.Background(), e); err != nil {
		if err == fanout.ErrMembers {
			return nil, engine.ErrPresenceFull
		}
		return nil, err
	}
	for _, item := range said {
		c.note(e.Channel, item)
	}
	return nil, nil
}

// preparePresence checks presence items and puts in them what only this server may
// say.
func (c *connection) preparePresence(f *frame.Frame, e *fanout.Event, now engine.UnixMilli) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range e.Items {
		item := &e.Items[i]
		member, a, err := c.session.Presence(f.Channel, item.NamedClientID(), now)
		if err != nil {
			return err
		}
		if item.Action != fanout.Enter && item.Action != fanout.Leave && item.Action != fanout.Update {
			return engine.ErrFrame
		}
		e.Channel.Resource = a.Resource().String()
		item.ClientID, item.ID = string(member), e.ID+":"+strconv.Itoa(i)
		item.UserClaim, _ = c.session.UserClaim(a.Resource())
	}
	return nil
}

// note remembers whom the connection has entered: they leave with it.
func (c *connection) note(channel fanout.Channel, item fanout.Item) {
	if item.Action == fanout.Leave {
		delete(c.members[channel], item.ClientID)
		return
	}
	if c.members == nil {
		c.members = make(map[fanout.Channel]map[string]fanout.Item)
	}
	if c.members[channel] == nil {
		c.members[channel] = make(map[string]fanout.Item)
	}
	c.members[channel][item.ClientID] = item
}
