package realtime

import (
	"context"
	"strconv"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// publish publishes the messages of a MESSAGE, all or none.
func (c *connection) publish(f *frame.Frame) (published, error) {
	e, err := c.event(f, fanout.Messages)
	if err == nil {
		err = c.stamp(e, f.Channel)
	}
	if err == nil {
		err = c.hub.options.Fanout.Publish(context.Background(), e)
	}
	if err != nil {
		return published{}, err
	}
	return published{e.Serial, len(e.Items)}, nil
}

func (c *connection) stamp(e *fanout.Event, channel []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return stamp(e, &c.session, channel, c.hub.options.Now())
}

// stamp checks messages that the bearer of s publishes, and puts in them what only
// this server may say.
func stamp(e *fanout.Event, s *admission.Session, channel []byte, now engine.UnixMilli) error {
	for i := range e.Items {
		item := &e.Items[i]
		if item.Action != fanout.Create {
			return engine.ErrNotServed // there is no history, so no message to change
		}
		stamped, resource, err := s.Publish(channel, item.NamedClientID(), now)
		if err == nil && item.Privileged {
			err = s.Authorize(channel, capability.PrivilegedHeaders)
		}
		if err != nil {
			return err
		}
		item.ClientID, item.Timestamp = string(stamped), int64(now)
		if item.ID == "" {
			item.ID = e.ID + ":" + strconv.Itoa(i)
		}
		item.UserClaim, _ = s.UserClaim(resource)
		e.Channel.Resource = resource.String()
	}
	return checkSize(e)
}

// checkSize refuses an event that is too large for a frame, with what this server has
// added: claims of a token that are repeated in each of a thousand items.
func checkSize(e *fanout.Event) error {
	size := 0
	for i := range e.Items {
		item := &e.Items[i]
		size += len(item.ID) + len(item.ClientID) + len(item.ConnectionID) + len(item.Name) + len(item.Encoding) +
			len(item.UserClaim) + len(item.Data.Bytes) + len(item.Extras)
	}
	if size > frame.MaxFrameBytes {
		return engine.ErrMessageSize
	}
	return nil
}

// event makes an event of a frame's items, of which there must be some. It refuses
// what is sent in another connection's name.
func (c *connection) event(f *frame.Frame, kind fanout.Kind) (*fanout.Event, error) {
	if len(f.Items) == 0 {
		return nil, engine.ErrMessage
	}
	foreign := len(f.ConnectionID) > 0 && string(f.ConnectionID) != c.id || f.ConnectionKey != nil && string(f.ConnectionKey) != c.key()
	now := int64(c.hub.options.Now())
	for i := range f.Items {
		item := &f.Items[i]
		foreign = foreign || item.ConnectionID != "" && item.ConnectionID != c.id
		item.ConnectionID, item.Timestamp = c.id, now
	}
	if foreign {
		return nil, engine.ErrConnectionKey
	}
	e := &fanout.Event{
		Channel: fanout.Channel{App: c.app}, Kind: kind, ID: c.id + ":" + strconv.FormatInt(f.MsgSerial, 10),
		ConnectionID: c.id, Timestamp: now, Items: f.Items,
	}
	f.Items = nil // they are the event's now
	return e, nil
}
