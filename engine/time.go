package engine

import (
	"bytes"
	"time"
)

// UnixMilli is a time in milliseconds since the Unix epoch. Zero means none.
type UnixMilli int64

// Now returns the wall clock's time.
func Now() UnixMilli { return UnixMilli(time.Now().UnixMilli()) }

// Time returns u as a time.Time in UTC.
func (u UnixMilli) Time() time.Time { return time.UnixMilli(int64(u)).UTC() }

// Add returns u moved by d, whole milliseconds.
func (u UnixMilli) Add(d time.Duration) UnixMilli { return u + UnixMilli(d/time.Millisecond) }

// Sub returns the time from other to u.
func (u UnixMilli) Sub(other UnixMilli) time.Duration {
	return time.Duration(u-other) * time.Millisecond
}

// maxDate bounds the NumericDate claims, 2^53 s: up to there every whole number
// of seconds is exact in a JSON number, and its milliseconds fit an int64.
const maxDate = (1 << 53) * 1000

// parseNumericDate turns a NumericDate (RFC 7519 §2), a JSON number of seconds
// that may have a fraction, into milliseconds; text is in JSON's grammar. It
// works on the decimal digits: a float64 does not hold every millisecond, and
// rounding up would make a token live longer than it says. Fractions of a
// millisecond are cut off. Times before the epoch are refused. This is the one
// place where seconds become milliseconds.
func parseNumericDate(text []byte) (UnixMilli, bool) {
	mantissa, exponent := text, 0
	for i, c := range text {
		if c == 'e' || c == 'E' {
			mantissa, exponent = text[:i], parseExponent(text[i+1:])
			break
		}
	}
	whole := bytes.IndexByte(mantissa, '.')
	if whole < 0 {
		whole = len(mantissa)
	}
	places := whole + exponent + 3 // how many digits stand before the point, in milliseconds
	ms, seen, cut := uint64(0), 0, false
	for _, c := range mantissa {
		switch {
		case c == '.':
			continue
		case c == '-':
			return 0, false
		case seen >= places:
			cut = cut || c != '0'
		case ms > maxDate/10:
			return 0, false
		default:
			ms = ms*10 + uint64(c-'0')
		}
		seen++
	}
	for ; seen < places && ms != 0; seen++ {
		if ms > maxDate/10 {
			return 0, false
		}
		ms *= 10
	}
	if ms > maxDate || ms == maxDate && cut {
		return 0, false
	}
	return UnixMilli(ms), true
}

// parseExponent reads the exponent of a number, cut to what is far more than
// any token's digits can make up for.
func parseExponent(text []byte) int {
	const far = 1 << 20
	sign, e := 1, 0
	for _, c := range text {
		switch {
		case c == '-':
			sign = -1
		case c != '+' && e < far:
			e = e*10 + int(c-'0')
		}
	}
	return sign * e
}
