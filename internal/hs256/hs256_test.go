package hs256

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/stretchr/testify/require"
)

// RFC 7515 appendix A.1: the octets of the JWS and of its key.
func TestRFC7515AppendixA1(t *testing.T) {
	const jws = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" +
		".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ" +
		".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	secret, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	require.NoError(t, err)
	dot := strings.LastIndexByte(jws, '.')
	var s Scratch
	key := NewKey(secret)
	require.Equal(t, jws[dot+1:], string(key.Text(&s, []byte(jws[:dot]))[:]))
	require.True(t, key.EqualText(&s, []byte(jws[:dot]), []byte(jws[dot+1:])))
}

// Every HMAC-SHA256 vector of Wycheproof: a valid tag comes out, an invalid one
// does not, and a truncated one, valid or not, is never equal to a whole MAC.
func TestWycheproofHMACSHA256(t *testing.T) {
	var file struct {
		TestGroups []struct {
			TagSize int
			Tests   []struct {
				TcID                   int
				Comment, Key, Msg, Tag string
				Result                 string
			}
		}
	}
	data, err := fs.ReadFile(wycheproof.TestVectors, "hmac_sha256_test.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &file))
	var s Scratch
	tests := map[int]int{}
	for _, group := range file.TestGroups {
		for _, c := range group.Tests {
			secret, _ := hex.DecodeString(c.Key)
			msg, _ := hex.DecodeString(c.Msg)
			tag, _ := hex.DecodeString(c.Tag)
			got := NewKey(secret).MAC(&s, msg)[:group.TagSize/8]
			require.Equal(t, c.Result == "valid", string(got) == string(tag), "tcId %d: %s", c.TcID, c.Comment)
			tests[group.TagSize]++
			if group.TagSize < 8*Size {
				text := []byte(base64.RawURLEncoding.EncodeToString(tag))
				require.False(t, NewKey(secret).EqualText(&s, msg, text), "tcId %d: a truncated tag", c.TcID)
			}
		}
	}
	require.Equal(t, map[int]int{256: 87, 128: 87}, tests, "the file of vectors has changed")
}

func TestAgreesWithCryptoHMACForEveryLength(t *testing.T) {
	var s Scratch
	data := make([]byte, 300)
	for i := range data {
		data[i] = byte(i * 31)
	}
	for _, size := range []int{0, 1, 16, 63, 64, 65, 200} {
		key := NewKey(data[:size])
		std := hmac.New(sha256.New, data[:size])
		for n := range data {
			std.Reset()
			std.Write(data[:n])
			require.Equal(t, std.Sum(nil), key.MAC(&s, data[:n])[:])
		}
	}
}

func TestDoesNotAllocate(t *testing.T) {
	key, s := NewKey([]byte("0123456789abcdef")), new(Scratch)
	message := make([]byte, 300)
	text := append([]byte(nil), key.Text(s, message)[:]...)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if !key.EqualText(s, message, text) {
			t.Error("own MAC refused")
		}
	}))
}
