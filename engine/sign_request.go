package engine

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	"portcullis/internal/hs256"
	"portcullis/internal/jsonscan"
)

// TokenRequestParams is what a TokenRequest asks for.
type TokenRequestParams struct {
	Timestamp  UnixMilli     // the time of signing; a server takes it for two minutes
	TTL        time.Duration // 0 asks for the default, one hour
	ClientID   string        // "" asks for an anonymous token, "*" for one of any clientId
	Capability string        // JSON; "" asks for all that the key has
	Nonce      string        // at least 16 characters; "" means a random one
}

// AppendTokenRequest appends a signed TokenRequest as JSON (TE1-TE6). It refuses
// to sign what a Verifier would refuse whatever its keys.
func (s *Signer) AppendTokenRequest(dst []byte, p *TokenRequestParams) ([]byte, error) {
	r := TokenRequest{
		KeyName: []byte(s.keyName), ClientID: []byte(p.ClientID), Nonce: []byte(p.Nonce),
		Timestamp: strconv.AppendInt(nil, int64(p.Timestamp), 10),
	}
	switch {
	case p.TTL < 0 || p.TTL%time.Millisecond != 0 || p.TTL > DefaultMaxTTL:
		return nil, fmt.Errorf("engine: ttl %s is not a number of whole milliseconds up to %s", p.TTL, DefaultMaxTTL)
	case p.TTL > 0:
		r.TTL = strconv.AppendInt(nil, p.TTL.Milliseconds(), 10)
	}
	granted, err := checkGrant(p.ClientID, p.Capability)
	if err != nil {
		return nil, err
	}
	r.Capability = []byte(granted)
	if p.Nonce == "" {
		r.Nonce = []byte(rand.Text())
	}
	r.MAC = []byte("to come")
	if r.check() != nil {
		return nil, errors.New("engine: the nonce is shorter than 16 characters or holds a control character, or there is no timestamp")
	}
	var scratch hs256.Scratch
	mac := s.mac.StdText(&scratch, r.appendSigned(nil, r.Capability))

	dst = jsonscan.AppendQuoted(append(dst, `{"keyName":`...), s.keyName)
	dst = append(append(dst, `,"timestamp":`...), r.Timestamp...)
	dst = jsonscan.AppendQuoted(append(dst, `,"nonce":`...), string(r.Nonce))
	if len(r.TTL) > 0 {
		dst = append(append(dst, `,"ttl":`...), r.TTL...)
	}
	if len(r.Capability) > 0 {
		dst = jsonscan.AppendQuoted(append(dst, `,"capability":`...), string(r.Capability))
	}
	if len(r.ClientID) > 0 {
		dst = jsonscan.AppendQuoted(append(dst, `,"clientId":`...), string(r.ClientID))
	}
	return append(jsonscan.AppendQuoted(append(dst, `,"mac":`...), string(mac[:])), '}'), nil
}
