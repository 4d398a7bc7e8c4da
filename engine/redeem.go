package engine

import (
	"context"

	"portcullis/capability"
)

// TimestampWindow is how far a TokenRequest's timestamp may be from the clock,
// either way, and NonceSlack how much longer than that its nonce is remembered:
// twice what the clocks of two nodes may differ by.
const (
	TimestampWindow = 120_000 // milliseconds
	NonceSlack      = 2 * 5_000
)

// Redeem verifies a signed TokenRequest and puts the token that it asks for into
// dst, for an Issuer to issue. The checks are, in order: the fields' form; the
// key; the mac; the key's state; the timestamp; ttl, capability and clientId; and
// last the nonce, which is spent in spender only when all else is good, so that
// strangers can neither burn nonces nor fill the store. Until then nothing is
// allocated. Unless the error is nil, always an *[ErrorInfo], dst denies
// everything.
func (v *Verifier) Redeem(ctx context.Context, dst *Grant, r *TokenRequest, spender Spender, now UnixMilli) error {
	return v.redeem(ctx, dst, r, spender, now, (*Verifier).verifyMAC)
}

// RedeemWithKey is Redeem for an unsigned TokenRequest beside the API key itself:
// g is what VerifyKey has made of it. A nonce is not needed, but spent when there
// is one.
func (v *Verifier) RedeemWithKey(ctx context.Context, dst *Grant, r *TokenRequest, g *Grant, spender Spender, now UnixMilli) error {
	return v.redeem(ctx, dst, r, spender, now, func(_ *Verifier, _ *scratch, r *TokenRequest) (*keyRecord, []byte, *ErrorInfo) {
		switch {
		case g.key == nil || g.IsToken():
			return nil, nil, ErrBasicNeeded
		case string(r.KeyName) != g.key.Name:
			return nil, nil, ErrKeyMismatch
		}
		return g.key, r.Capability, nil
	})
}

// authenticate finds the key that vouches for a request and the capability text
// that it vouches for.
type authenticate func(v *Verifier, s *scratch, r *TokenRequest) (key *keyRecord, capability []byte, err *ErrorInfo)

func (v *Verifier) redeem(ctx context.Context, dst *Grant, r *TokenRequest, spender Spender, now UnixMilli, auth authenticate) error {
	dst.verified, dst.cacheHit = verified{}, false
	s := v.scratch.Get().(*scratch)
	err := v.examine(dst, s, r, now, auth)
	v.scratch.Put(s)
	if err == nil {
		err = spend(ctx, dst.key, r, spender)
	}
	if err != nil {
		dst.verified = verified{}
		return err
	}
	dst.key.ledger.use(now)
	return nil
}

// examine takes every step but the nonce.
func (v *Verifier) examine(dst *Grant, s *scratch, r *TokenRequest, now UnixMilli, auth authenticate) *ErrorInfo {
	if err := r.check(); err != nil {
		return err
	}
	key, text, err := auth(v, s, r)
	if err != nil {
		return err
	}
	// From here on the request is what the holder of the key has written.
	if err := key.usable(now); err != nil {
		return err
	}
	if key.State == VerifyOnly {
		return ErrKeyVerifyOnly
	}
	if stamped := parseDecimal(r.Timestamp); stamped < now-TimestampWindow || stamped > now+TimestampWindow {
		return ErrTimestamp
	}
	ttl, err := requestedTTL(r.TTL, key)
	if err != nil {
		return err
	}
	dst.key, dst.issued, dst.expires, dst.notBefore = key, now, now+ttl, now
	if len(text) > 0 {
		switch s.parser.Parse(&dst.set, text) {
		case nil:
			dst.claims = append(dst.claims[:0], text...)
			dst.claimed, dst.claimedText = &dst.set, dst.claims
		case capability.ErrTooLarge:
			return ErrCapabilitySize
		default:
			return ErrCapability
		}
	}
	if err := intersects(&dst.verified); err != nil {
		return err.(*ErrorInfo)
	}
	switch {
	case len(r.ClientID) == 0:
	case string(r.ClientID) == "*":
		dst.kind = Wildcard
	case ValidClientID(r.ClientID):
		// Behind the capability, in the same memory.
		from := len(dst.claimedText)
		dst.claims = append(dst.claims[:from], r.ClientID...)
		dst.kind, dst.clientID = Identified, dst.claims[from:]
		if from > 0 {
			dst.claimedText = dst.claims[:from:from]
		}
	default:
		return ErrRequestClientID
	}
	return issuable(&dst.verified)
}

