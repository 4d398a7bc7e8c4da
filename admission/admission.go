// Package admission decides whether the bearer of a verified credential may
// connect, as whom, and what it may then do.
//
// The two calls you want are [Admit], once for each connection or request, and
// [Session.Authorize], for each operation. Both decide from the Grant of
// package engine and their arguments alone: there are no sockets, clocks or
// goroutines here, so another protocol's server can use them as Portcullis'
// own server does.
//
// # What is checked, in order
//
// Whether a key may be presented from there; the clientId that the peer asks for
// against the one that its credential carries (Ably RSA7, RSA15); then, for an operation, that presence has a
// clientId to be present as (RTP8j), that the channel's name is one, and that
// the capability grants the operation on it.
//
// # Lifetimes
//
// A Session keeps views of the Grant and of the Peer that it was admitted with.
//
// # Concurrency
//
// A Session belongs to one goroutine at a time.
package admission

import (
	"net/netip"

	"portcullis/capability"
	"portcullis/engine"
)

// Peer is what the connecting side says about itself. Nothing of it is trusted.
type Peer struct {
	ClientID []byte     // empty when it asks for none
	Origin   []byte     // of the request, empty when it has none
	IP       netip.Addr // where it comes from, the word of trusted proxies taken into account
}

// Session is one admitted connection or request. The zero Session may do
// nothing.
type Session struct {
	grant    *engine.Grant
	identity engine.Identity
}

// Admit admits the bearer of g into s. After an error, always an
// *engine.ErrorInfo, s may do nothing.
func Admit(s *Session, g *engine.Grant, peer Peer) error {
	*s = Session{}
	if err := g.PermitPeer(peer.Origin, peer.IP); err != nil {
		return err
	}
	identity, err := g.Identity().Resolve(peer.ClientID)
	if err != nil {
		return err
	}
	*s = Session{grant: g, identity: identity}
	return nil
}

// Identity returns who the bearer is, for as long as the Session lasts.
func (s *Session) Identity() engine.Identity { return s.identity }

// Authorize says whether op may be done on the channel of that name, as clients
// write it. The error is always an *engine.ErrorInfo.
func (s *Session) Authorize(channel []byte, op capability.Op) error {
	if s.grant == nil {
		return engine.ErrCapabilityDenied
	}
	if op == capability.Presence && s.identity.Kind != engine.Identified {
		return engine.ErrPresenceClientID
	}
	resource, err := capability.ParseChannel(channel)
	if err != nil {
		return engine.ErrChannel
	}
	return s.grant.Authorize(resource, op)
}
