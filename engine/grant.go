package engine

import (
	"bytes"
	"net/netip"
	"strings"

	"portcullis/capability"
)

// Grant is what a verified credential grants. Only a Verifier makes one that
// grants anything; the zero Grant denies everything.
//
// A Grant is meant to be reused: verifying into one that has been used before
// allocates nothing. What its methods return is good until it is verified into
// again. Do not copy a Grant by assignment: use Clone.
type Grant struct {
	verified
	memory
}

// verified is what verification has found out. Everything in it stays as it is:
// it points into the Grant's own memory or into a cache entry.
type verified struct {
	key     *keyRecord // nil in the zero Grant
	issued  UnixMilli  // 0 for an API key
	expires UnixMilli  // 0 for an API key

	kind     IdentityKind
	clientID []byte

	hasRevocationKey bool
	revocationKey    []byte
	clientType       ClientType
	unknownClaims    bool
	sealed           bool // an issued token, not a JWT

	// The claims that speak of some channels only, as userclaims.go keeps them; nil
	// for most tokens.
	userClaims []byte

	// What the token claims, nil when it claims nothing and so has all that its
	// key has; and the text it claims it with.
	claimed     *capability.Set
	claimedText []byte
	// The token was issued for what its key still has: claimed is what both have in
	// common already. (To intersect again could spell it otherwise.)
	settled bool
	// What that comes to, nil as long as nobody needed it built.
	effective *effective
	// Before this time the claims iat and nbf refuse the token.
	notBefore UnixMilli
}

// memory is what a Grant keeps from one use to the next.
type memory struct {
	cacheHit bool
	inner    []byte // the token that another one carried, empty when none did
	claims   []byte
	set      capability.Set

	forUserClaims []byte
}

// ClientType is the signed claim x-ably-clientType.
type ClientType uint8

// The client types.
const (
	NoClientType ClientType = iota
	ServerClient
	DeviceClient
)

// KeyName returns the name of the key that the credential is, or was issued by.
func (g *Grant) KeyName() string {
	if g.key == nil {
		return ""
	}
	return g.key.Name
}

// App returns the id of the key's app.
func (g *Grant) App() string {
	app, _, _ := strings.Cut(g.KeyName(), ".")
	return app
}

// Identity returns who the credential says its bearer is.
func (g *Grant) Identity() Identity {
	if g.key == nil {
		return Identity{}
	}
	return Identity{g.kind, g.clientID}
}

// Issued returns when the token was issued, 0 for an API key.
func (g *Grant) Issued() UnixMilli { return g.issued }

// Expires returns the first moment at which the token is no longer good, 0 for
// an API key, which does not expire by itself.
func (g *Grant) Expires() UnixMilli { return g.expires }

// IsToken says whether the credential is a token; otherwise it is an API key.
func (g *Grant) IsToken() bool { return g.expires != 0 }

// PermitPeer says whether the credential may be presented from there: nil or
// [ErrForbidden]. Only keys are restricted, their tokens are not.
func (g *Grant) PermitPeer(origin []byte, ip netip.Addr) error {
	if g.key != nil && !g.IsToken() && !g.key.Restrictions.permit(origin, ip) {
		return ErrForbidden
	}
	return nil
}

// Revocable says whether tokens of the credential's key can be revoked.
func (g *Grant) Revocable() bool { return g.key != nil && g.key.RevocableTokens }

// ClientType returns what the token declares its bearer to be.
func (g *Grant) ClientType() ClientType { return g.clientType }

// RevocationKey returns the claim x-ably-revocation-key, nil when there is none.
func (g *Grant) RevocationKey() []byte { return g.revocationKey }

// HasUnknownClaims says that the token carries x-ably- claims or header
// parameters that are not known; TokenRules.UnknownAblyClaims let it pass.
func (g *Grant) HasUnknownClaims() bool { return g.unknownClaims }

// Ops returns the operations granted on a resource.
func (g *Grant) Ops(r capability.Resource) capability.Op {
	switch {
	case g.key == nil:
		return 0
	case g.built() != nil:
		return g.built().matcher.OpsOn(r)
	}
	if g.settled {
		return g.claimed.Ops(r)
	}
	var ops capability.Op
	for op := capability.Op(1); op < capability.All; op <<= 1 {
		if capability.AllowsBoth(g.claimed, g.key.Capability, r, op) {
			ops |= op
		}
	}
	return ops
}

// Authorize says whether op is granted on a resource: nil or
// [ErrCapabilityDenied]. It does not allocate, and it does not look at the
// clock: ask [Grant.Expires].
func (g *Grant) Authorize(r capability.Resource, op capability.Op) error {
	if g.allows(r, op) {
		return nil
	}
	return ErrCapabilityDenied
}

func (g *Grant) allows(r capability.Resource, op capability.Op) bool {
	switch {
	case g.key == nil:
		return false
	case g.built() != nil:
		return g.built().matcher.OpsOn(r)&op != 0
	}
	if g.settled {
		return g.claimed.Ops(r)&op != 0
	}
	return capability.AllowsBoth(g.claimed, g.key.Capability, r, op)
}

// built returns the effective capability where it has been built.
func (g *verified) built() *effective {
	if g.effective == nil && g.claimed == nil && g.key != nil {
		return g.key.whole
	}
	return g.effective
}

func (g *verified) effectiveSet() *capability.Set {
	if e := g.built(); e != nil {
		return e.set
	}
	return g.common()
}

// common returns what the claimed capability and the key's have in common, in
// memory of its own.
func (g *verified) common() *capability.Set {
	if g.settled {
		return g.claimed.Clone()
	}
	return capability.Intersect(g.claimed, g.key.Capability)
}

// Capability returns the effective capability: what the token claims of what its
// key grants. The caller must not parse into it.
func (g *Grant) Capability() *capability.Set {
	if g.key == nil {
		return new(capability.Set)
	}
	return g.effectiveSet()
}

// AppendCapability appends the canonical text of the effective capability.
func (g *Grant) AppendCapability(dst []byte) []byte {
	if e := g.built(); e != nil {
		return append(dst, e.text...)
	}
	return g.Capability().AppendJSON(dst)
}

// Clone returns a Grant that shares no memory that changes with g. Its
// capability is compiled, as one that is kept should be.
func (g *Grant) Clone() Grant {
	c := Grant{verified: g.verified}
	c.keep()
	return c
}

// keep gives v memory of its own and builds what it grants.
func (v *verified) keep() (made bool) {
	v.clientID = bytes.Clone(v.clientID)
	v.revocationKey = bytes.Clone(v.revocationKey)
	v.userClaims = bytes.Clone(v.userClaims)
	return v.build()
}

// build builds the effective capability and says whether that was new work; it
// then needs the claimed one no more.
func (v *verified) build() (made bool) {
	if v.built() == nil && v.key != nil {
		v.effective, made = v.key.interned.get(v)
	}
	v.claimed, v.claimedText = nil, nil
	return made
}

// Token returns the token that decides, given the one that was verified: that
// itself, or the one that it carries. It is the same after a refusal.
func (g *Grant) Token(verified []byte) []byte {
	if len(g.inner) > 0 {
		return g.inner
	}
	return verified
}

// FromCache says whether the verdict came from the cache of verified tokens.
func (g *Grant) FromCache() bool { return g.cacheHit }
