package jsonscan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(text string, maxNames int) (members []string, err error) {
	var s Scanner
	s.Reset([]byte(text), maxNames)
	for s.Next() {
		v := s.Value()
		members = append(members, fmt.Sprintf("%s=%d:%s", s.Name(), v.Kind, v.Text))
	}
	return members, s.Err()
}

func TestReadsMembersInOrder(t *testing.T) {
	got, err := read(" {\"a\" : \"x\\u0041\" ,\"\\u0062\":[1,{\"c\":null}],\t\"d\":-0.5e+3,\r\n\"e\":true,\"f\":false,\"g\":{}} ", 0)
	require.NoError(t, err)
	require.Equal(t, []string{`a=1:x\u0041`, `b=4:[1,{"c":null}]`, `d=2:-0.5e+3`, `e=5:true`, `f=6:false`, `g=3:{}`}, got)
}

func TestRefuses(t *testing.T) {
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}" }
	_, err := read(deep(MaxDepth), 0)
	require.NoError(t, err)
	many := func(last string) string {
		var b strings.Builder
		b.WriteString("{")
		for i := range 40 {
			fmt.Fprintf(&b, `"n%d":0,`, i)
		}
		return b.String() + `"` + last + `":0}`
	}
	_, err = read(many("n40"), 41)
	require.NoError(t, err)
	for text, want := range map[string]error{
		"":                                   ErrSyntax,
		"null":                               ErrSyntax,
		"[]":                                 ErrSyntax,
		"{":                                  ErrSyntax,
		`{"a"}`:                              ErrSyntax,
		`{"a":}`:                             ErrSyntax,
		`{"a":1,}`:                           ErrSyntax,
		`{,"a":1}`:                           ErrSyntax,
		`{"a":1 "b":2}`:                      ErrSyntax,
		`{"a":1}{}`:                          ErrSyntax,
		`{"a":1}x`:                           ErrSyntax,
		`{'a':1}`:                            ErrSyntax,
		`{a:1}`:                              ErrSyntax,
		`{"a":[1,]}`:                         ErrSyntax,
		`{"a":[1 2]}`:                        ErrSyntax,
		`{"a":{"b":1,}}`:                     ErrSyntax,
		`{"a":01}`:                           ErrSyntax,
		`{"a":+1}`:                           ErrSyntax,
		`{"a":.5}`:                           ErrSyntax,
		`{"a":1.}`:                           ErrSyntax,
		`{"a":1e}`:                           ErrSyntax,
		`{"a":-}`:                            ErrSyntax,
		`{"a":NaN}`:                          ErrSyntax,
		`{"a":True}`:                         ErrSyntax,
		`{"a":tru}`:                          ErrSyntax,
		`{"a":"\x"}`:                         ErrSyntax,
		`{"a":"\u12"}`:                       ErrSyntax,
		`{"a":"\u12G4"}`:                     ErrSyntax,
		"{\"a\":\"\n\"}":                     ErrSyntax,
		`{"a":"`:                             ErrSyntax,
		`{"a":"\`:                            ErrSyntax,
		"\ufeff{}":                           ErrSyntax,
		"{}\x00":                             ErrSyntax,
		"{}//":                               ErrSyntax,
		"{\"a\":\"\xff\"}":                   ErrUTF8,
		"{\"a\":\"\xc0\xaf\"}":               ErrUTF8,
		"{\"a\":\"\xed\xa0\x80\"}":           ErrUTF8,
		`{"a":"\ud800"}`:                     ErrUTF8,
		`{"a":"\udc00"}`:                     ErrUTF8,
		`{"a":"\ud800\u0041"}`:               ErrUTF8,
		`{"a":"\udc00\ud800"}`:               ErrUTF8,
		deep(MaxDepth + 1):                   ErrDepth,
		many("n7"):                           ErrDuplicateName,
		`{"a":1,"a":2}`:                      ErrDuplicateName,
		`{"exp":1,"\u0065xp":2}`:             ErrDuplicateName,
		`{"a\/b":1,"a/b":2}`:                 ErrDuplicateName,
		`{"\ud83d\ude00":1,"` + "😀" + `":2}`: ErrDuplicateName,
	} {
		_, err := read(text, 0)
		require.ErrorIs(t, err, want, "%q", text)
	}
	_, err = read(`{"a":{"b":1},"c":2}`, 2)
	require.ErrorIs(t, err, ErrTooManyNames)
}

func TestRepeatedNamesInsideAValueAreToldApart(t *testing.T) {
	var s Scanner
	s.Reset([]byte(`{"a":{"x":1,"x":2},"b":[{"y":{"z":1,"z":1}}],"c":{"x":1},"d":[{"x":1},{"x":1}]}`), 0)
	got := map[string]bool{}
	for s.Next() {
		got[string(s.Name())] = s.Value().Duplicate
	}
	require.NoError(t, s.Err())
	require.Equal(t, map[string]bool{"a": true, "b": true, "c": false, "d": false}, got)
}

func TestNamesOfDifferentCaseAreDifferentNames(t *testing.T) {
	_, err := read(`{"exp":1,"EXP":2}`, 0)
	require.NoError(t, err)
}

func TestUnescapesInPlace(t *testing.T) {
	for text, want := range map[string]string{
		`plain`: "plain", `\"\\\/\b\f\n\r\t`: "\"\\/\b\f\n\r\t", `\u00e9\u20ac`: "é€", `\ud83d\ude00!`: "😀!", `\u0000`: "\x00", `\uFFFD`: "\ufffd",
	} {
		b := []byte(text)
		require.Equal(t, want, string(AppendUnescaped(b[:0], b)))
	}
}

