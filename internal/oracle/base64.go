package oracle

import (
	"encoding/base64"
	"strings"
)

// base64urlAlphabet is that of RFC 4648 §5, value by value.
const base64urlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// decodeSegment decodes one segment of a compact serialization and returns its
// bytes, or the reason why its spelling is refused.
//
// A sequence of bytes has exactly one spelling: without padding (RFC 7515 §2),
// in the URL alphabet, with the unused bits of the last character zero (RFC 4648
// §3.5). Were there a second one, a token could be written in two ways, and a
// cache or a deny list keyed by its text would miss the other. The alphabet is
// checked here because encoding/base64 skips CR and LF even when strict.
func decodeSegment(segment string) ([]byte, string) {
	if strings.Contains(segment, "=") {
		return nil, "base64_padding"
	}
	if strings.ContainsAny(segment, "+/") {
		return nil, "base64_alphabet"
	}
	for i := range len(segment) {
		if strings.IndexByte(base64urlAlphabet, segment[i]) < 0 {
			return nil, "base64_invalid"
		}
	}
	if len(segment)%4 == 1 { // six bits left over: less than a byte
		return nil, "base64_invalid"
	}
	bytes, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return nil, "base64_invalid"
	}
	if base64.RawURLEncoding.EncodeToString(bytes) != segment {
		return nil, "base64_trailing_bits"
	}
	return bytes, ""
}
