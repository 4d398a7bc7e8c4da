package realtime

import (
	"strconv"

	"portcullis/admission"
	"portcullis/engine"
	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// attachment is a channel that a connection is attached to.
type attachment struct {
	c       *connection
	session *admission.Attachment
	channel fanout.Channel
	log     *channelLog
	broken  bool // its client must not believe that it has missed nothing

	// Under ops.
	subscription *fanout.Subscription // nil while there is no WebSocket

	// Under c.mu.
	since    string // the serial from which on it may be sent events
	last     string // the serial of the last event that it was sent, or need not be sent
	told     bool   // ATTACHED has been sent; until then events wait
	waiting  []*fanout.Event
	withheld bool // events have come while its credential was not in force
}

// attach answers ATTACH. A client whose credential has just ended is told so by
// DISCONNECTED and attaches again when it is back: to fail its channel would be for
// good.
func (c *connection) attach(f *frame.Frame) {
	now := c.hub.options.Now()
	c.mu.Lock()
	before := c.session.Attachment(f.Channel)
	var session *admission.Attachment
	err := f.Err
	if err == nil {
		session, err = c.session.Attach(f.Channel, admission.Mode(f.Flags), now)
	}
	after := c.session.Attachment(f.Channel)
	c.mu.Unlock()
	if before != after {
		c.end(before)
	}
	if err == engine.ErrTokenExpired || err == engine.ErrTokenRevoked {
		return
	}
	if err == nil {
		err = c.begin(session, now, f)
	}
	if err != nil {
		c.failChannel(f.Channel, err)
	}
}

// begin begins what the session has attached, or begins it anew.
func (c *connection) begin(session *admission.Attachment, now engine.UnixMilli, f *frame.Frame) (err error) {
	a := c.channels[session]
	if a == nil {
		a, err = c.newAttachment(session)
	}
	if err == nil {
		c.channels[session] = a
		err = a.begin(string(f.ChannelSerial), now)
	}
	if err != nil {
		c.mu.Lock()
		c.session.Detach(f.Channel)
		c.mu.Unlock()
		c.end(session)
	}
	return err
}

func (c *connection) newAttachment(session *admission.Attachment) (*attachment, error) {
	r := session.Resource()
	a := &attachment{c: c, session: session, channel: fanout.Channel{App: c.app, Resource: r.String()}, broken: true}
	var err error
	a.log, err = c.hub.logs.retain(a.channel)
	return a, err
}

// failChannel tells the client that a channel of its has failed; the connection
// goes on.
func (c *connection) failChannel(channel []byte, err error) {
	info, ok := err.(*engine.ErrorInfo)
	if !ok {
		c.hub.options.Log.Error("a channel cannot be attached", "error", err)
		info = engine.ErrUnavailable
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send(func(dst []byte, f frame.Format) []byte { return frame.AppendError(dst, f, channel, info) })
}

// begin subscribes to the channel anew and sends ATTACHED, who is present, and what
// the client has missed since the serial that it names. Only a client that has
// missed nothing but what is still in the log is told that it has RESUMED.
func (a *attachment) begin(serial string, now engine.UnixMilli) error {
	c := a.c
	if a.subscription != nil {
		serial = a.last // it has had everything up to there over this WebSocket
	}
	a.unsubscribe()
	a.told, a.waiting = false, nil
	subscription, err := c.hub.options.Fanout.Subscribe(a.channel, a.deliver)
	if err != nil {
		return err
	}
	a.subscription = subscription
	missed, resumed := a.log.between(serial, subscription.Serial)
	resumed = resumed && !a.broken && serial >= a.since

	c.mu.Lock()
	defer c.mu.Unlock()
	members := subscription.Members
	if !c.session.Delivers(a.session, admission.ModePresenceSubscribe, now) {
		members = nil
	}
	var flags uint32
	if len(members) > 0 {
		flags |= frame.FlagHasPresence
	}
	if resumed {
		flags |= frame.FlagResumed
		a.last = serial
	} else {
		a.since, a.last, missed = subscription.Serial, subscription.Serial, nil
	}
	a.broken, a.told = false, true
	a.sendAttached(flags)
	a.sync(subscription.Serial, members)
	waiting := a.waiting
	a.waiting = nil
	a.passAll(missed, now)
	a.passAll(waiting, now)
	return nil
}

// sendAttached sends ATTACHED with flags and the modes that are permitted. The
// caller holds c.mu. No channel parameter is served, so none is confirmed.
func (a *attachment) sendAttached(flags uint32) {
	a.c.send(func(dst []byte, f frame.Format) []byte {
		return frame.AppendAttached(dst, f, &frame.Attached{
			Channel: a.session.Name(), ChannelSerial: a.last, Flags: flags | uint32(a.session.Modes()),
		})
	})
}

// sync sends who is present, in pages; the last one has an empty cursor (RTP18).
// The caller holds c.mu.
func (a *attachment) sync(serial string, members []fanout.Item) {
	for page := 1; len(members) > 0; page++ {
		n := frame.SyncPage(members)
		cursor := serial + ":"
		if n < len(members) {
			cursor += strconv.Itoa(page)
		}
		a.c.send(func(dst []byte, f frame.Format) []byte {
			return frame.AppendSync(dst, f, a.session.Name(), cursor, members[:n])
		})
		members = members[n:]
	}
}

// deliver takes an event from the fanout.
func (a *attachment) deliver(e *fanout.Event) {
	c := a.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !a.told {
		a.waiting = append(a.waiting, e)
		return
	}
	a.pass(e, c.hub.options.Now())
}

func (a *attachment) passAll(events []*fanout.Event, now engine.UnixMilli) {
	for _, e := range events {
		a.pass(e, now)
	}
}

// pass sends an event to the client, if it may have it and wants it. The caller
// holds c.mu.
func (a *attachment) pass(e *fanout.Event, now engine.UnixMilli) {
	c, mode := a.c, admission.ModeSubscribe
	if e.Kind == fanout.Presence {
		mode = admission.ModePresenceSubscribe
	}
	if c.socket == nil || e.Serial <= a.last {
		return // gone, or had it from the log
	}
	permitted := a.session.Modes()&mode != 0
	if permitted && !c.session.Delivers(a.session, mode, now) {
		a.withheld = true // the credential has ended: a new one brings it back
		return
	}
	if a.withheld {
		return // in order, by catchUp
	}
	a.last = e.Serial
	if !permitted || e.Kind == fanout.Messages && e.ConnectionID == c.id && !c.socket.echo {
		return
	}
	c.send(func(dst []byte, f frame.Format) []byte { return frame.AppendEvent(dst, f, a.session.Name(), e) })
}

// catchUp sends what was withheld while no credential was in force. The caller
// holds c.mu.
func (a *attachment) catchUp(now engine.UnixMilli) {
	if !a.withheld {
		return
	}
	a.withheld = false
	missed, ok := a.log.since(a.last)
	if !ok {
		a.last = a.log.newest()
		a.sendAttached(0) // RTL12: continuity is lost
		return
	}
	a.passAll(missed, now)
}

// unsubscribe ends deliveries. The caller holds ops and not mu.
func (a *attachment) unsubscribe() {
	if a.subscription != nil {
		a.subscription.Cancel()
		a.subscription = nil
	}
}

// close forgets the attachment. The caller holds ops and not mu.
func (a *attachment) close() {
	a.unsubscribe()
	a.log.logs.release(a.log)
	delete(a.c.channels, a.session)
}

// end forgets an attachment that the session has ended, nil for none. Whoever is
// attached no more is present no more.
func (c *connection) end(session *admission.Attachment) {
	if a := c.channels[session]; a != nil {
		a.close()
		c.leave(a.channel)
	}
}

// detach answers DETACH.
func (c *connection) detach(f *frame.Frame) {
	c.mu.Lock()
	before := c.session.Attachment(f.Channel)
	c.session.Detach(f.Channel)
	c.mu.Unlock()
	c.end(before)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.send(func(dst []byte, format frame.Format) []byte { return frame.AppendDetached(dst, format, f.Channel, nil) })
}

// lose ends attachments that a new credential does not support.
func (c *connection) lose(lost []*admission.Attachment) {
	for _, session := range lost {
		c.end(session)
		c.failChannel(session.Name(), engine.ErrCapabilityDenied)
	}
}