// issuable says whether the token that is granted can be issued. It must be known
// before the nonce is spent.
func issuable(g *verified) *ErrorInfo {
	if g.key.sealers.newest(sealAccess) == nil {
		return ErrSealSecretMissing
	}
	room := sealedRoom(g.key, g.clientID)
	if g.claimed == nil {
		if len(g.key.whole.text) > room {
			return ErrTokenSize
		}
	} else if capability.CheckIntersection(g.claimed, g.key.Capability, room) != nil {
		return ErrTokenSize
	}
	return nil
}

// verifyMAC finds the key of a signed request and checks the mac over the
// capability as it was received; if that fails and the text is a capability in
// another than canonical form, once more over the canonical form, which is what
// Ably's documentation tells signers to sign. What is then granted is read from
// the text that was vouched for.
func (v *Verifier) verifyMAC(s *scratch, r *TokenRequest) (*keyRecord, []byte, *ErrorInfo) {
	if !r.Signed() {
		return nil, nil, ErrNoCredentials
	}
	ring := v.keys.ring.Load()
	key := ring.keys[string(r.KeyName)]
	if key == nil {
		s.signed = r.appendSigned(s.signed[:0], r.Capability)
		v.dummy.EqualStdText(&s.mac, s.signed, r.MAC)
		if _, known := ring.apps[string(appOf(r.KeyName))]; known {
			return nil, nil, ErrUnknownKey
		}
		return nil, nil, ErrUnknownApp
	}
	if r.equalMAC(key.mac, s, r.Capability) {
		return key, r.Capability, nil
	}
	if len(r.Capability) > 0 && s.parser.Parse(&s.set, r.Capability) == nil {
		s.canonicalText = s.set.AppendJSON(s.canonicalText[:0])
		if string(s.canonicalText) != string(r.Capability) && r.equalMAC(key.mac, s, s.canonicalText) {
			return key, s.canonicalText, nil
		}
	}
	return nil, nil, ErrMAC
}

// requestedTTL reads the lifetime that a request asks for. More than the maximum
// is an error and not cut: the client would rely on it.
func requestedTTL(text []byte, key *keyRecord) (UnixMilli, *ErrorInfo) {
	if len(text) == 0 || string(text) == "0" {
		return min(UnixMilli(DefaultTTL.Milliseconds()), key.maxTTL), nil
	}
	ttl := parseDecimal(text)
	if !decimal(text) || ttl > key.maxTTL {
		return 0, ErrRequestedTTL
	}
	return ttl, nil
}

// spend spends the request's nonce, if it has one.
func spend(ctx context.Context, key *keyRecord, r *TokenRequest, spender Spender) *ErrorInfo {
	if len(r.Nonce) == 0 {
		return nil
	}
	stamped := parseDecimal(r.Timestamp)
	r.spent = Nonce{
		Key: NonceKey(key.Name, r.Nonce), Stamped: stamped, Expires: stamped + TimestampWindow + NonceSlack, Since: key.Since,
	}
	outcome, retryAfter := spender.Spend(ctx, &r.spent)
	switch outcome {
	case Fresh:
		return nil
	case Replayed:
		return ErrNonceReplayed
	}
	return ErrUnavailable.WithRetryAfter(retryAfter)
}
