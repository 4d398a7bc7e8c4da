package engine

import (
	"bytes"

	"portcullis/capability"
	"portcullis/internal/jsonscan"
)

// The claims of an Ably JWT, beside those of RFC 7519.
const (
	claimCapability    = "x-ably-capability"
	claimClientID      = "x-ably-clientId"
	claimRevocationKey = "x-ably-revocation-key"
	claimClientType    = "x-ably-clientType"
	claimEmbedded      = "x-ably-token"
)

var (
	ablyPrefix         = []byte("x-ably-")
	channelClaimPrefix = []byte("ably.channel.")
	rateClaimPrefix    = []byte("ably.limits.publish.perAttachment.maxRate.")
)

// claims are the values of the claims that mean something here. A Value of kind
// None is a claim that is missing.
type claims struct {
	iat, exp, nbf                       jsonscan.Value
	capability, clientID, revocationKey jsonscan.Value
	clientType                          jsonscan.Value
	unknown                             bool // some x-ably- claim is not known
	wrong                               bool // some claim can have no right value
}

// readClaims reads the claims set (RFC 7519 §4) into dst and checks it. The
// signature has been verified.
func (s *scratch) readClaims(dst *Grant, payload []byte, unknownHeader bool, now UnixMilli) error {
	s.step = StepAblyHeader
	if unknownHeader && dst.key.rules.UnknownAblyClaims == RefuseUnknown {
		return ErrAblyHeader
	}
	s.step = StepClaims
	if err := s.scanClaims(&dst.memory, payload, dst.key.rules.Spelling); err != nil {
		return err
	}
	s.step = StepTime
	if err := s.claims.readTimes(dst, now); err != nil {
		return err
	}
	s.step = StepAblyClaims
	c := &s.claims
	if c.unknown && dst.key.rules.UnknownAblyClaims == RefuseUnknown {
		return ErrAblyClaim
	}
	dst.unknownClaims = (c.unknown || unknownHeader) && dst.key.rules.UnknownAblyClaims == WarnUnknown
	if err := c.readAblyClaims(dst); err != nil {
		return err
	}
	if len(dst.forUserClaims) > 0 {
		dst.userClaims = dst.forUserClaims
	}
	s.step = StepTokenClientID
	if err := c.readClientID(dst); err != nil {
		return err
	}
	s.step = StepCapability
	return s.readCapability(dst)
}

// scanClaims finds the claims, without looking at what they say.
func (s *scratch) scanClaims(m *memory, payload []byte, allowed Spelling) (err error) {
	m.claims, err = s.decode(m.claims[:0], payload, allowed)
	if err != nil {
		return err
	}
	s.claims, m.forUserClaims = claims{}, m.forUserClaims[:0]
	c, duplicate := &s.claims, false
	s.scanner.Reset(m.claims, 0)
	for s.scanner.Next() {
		name, value := s.scanner.Name(), s.scanner.Value()
		switch string(name) {
		case "iat":
			c.iat = value
		case "exp":
			c.exp = value
		case "nbf":
			c.nbf = value
		case claimCapability:
			c.capability = value
			continue // names repeated inside are found, and named, when it is parsed
		case claimClientID:
			c.clientID = value
		case claimRevocationKey:
			c.revocationKey = value
		case claimClientType:
			c.clientType = value
		case claimEmbedded:
			c.wrong = true // a verified Ably JWT carries no other token
		default:
			switch {
			case bytes.HasPrefix(name, ablyPrefix):
				c.unknown = true
			case bytes.HasPrefix(name, channelClaimPrefix):
				c.wrong = c.wrong || value.Kind != jsonscan.String
				m.forUserClaims = appendUserClaim(m.forUserClaims, name, value)
			case bytes.HasPrefix(name, rateClaimPrefix):
				c.wrong = c.wrong || value.Kind != jsonscan.Number || value.Text[0] == '-'
				m.forUserClaims = appendUserClaim(m.forUserClaims, name, value)
			}
		}
		duplicate = duplicate || value.Duplicate
	}
	switch err := s.scanner.Err(); {
	case err == jsonscan.ErrDuplicateName, err == nil && duplicate:
		return ErrDuplicateName
	case err != nil:
		return ErrClaims
	}
	return nil
}

