package engine

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"portcullis/capability"
	"portcullis/internal/hs256"
	"portcullis/internal/jsonscan"
)

// Signer mints Ably JWTs and signs TokenRequests with one API key, for auth servers, tests and load
// harnesses. It is safe for concurrent use.
type Signer struct {
	keyName string
	mac     *hs256.Key
	header  string // the encoded JOSE header and its dot
}

// TokenParams is what a token is minted for.
type TokenParams struct {
	Issued        UnixMilli     // the time of minting; cut to the second below, as iat is
	TTL           time.Duration // whole seconds; 0 means one hour
	ClientID      string        // "" means anonymous, "*" any
	Capability    string        // JSON; "" means all that the key has
	RevocationKey string        // "" means none
}

// DefaultTTL is how long a token lives whose lifetime nobody has chosen (RSA5).
const DefaultTTL = time.Hour

// NewSigner returns a Signer for an API key, appId.keyId:secret. The error does
// not show the key.
func NewSigner(key Secret) (*Signer, error) {
	name, secret, ok := splitKey([]byte(key))
	if !ok {
		return nil, errors.New("engine: the API key is not of the form appId.keyId:secret")
	}
	header := jsonscan.AppendQuoted([]byte(`{"alg":"HS256","typ":"JWT","kid":`), string(name))
	return &Signer{
		keyName: string(name),
		mac:     hs256.NewKey(secret),
		header:  base64.RawURLEncoding.EncodeToString(append(header, '}')) + ".",
	}, nil
}

// KeyName returns the name of the key, which tokens carry as kid.
func (s *Signer) KeyName() string { return s.keyName }

// AppendJWT appends a signed token to dst. It refuses to mint what a Verifier
// would refuse whatever its keys.
func (s *Signer) AppendJWT(dst []byte, p *TokenParams) ([]byte, error) {
	ttl := p.TTL
	if ttl == 0 {
		ttl = DefaultTTL
	}
	switch {
	case ttl < time.Second || ttl%time.Second != 0:
		return nil, fmt.Errorf("engine: ttl %s is not a whole number of seconds", ttl)
	case ttl > DefaultMaxTTL:
		return nil, fmt.Errorf("engine: ttl %s is longer than %s", ttl, DefaultMaxTTL)
	case !utf8.ValidString(p.RevocationKey):
		return nil, errors.New("engine: the revocation key is not UTF-8")
	}
	granted, err := checkGrant(p.ClientID, p.Capability)
	if err != nil {
		return nil, err
	}
	issued := int64(p.Issued) / 1000
	claims := strconv.AppendInt([]byte(`{"iat":`), issued, 10)
	claims = strconv.AppendInt(append(claims, `,"exp":`...), issued+int64(ttl/time.Second), 10)
	if granted != "" {
		claims = jsonscan.AppendQuoted(append(claims, `,"`+claimCapability+`":`...), granted)
	}
	if p.ClientID != "" {
		claims = jsonscan.AppendQuoted(append(claims, `,"`+claimClientID+`":`...), p.ClientID)
	}
	if p.RevocationKey != "" {
		claims = jsonscan.AppendQuoted(append(claims, `,"`+claimRevocationKey+`":`...), p.RevocationKey)
	}
	claims = append(claims, '}')

	from := len(dst)
	dst = append(dst, s.header...)
	dst = base64.RawURLEncoding.AppendEncode(dst, claims)
	var scratch hs256.Scratch
	text := s.mac.Text(&scratch, dst[from:])
	dst = append(append(dst, '.'), text[:]...)
	if len(dst)-from > MaxTokenBytes {
		return nil, fmt.Errorf("engine: the token would be longer than %d bytes: grant fewer resources", MaxTokenBytes)
	}
	return dst, nil
}

// checkGrant refuses what no Verifier would grant, and returns the capability in
// canonical form, "" for none.
func checkGrant(clientID, claimed string) (canonical string, err error) {
	if clientID != "" && clientID != "*" && !ValidClientID([]byte(clientID)) {
		return "", fmt.Errorf("engine: clientId %q is not of 1 to %d bytes without * and control characters", clientID, MaxClientIDBytes)
	}
	if claimed == "" {
		return "", nil
	}
	set, err := capability.Parse([]byte(claimed))
	if err != nil {
		return "", fmt.Errorf("engine: capability: %w", err)
	}
	if set.Len() == 0 {
		return "", errors.New("engine: capability: grants nothing")
	}
	return set.String(), nil
}
