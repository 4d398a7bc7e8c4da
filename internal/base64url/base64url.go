// Package base64url decodes base64url without padding exactly as RFC 7515 §2
// spells it, so that one value has one spelling.
//
// The standard library is not used for decoding: even in strict mode it skips
// CR and LF, which would give every token as many spellings as one likes.
package base64url

import (
	"bytes"
	"errors"
)

// The ways in which a segment can be misspelt. Each is told apart because each
// has its own cure in the program that wrote it.
var (
	ErrPadding      = errors.New("base64url: padded")
	ErrAlphabet     = errors.New("base64url: standard alphabet instead of the URL alphabet")
	ErrInvalid      = errors.New("base64url: not base64url")
	ErrTrailingBits = errors.New("base64url: unused trailing bits are not zero")
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// foreign marks a byte outside the alphabet. Every valid value is below 64, so
// the values of several bytes can be or-ed together and tested once.
const foreign = 0x80

var values = func() (t [256]byte) {
	for i := range t {
		t[i] = foreign
	}
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	return t
}()

// AppendDecode appends the bytes that src spells to dst. When src is not the
// one canonical spelling of some bytes it returns dst as it was and the reason.
func AppendDecode(dst, src []byte) ([]byte, error) {
	out, rest, seen := dst, src, byte(0)
	for len(rest) >= 4 {
		a, b, c, d := values[rest[0]], values[rest[1]], values[rest[2]], values[rest[3]]
		seen |= a | b | c | d
		out = append(out, a<<2|b>>4, b<<4|c>>2, c<<6|d)
		rest = rest[4:]
	}
	unused := byte(0)
	switch len(rest) {
	case 1:
		seen = foreign
	case 2:
		a, b := values[rest[0]], values[rest[1]]
		seen |= a | b
		unused = b & 0x0f
		out = append(out, a<<2|b>>4)
	case 3:
		a, b, c := values[rest[0]], values[rest[1]], values[rest[2]]
		seen |= a | b | c
		unused = c & 0x03
		out = append(out, a<<2|b>>4, b<<4|c>>2)
	}
	if seen|unused != 0 && (seen >= foreign || unused != 0) {
		return dst, Check(src)
	}
	return out, nil
}

// Check says in which way src is misspelt, or nil when it is well spelt.
func Check(src []byte) error {
	padded, standard, other := false, false, len(src)%4 == 1
	for _, c := range src {
		switch {
		case c == '=':
			padded = true
		case c == '+' || c == '/':
			standard = true
		case values[c] == foreign:
			other = true
		}
	}
	switch {
	case padded:
		return ErrPadding
	case standard:
		return ErrAlphabet
	case other:
		return ErrInvalid
	}
	switch last := len(src) - 1; len(src) % 4 {
	case 2:
		if values[src[last]]&0x0f != 0 {
			return ErrTrailingBits
		}
	case 3:
		if values[src[last]]&0x03 != 0 {
			return ErrTrailingBits
		}
	}
	return nil
}

// AppendCanonical appends the canonical spelling of src to dst, where src may
// also be padded or in the standard alphabet (RFC 4648 §4), as one or the other,
// never a mixture. Stray bits are left for decoding to find. When src is neither
// it returns dst as it was and the reason.
func AppendCanonical(dst, src []byte) ([]byte, error) {
	body := bytes.TrimRight(src, "=")
	if padding := len(src) - len(body); padding > 2 || padding > 0 && len(src)%4 != 0 {
		return dst, ErrPadding
	}
	if bytes.ContainsAny(body, "+/") && bytes.ContainsAny(body, "-_") {
		return dst, ErrAlphabet
	}
	from := len(dst)
	dst = append(dst, body...)
	for i, c := range dst[from:] {
		switch c {
		case '+':
			dst[from+i] = '-'
		case '/':
			dst[from+i] = '_'
		}
	}
	return dst, nil
}
