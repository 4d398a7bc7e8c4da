package oracle

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecodeSegment(t *testing.T) {
	for _, row := range []struct{ segment, want, reason string }{
		{"", "", ""},
		{"Zg", "f", ""},
		{"Zm8", "fo", ""},
		{"Zm9v", "foo", ""},
		{"-_-_", "\xfb\xff\xbf", ""},
		{"Zg==", "", "base64_padding"},
		{"Zg=", "", "base64_padding"},
		{"=", "", "base64_padding"},
		{"+/=\n", "", "base64_padding"}, // padding is said first
		{"+/+/", "", "base64_alphabet"},
		{"+\n", "", "base64_alphabet"},
		{"Zm9\nv", "", "base64_invalid"},
		{"Zm9v\r\n", "", "base64_invalid"},
		{"Zm9v ", "", "base64_invalid"},
		{"Zm9v%3D", "", "base64_invalid"},
		{"Zm9\xffv", "", "base64_invalid"},
		{"Zm9vZ", "", "base64_invalid"}, // one character left over
		{"Zh", "", "base64_trailing_bits"},
		{"Zm9", "", "base64_trailing_bits"},
		{"Zh\n", "", "base64_invalid"},
	} {
		bytes, reason := decodeSegment(row.segment)
		require.Equal(t, row.reason, reason, "%q", row.segment)
		require.Equal(t, row.want, string(bytes), "%q", row.segment)
	}
}

func TestMilliseconds(t *testing.T) {
	for _, row := range []struct {
		number string
		want   int64
		ok     bool
	}{
		{"0", 0, true},
		{"0.0", 0, true},
		{"0e999999999999999999999999", 0, true},
		{"1", 1000, true},
		{"1700000000", 1700000000000, true},
		{"1700000000.0005", 1700000000000, true},
		{"1700000000.0015", 1700000000001, true},
		{"1700000000.9999999999999999999999999999", 1700000000999, true},
		{"1.7e9", 1700000000000, true},
		{"1.7E+9", 1700000000000, true},
		{"17000000000000e-4", 1700000000000, true},
		{"0.0000000017e18", 1700000000000, true},
		{"0.001", 1, true},
		{"0.00099999", 0, true},
		{"1e-3", 1, true},
		{"1e-4", 0, true},
		{"1e-999999999999999999999", 0, true},
		{"9007199254740992", 9007199254740992000, true},
		{"9007199254740992.0", 9007199254740992000, true},
		{"9007199254740991.9999", 9007199254740991999, true},
		{"9007199254740992.5", 0, false},
		{"9007199254740992." + strings.Repeat("0", 400) + "1", 0, false},
		{"9007199254740993", 0, false},
		{"9223372036854775807", 0, false},
		{"18446744073709551616", 0, false},
		{"1e16", 0, false},
		{"1e308", 0, false},
		{"1e400", 0, false},
		{"1e999999999999999999999", 0, false},
		{"-0", 0, false},
		{"-0.0", 0, false},
		{"-1", 0, false},
		{"-1e-9", 0, false},
		{`"1700000000"`, 0, false},
		{"null", 0, false},
		{"true", 0, false},
		{"[1]", 0, false},
		{"{}", 0, false},
	} {
		v, err := parseJSON(row.number)
		require.NoError(t, err, row.number)
		got, ok := milliseconds(v)
		require.Equal(t, row.ok, ok, row.number)
		require.Equal(t, row.want, got, row.number)
	}
}
