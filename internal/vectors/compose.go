package vectors

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
)

// compose builds a token as an issuer would (RFC 7515 §5.1, RFC 7516 §5.1), with whatever the
// document wants to be different about it. What it signs are the segments that
// stand in the token, also where they are no base64url at all.
func compose(d document, keys []Key) ([]byte, error) {
	for _, pair := range [][2]string{
		{"header", "header-segment"}, {"kid", "header"}, {"kid", "header-segment"}, {"claims", "payload-segment"},
		{"secret", "signature-segment"}, {"mac", "signature-segment"},
		{"encrypted-segments", "claims"}, {"encrypted-segments", "payload-segment"}, {"encrypted-segments", "signature-segment"},
		{"encrypted-segments", "secret"}, {"encrypted-segments", "mac"},
	} {
		if d.has(pair[0]) && d.has(pair[1]) {
			return nil, fmt.Errorf("%s and %s exclude each other", pair[0], pair[1])
		}
	}
	if !d.has("claims", "payload-segment", "encrypted-segments") {
		return nil, errors.New("neither claims nor payload-segment, token or key")
	}

	kid := defaultKid
	if d.has("kid") {
		kid = d["kid"]
	}
	header := `{"alg":"HS256","typ":"JWT","kid":"` + kid + `"}`
	if d.has("header") {
		header = d["header"]
	}
	headerSegment := encode(header)
	if d.has("header-segment") {
		headerSegment = d["header-segment"]
	}
	if d.has("encrypted-segments") {
		return []byte(d["prepend"] + headerSegment + "." + d["encrypted-segments"] + d["append"]), nil
	}
	payloadSegment := encode(d["claims"])
	if d.has("payload-segment") {
		payloadSegment = d["payload-segment"]
	}
	input := headerSegment + "." + payloadSegment

	signature := d["signature-segment"]
	if !d.has("signature-segment") {
		secret := d["secret"]
		if !d.has("secret") {
			if secret = fixtureSecret(keys, kid); secret == "" {
				secret = fixtureSecret(keys, defaultKid)
			}
		}
		var err error
		if signature, err = sign(d["mac"], secret, input); err != nil {
			return nil, err
		}
	}
	return []byte(d["prepend"] + input + "." + signature + d["append"]), nil
}

func encode(text string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

// sign makes the third segment (RFC 7518 §3.2).
func sign(algorithm, secret, input string) (string, error) {
	hashes := map[string]func() hash.Hash{"": sha256.New, "HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}
	if algorithm == "none" {
		return "", nil
	}
	newHash, known := hashes[algorithm]
	if !known {
		return "", fmt.Errorf("mac: unknown algorithm %q", algorithm)
	}
	mac := hmac.New(newHash, []byte(secret))
	mac.Write([]byte(input))
	return encode(string(mac.Sum(nil))), nil
}
