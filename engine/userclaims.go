package engine

import (
	"encoding/binary"
	"strconv"

	"portcullis/capability"
	"portcullis/internal/jsonscan"
)

// The claims that speak of some channels only, ably.channel. and ably.limits.,
// are kept with a Grant as a list of
//
//	name length 2 | name | value length 2 | value
//
// where a value is what a string spells or a number's text. They are looked up
// when somebody asks; most tokens have none.

// appendUserClaim appends one claim. A token is too short for a longer one.
func appendUserClaim(dst, name []byte, value jsonscan.Value) []byte {
	dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(name))), name...)
	size := len(dst)
	dst = append(dst, 0, 0)
	if value.Escaped {
		dst = jsonscan.AppendUnescaped(dst, value.Text)
	} else {
		dst = append(dst, value.Text...)
	}
	binary.BigEndian.PutUint16(dst[size:], uint16(len(dst)-size-2))
	return dst
}

func cutUserClaim(claims []byte) (name, value, rest []byte) {
	name, claims = cutCounted(claims)
	value, rest = cutCounted(claims)
	return name, value, rest
}

func cutCounted(text []byte) (counted, rest []byte) {
	end := 2 + int(binary.BigEndian.Uint16(text))
	return text[2:end:end], text[end:]
}

// UserClaim returns the token's claim ably.channel.PATTERN for a resource: what
// its issuer lets others know of the bearer there. Patterns are written as
// resources of a capability; of several that cover r the most specific counts.
func (g *Grant) UserClaim(r capability.Resource) (claim string, ok bool) {
	value, ok := g.claimFor(channelClaimPrefix, r)
	return string(value), ok
}

// PublishRate returns how many messages a second the token's claim
// ably.limits.publish.perAttachment.maxRate.PATTERN lets its bearer publish on a
// resource; ok is false when no claim limits it.
func (g *Grant) PublishRate(r capability.Resource) (perSecond float64, ok bool) {
	value, ok := g.claimFor(rateClaimPrefix, r)
	if !ok {
		return 0, false
	}
	perSecond, err := strconv.ParseFloat(string(value), 64)
	return perSecond, err == nil // a number of JSON fails only by being beyond any rate
}

// HasUserClaims says whether the token has any of the claims that UserClaim and
// PublishRate look for.
func (g *Grant) HasUserClaims() bool { return len(g.userClaims) > 0 }

// claimFor returns the value of the claim whose name is prefix and the most
// specific pattern that covers r.
func (g *verified) claimFor(prefix []byte, r capability.Resource) (value []byte, ok bool) {
	var best capability.Resource
	for claims := g.userClaims; len(claims) > 0; {
		var name, v []byte
		name, v, claims = cutUserClaim(claims)
		if len(name) < len(prefix) || string(name[:len(prefix)]) != string(prefix) {
			continue
		}
		pattern, err := capability.ParseResource(name[len(prefix):])
		if err != nil || !pattern.Covers(r) || ok && !pattern.MoreSpecific(best) {
			continue
		}
		best, value, ok = pattern, v, true
	}
	return value, ok
}
