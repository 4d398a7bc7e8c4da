package base64url

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDecodesWhatTheStandardLibraryEncodes(t *testing.T) {
	in := make([]byte, 0, 300)
	for i := range 300 {
		text := base64.RawURLEncoding.EncodeToString(in)
		got, err := AppendDecode(nil, []byte(text))
		require.NoError(t, err)
		require.Equal(t, string(in), string(got))
		in = append(in, byte(i*7+i>>3))
	}
}

func TestRefusesEverySpellingButOne(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"padding (RFC 7515 §2)", "Zm9vYg==", ErrPadding},
		{"padding in a full group", "Zm9=", ErrPadding},
		{"padding wins over the alphabet", "+/8=", ErrPadding},
		{"plus", "+_8A", ErrAlphabet},
		{"slash", "-/8A", ErrAlphabet},
		{"line feed", "Zm9v\nZm9v", ErrInvalid},
		{"carriage return", "Zm9v\rZm9v", ErrInvalid},
		{"space", "Zm9 ", ErrInvalid},
		{"percent", "Zm9%", ErrInvalid},
		{"NUL", "Zm9\x00", ErrInvalid},
		{"high byte", "Zm9\xff", ErrInvalid},
		{"one character left over", "Zm9vY", ErrInvalid},
		{"trailing bits after one byte (RFC 4648 §3.5)", "Zh", ErrTrailingBits},
		{"trailing bits after two bytes", "Zm9vZm9", ErrTrailingBits},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := AppendDecode([]byte("kept"), []byte(c.in))
			require.ErrorIs(t, err, c.want)
			require.Equal(t, "kept", string(got))
			require.ErrorIs(t, Check([]byte(c.in)), c.want)
		})
	}
	require.NoError(t, Check([]byte("Zm9vZm8")))
	require.NoError(t, Check(nil))
}

func TestAppendCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "Zm9v": "Zm9v", "Zm8": "Zm8", "Zm8=": "Zm8", "Zg==": "Zg", "+/8=": "-_8", "-_8=": "-_8", "-_8": "-_8", "+/8": "-_8",
		"Zm\n8": "Zm\n8", // not for this function to find
	} {
		got, err := AppendCanonical([]byte("kept"), []byte(in))
		require.NoError(t, err, in)
		require.Equal(t, "kept"+want, string(got), in)
	}
	for in, want := range map[string]error{
		"Zg=": ErrPadding, "Zm9v=": ErrPadding, "Zm9v====": ErrPadding, "Z===": ErrPadding, "=": ErrPadding, "+_8=": ErrAlphabet, "-/8": ErrAlphabet,
	} {
		got, err := AppendCanonical([]byte("kept"), []byte(in))
		require.ErrorIs(t, err, want, in)
		require.Equal(t, "kept", string(got), in)
	}
}