func TestElements(t *testing.T) {
	var s Scanner
	s.Reset([]byte(`{"a":[ "x" , 1, ["y"] ], "b":[]}`), 0)
	var got []string
	for s.Next() {
		e := In(s.Value())
		for v, ok := e.Next(); ok; v, ok = e.Next() {
			got = append(got, string(v.Text))
		}
	}
	require.NoError(t, s.Err())
	require.Equal(t, []string{"x", "1", `["y"]`}, got)
}

func TestReadArray(t *testing.T) {
	read := func(text string) (got []string, err error) {
		e := ReadArray([]byte(text))
		for v, ok := e.Next(); ok; v, ok = e.Next() {
			got = append(got, string(v.Text))
		}
		return got, e.Err()
	}
	got, err := read(" [ {\"a\":[1]} , \"x\" ] ")
	require.NoError(t, err)
	require.Equal(t, []string{`{"a":[1]}`, "x"}, got)
	got, err = read("[]")
	require.NoError(t, err)
	require.Empty(t, got)
	for text, want := range map[string]error{
		"": ErrSyntax, "{}": ErrSyntax, "null": ErrSyntax, "[": ErrSyntax, "[1,]": ErrSyntax, "[1 2]": ErrSyntax, "[1]x": ErrSyntax, "[]]": ErrSyntax,
		"[\"\xff\"]": ErrUTF8, strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1): ErrDepth,
		strings.Repeat("[", 3_000_000): ErrDepth,
	} {
		_, err := read(text)
		require.ErrorIs(t, err, want, "%.20q", text)
	}
}

func TestDoesNotAllocate(t *testing.T) {
	text := []byte(`{"iat":1,"exp":2,"x\u002dably":"{\"*\":[\"*\"]}","o":{"p":[1,2,3]}}`)
	var s Scanner
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s.Reset(text, 0)
		for s.Next() {
		}
		if s.Err() != nil {
			t.Error(s.Err())
		}
	}))
}

func TestReadValue(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for text, want := range map[string]Value{
		`"a\u0041"`:     {Kind: String, Escaped: true, Text: []byte(`a\u0041`)},
		" -1.5e3\n":     {Kind: Number, Text: []byte("-1.5e3")},
		"[1,2] ":        {Kind: Array, Text: []byte("[1,2]")},
		`{"a":{}}`:      {Kind: Object, Text: []byte(`{"a":{}}`)},
		`{"a":1,"a":1}`: {Kind: Object, Duplicate: true, Text: []byte(`{"a":1,"a":1}`)},
		"null":          {Kind: Null, Text: []byte("null")},
		deep(MaxDepth):  {Kind: Array, Text: []byte(deep(MaxDepth))},
	} {
		got, err := ReadValue([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for text, want := range map[string]error{"": ErrSyntax, " ": ErrSyntax, "1 2": ErrSyntax, "{}{}": ErrSyntax, "[1": ErrSyntax, "nul": ErrSyntax, "\"\xff\"": ErrUTF8, deep(MaxDepth + 1): ErrDepth} {
		_, err := ReadValue([]byte(text))
		require.ErrorIs(t, err, want, text)
	}
}

// Elements that are used again read the next array as new ones would, and allocate
// nothing once their memory is large enough.
func TestElementsAreUsedAgain(t *testing.T) {
	var e Elements
	read := func(text string) (kinds []Kind) {
		v, err := ReadValue([]byte(text))
		require.NoError(t, err)
		e.Reset(v)
		for v, ok := e.Next(); ok; v, ok = e.Next() {
			kinds = append(kinds, v.Kind)
		}
		require.NoError(t, e.Err())
		return kinds
	}
	require.Equal(t, []Kind{Object, Null}, read(`[{"a":1,"b":2},null]`))
	require.Equal(t, []Kind{Number}, read(`[1]`))
	require.Empty(t, read(`[]`))
	v, err := ReadValue([]byte(`[{"a":1,"b":2}]`))
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for e.Reset(v); ; {
			if _, ok := e.Next(); !ok {
				break
			}
		}
	}))
}

// What RFC 8259 §7 requires to be escaped is, in its short form where there is one;
// all else stands as it is.
func TestAppendQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"":                              `""`,
		"plain é \u2028 \U0001F600/<&>": "\"plain é \u2028 \U0001F600/<&>\"",
		"\"\\":                          `"\"\\"`,
		"\b\f\n\r\t":                    `"\b\f\n\r\t"`,
		"\x00\x1f\x7fx":                 "\"\\u0000\\u001f\x7fx\"",
	} {
		require.Equal(t, "before"+want, string(AppendQuoted([]byte("before"), text)))
		require.Equal(t, want, string(AppendQuoted(nil, []byte(text))))
		v, err := ReadValue([]byte(want))
		require.NoError(t, err)
		require.Equal(t, text, string(v.Unescaped()))
	}
}
