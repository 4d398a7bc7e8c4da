package msgpackscan

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tinylib/msgp/msgp"
)

func read(data []byte, maxNames int) (members []string, err error) {
	var s Scanner
	for s.Reset(data, maxNames); s.Next(); {
		members = append(members, fmt.Sprintf("%s=%x", s.Name(), s.Value()))
	}
	return members, s.Err()
}

func TestReadsMembersInOrder(t *testing.T) {
	got, err := read([]byte("\x84\xa1a\x01\xa0\xc0\xd9\x01b\x92\x80\x81\xff\x90\xda\x00\x01c\xc4\x01\xff"), 0)
	require.NoError(t, err)
	require.Equal(t, []string{"a=01", "=c0", "b=928081ff90", "c=c401ff"}, got)
	for _, header := range []string{"\x81", "\xde\x00\x01", "\xdf\x00\x00\x00\x01"} {
		got, err := read([]byte(header+"\xa1a\x01"), 1)
		require.NoError(t, err)
		require.Equal(t, []string{"a=01"}, got)
	}
	got, err = read([]byte{0x80}, 0)
	require.NoError(t, err)
	require.Empty(t, got)
}

// Every kind of value is read to its end.
func TestValues(t *testing.T) {
	for _, value := range []string{
		"\x00", "\x7f", "\xff", "\xe0", "\xc0", "\xc2", "\xc3", "\xa0", "\xa1x", "\x80", "\x90", "\x91\x90",
		"\xc4\x00", "\xc5\x00\x01x", "\xc6\x00\x00\x00\x01x", "\xc7\x01\x05x", "\xc8\x00\x01\x05x", "\xc9\x00\x00\x00\x01\x05x",
		"\xca1234", "\xcb12345678", "\xcc1", "\xcd12", "\xce1234", "\xcf12345678", "\xd01", "\xd112", "\xd21234", "\xd312345678",
		"\xd4\x00\x00", "\xd5\x0512", "\xd6\x051234", "\xd7\x0512345678", "\xd8\x051234567812345678", "\xd9\x01x", "\xda\x00\x01x", "\xdb\x00\x00\x00\x01x",
		"\xdc\x00\x01\x00", "\xdd\x00\x00\x00\x01\x00", "\xde\x00\x01\x00\x00", "\xdf\x00\x00\x00\x01\x00\x00",
	} {
		rest, err := Skip([]byte(value + "behind"))
		require.NoError(t, err, "%q", value)
		require.Equal(t, "behind", string(rest), "%q", value)
		got, err := read([]byte("\x82\xa1a"+value+"\xa1b\x00"), 0)
		require.NoError(t, err, "%q", value)
		require.Equal(t, []string{fmt.Sprintf("a=%x", value), "b=00"}, got)
		for cut := range value {
			_, err := Skip([]byte(value[:cut]))
			require.ErrorIs(t, err, ErrSyntax, "%q", value[:cut])
		}
	}
}

func TestRefuses(t *testing.T) {
	deep := func(n int) string { return "\x81\xa1a" + string(bytes.Repeat([]byte{0x91}, n-2)) + "\x90" }
	_, err := read([]byte(deep(MaxDepth)), 0)
	require.NoError(t, err)
	many := func(last string) []byte {
		b := msgp.AppendMapHeader(nil, 41)
		for i := range 40 {
			b = msgp.AppendInt(msgp.AppendString(b, fmt.Sprint("n", i)), 0)
		}
		return msgp.AppendInt(msgp.AppendString(b, last), 0)
	}
	_, err = read(many("n40"), 41)
	require.NoError(t, err)
	for data, want := range map[string]error{
		"":                           ErrSyntax,
		"\xc0":                       ErrSyntax,
		"\x90":                       ErrSyntax,
		"\x81":                       ErrSyntax,
		"\x81\xa1a":                  ErrSyntax,
		"\x81\xa1":                   ErrSyntax,
		"\x80\x80":                   ErrSyntax,
		"\x81\xa1a\x01\xc0":          ErrSyntax,
		"\x81\x01\x01":               ErrSyntax, // the name is a number
		"\x81\xc4\x01a\x01":          ErrSyntax, // or binary
		"\x81\xc0\x01":               ErrSyntax,
		"\x81\xa1a\xc1":              ErrSyntax, // never used
		"\xde\x00":                   ErrSyntax,
		"\xdf\xff\xff\xff\xff":       ErrSyntax,
		"\x81\xa1a\xdd\xff\xff\xff":  ErrSyntax,
		"\x81\xa1\xff\x01":           ErrUTF8,
		"\x82\xa1a\x01\xa1a\x01":     ErrDuplicateName,
		"\x82\xa1a\x01\xd9\x01a\x01": ErrDuplicateName,
		string(many("n7")):           ErrDuplicateName,
		deep(MaxDepth + 1):           ErrDepth,
		"\x81\xa1a" + string(bytes.Repeat([]byte{0x81}, 100000)): ErrDepth,
	} {
		_, err := read([]byte(data), 0)
		require.ErrorIs(t, err, want, "%.60q", data)
	}
	_, err = read(many("n40"), 40)
	require.ErrorIs(t, err, ErrTooManyNames)
}

func TestElements(t *testing.T) {
	elements := func(data string) (got []string, err error) {
		var e Elements
		e.Reset([]byte(data))
		for v, ok := e.Next(); ok; v, ok = e.Next() {
			got = append(got, fmt.Sprintf("%x", v))
		}
		return got, e.Err()
	}
	for data, want := range map[string][]string{"\x90": nil, "\x93\x01\x91\x02\xa1x": {"01", "9102", "a178"}, "\xdc\x00\x01\xc0": {"c0"}} {
		got, err := elements(data)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, data := range []string{"", "\x80", "\x91", "\x90\x90", "\x92\x01", "\x91\xc1", "\xdd\xff\xff\xff\xff"} {
		_, err := elements(data)
		require.ErrorIs(t, err, ErrSyntax, "%q", data)
	}
}

func TestDoesNotAllocate(t *testing.T) {
	data := []byte("\x83\xa1a\x01\xa1b\x92\x80\x90\xa1c\xa1x")
	var s Scanner
	n := 0
	require.Zero(t, testing.AllocsPerRun(100, func() {
		n = 0
		for s.Reset(data, 8); s.Next(); n++ {
		}
	}))
	require.Equal(t, 3, n)
	require.NoError(t, s.Err())
}
