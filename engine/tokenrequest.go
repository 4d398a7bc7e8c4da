package engine

import (
	"bytes"
	"unicode/utf8"

	"portcullis/internal/hs256"
	"portcullis/internal/jsonscan"
)

// MinNonceCharacters is the shortest nonce of a signed TokenRequest (RSA9c).
const MinNonceCharacters = 16

// maxRequestNames bounds what is read of a request before its mac is verified.
// Real ones have seven names.
const maxRequestNames = 64

// TokenRequest is a request for a token, signed by the holder of an API key
// (TE1-TE6), or unsigned beside the key itself. A field that is missing is
// empty; TTL and Timestamp keep the text that was signed.
//
// The zero TokenRequest is ready; one that is parsed into again reuses its
// memory.
type TokenRequest struct {
	KeyName    []byte
	TTL        []byte // decimal milliseconds
	Capability []byte // JSON text
	ClientID   []byte
	Timestamp  []byte // decimal milliseconds
	Nonce      []byte
	MAC        []byte // standard base64; empty in an unsigned request

	memory  []byte
	scanner jsonscan.Scanner
	spent   Nonce // here, because a Spender is an interface and would move it to the heap
}

// Signed says whether the request carries a mac, which then decides.
func (r *TokenRequest) Signed() bool { return len(r.MAC) > 0 }

// Reset empties the request, keeping its memory.
func (r *TokenRequest) Reset() {
	r.KeyName, r.TTL, r.Capability, r.ClientID, r.Timestamp, r.Nonce, r.MAC = nil, nil, nil, nil, nil, nil, nil
}

// ParseTokenRequest reads a TokenRequest from JSON into dst. The text may be
// reused at once. null stands for a field that is missing, a number of ttl or
// timestamp may be written as a string, and a name that is not known is ignored.
func ParseTokenRequest(dst *TokenRequest, json []byte) error {
	dst.Reset()
	dst.memory = append(dst.memory[:0], json...)
	s := &dst.scanner
	var wrong error
	for s.Reset(dst.memory, maxRequestNames); s.Next(); {
		field, number := dst.Field(s.Name())
		if field == nil {
			continue
		}
		value := s.Value()
		switch {
		case value.Kind == jsonscan.Null:
		case value.Kind == jsonscan.String:
			*field = value.Text
			if value.Escaped {
				*field = unescape(value)
			}
		case number && value.Kind == jsonscan.Number:
			// A ttl of 0 is sent as 0 but signed as none by ably-js.
			if *field = value.Text; string(value.Text) == "0" && field == &dst.TTL {
				*field = nil
			}
		case field == &dst.ClientID:
			wrong = ErrRequestClientID
		default:
			wrong = ErrTokenRequest
		}
	}
	if s.Err() != nil {
		wrong = ErrTokenRequest
	}
	if wrong != nil {
		dst.Reset()
	}
	return wrong
}

// Field returns the field of that name, for readers of other encodings than JSON,
// and whether it holds a number; nil when there is none of that name.
func (r *TokenRequest) Field(name []byte) (field *[]byte, number bool) {
	switch string(name) {
	case "keyName":
		return &r.KeyName, false
	case "ttl":
		return &r.TTL, true
	case "capability":
		return &r.Capability, false
	case "clientId":
		return &r.ClientID, false
	case "timestamp":
		return &r.Timestamp, true
	case "nonce":
		return &r.Nonce, false
	case "mac":
		return &r.MAC, false
	}
	return nil, false
}

// check refuses what must not even be signed. The fields are joined by line
// feeds to be signed, so a line feed inside one would give two requests one mac.
func (r *TokenRequest) check() *ErrorInfo {
	switch {
	case hasControl(r.ClientID):
		return ErrRequestClientID
	case len(r.KeyName) == 0, hasControl(r.KeyName), !decimal(r.Timestamp), hasControl(r.TTL), hasControl(r.Nonce), !utf8.Valid(r.Nonce):
		return ErrTokenRequest
	case (r.Signed() || len(r.Nonce) > 0) && utf8.RuneCount(r.Nonce) < MinNonceCharacters:
		return ErrTokenRequest
	case len(r.Capability) > 0 && (r.Capability[0] != '{' || r.Capability[len(r.Capability)-1] != '}'):
		return ErrCapability
	}
	return nil
}

func hasControl(text []byte) bool {
	return bytes.ContainsFunc(text, func(c rune) bool { return c < 0x20 || c == 0x7f })
}

// decimal says whether text is a number of milliseconds without leading zeros
// that no clock will exceed.
func decimal(text []byte) bool {
	if len(text) == 0 || len(text) > len("9007199254740991") || text[0] == '0' && len(text) > 1 {
		return false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

func parseDecimal(text []byte) (n UnixMilli) {
	for _, c := range text {
		n = n*10 + UnixMilli(c-'0')
	}
	return n
}

// appendSigned appends the text that a mac is made of (Ably's TokenRequest
// specification): six fields, each followed by a line feed, empty ones included.
func (r *TokenRequest) appendSigned(dst, capability []byte) []byte {
	for _, field := range [...][]byte{r.KeyName, r.TTL, capability, r.ClientID, r.Timestamp, r.Nonce} {
		dst = append(append(dst, field...), '\n')
	}
	return dst
}

// equalMAC compares the mac with that of the request's text, as text and in
// constant time.
func (r *TokenRequest) equalMAC(key *hs256.Key, s *scratch, capability []byte) bool {
	s.signed = r.appendSigned(s.signed[:0], capability)
	return key.EqualStdText(&s.mac, s.signed, r.MAC)
}
