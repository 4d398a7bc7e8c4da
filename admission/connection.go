package admission

import (
	"bytes"
	"slices"

	"portcullis/engine"
)

// connection is what a Session has that lasts.
type connection struct {
	lifetime
	wildcard    bool // it was a wildcard when it began
	attachments map[attachmentKey]*Attachment
	pace        pace
}

// Begin makes s the Session of a connection, which is admitted at now and lasts.
// s keeps nothing of the Grant and the Peer that it was admitted with.
func (s *Session) Begin(now engine.UnixMilli) {
	if s.grant == nil || s.connection != nil {
		return
	}
	s.identity.ID = bytes.Clone(s.identity.ID)
	s.peer.own()
	s.connection = &connection{wildcard: s.identity.Kind == engine.Wildcard}
	s.adopt(s.grant, now)
}

func (p *Peer) own() {
	p.ClientID, p.Origin = bytes.Clone(p.ClientID), bytes.Clone(p.Origin)
}

// Reauthenticate makes g, which was verified just now, the credential in force
// (RTC8a). It must be of the same key, and its bearer must be who the connection
// is; otherwise the error, always an *engine.ErrorInfo, says so and everything
// stays as it is.
//
// It returns the attachments of which no requested mode is permitted any more,
// sorted by name and detached already: the client is told first that it is
// connected, then of each of these that it has failed with
// [engine.ErrCapabilityDenied].
func (s *Session) Reauthenticate(g *engine.Grant, now engine.UnixMilli) (lost []*Attachment, err error) {
	return s.replace(g, s.peer, s.mayBecome, now)
}

// Resume is Reauthenticate for a client that comes back over a new transport, as
// peer, to a connection whose state was kept (RTN15b). Its identity must be the
// connection's, letter for letter and kind for kind.
func (s *Session) Resume(g *engine.Grant, peer Peer, now engine.UnixMilli) (lost []*Attachment, err error) {
	return s.replace(g, peer, s.is, now)
}

func (s *Session) replace(g *engine.Grant, peer Peer, compatible func(engine.Identity) bool, now engine.UnixMilli) ([]*Attachment, error) {
	if s.connection == nil {
		return nil, engine.ErrCapabilityDenied
	}
	if g.KeyName() != s.grant.KeyName() {
		return nil, engine.ErrClientIDMismatch
	}
	identity, err := admit(g, &peer)
	if err != nil {
		return nil, err
	}
	if !compatible(identity) {
		return nil, engine.ErrClientIDMismatch
	}
	identity.ID, s.peer = s.identity.ID, peer
	s.peer.own()
	s.identity = identity
	return s.adopt(g, now), nil
}

// is says whether the connection has that identity.
func (s *Session) is(i engine.Identity) bool {
	return i.Kind == s.identity.Kind && bytes.Equal(i.ID, s.identity.ID)
}

// mayBecome says whether a token may make the connection's identity i. A
// connection is who it was when it began. One that began as a wildcard follows
// its tokens: an anonymous one takes the right to speak for others, another
// wildcard brings it back.
func (s *Session) mayBecome(i engine.Identity) bool {
	return s.is(i) || s.connection.wildcard && i.Kind != engine.Identified
}

// adopt makes g the credential in force and returns the attachments lost by it.
func (s *Session) adopt(g *engine.Grant, now engine.UnixMilli) (lost []*Attachment) {
	own := g.Clone()
	s.grant = &own
	c := s.connection
	for _, a := range c.attachments {
		if a.permitted = a.requested & modesOf(own.Ops(a.resource)); a.permitted == 0 {
			lost = append(lost, a)
		}
	}
	for _, a := range lost {
		c.detach(a)
	}
	slices.SortFunc(lost, func(a, b *Attachment) int { return bytes.Compare(a.name, b.name) })
	c.pace.adopt(s.grant, now)
	c.lifetime = lifetime{adopted: now}
	s.Review(now)
	return lost
}
