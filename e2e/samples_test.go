package e2e

import (
	"encoding/base64"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Ably's documentation shows how to mint a JWT in several languages. Servers are
// written after those samples, so what they mint is what arrives.

// sampleProgram is one under samples/, in the form that is published for its
// language. All take the same arguments, and the secret from the environment.
type sampleProgram struct {
	name    string
	command func(t *testing.T) []string
}

var urlSamples = []sampleProgram{
	{"python", script("/usr/bin/python3", "python", "mint.py")}, // Debian's, which has Debian's PyJWT
	{"java", script("java", "java", "Mint.java")},
	{"go", buildGoSample},
}

var phpSample = sampleProgram{"php", script("php", "php", "mint.php")}

func script(interpreter string, path ...string) func(*testing.T) []string {
	return func(t *testing.T) []string {
		_, err := exec.LookPath(interpreter)
		require.NoError(t, err, "run tools/install.sh")
		return []string{interpreter, filepath.Join(append([]string{"samples"}, path...)...)}
	}
}

func buildGoSample(t *testing.T) []string {
	return []string{buildHere(t, "./samples/go")}
}

// buildHere builds a program of this module.
func buildHere(t *testing.T, pkg string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "program")
	out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// sampleToken is what a sample is asked to mint.
type sampleToken struct {
	secret, clientID string
	issued, expires  int64
}

const sampleCapability = `{"chat:*":["subscribe","publish"]}`

func (s sampleProgram) mint(t *testing.T, k sampleToken) string {
	t.Helper()
	line := append(s.command(t), keyChat, k.clientID, sampleCapability, strconv.FormatInt(k.issued, 10), strconv.FormatInt(k.expires, 10))
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = environment("MINT_SECRET=" + k.secret)
	return strings.TrimSpace(runMinter(t, cmd, nil))
}

// sampleClientIDs put the bytes that standard base64 writes as + and / at every
// place of a group of three, and end the claims at every length of padding.
var sampleClientIDs = []string{"~~~???", "~~~???x", "~~~???xy"}

func (k sampleToken) admission() admission {
	return admission{KeyName: keyChat, ClientID: k.clientID, Capability: chatCapability, Issued: unixMilli(k.issued), Expires: unixMilli(k.expires)}
}

// documentedConfig is baseConfig with the spelling of the published PHP sample
// allowed.
func documentedConfig() string { return baseConfig() + "tokens: {spelling: documented}\n" }

// TestTokensOfThePublishedSamples shows that the forms which spell base64url as
// RFC 7515 has it are admitted under either rule, and forgeries under neither.
func TestTokensOfThePublishedSamples(t *testing.T) {
	servers := map[string]*process{"strict": startServer(t, baseConfig()), "documented": startServer(t, documentedConfig())}
	now := nowSeconds()
	for _, s := range urlSamples {
		t.Run(s.name, func(t *testing.T) {
			for _, id := range sampleClientIDs {
				k := sampleToken{secretChat, id, now, now + 3600}
				token := s.mint(t, k)
				for _, server := range servers {
					requireAdmitted(t, present(token).send(t, server.public), k.admission())
				}
			}
			forged := s.mint(t, sampleToken{secretFull, "ana", now, now + 3600})
			expired := s.mint(t, sampleToken{secretChat, "ana", now - 60, now - 1})
			for _, server := range servers {
				requireRefusedFor(t, server, present(forged), refusal{40144, 401, "bad_signature"})
				requireRefusedFor(t, server, present(expired), refusal{40142, 401, "token_expired"})
			}
		})
	}
	for _, server := range servers {
		server.stop(t)
	}
}

// TestTokensOfThePublishedPHPSample shows that the PHP form is refused unless the
// configuration allows it, that the refusal says why, and where the cure stands.
func TestTokensOfThePublishedPHPSample(t *testing.T) {
	strict, documented := startServer(t, baseConfig()), startServer(t, documentedConfig())
	now := nowSeconds()
	for _, id := range sampleClientIDs {
		k := sampleToken{secretChat, id, now, now + 3600}
		token := phpSample.mint(t, k)
		require.Contains(t, token, "+")
		require.Contains(t, token, "/")
		require.True(t, strings.HasSuffix(token, "="), "32 bytes are padded")

		for _, r := range []request{present(token), present(base64.StdEncoding.EncodeToString([]byte(token))), request{}.with("access_token", token)} {
			a := requireRefusedFor(t, strict, r, refusal{40144, 401, "base64_padding"})
			require.Contains(t, a.header.Get("X-Ably-Errormessage"), "padding")
			for range 2 { // the second may come from the cache
				requireAdmitted(t, r.send(t, documented.public), k.admission())
			}
		}
		// Cured by half, rtrim without strtr: the alphabet is still the standard one.
		half := respell(t, token, base64.RawStdEncoding)
		a := requireRefusedFor(t, strict, present(half), refusal{40144, 401, "base64_alphabet"})
		require.Contains(t, a.header.Get("X-Ably-Errormessage"), "standard base64 alphabet")
		requireAdmitted(t, present(half).send(t, documented.public), k.admission())
		// Cured.
		for _, server := range []*process{strict, documented} {
			requireAdmitted(t, present(respell(t, token, base64.RawURLEncoding)).send(t, server.public), k.admission())
		}
	}

	token := phpSample.mint(t, sampleToken{secretChat, "ana", now, now + 3600})
	r := command{args: []string{"explain", "-"}, stdin: token, env: []string{"ABLY_API_KEY=" + apiKey(keyChat)}}.run(t)
	require.Equal(t, 1, r.code, r.stderr)
	require.Contains(t, r.stdout, "PHP sample")
	require.Contains(t, r.stdout, "tokens.spelling: documented")

	forged := phpSample.mint(t, sampleToken{secretFull, "ana", now, now + 3600})
	requireRefusedFor(t, documented, present(forged), refusal{40144, 401, "bad_signature"})
	expired := phpSample.mint(t, sampleToken{secretChat, "ana", now - 60, now - 1})
	requireRefusedFor(t, documented, present(expired), refusal{40142, 401, "token_expired"})
	strict.stop(t)
	documented.stop(t)
}

// respell writes the header and the claims of a PHP token in another spelling and
// signs that.
func respell(t *testing.T, token string, e *base64.Encoding) string {
	t.Helper()
	segments := strings.Split(token, ".")
	for i, segment := range segments[:2] {
		text, err := base64.StdEncoding.DecodeString(segment)
		require.NoError(t, err)
		segments[i] = e.EncodeToString(text)
	}
	return segments[0] + "." + segments[1] + "." + signatureIn(t, e, segments[0]+"."+segments[1])
}

func signatureIn(t *testing.T, e *base64.Encoding, input string) string {
	t.Helper()
	mac, err := base64.RawURLEncoding.DecodeString(hs256(keyChat, input))
	require.NoError(t, err)
	return e.EncodeToString(mac)
}

// TestThePHPSpellingIsNoLicence shows what stays refused under either rule: no
// token gets a second spelling by line breaks or by bits that mean nothing, not
// even one that was signed like that.
func TestThePHPSpellingIsNoLicence(t *testing.T) {
	servers := []*process{startServer(t, baseConfig()), startServer(t, documentedConfig())}
	now := nowSeconds()
	k, token := mintPadded(t, now)
	requireAdmitted(t, present(token).send(t, servers[1].public), k.admission())
	segments := strings.Split(token, ".")
	header, claims, signature := segments[0], segments[1], segments[2]
	signed := func(header, claims string) string {
		return header + "." + claims + "." + signatureIn(t, base64.StdEncoding, header+"."+claims)
	}
	variants := map[string]string{
		"stray bits in the signature":   header + "." + claims + "." + nextBeforePadding(t, signature),
		"stray bits in the claims":      signed(header, nextBeforePadding(t, claims)),
		"too much padding":              token + "=",
		"too much padding, claims":      signed(header, claims+"===="),
		"padding inside":                header + "." + claims + "." + signature[:20] + "=" + signature[20:],
		"both alphabets in one segment": signed(header, strings.Replace(claims, "+", "-", 1)),
		"a space at the end":            token + " ",
		"a zero byte at the end":        token + "\x00",
	}
	for name, br := range map[string]string{"CR": "\r", "LF": "\n", "CR LF": "\r\n"} {
		variants[name+" at the end"] = token + br
		variants[name+" before the padding"] = token[:len(token)-1] + br + "="
		variants[name+" in the signature"] = header + "." + claims + "." + signature[:20] + br + signature[20:]
		variants[name+" in the header"] = signed(header[:8]+br+header[8:], claims)
		variants[name+" in the claims"] = signed(header, claims[:8]+br+claims[8:])
	}
	for name, variant := range variants {
		require.NotEqual(t, token, variant, name)
		for i, server := range servers {
			a := request{}.with("access_token", variant).send(t, server.public)
			require.NotEqual(t, 200, a.status, "%s, server %d", name, i)
			requireRefused(t, a, refusal{code: 40144, status: 401})
		}
	}
	for _, server := range servers {
		server.stop(t)
	}
}

// mintPadded mints a token in the PHP form whose claims are padded, so that
// their last character has unused bits.
func mintPadded(t *testing.T, now int64) (sampleToken, string) {
	t.Helper()
	for _, id := range sampleClientIDs {
		k := sampleToken{secretChat, id, now, now + 3600}
		token := phpSample.mint(t, k)
		if strings.HasSuffix(strings.Split(token, ".")[1], "=") {
			return k, token
		}
	}
	require.Fail(t, "no claims are padded")
	return sampleToken{}, ""
}

// nextBeforePadding sets the lowest unused bit of a padded segment's last
// character.
func nextBeforePadding(t *testing.T, segment string) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := len(strings.TrimRight(segment, "=")) - 1
	require.Less(t, last, len(segment)-1, "nothing is unused")
	value := strings.IndexByte(alphabet, segment[last])
	require.Zero(t, value&1)
	return segment[:last] + string(alphabet[value|1]) + segment[last+1:]
}
