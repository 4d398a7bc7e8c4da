package fuzz

import (
	"encoding/base64"
	"strings"
	"testing"

	"portcullis/internal/vectors"
)

// innerMark stands for the inner token in the header and claims of an outer one.
const innerMark = "<inner>"

// outerSeed is an outer token: what stands behind its claims is a signature, or
// what a JWE has there.
type outerSeed struct{ header, claims, rest string }

var outerSeeds = []outerSeed{
	{`{"alg":"RS256","x-ably-token":"<inner>"}`, `{}`, ".c2ln"},
	{`{"alg":"RS256","x-ably-token":"<inner>"}`, `{"exp":1700000700}`, ".c2ln"},
	{`{"alg":"RS256","x-ably-token":"<inner>"}`, `{"exp":1700003605.0009}`, ".c2ln"},
	{`{"alg":"RS256","x-ably-token":"<inner>"}`, `{"exp":1700003605.001}`, ".c2ln"},
	{`{"alg":"none"}`, `{"x-ably-token":"<inner>","exp":1700000100.001}`, "."},
	{`{"alg":"none"}`, `{"x-ably-token":"<inner>","exp":1700000100}`, "."},
	{`{"x-ably-token":"<inner>"}`, `{"x-ably-token":"<inner>"}`, "."},
	{`{"alg":"HS256","kid":"nobody.keyId"}`, `{"x-ably-token":"<inner>","x-ably-clientId":"*"}`, ".c2ln"},
	{`{"alg":"HS256","kid":"appId.keyId"}`, `{"x-ably-token":"<inner>"}`, ".c2ln"},
	{`{"alg":"dir","enc":"A256GCM","x-ably-token":"<inner>"}`, ``, ".aXY.Y2lwaGVydGV4dA.dGFn"},
}

// FuzzEmbedded puts tokens into outer ones that nobody here can verify.
func FuzzEmbedded(f *testing.F) {
	c := newCourt(f)
	i := 0
	seeds(f, func(v vectors.Vector) {
		if outer, ok := takeApart(v.Token); ok && carried(v.Token) != nil {
			f.Add([]byte{}, outer.header, outer.claims, outer.rest, v.Now)
		}
		if len(v.Token) < 2000 {
			outer := outerSeeds[i%len(outerSeeds)]
			f.Add(v.Token, outer.header, outer.claims, outer.rest, v.Now)
			i++
		}
	})
	good, err := vectors.Sample("admitted")
	if err != nil {
		f.Fatal(err)
	}
	for _, outer := range outerSeeds {
		f.Add(good.Token, outer.header, outer.claims, outer.rest, good.Now)
	}
	f.Fuzz(func(t *testing.T, inner []byte, header, claims, rest string, now int64) {
		put := func(text string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(text, innerMark, string(inner))))
		}
		c.requireOneVerdict(t, []byte(put(header)+"."+put(claims)+rest), clampTime(now))
	})
}

// takeApart is the reverse of what FuzzEmbedded does, where nothing is lost by it.
func takeApart(token []byte) (outerSeed, bool) {
	segments := strings.SplitN(string(token), ".", 3)
	if len(segments) < 3 {
		return outerSeed{}, false
	}
	header, err1 := base64.RawURLEncoding.DecodeString(segments[0])
	claims, err2 := base64.RawURLEncoding.DecodeString(segments[1])
	return outerSeed{string(header), string(claims), "." + segments[2]}, err1 == nil && err2 == nil
}