// readTimes checks iat, exp and nbf. Expiry is decided first: a client whose
// token has expired must hear that, and nothing else, to fetch a new one.
func (c *claims) readTimes(dst *Grant, now UnixMilli) error {
	switch jsonscan.None {
	case c.iat.Kind:
		return ErrIssuedAtMissing
	case c.exp.Kind:
		return ErrExpiryMissing
	}
	iat, iatOK := date(c.iat)
	exp, expOK := date(c.exp)
	nbf, nbfOK := iat, true
	if c.nbf.Kind != jsonscan.None {
		nbf, nbfOK = date(c.nbf)
	}
	dst.issued, dst.expires, dst.notBefore = iat, exp, max(iat, nbf)
	latest := now.Add(ClockSkew)
	switch {
	case !iatOK || !expOK || !nbfOK:
		return ErrTimeClaim
	case now >= exp:
		return ErrTokenExpired
	case exp <= iat:
		return ErrExpiryOrder
	case iat > latest:
		return ErrIssuedInFuture
	case nbf > latest:
		return ErrNotYetValid
	case exp-iat > dst.key.maxTTL:
		return ErrTTL
	}
	return nil
}

func date(v jsonscan.Value) (UnixMilli, bool) {
	if v.Kind != jsonscan.Number {
		return 0, false
	}
	return parseNumericDate(v.Text)
}

func (c *claims) readAblyClaims(dst *Grant) error {
	if c.wrong {
		return ErrClaim
	}
	if c.revocationKey.Kind != jsonscan.None {
		if c.revocationKey.Kind != jsonscan.String {
			return ErrClaim
		}
		dst.hasRevocationKey, dst.revocationKey = true, unescape(c.revocationKey)
	}
	if c.clientType.Kind != jsonscan.None {
		switch text := unescape(c.clientType); {
		case c.clientType.Kind != jsonscan.String:
			return ErrClaim
		case string(text) == "server":
			dst.clientType = ServerClient
		case string(text) == "device":
			dst.clientType = DeviceClient
		default:
			return ErrClaim
		}
	}
	return nil
}

func (c *claims) readClientID(dst *Grant) error {
	if c.clientID.Kind == jsonscan.None {
		return nil
	}
	id := unescape(c.clientID)
	switch {
	case c.clientID.Kind != jsonscan.String:
		return ErrClientID
	case len(id) == 1 && id[0] == '*':
		dst.kind = Wildcard
	case ValidClientID(id):
		dst.kind, dst.clientID = Identified, id
	default:
		return ErrClientID
	}
	return nil
}

// readCapability reads the capability, JSON text in a string as documented, or
// the object itself as Ably's own command line mints it. It is never ignored:
// that would leave the token all that its key may do.
func (s *scratch) readCapability(dst *Grant) error {
	value := s.claims.capability
	switch value.Kind {
	case jsonscan.None:
		return nil
	case jsonscan.String, jsonscan.Object:
	default:
		return ErrCapability
	}
	text := unescape(value)
	switch err := s.parser.Parse(&dst.set, text); err {
	case nil:
		dst.claimed, dst.claimedText = &dst.set, text
		return nil
	case capability.ErrTooLarge:
		return ErrCapabilitySize
	default:
		return ErrCapability
	}
}

// intersects checks what the claimed capability has in common with the key's,
// without building it.
func intersects(g *verified) error {
	if g.claimed == nil {
		if g.key.Capability.Len() == 0 {
			return ErrNothingGranted
		}
		return nil
	}
	if g.settled {
		return nil
	}
	switch capability.CheckIntersection(g.claimed, g.key.Capability, capability.MaxTextBytes) {
	case nil:
		return nil
	case capability.ErrNothingInCommon:
		return ErrNothingGranted
	default:
		return ErrCapabilitySize
	}
}
