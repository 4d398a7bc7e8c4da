package realtime

import (
	"portcullis/admission"
	"portcullis/engine"
	"portcullis/server/realtime/frame"
)

// attach answers ATTACH. A client whose credential has just ended is told so by
// DISCONNECTED and attaches again when it is back: to fail its channel would be for
// good.
func (c *connection) attach(s *socket, f *frame.Frame) {
	if f.Channel == nil {
		c.fail(engine.ErrFrame, causeProtocol) // an error that names no channel would be the connection's
		return
	}
	before, after, err := c.attachSession(f)
	if before != after {
		c.end(before)
	}
	switch {
	case err == nil:
		c.begin(s, after, f)
	case err != engine.ErrTokenExpired && err != engine.ErrTokenRevoked:
		c.failChannel(f.Channel, err)
	}
}

// attachSession attaches the session, and returns its attachment to the channel
// before and after.
func (c *connection) attachSession(f *frame.Frame) (before, after *admission.Attachment, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before = c.session.Attachment(f.Channel)
	if f.Err != nil {
		return before, before, f.Err
	}
	_, err = c.session.Attach(f.Channel, admission.Mode(f.Flags), c.hub.options.Now())
	return before, c.session.Attachment(f.Channel), err
}

// begin begins what the session has attached, or begins it anew.
func (c *connection) begin(s *socket, session *admission.Attachment, f *frame.Frame) {
	a, err := c.channels[session], error(nil)
	if a == nil {
		a, err = c.newAttachment(session)
	}
	if err == nil {
		serial := string(f.ChannelSerial)
		if len(serial) > maxSerialBytes {
			serial = "" // none of ours
		}
		err = a.begin(s, serial, true)
	}
	if err != nil {
		c.detachSession(f.Channel)
		c.end(session)
		c.failChannel(f.Channel, err)
	}
}

// failChannel tells the client that a channel of its has failed; the connection
// goes on.
func (c *connection) failChannel(channel []byte, err error) {
	info := c.hub.infoOf(err)
	c.tell(func(dst []byte, f frame.Format) []byte { return frame.AppendError(dst, f, channel, info) })
}

// detach answers DETACH.
func (c *connection) detach(f *frame.Frame) {
	if f.Channel == nil {
		c.fail(engine.ErrFrame, causeProtocol)
		return
	}
	c.end(c.detachSession(f.Channel))
	c.tell(func(dst []byte, format frame.Format) []byte { return frame.AppendDetached(dst, format, f.Channel, nil) })
}

// detachSession detaches the session from a channel and returns what it was attached
// by, nil for nothing.
func (c *connection) detachSession(channel []byte) *admission.Attachment {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.session.Attachment(channel)
	c.session.Detach(channel)
	return before
}

// end forgets an attachment that the session has ended, nil for none.
func (c *connection) end(session *admission.Attachment) {
	if a := c.channels[session]; a != nil {
		a.close()
	}
}

// endAll is end for all that a new credential does not support.
func (c *connection) endAll(lost []*admission.Attachment) {
	for _, session := range lost {
		c.end(session)
	}
}

// failAll tells the client what it has lost by a new credential.
func (c *connection) failAll(lost []*admission.Attachment) {
	for _, session := range lost {
		c.failChannel(session.Name(), engine.ErrCapabilityDenied)
	}
}

// renewAll brings every channel up to date that has fallen behind while the
// credential that was in force before permitted less.
func (c *connection) renewAll(s *socket) {
	for session, a := range c.channels {
		if !a.behind() {
			continue
		}
		if err := a.begin(s, "", false); err != nil {
			c.detachSession(session.Name())
			c.end(session)
			c.failChannel(session.Name(), err)
		}
	}
}
