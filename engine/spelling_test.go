package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// encodings are the ways in which samples and libraries write a segment.
var encodings = map[string]*base64.Encoding{
	"base64url": base64.RawURLEncoding, "padded": base64.URLEncoding, "standard": base64.RawStdEncoding, "standard and padded": base64.StdEncoding,
}

// phpForm signs as Ably's published PHP sample does: every segment in e, and the
// MAC over the segments as they are written.
func phpForm(header, claims string, e *base64.Encoding) string {
	input := e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(input))
	return input + "." + e.EncodeToString(mac.Sum(nil))
}

const (
	phpHeader = `{"typ":"JWT","alg":"HS256","kid":"appId.keyId"}`
	// In standard base64 these hold both "+" and "/", and end in "=".
	phpClaims = `{"iat":1700000100,"exp":1700003700,"x-ably-clientId":"~~~???>>> ÿ"}`
)

func TestDocumentedSpelling(t *testing.T) {
	require.Contains(t, phpForm(phpHeader, phpClaims, base64.StdEncoding), "+")
	require.Contains(t, phpForm(phpHeader, phpClaims, base64.StdEncoding), "/")
	strict := newTestVerifier(t, Options{})
	documented := newTestVerifier(t, Options{CacheBytes: 1 << 20, Tokens: TokenRules{Spelling: DocumentedSpelling}})
	for name, e := range encodings {
		token := []byte(phpForm(phpHeader, phpClaims, e))
		var g Grant
		for range 2 {
			require.NoError(t, documented.VerifyToken(&g, token, testNow), name)
			require.Equal(t, "~~~???>>> ÿ", string(g.Identity().ID))
			documented.WaitCache()
		}
		err := strict.VerifyToken(&g, token, testNow)
		switch {
		case e == base64.RawURLEncoding:
			require.NoError(t, err, name)
		case e == base64.RawStdEncoding:
			require.ErrorIs(t, err, ErrAlphabet, name)
		default:
			require.ErrorIs(t, err, ErrPadding, name)
		}
	}
}

// What nobody's sample writes stays refused under either rule.
func TestDocumentedSpellingIsNoLicence(t *testing.T) {
	good := phpForm(phpHeader, phpClaims, base64.StdEncoding)
	header, claims, signature := segments(good)
	// The last character before the padding of 32 bytes carries two bits that
	// mean nothing: setting one must not make a second spelling.
	stray := signature[:42] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", signature[42])+1]) + "="
	for name, token := range map[string]string{
		"a line feed in the signature":      header + "." + claims + "." + signature[:20] + "\n" + signature[20:],
		"a carriage return at the end":      good + "\r",
		"a line break in the header":        sign(header[:10]+"\r\n"+header[10:], claims),
		"a line break in the claims":        sign(header, claims[:10]+"\n"+claims[10:]),
		"stray bits in the signature":       header + "." + claims + "." + stray,
		"too much padding":                  header + "." + claims + "." + signature + "=",
		"padding inside":                    header + "." + claims + "." + signature[:20] + "=" + signature[20:],
		"both alphabets in one segment":     sign(header, strings.Replace(claims, "+", "-", 1)),
		"a space":                           good + " ",
		"a signature that is another one's": header + "." + claims + "." + strings.Repeat("A", 43) + "=",
	} {
		for _, spelling := range []Spelling{StrictSpelling, DocumentedSpelling} {
			v := newTestVerifier(t, Options{Tokens: TokenRules{Spelling: spelling}})
			require.Error(t, v.VerifyToken(new(Grant), []byte(token), testNow), "%s, spelling %d", name, spelling)
		}
	}
}

func segments(token string) (header, claims, signature string) {
	parts := strings.Split(token, ".")
	return parts[0], parts[1], parts[2]
}

// sign signs segments as they are written.
func sign(header, claims string) string {
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(header + "." + claims))
	return header + "." + claims + "." + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
