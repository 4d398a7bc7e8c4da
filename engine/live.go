package engine

// This file is for those who keep a Grant for as long as a connection lasts:
// what has become of its key, and of the token, since it was verified.

// KeySnapshot is the key of a Grant, with its revocations, as it is at one
// moment. As long as it stays the same (==), KeyError, KeyExpires and Revocation
// of the Grant change with the clock only.
type KeySnapshot struct {
	record      *keyRecord // nil when the key is gone
	revocations *revocationSet
}

// KeySnapshot returns the present one. It is cheap: two atomic loads.
func (g *Grant) KeySnapshot() KeySnapshot {
	if g.key == nil {
		return KeySnapshot{}
	}
	return KeySnapshot{g.key.ledger.present.Load(), g.key.ledger.revocations.Load()}
}

// KeyError says why the key of the Grant, as it is configured now, supports it no
// longer, or nil. What has changed of the key's capability does not matter:
// that is for new connections. A new secret has taken the old one's place, so
// an API key is then as good as removed, and a token as good as revoked: its
// bearer can get another one.
func (g *Grant) KeyError(now UnixMilli) error {
	if g.key == nil {
		return ErrKeyRemoved
	}
	present := g.key.ledger.present.Load()
	if present == nil {
		return ErrKeyRemoved
	}
	if err := present.usable(now); err != nil {
		return err
	}
	sameSecret := present.secretHash == g.key.secretHash
	switch {
	case g.IsToken() && !sameSecret:
		return ErrTokenRevoked
	case g.IsToken():
		return nil
	case !sameSecret:
		return ErrKeyRemoved
	case present.State == VerifyOnly:
		return ErrKeyVerifyOnly
	}
	return nil
}

// KeyExpires returns when the key of the Grant stops being good for anything, as
// it is configured now; 0 means never.
func (g *Grant) KeyExpires() UnixMilli {
	if g.key == nil {
		return 0
	}
	if present := g.key.ledger.present.Load(); present != nil {
		return present.NotAfter
	}
	return 0
}

// Revocation returns when the present revocations of its key end the token, if
// any does: when the first of them applies, and the latest time before which a
// token must have been issued to be refused at that moment, or now if that is
// later. No revocation concerns an API key.
func (g *Grant) Revocation(now UnixMilli) (appliesAt, issuedBefore UnixMilli, ok bool) {
	if g.key == nil || !g.IsToken() {
		return 0, 0, false
	}
	revocations := g.key.ledger.revocations.Load()
	each := func(f func(p revocationPair)) {
		revocations.each(&g.verified, func(pairs revocationPairs) {
			for _, p := range pairs {
				if g.issued < p.issuedBefore {
					f(p)
				}
			}
		})
	}
	each(func(p revocationPair) {
		if !ok || p.appliesAt < appliesAt {
			appliesAt, ok = p.appliesAt, true
		}
	})
	each(func(p revocationPair) {
		if p.appliesAt <= max(appliesAt, now) {
			issuedBefore = max(issuedBefore, p.issuedBefore)
		}
	})
	return appliesAt, issuedBefore, ok
}

// IsJWT says whether the credential is an Ably JWT, whose times are those of
// another clock, to the second. Otherwise it is an issued token or an API key.
func (g *Grant) IsJWT() bool { return g.IsToken() && !g.sealed }
