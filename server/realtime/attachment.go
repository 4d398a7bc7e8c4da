package realtime

import (
	"bytes"
	"slices"
	"strconv"

	"portcullis/admission"
	"portcullis/fanout"
	"portcullis/server/realtime/frame"
)

// maxSerialBytes is more than a serial of ours has.
const maxSerialBytes = 64

// membersOfAFrame is how many members an ATTACH makes the server look up for the price
// of one frame.
const membersOfAFrame = 100

// attachment is a channel that a connection is attached to.
type attachment struct {
	c       *connection
	session *admission.Attachment
	channel fanout.Channel
	log     *channelLog

	// Under ops.
	subscription *fanout.Subscription   // nil while there is no WebSocket, and until the client attaches again
	members      map[string]fanout.Item // whom the connection has entered, by clientId
	broken       bool                   // its client must not believe that it has missed nothing

	// Under c.mu.
	since    string // the serial from which on it may be sent events
	last     string // the serial of the last event that it was sent, or need not be sent
	denied   string // the serial of the last event that it wanted and was not permitted
	told     bool   // ATTACHED has been sent; until then events wait
	waiting  []*fanout.Event
	withheld bool // events have come while its credential was not in force
	synced   bool // its client knows who is present
}

func (c *connection) newAttachment(session *admission.Attachment) (*attachment, error) {
	r := session.Resource()
	a := &attachment{c: c, session: session, channel: fanout.Channel{App: c.app, Resource: r.String()}, broken: true}
	var err error
	if a.log, err = c.hub.logs.retain(a.channel); err != nil {
		return nil, err
	}
	c.channels[session] = a
	return a, nil
}

// begin subscribes to the channel anew and sends what the client has missed since the
// serial that it names, and who is present. answer says that it has asked by ATTACH,
// and gets ATTACHED whether or not it has missed anything. Only a client that has
// missed nothing but what is still in the log is told that it has RESUMED.
func (a *attachment) begin(s *socket, serial string, answer bool) error {
	live := a.subscription != nil
	a.unsubscribe()
	if live {
		serial = a.sent() // over this WebSocket, so the client has it or will have it
	}
	subscription, err := a.c.hub.options.Fanout.Subscribe(a.channel, a.deliver)
	if err != nil {
		return err
	}
	a.subscription = subscription
	s.charge(len(subscription.Members) / membersOfAFrame)
	missed, whole := a.log.between(serial, subscription.Serial)
	a.tell(serial, missed, whole && !a.broken, answer)
	a.broken = false
	return nil
}

// sent returns the serial of the last event that the client was sent.
func (a *attachment) sent() string {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	return a.last
}

// tell sends ATTACHED, what was missed, who is present, and what has come since.
func (a *attachment) tell(serial string, missed []*fanout.Event, resumed, answer bool) {
	c, s := a.c, a.subscription
	c.mu.Lock()
	defer c.mu.Unlock()
	// What its credential did not permit is not given away by one that permits more.
	resumed = resumed && serial >= a.since && (serial >= a.denied || !a.permits(admission.ModeSubscribe))
	if !resumed {
		serial, missed, a.since = s.Serial, nil, s.Serial
	}
	sync := a.permits(admission.ModePresenceSubscribe) && (len(s.Members) > 0 || !a.synced)
	if answer || !resumed {
		sync = sync && len(s.Members) > 0 // otherwise ATTACHED says that there is nobody
		a.sendAttached(serial, sync, resumed)
	}
	a.last, a.withheld, a.synced = s.Serial, false, a.permits(admission.ModePresenceSubscribe)
	a.replay(missed)
	if sync {
		a.sync(s.Serial, s.Members)
	}
	a.told = true
	for _, e := range a.waiting {
		a.pass(e)
	}
	a.waiting = nil
}

// permits says whether the client has asked for a mode and has a right to it. The
// caller holds c.mu.
func (a *attachment) permits(mode admission.Mode) bool { return a.session.Modes()&mode != 0 }

