package fuzz

import "portcullis/engine"

// cachedVerifier is a Verifier with a cache, as FuzzSequences calls it: with the
// planted defect, if any, a second cache before it, which holds on to verdicts that
// it should look at again.
type cachedVerifier struct {
	*engine.Verifier
	held                    map[string]heldVerdict
	revocations, keyChanges int // how many there were
}

// heldVerdict is a verdict, and what it was reached under.
type heldVerdict struct {
	grant                   engine.Grant
	revocations, keyChanges int
}

func (c *cachedVerifier) verify(g *engine.Grant, token []byte, now engine.UnixMilli) error {
	err := c.VerifyToken(g, token, now)
	if planted == "" {
		return err
	}
	if h, ok := c.held[string(token)]; ok && c.stands(&h, err) {
		*g = h.grant.Clone()
		return nil
	}
	if err == nil {
		c.held[string(token)] = heldVerdict{g.Clone(), c.revocations, c.keyChanges}
	}
	return err
}

// stands says whether the planted defect lets a verdict stand, where the engine says
// err. Each defect overlooks one thing.
func (c *cachedVerifier) stands(h *heldVerdict, err error) bool {
	revoked, expired := err == engine.ErrTokenRevoked, err == engine.ErrTokenExpired
	switch planted {
	case "margin-without-end": // a revocation with a margin is met once, and its end not waited for
		return revoked && h.revocations == c.revocations
	case "unseen-revocation": // the cache is not told of revocations
		return revoked && h.revocations != c.revocations
	case "yesterdays-key": // nor of new keys
		return !revoked && !expired && h.keyChanges != c.keyChanges
	case "eternal-hit": // expiry is looked at once
		return expired
	}
	return false
}

func (c *cachedVerifier) revoke(keyName string, r engine.Revocation) {
	c.revocations++
	c.Revoke(keyName, r)
}

func (c *cachedVerifier) replaceKeys(keys []engine.Key) error {
	c.keyChanges++
	return c.ReplaceKeys(keys)
}
