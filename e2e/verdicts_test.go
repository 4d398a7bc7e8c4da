package e2e

import (
	"bytes"
	"encoding/base64"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTokensOfOtherLibraries shows that what four strangers mint is admitted,
// and that each kind of forgery made from it is refused.
func TestTokensOfOtherLibraries(t *testing.T) {
	server := startServer(t, baseConfig())
	now := nowSeconds()
	claims := map[string]any{
		"iat": now, "exp": now + 3600, "x-ably-clientId": "ana",
		"x-ably-capability": `{"chat:*":["subscribe","publish"],"other":["publish"]}`,
	}
	dead := maps.Clone(claims)
	dead["iat"], dead["exp"] = now-3600, now-1

	cases := []struct {
		name   string
		job    job
		tamper func(t *testing.T, token string) string
		want   refusal // none: admitted
	}{
		{name: "good", job: job{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: claims}},
		{"forged with another secret", job{Alg: "HS256", Kid: keyChat, Secret: "another-secret-of-the-same-size", Claims: claims}, nil, refusal{40144, 401, "bad_signature"}},
		{"forged with another key's secret", job{Alg: "HS256", Kid: keyChat, Secret: secretFull, Claims: claims}, nil, refusal{40144, 401, "bad_signature"}},
		{"expired", job{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: dead}, nil, refusal{40142, 401, "token_expired"}},
		{"unknown key", job{Alg: "HS256", Kid: app + ".nobody", Secret: secretChat, Claims: claims}, nil, refusal{40400, 401, "unknown_key"}},
		{"unknown app", job{Alg: "HS256", Kid: "noApp.chat", Secret: secretChat, Claims: claims}, nil, refusal{40400, 404, "unknown_app"}},
		{"alg none", job{Alg: "none", Kid: keyChat, Claims: claims}, nil, refusal{40144, 401, "alg_not_allowed"}},
		{"HS512 with the right secret", job{Alg: "HS512", Kid: keyChat, Secret: secretChat, Claims: claims}, nil, refusal{40144, 401, "alg_not_allowed"}},
		{"HS384 with the right secret", job{Alg: "HS384", Kid: keyChat, Secret: secretChat, Claims: claims}, nil, refusal{40144, 401, "alg_not_allowed"}},
		{"tampered claims", job{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: claims}, replaceInSegment(1, `"ana"`, `"bob"`), refusal{40144, 401, "bad_signature"}},
		{"tampered lifetime", job{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: dead}, replaceInSegment(1, `"exp":`, `"exp":1`), refusal{40144, 401, "bad_signature"}},
		{"tampered header", job{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: claims}, replaceInSegment(0, keyChat, keyFull), refusal{40144, 401, "bad_signature"}},
		{"alg changed to none, signature kept", job{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: claims}, replaceInSegment(0, `"HS256"`, `"none"`), refusal{40144, 401, "alg_not_allowed"}},
		{"signature cut off", job{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: claims}, cutSignature, refusal{40144, 401, "bad_signature"}},
		{"padded header", job{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: claims}, padSegment(0), refusal{40144, 401, "base64_padding"}},
		{"padded claims", job{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: claims}, padSegment(1), refusal{40144, 401, "bad_signature"}},
		{"padded signature", job{Alg: "HS256", Kid: keyChat, Secret: secretChat, Claims: claims}, padSegment(2), refusal{40144, 401, "base64_padding"}},
	}
	jobs := make([]job, len(cases))
	for i, c := range cases {
		jobs[i] = c.job
	}
	for _, m := range minters {
		t.Run(m.name, func(t *testing.T) {
			tokens := m.mint(t, jobs)
			for i, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					token := tokens[i]
					if c.tamper != nil {
						token = c.tamper(t, token)
						require.NotEqual(t, tokens[i], token)
					}
					if c.want == (refusal{}) {
						for range 3 { // the later ones may come from the cache
							requireAdmitted(t, present(token).send(t, server.public), admission{
								KeyName: keyChat, ClientID: "ana", Capability: chatCapability,
								Issued: unixMilli(now), Expires: unixMilli(now + 3600),
							})
						}
						return
					}
					// Once more: a refusal is not remembered as anything else.
					requireRefusedFor(t, server, present(token), c.want)
					requireRefusedFor(t, server, present(token), c.want)
				})
			}
		})
	}
	server.stop(t)
}

// replaceInSegment changes the JSON of a segment and keeps the rest.
func replaceInSegment(n int, old, with string) func(*testing.T, string) string {
	return func(t *testing.T, token string) string {
		segments := strings.Split(token, ".")
		text, err := base64.RawURLEncoding.DecodeString(segments[n])
		require.NoError(t, err)
		require.Contains(t, string(text), old)
		segments[n] = base64.RawURLEncoding.EncodeToString(bytes.Replace(text, []byte(old), []byte(with), 1))
		return strings.Join(segments, ".")
	}
}

// padSegment spells a segment with the padding that RFC 7515 §2 leaves out.
func padSegment(n int) func(*testing.T, string) string {
	return func(_ *testing.T, token string) string {
		segments := strings.Split(token, ".")
		segments[n] += strings.Repeat("=", max(1, (4-len(segments[n])%4)%4))
		return strings.Join(segments, ".")
	}
}

func cutSignature(_ *testing.T, token string) string {
	return token[:strings.LastIndexByte(token, '.')+1]
}
