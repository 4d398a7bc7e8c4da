package oracle

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJSONAccepts(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `0`, `-0`, `1.5e+10`, `1E-2`, `true`, `false`, `null`, `""`, " \t\r\n{ } ",
		`{"a":[1,{"b":null}]}`, `"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"`, "\"\x7f\"", `"\u0000"`,
	} {
		v, err := parseJSON(text)
		require.NoError(t, err, text)
		require.Equal(t, strings.Trim(text, " \t\r\n"), v.raw)
	}
}

func TestJSONRefuses(t *testing.T) {
	for _, text := range []string{
		``, ` `, `{`, `}`, `[`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{a:1}`, `{'a':1}`, `{"a":1 "b":2}`, `[1,]`, `[1 2]`, `[,1]`,
		`01`, `-`, `+1`, `.5`, `1.`, `1e`, `1e+`, `0x1`, `NaN`, `Infinity`, `-Infinity`, `1_0`, `-01`,
		`True`, `nul`, `tru`, `"`, `"a`, "\"\n\"", "\"\x00\"", "\"\x1f\"", `"\x41"`, `"\u12"`, `"\u12g4"`, `"\u+123"`, `"\"`,
		`"\ud800"`, `"\udc00"`, `"\ud800\u0041"`, `"\ud800\ud800"`, `"\ud800x"`, `"\udc00\ud800"`, `"\ud800\n"`,
		"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\xef\xbb\xbf{}", "\u00a0{}", "{}\x00", "{}{}", `{} //`, `/**/{}`,
	} {
		_, err := parseJSON(text)
		require.Error(t, err, "%q", text)
	}
}

func TestJSONDepth(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	_, err := parseJSON(nested(16))
	require.NoError(t, err)
	_, err = parseJSON(nested(17))
	require.Error(t, err)
	_, err = parseJSON(strings.Repeat(`{"a":`, 16) + "1" + strings.Repeat("}", 16))
	require.NoError(t, err)
	_, err = parseJSON(strings.Repeat(`{"a":`, 16) + "{}" + strings.Repeat("}", 16))
	require.Error(t, err)
}

func TestJSONStrings(t *testing.T) {
	v, err := parseJSON(`"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é"`)
	require.NoError(t, err)
	require.Equal(t, "\"\\/\b\f\n\r\té😀é", v.str)
}

func TestJSONNames(t *testing.T) {
	for text, repeats := range map[string]bool{
		`{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}`: false,
		`{"a":1,"A":1}`:                       false,
		`{"a":1,"a":1}`:                       true,
		`{"exp":1,"\u0065xp":1}`:              true,
		`{"b":{"a":1,"a":1}}`:                 true,
		`{"b":[0,[{"a":1,"a":1}]]}`:           true,
		`{"\ud83d\ude00":1,"😀":1}`:            true,
		`{"a":{"x":1},"b":1,"a":{"x":1}}`:     true,
		`{"":1,"":1}`:                         true,
		"{\"e\u0301\":1,\"\u00e9\":1}":        false, // names are not normalised
		`{"a":[{"b":{"c":1,"d":1}},{"b":2}]}`: false,
	} {
		v, err := parseJSON(text)
		require.NoError(t, err, text)
		require.Equal(t, repeats, v.repeatsName(), text)
	}
	v, err := parseJSON(`{"a":[{"b":{"c":1,"d":1}},{"b":2}]}`)
	require.NoError(t, err)
	require.Equal(t, 5, v.names())
}
