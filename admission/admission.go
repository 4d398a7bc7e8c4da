// Package admission decides whether the bearer of a verified credential may
// connect, as whom, and what it may then do, for as long as it is connected.
//
// The calls you want for a request are [Admit] and [Session.Authorize]. A
// connection that lasts calls [Admit] and [Session.Begin] once, then
// [Session.Attach], [Session.Publish], [Session.Presence] and [Session.Delivers]
// for what is done over it, [Session.Reauthenticate] when its client presents a
// new token, and [Session.Tick] when [Session.Next] says so. Everything is
// decided from the Grant of package engine and the arguments alone: there are no
// sockets, clocks or goroutines here, so another protocol's server can use it as
// Portcullis' own server does.
//
// # What is checked, in order
//
// When connecting: whether a key may be presented from there; the clientId that the
// peer asks for against the one that its credential carries (Ably RSA7, RSA15);
// whether the client type that the peer declares is signed.
//
// For an operation of a request: that presence has a clientId to be present as
// (RTP8j), that the channel's name is one, and that the capability grants the
// operation on it. Over a connection: that the credential has not ended; that
// presence has a clientId; the channel's name; the capability; that the channel is
// attached, for presence, and was attached with the mode that the operation needs;
// that the namespace does not ask for a client with a clientId; the clientId that
// the operation names; the rate. The first check that fails decides.
//
// # How a credential ends
//
// A token ends at its expiry, or when a revocation that matches it applies. Its
// key ends it by being revoked, disabled, removed or past its not_after. From that
// moment on nothing is permitted and nothing delivered, whether or not anybody has
// called Tick. A key whose capability changes ends nothing: connections keep what
// they were admitted with.
//
// # Lifetimes
//
// A Session keeps views of the Grant and of the Peer that it was admitted with,
// until Begin, which makes it the owner of all that it needs. An [Attachment] is
// good until it is detached; then it delivers nothing.
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
	ClientID   []byte            // empty when it asks for none
	ClientType engine.ClientType // what it declares to be; only a key's bearer is believed to be a server
	Origin     []byte            // of the request, empty when it has none
	IP         netip.Addr        // where it comes from, the word of trusted proxies taken into account
}

// Session is one admitted connection or request. The zero Session may do
// nothing.
type Session struct {
	grant      *engine.Grant
	identity   engine.Identity
	peer       Peer
	namespaces *Namespaces
	connection *connection // nil for a request
}

// Admit admits the bearer of g into s. After an error, always an
// *engine.ErrorInfo, s may do nothing.
func Admit(s *Session, g *engine.Grant, peer Peer) error {
	*s = Session{}
	identity, err := admit(g, &peer)
	if err != nil {
		return err
	}
	*s = Session{grant: g, identity: identity, peer: peer}
	return nil
}

// admit returns who the bearer of g is when it connects as peer.
func admit(g *engine.Grant, peer *Peer) (engine.Identity, error) {
	if err := g.PermitPeer(peer.Origin, peer.IP); err != nil {
		return engine.Identity{}, err
	}
	identity, err := g.Identity().Resolve(peer.ClientID)
	if err != nil {
		return engine.Identity{}, err
	}
	if peer.ClientType == engine.ServerClient && g.IsToken() && g.ClientType() != engine.ServerClient {
		return engine.Identity{}, engine.ErrClientType
	}
	return identity, nil
}

// Grant returns the Grant in force, nil for the zero Session.
func (s *Session) Grant() *engine.Grant { return s.grant }

// Identity returns who the bearer is. It stays so for as long as the Session
// lasts, but for a wildcard that [Session.Reauthenticate] makes anonymous.
func (s *Session) Identity() engine.Identity { return s.identity }

// ClientType returns what the bearer is: of a token what it signs, of a key what
// the peer declares.
func (s *Session) ClientType() engine.ClientType {
	if s.grant != nil && s.grant.IsToken() {
		return s.grant.ClientType()
	}
	return s.peer.ClientType
}

// Authorize says whether op may be done on the channel of that name, as clients
// write it. It looks at no clock, so it is for requests, whose credential was
// verified just now. The error is always an *engine.ErrorInfo.
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
