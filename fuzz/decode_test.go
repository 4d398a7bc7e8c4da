package fuzz

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// decode takes header and claims out of a token, where it has any.
func decode(token []byte) (header, claims string, ok bool) {
	segments := strings.Split(string(token), ".")
	if len(segments) != 3 {
		return "", "", false
	}
	h, err1 := base64.RawURLEncoding.DecodeString(segments[0])
	c, err2 := base64.RawURLEncoding.DecodeString(segments[1])
	return string(h), string(c), err1 == nil && err2 == nil
}

// signExact is sign without any planted defect.
func signExact(header, claims, secret string) []byte {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return []byte(input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}
