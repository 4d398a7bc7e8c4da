package engine

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumericDates(t *testing.T) {
	for text, want := range map[string]UnixMilli{
		"0": 0, "1": 1000, "1700000000": 1_700_000_000_000, "1700000000.5": 1_700_000_000_500,
		"1700000000.123": 1_700_000_000_123, "1700000000.1239999": 1_700_000_000_123,
		"1.7e9": 1_700_000_000_000, "17E+8": 1_700_000_000_000, "1700000000000e-3": 1_700_000_000_000,
		"0.0009": 0, "0e99999999": 0, "0.000e5": 0, "9007199254740992": 9007199254740992000,
		"9007199254740992.000": 9007199254740992000, "1e15": 1_000_000_000_000_000_000,
		"0." + strings.Repeat("0", 3000) + "1e3001": 1000,
	} {
		got, ok := parseNumericDate([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"-1", "-0", "-0.0", "9007199254740992.1", "9007199254740993", "9223372036854775807", "18446744073709551616",
		"1e400", "1e308", "1e16", "1e999999999999999999999", strings.Repeat("9", 5000), "9007199254740992.0000000000000000000000001",
	} {
		_, ok := parseNumericDate([]byte(text))
		require.False(t, ok, text)
	}
}

// The same arithmetic with rational numbers, which are exact and slow.
func TestNumericDatesAgainstExactArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	limit := new(big.Rat).SetInt64(1 << 53)
	for range 100_000 {
		text := fmt.Sprint(r.Uint64N(1 << r.IntN(60)))
		if r.IntN(2) == 0 {
			text += fmt.Sprintf(".%0*d", 1+r.IntN(8), r.IntN(1000))
		}
		if r.IntN(3) == 0 {
			text += fmt.Sprintf("e%d", r.IntN(40)-20)
		}
		exact, ok := new(big.Rat).SetString(text)
		require.True(t, ok, text)
		got, ok := parseNumericDate([]byte(text))
		require.Equal(t, exact.Cmp(limit) <= 0, ok, text)
		if ok {
			exact.Mul(exact, big.NewRat(1000, 1))
			want := new(big.Int).Quo(exact.Num(), exact.Denom())
			require.Equal(t, want.Int64(), int64(got), text)
		}
	}
}