// sendAttached sends ATTACHED with the modes that are permitted. No channel parameter
// is served, so none is confirmed. The caller holds c.mu.
func (a *attachment) sendAttached(serial string, hasPresence, resumed bool) {
	flags := uint32(a.session.Modes())
	if hasPresence {
		flags |= frame.FlagHasPresence
	}
	if resumed {
		flags |= frame.FlagResumed
	}
	a.c.send(func(dst []byte, f frame.Format) []byte {
		return frame.AppendAttached(dst, f, &frame.Attached{Channel: a.session.Name(), ChannelSerial: serial, Flags: flags})
	})
}

// replay sends events from the log. The caller holds c.mu.
func (a *attachment) replay(events []*fanout.Event) {
	events = slices.DeleteFunc(events, func(e *fanout.Event) bool { return !a.wants(e) })
	if len(events) == 0 || a.c.socket == nil {
		return
	}
	name, format := bytes.Clone(a.session.Name()), a.c.socket.format
	a.c.socket.stream(func() []byte {
		if len(events) == 0 {
			return nil
		}
		e := events[0]
		events = events[1:]
		return frame.AppendEvent(nil, format, name, e)
	})
}

// sync sends who is present, in pages of which there is at least one; the last one
// has an empty cursor (RTP18). The caller holds c.mu.
func (a *attachment) sync(serial string, members []fanout.Item) {
	if a.c.socket == nil {
		return
	}
	name, format := bytes.Clone(a.session.Name()), a.c.socket.format
	page := 0
	a.c.socket.stream(func() []byte {
		if page > 0 && len(members) == 0 {
			return nil
		}
		n := frame.SyncPage(members)
		cursor := serial + ":"
		if page++; n < len(members) {
			cursor += strconv.Itoa(page)
		}
		text := frame.AppendSync(nil, format, name, cursor, members[:n])
		members = members[n:]
		return text
	})
}

// deliver takes an event from the fanout.
func (a *attachment) deliver(e *fanout.Event) {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	if !a.told {
		a.waiting = append(a.waiting, e)
		return
	}
	a.pass(e)
}

// pass sends an event to the client, if it may have it and wants it. The caller
// holds c.mu.
func (a *attachment) pass(e *fanout.Event) {
	c, mode := a.c, modeOf(e)
	switch {
	case c.socket == nil || e.Serial <= a.last || a.withheld:
		return // gone, or had it from the log, or will have it from there
	case !a.permits(mode):
		if a.last = e.Serial; a.session.Requested()&mode != 0 {
			a.denied = e.Serial
			a.synced = a.synced && e.Kind != fanout.Presence
		}
	case !c.session.Delivers(a.session, mode, c.hub.options.Now()):
		a.withheld = true // the credential has ended: a new one brings it back
	default:
		if a.last = e.Serial; a.wants(e) {
			c.socket.share(c.hub.renderings.of(a.log, c.socket.format, a.session.Name(), e))
		}
	}
}

// wants says whether an event is one that the client has asked for and has a right
// to. The caller holds c.mu.
func (a *attachment) wants(e *fanout.Event) bool {
	own := e.Kind == fanout.Messages && e.ConnectionID == a.c.id && a.c.socket != nil && !a.c.socket.echo
	return a.permits(modeOf(e)) && !own
}

func modeOf(e *fanout.Event) admission.Mode {
	if e.Kind == fanout.Presence {
		return admission.ModePresenceSubscribe
	}
	return admission.ModeSubscribe
}

// behind says whether the client has missed something that it may now have.
func (a *attachment) behind() bool {
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	return a.subscription != nil && (a.withheld || !a.synced && a.permits(admission.ModePresenceSubscribe))
}

// deny notes that what has come up to now was not permitted, if that is so: the
// connection is about to get another credential. The caller holds c.mu.
func (a *attachment) deny() {
	if a.session.Requested()&admission.ModeSubscribe != 0 && !a.permits(admission.ModeSubscribe) {
		a.denied = a.log.newest()
	}
}

// unsubscribe ends deliveries. The caller holds ops and not mu.
func (a *attachment) unsubscribe() {
	if a.subscription == nil {
		return
	}
	a.subscription.Cancel()
	a.subscription = nil
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	a.told, a.waiting = false, nil
}

// close forgets the attachment. Whoever is attached no more is present no more. The
// caller holds ops and not mu.
func (a *attachment) close() {
	a.unsubscribe()
	a.log.logs.release(a.log)
	delete(a.c.channels, a.session)
	a.leave()
}
