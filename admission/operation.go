package admission

import (
	"portcullis/capability"
	"portcullis/engine"
)

// permit takes the checks of an operation that do not depend on whom it speaks
// for. The capability is asked before the mode: an attachment that had too few
// rights for a mode gains it with a token that has more.
func (s *Session) permit(channel []byte, op capability.Op, mode Mode) (capability.Resource, *Attachment, error) {
	r, err := capability.ParseChannel(channel)
	if err != nil {
		return r, nil, engine.ErrChannel
	}
	if err := s.grant.Authorize(r, op); err != nil {
		return r, nil, err
	}
	a := s.attached(r)
	switch {
	case a == nil && op == capability.Presence:
		return r, nil, engine.ErrNotAttached
	case a != nil && a.requested&mode == 0:
		return r, a, engine.ErrModeNotRequested
	case s.mustIdentify(r):
		return r, a, engine.ErrIdentifiedOnly
	}
	return r, a, nil
}

// mustIdentify says whether r is for clients that are more than anonymous, and
// this one is not.
func (s *Session) mustIdentify(r capability.Resource) bool {
	return s.identity.Kind == engine.Anonymous && s.namespaces.needIdentity(r)
}

// Publish says whether one message that names clientID, nil for none, may be
// published on a channel, attached or not, and what its clientId then is, nil for
// none. The results are views of the arguments and of s. The error is always an
// *engine.ErrorInfo.
func (s *Session) Publish(channel, clientID []byte, now engine.UnixMilli) (stamped []byte, r capability.Resource, err error) {
	if err := s.refusal(now); err != nil {
		return nil, r, err
	}
	if r, _, err = s.permit(channel, capability.Publish, ModePublish); err != nil {
		return nil, r, err
	}
	if stamped, err = s.identity.Stamp(clientID); err != nil {
		return nil, r, err
	}
	if c := s.connection; c != nil && !c.pace.take(s.grant, r, now) {
		return nil, r, engine.ErrPublishRate
	}
	return stamped, r, nil
}

// Annotate is Publish for an annotation of a message.
func (s *Session) Annotate(channel, clientID []byte, now engine.UnixMilli) (stamped []byte, r capability.Resource, err error) {
	if err := s.refusal(now); err != nil {
		return nil, r, err
	}
	if r, _, err = s.permit(channel, capability.AnnotationPublish, ModeAnnotationPublish); err != nil {
		return nil, r, err
	}
	stamped, err = s.identity.Stamp(clientID)
	return stamped, r, err
}

// Presence says whether a member may enter, update or leave the presence set of an
// attached channel, and which: the one that clientID names, nil for none. That
// there is nobody to be present is said first (RTP8i, RTP8j), as Authorize does.
func (s *Session) Presence(channel, clientID []byte, now engine.UnixMilli) (member []byte, a *Attachment, err error) {
	if err := s.refusal(now); err != nil {
		return nil, nil, err
	}
	member, stampErr := s.identity.StampPresence(clientID)
	if stampErr == engine.ErrPresenceClientID {
		return nil, nil, stampErr
	}
	if _, a, err = s.permit(channel, capability.Presence, ModePresence); err != nil {
		return nil, nil, err
	}
	if stampErr != nil {
		return nil, nil, stampErr
	}
	return member, a, nil
}

// UserClaim returns what the token's issuer lets others know of the bearer on a
// channel: the most specific claim ably.channel.PATTERN that covers it.
func (s *Session) UserClaim(r capability.Resource) (claim string, ok bool) {
	if s.grant == nil {
		return "", false
	}
	return s.grant.UserClaim(r)
}

// PublishRate returns how many messages a second the token lets its bearer publish
// on a channel; ok is false when it sets no limit. Publish enforces it.
func (s *Session) PublishRate(r capability.Resource) (perSecond float64, ok bool) {
	if s.grant == nil {
		return 0, false
	}
	return s.grant.PublishRate(r)
}
