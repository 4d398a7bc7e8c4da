package oracle

import (
	"math/big"
	"strings"
)

// maxSeconds is 2^53: up to here every implementation that reads JSON numbers as
// IEEE 754 doubles sees the same integer (RFC 8259 §6).
const maxSeconds = 1 << 53

// milliseconds reads a NumericDate (RFC 7519 §2), seconds that may have a fraction
// or an exponent, and rounds it down to milliseconds. It refuses what is no
// number, has a minus sign (that of -0 too), or exceeds maxSeconds.
//
// The arithmetic is exact. Floating point would accept values just above the
// limit, and round a fraction up over the edge of a millisecond.
func milliseconds(v value) (int64, bool) {
	if v.kind != kindNumber || strings.HasPrefix(v.raw, "-") {
		return 0, false
	}
	mantissa, exponentText, _ := strings.Cut(strings.ToLower(v.raw), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if exponentText == "" {
		exponentText = "0"
	}
	exponent, ok := new(big.Int).SetString(exponentText, 10)
	if !ok {
		return 0, false
	}

	// The value is 0.DIGITS times ten to the power of point, DIGITS beginning with
	// one that is not zero.
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return 0, true
	}
	leadingZeros := len(whole+fraction) - len(digits)
	point := new(big.Int).Add(exponent, big.NewInt(int64(len(whole)-leadingZeros)))

	// Far out, the power need not (and at 1e999999999 could not) be computed.
	if point.Cmp(big.NewInt(16)) > 0 { // at least 10^16, which is more than 2^53
		return 0, false
	}
	if point.Cmp(big.NewInt(-3)) <= 0 { // less than a millisecond
		return 0, true
	}

	seconds, ok := new(big.Rat).SetString("0." + digits)
	if !ok {
		return 0, false
	}
	ten := big.NewRat(10, 1)
	for p := point.Int64(); p > 0; p-- {
		seconds.Mul(seconds, ten)
	}
	for p := point.Int64(); p < 0; p++ {
		seconds.Quo(seconds, ten)
	}
	if seconds.Cmp(big.NewRat(maxSeconds, 1)) > 0 {
		return 0, false
	}
	milli := seconds.Mul(seconds, big.NewRat(1000, 1))
	return new(big.Int).Quo(milli.Num(), milli.Denom()).Int64(), true
}
