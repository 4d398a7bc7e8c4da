package admission

import "portcullis/engine"

// When a client is asked for a new token, in milliseconds. A token whose life at
// its adoption is no longer than noHintLife is left to end: asking at once would
// make clients with such tokens do nothing else.
const (
	hintBeforeEnd     = 30_000 // with a longer life
	hintAfterAdoption = 3_000  // but not sooner than that
	noHintLife        = 5_500
)

// revokedJWTDelay is how long after the second in which a JWT was revoked its
// client is told, in milliseconds. A JWT's iat has no milliseconds, so a
// replacement minted within that second would be refused as well, and SDKs then
// wait for 15 s.
const revokedJWTDelay = 50

// lifetime is when a connection must do what about its credential.
type lifetime struct {
	adopted  engine.UnixMilli
	snapshot engine.KeySnapshot // that the rest was found by

	ending  ending
	revoked ending // as far as revocations go; it never moves to a later time
	hintAt  engine.UnixMilli
	hinted  bool
	ended   bool // Tick has said so
}

// ending is how a credential ends; the zero ending never comes.
type ending struct {
	at   engine.UnixMilli // from when on nothing is permitted
	tell engine.UnixMilli // when the client is told
	why  error
}

func (e ending) before(other ending) bool {
	return e.why != nil && (other.why == nil || e.at < other.at)
}

// ActionKind is what a connection must do.
type ActionKind uint8

// The kinds of Action.
const (
	None       ActionKind = iota
	AskReauth             // ask the client for a new token: AUTH
	Disconnect            // tell it why and close; it may come back with a new token: DISCONNECTED
	Fail                  // tell it why and close, for good: ERROR
)

// Action is what a connection must do now.
type Action struct {
	Kind ActionKind
	Err  error // of Disconnect and Fail, an *engine.ErrorInfo
}

// Next returns when Tick has something to do, 0 for never.
func (s *Session) Next() engine.UnixMilli {
	c := s.connection
	if c == nil || c.ended {
		return 0
	}
	next := c.hintAt
	if c.ending.why != nil && (next == 0 || c.ending.tell < next) {
		next = c.ending.tell
	}
	return next
}

// Tick returns what is due at now. Each thing is said once; after Disconnect and
// Fail nothing is due until another credential is in force.
func (s *Session) Tick(now engine.UnixMilli) Action {
	c := s.connection
	if c == nil || c.ended {
		return Action{}
	}
	s.refresh(now)
	switch {
	case c.ending.why != nil && now >= c.ending.tell:
		c.ended = true
		if c.ending.why == engine.ErrTokenExpired || c.ending.why == engine.ErrTokenRevoked {
			return Action{Disconnect, c.ending.why}
		}
		return Action{Fail, c.ending.why}
	case c.hintAt != 0 && now >= c.hintAt:
		c.hintAt, c.hinted = 0, true
		if c.ending.why == nil || now < c.ending.at {
			return Action{Kind: AskReauth}
		}
	}
	return Action{}
}

// Review looks at what has become of the credential's key: its state and its
// revocations. Call it when they may have changed, and ask Next again. Whether or
// not it is called, operations and deliveries are refused from the moment on that
// a revocation applies; only the client is not told.
func (s *Session) Review(now engine.UnixMilli) {
	c := s.connection
	if c == nil || c.ended {
		return
	}
	adopting := c.snapshot == engine.KeySnapshot{}
	c.snapshot = s.grant.KeySnapshot() // before looking: what changes meanwhile is then seen next time
	if err := s.grant.KeyError(now); err != nil {
		c.ending, c.hintAt = ending{now, now, err}, 0
		return
	}
	var end ending
	if at := s.grant.Expires(); at != 0 {
		end = ending{at, at, engine.ErrTokenExpired}
	}
	announced := c.noteRevocation(s.grant, now)
	if c.revoked.before(end) {
		end = c.revoked
	}
	c.scheduleHint(end.at, announced && !adopting, now)
	if at := s.grant.KeyExpires(); at != 0 {
		if e := (ending{at, at, engine.ErrKeyExpired}); e.before(end) || e.at == end.at {
			end = e
		}
	}
	if c.ending = end; end.why != nil && now >= end.at {
		c.hintAt = 0
	}
}

// noteRevocation notes what revocations say of g, and whether one has come that
// applies earlier than those known, and not yet.
func (l *lifetime) noteRevocation(g *engine.Grant, now engine.UnixMilli) (announced bool) {
	appliesAt, issuedBefore, ok := g.Revocation(now)
	e := ending{appliesAt, appliesAt, engine.ErrTokenRevoked}
	if g.IsJWT() {
		e.tell = max(e.tell, (issuedBefore/1000+1)*1000+revokedJWTDelay)
	}
	if !ok || l.revoked.before(e) {
		return false
	}
	announced = e.before(l.revoked) && e.at > now
	l.revoked = e
	return announced
}

// scheduleHint decides when the client is asked for a new token: at once when a
// revocation is announced, otherwise once for each credential.
func (l *lifetime) scheduleHint(end engine.UnixMilli, announced bool, now engine.UnixMilli) {
	life := end - l.adopted
	switch {
	case announced:
		l.hintAt = now
	case l.hinted || l.hintAt != 0 && l.hintAt <= now:
	case end == 0 || life <= noHintLife:
		l.hintAt = 0
	case life <= hintBeforeEnd:
		l.hintAt = l.adopted + life/2
	default:
		l.hintAt = max(end-hintBeforeEnd, l.adopted+hintAfterAdoption)
	}
}

// refresh reviews the credential if its key or revocations have changed.
func (s *Session) refresh(now engine.UnixMilli) {
	if s.grant.KeySnapshot() != s.connection.snapshot {
		s.Review(now)
	}
}

// refusal says why nothing may be done at now, nil when nothing is in the way.
func (s *Session) refusal(now engine.UnixMilli) error {
	if s.grant == nil {
		return engine.ErrCapabilityDenied
	}
	c := s.connection
	if c == nil {
		if at := s.grant.Expires(); at != 0 && now >= at {
			return engine.ErrTokenExpired
		}
		return nil
	}
	if !c.ended {
		s.refresh(now)
	}
	if c.ended || c.ending.why != nil && now >= c.ending.at {
		return c.ending.why
	}
	return nil
}
