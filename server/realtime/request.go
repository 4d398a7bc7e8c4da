package realtime

import (
	"bytes"
	"context"

	"portcullis/admission"
	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// PublishRequest publishes the messages of an HTTP request, all or none: s is its
// sender, and f what frame.ReadMessages has read of it. The event's ID names the
// messages that have no id of their own. After an *engine.ErrorInfo nothing is
// published.
func (h *Hub) PublishRequest(ctx context.Context, s *admission.Session, app string, channel []byte, f *frame.Frame) (*fanout.Event, error) {
	now := h.options.Now()
	e := &fanout.Event{
		Channel: fanout.Channel{App: app}, Kind: fanout.Messages, ID: random(9), Timestamp: int64(now), Items: f.Items,
	}
	if f.ConnectionKey != nil {
		if err := h.onBehalf(e, s, app, f.ConnectionKey); err != nil {
			return nil, err
		}
	}
	for i := range e.Items {
		if e.Items[i].ConnectionID != e.ConnectionID && e.Items[i].ConnectionID != "" {
			return nil, engine.ErrConnectionKey
		}
		e.Items[i].ConnectionID = e.ConnectionID
	}
	if err := stamp(e, s, channel, now); err != nil {
		return nil, err
	}
	if err := h.options.Fanout.Publish(ctx, e); err != nil {
		return nil, err
	}
	return e, nil
}

// onBehalf makes e that of the connection whose key a request names. Only a sender
// who may be the connection's client may speak for it, and as nobody else.
func (h *Hub) onBehalf(e *fanout.Event, s *admission.Session, app string, key []byte) error {
	c := h.find(key)
	if c == nil || c.app != app {
		return engine.ErrConnectionKey
	}
	c.mu.Lock()
	client := c.session.Identity()
	c.mu.Unlock()
	sender := s.Identity()
	if sender.Kind == engine.Anonymous || sender.Kind == engine.Identified && !bytes.Equal(sender.ID, client.ID) {
		return engine.ErrConnectionKey
	}
	e.ConnectionID = c.id
	for i := range e.Items {
		item := &e.Items[i]
		switch {
		case client.Kind != engine.Identified:
		case !item.HasClientID:
			item.ClientID, item.HasClientID = string(client.ID), true
		case item.ClientID != string(client.ID):
			return engine.ErrConnectionKey
		}
	}
	return nil
}

// Members returns who is present on a channel.
func (h *Hub) Members(c fanout.Channel) []fanout.Item { return h.options.Fanout.Members(c) }
