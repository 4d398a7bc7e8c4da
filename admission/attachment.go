package admission

import (
	"bytes"

	"portcullis/capability"
	"portcullis/engine"
)

// Mode is a set of channel modes, each the bit that it has among the flags of
// ATTACH and ATTACHED (TR3q-t).
type Mode uint64

// The modes.
const (
	ModePresence            Mode = 1 << 16
	ModePublish             Mode = 1 << 17
	ModeSubscribe           Mode = 1 << 18
	ModePresenceSubscribe   Mode = 1 << 19
	ModeAnnotationPublish   Mode = 1 << 21
	ModeAnnotationSubscribe Mode = 1 << 22
	ModeObjectSubscribe     Mode = 1 << 24
	ModeObjectPublish       Mode = 1 << 25

	// DefaultModes are what is attached with when nothing is requested.
	DefaultModes = ModePresence | ModePublish | ModeSubscribe | ModePresenceSubscribe
	AllModes     = DefaultModes | ModeAnnotationPublish | ModeAnnotationSubscribe | ModeObjectSubscribe | ModeObjectPublish
)

// grantedBy lists the operations of which any grants a mode.
var grantedBy = [...]struct {
	mode Mode
	ops  capability.Op
}{
	{ModePresence, capability.Presence},
	{ModePublish, capability.Publish},
	{ModeSubscribe | ModePresenceSubscribe, capability.Subscribe},
	{ModeAnnotationPublish, capability.AnnotationPublish},
	{ModeAnnotationSubscribe, capability.AnnotationSubscribe},
	{ModeObjectSubscribe, capability.Subscribe | capability.ObjectSubscribe},
	{ModeObjectPublish, capability.ObjectPublish},
}

// modesOf returns the modes that operations permit.
func modesOf(ops capability.Op) (modes Mode) {
	for _, g := range grantedBy {
		if ops&g.ops != 0 {
			modes |= g.mode
		}
	}
	return modes
}

// MaxAttachments is to how many channels one connection may be attached.
const MaxAttachments = 1000

// Attachment is a channel that a connection is attached to. Its modes are those
// that were requested; which of them are permitted is asked of the capability in
// force, so that a token with more rights brings back what one with fewer took.
type Attachment struct {
	name      []byte
	resource  capability.Resource
	requested Mode
	permitted Mode // of those requested; none once it is detached
}

// Name returns the channel's name as the client wrote it when it attached last.
func (a *Attachment) Name() []byte { return a.name }

// Resource returns what the name names: it is what counts for other connections.
func (a *Attachment) Resource() capability.Resource { return a.resource }

// Modes returns the modes that are requested and permitted now.
func (a *Attachment) Modes() Mode { return a.permitted }

// Requested returns the modes that were requested.
func (a *Attachment) Requested() Mode { return a.requested }

// attachmentKey is what one attachment of a connection is found by.
type attachmentKey struct {
	qualifier capability.Qualifier
	path      string
}

// attached returns the attachment to r, nil when there is none.
func (s *Session) attached(r capability.Resource) *Attachment {
	if s.connection == nil {
		return nil
	}
	return s.connection.attachments[attachmentKey{r.Qualifier, string(r.Path)}]
}

// Attach attaches the connection to a channel with the modes that are requested,
// 0 for DefaultModes; other flags are ignored. A channel that is attached already
// stays the same Attachment, with the new modes, or is detached when none of them
// is permitted. The error is always an *engine.ErrorInfo.
func (s *Session) Attach(channel []byte, requested Mode, now engine.UnixMilli) (*Attachment, error) {
	if err := s.refusal(now); err != nil {
		return nil, err
	}
	r, err := capability.ParseChannel(channel)
	if err != nil {
		return nil, engine.ErrChannel
	}
	if requested &= AllModes; requested == 0 {
		requested = DefaultModes
	}
	a := s.attached(r)
	permitted := requested & modesOf(s.grant.Ops(r))
	switch {
	case s.connection == nil || permitted == 0:
		err = engine.ErrCapabilityDenied
	case s.mustIdentify(r):
		err = engine.ErrIdentifiedOnly
	case a == nil && len(s.connection.attachments) >= MaxAttachments:
		err = engine.ErrAttachments
	}
	switch {
	case err != nil && a != nil:
		s.connection.detach(a)
		return nil, err
	case err != nil:
		return nil, err
	case a == nil:
		a = &Attachment{resource: capability.Resource{Qualifier: r.Qualifier, Path: bytes.Clone(r.Path)}}
		s.connection.attach(a)
	}
	a.name = append(a.name[:0], channel...)
	a.requested, a.permitted = requested, permitted
	return a, nil
}

// Detach ends the attachment to the channel of that name, if there is one.
func (s *Session) Detach(channel []byte) {
	if r, err := capability.ParseChannel(channel); err == nil {
		if a := s.attached(r); a != nil {
			s.connection.detach(a)
		}
	}
}

// Attachment returns the attachment to the channel of that name, nil when there is
// none.
func (s *Session) Attachment(channel []byte) *Attachment {
	r, err := capability.ParseChannel(channel)
	if err != nil {
		return nil
	}
	return s.attached(r)
}

// Attachments calls f with every attachment, in no order.
func (s *Session) Attachments(f func(*Attachment)) {
	if s.connection != nil {
		for _, a := range s.connection.attachments {
			f(a)
		}
	}
}

// Delivers says whether what comes under mode may be sent to the client over an
// attachment of this Session: ModeSubscribe for messages, ModePresenceSubscribe
// for presence and SYNC, and so on. It allocates nothing.
func (s *Session) Delivers(a *Attachment, mode Mode, now engine.UnixMilli) bool {
	return a != nil && a.permitted&mode != 0 && s.refusal(now) == nil
}

func (c *connection) attach(a *Attachment) {
	if c.attachments == nil {
		c.attachments = make(map[attachmentKey]*Attachment)
	}
	c.attachments[attachmentKey{a.resource.Qualifier, string(a.resource.Path)}] = a
}

func (c *connection) detach(a *Attachment) {
	a.permitted = 0
	delete(c.attachments, attachmentKey{a.resource.Qualifier, string(a.resource.Path)})
}
