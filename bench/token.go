package bench

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"time"
)

// The keys that every peer is given.
const (
	KeyName   = "shop01.key-1"
	Secret    = "bench-secret-5Yt8vQwZ3nRk"
	otherKey  = "shop01.key-2"
	otherText = "bench-secret-Lm2cXp7Hd9Jg"
)

// Keys are the known keys, secret by key name.
func Keys() map[string]string { return map[string]string{KeyName: Secret, otherKey: otherText} }

// TokenBytes is the length of the measured token: an Ably JWT with iat, exp, a
// capability of four resources in a JSON string, and a clientId.
const TokenBytes = 345

// Token is one token in the two forms that libraries take, so that none pays for
// a conversion that its users would not make.
type Token struct {
	Text  string
	Bytes []byte
}

func newToken(text string) Token { return Token{text, []byte(text)} }

const (
	goodHeader     = `{"alg":"HS256","typ":"JWT","kid":"` + KeyName + `"}`
	goodCapability = `{\"chat:*\":[\"publish\"],\"feed\":[\"history\"],\"news\":[\"*\"],\"u:0000\":[\"stats\"]}`
)

// goodClaims are the claims of the measured token.
func goodClaims(iat int64, n int) string {
	return fmt.Sprintf(`{"iat":%d,"exp":%d,"x-ably-capability":"%s","x-ably-clientId":"client%03d"}`, iat, iat+3600, goodCapability, n)
}

// sign makes a compact serialization of texts.
func sign(newHash func() hash.Hash, secret, header, claims string) string {
	return signSegments(newHash, secret, segment(header)+"."+segment(claims))
}

func signSegments(newHash func() hash.Hash, secret, input string) string {
	mac := hmac.New(newHash, []byte(secret))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// MeasuredTokens returns n distinct tokens of TokenBytes, good for an hour.
func MeasuredTokens(n int) ([]Token, error) {
	iat := time.Now().Unix()
	tokens := make([]Token, n)
	for i := range tokens {
		tokens[i] = newToken(sign(sha256.New, Secret, goodHeader, goodClaims(iat, i%1000)))
		if len(tokens[i].Text) != TokenBytes {
			return nil, fmt.Errorf("bench: a token of %d bytes, want %d", len(tokens[i].Text), TokenBytes)
		}
	}
	return tokens, nil
}

// sample is one token and what it is about.
type sample struct {
	name  string
	token Token
}

// goodSet is what every peer must admit.
func goodSet(now time.Time) []sample {
	iat := now.Unix()
	hs256 := func(header, claims string) Token { return newToken(sign(sha256.New, Secret, header, claims)) }
	return []sample{
		{"measured", hs256(goodHeader, goodClaims(iat, 7))},
		{"no capability", hs256(goodHeader, fmt.Sprintf(`{"iat":%d,"exp":%d,"x-ably-clientId":"ana"}`, iat, iat+60))},
		{"no clientId", hs256(goodHeader, fmt.Sprintf(`{"iat":%d,"exp":%d}`, iat, iat+60))},
		{"header without typ", hs256(`{"kid":"`+KeyName+`","alg":"HS256"}`, goodClaims(iat, 8))},
		{"another key", newToken(sign(sha256.New, otherText, `{"alg":"HS256","kid":"`+otherKey+`"}`, goodClaims(iat, 9)))},
	}
}

// badSet is what every peer must refuse.
func badSet(now time.Time) []sample {
	iat := now.Unix()
	good := sign(sha256.New, Secret, goodHeader, goodClaims(iat, 7))
	signature := good[len(good)-43:]
	return []sample{
		{"forged secret", newToken(sign(sha256.New, "another-secret-entirely", goodHeader, goodClaims(iat, 7)))},
		{"forged claims", newToken(segment(goodHeader) + "." + segment(goodClaims(iat, 8)) + "." + signature)},
		{"expired", newToken(sign(sha256.New, Secret, goodHeader, goodClaims(iat-7200, 7)))},
		{"wrong key", newToken(sign(sha256.New, otherText, goodHeader, goodClaims(iat, 7)))},
		{"unknown key", newToken(sign(sha256.New, Secret, `{"alg":"HS256","kid":"shop01.key-3"}`, goodClaims(iat, 7)))},
		{"alg none", newToken(segment(`{"alg":"none","kid":"`+KeyName+`"}`) + "." + segment(goodClaims(iat, 7)) + ".")},
		{"HS512", newToken(sign(sha512.New, Secret, `{"alg":"HS512","kid":"`+KeyName+`"}`, goodClaims(iat, 7)))},
	}
}

// strictSet is what Portcullis refuses beyond that, all of it signed with the
// right secret or spelt from a token that is.
func strictSet(now time.Time) []sample {
	iat := now.Unix()
	good := sign(sha256.New, Secret, goodHeader, goodClaims(iat, 7))
	claims := func(format string, values ...any) Token {
		return newToken(sign(sha256.New, Secret, goodHeader, fmt.Sprintf(format, values...)))
	}
	header := func(more string) Token {
		return newToken(sign(sha256.New, Secret, `{"alg":"HS256","kid":"`+KeyName+`"`+more+`}`, goodClaims(iat, 7)))
	}
	return []sample{
		{"a second spelling (stray bits)", newToken(good[:len(good)-1] + string(neighbour(good[len(good)-1])))},
		{"a second spelling (line break)", newToken(good[:len(good)-20] + "\n" + good[len(good)-20:])},
		{"no exp", claims(`{"iat":%d}`, iat)},
		{"no iat", claims(`{"exp":%d}`, iat+60)},
		{"exp under another name's case", claims(`{"iat":%d,"EXP":%d}`, iat, iat+60)},
		{"clientId named twice", claims(`{"iat":%d,"exp":%d,"x-ably-clientId":"bob","x-ably-clientId":"alice"}`, iat, iat+60)},
		{"iat an hour ahead", claims(`{"iat":%d,"exp":%d}`, iat+3600, iat+7200)},
		{"lifetime of a year", claims(`{"iat":%d,"exp":%d}`, iat, iat+365*86400)},
		{"exp before iat", claims(`{"iat":%d,"exp":%d}`, iat+50, iat+40)},
		{"crit", header(`,"crit":["x"],"x":1`)},
		{"an OAuth access token (at+jwt)", header(`,"typ":"at+jwt"`)},
		{"capability that is none", claims(`{"iat":%d,"exp":%d,"x-ably-capability":"all"}`, iat, iat+60)},
		{"x-ably-capability misspelt", claims(`{"iat":%d,"exp":%d,"x-ably-capabilty":"{}"}`, iat, iat+60)},
		{"claims that are not UTF-8", claims("{\"iat\":%d,\"exp\":%d,\"x-ably-clientId\":\"\xff\"}", iat, iat+60)},
	}
}

// neighbour returns the character of base64url that differs from c in its lowest
// bit, one of the two that are unused at the end of a signature.
func neighbour(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range alphabet {
		if alphabet[i] == c {
			return alphabet[i^1]
		}
	}
	return c
}
