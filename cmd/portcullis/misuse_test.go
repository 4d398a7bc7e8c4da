package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
)

const misuseKey = "app.k1:a-secret-of-more-than-16-bytes"

func token(t *testing.T) string {
	t.Helper()
	s, err := engine.NewSigner(misuseKey)
	require.NoError(t, err)
	text, err := s.AppendJWT(nil, &engine.TokenParams{Issued: engine.Now()})
	require.NoError(t, err)
	return string(text)
}

// What is piped in gets one verdict a line, whatever the line holds, and nothing
// at all is no reason to go on.
func TestVerifyGivesOneVerdictALine(t *testing.T) {
	t.Setenv(keyVariable, misuseKey)
	for _, stdin := range []string{"", "\n", "\n\n"} {
		require.NotZero(t, executeOn(t, stdin, "verify", "-").code, "%q", stdin)
	}
	require.Contains(t, executeOn(t, "", "verify").err, "nothing on standard input")
	good := token(t)
	o := executeOn(t, strings.Join([]string{good, "bad", "", strings.Repeat("x.", 200_000), good + "\r"}, "\n"), "verify", "-", "--json")
	require.Equal(t, exitNegative, o.code)
	var reasons []string
	for _, line := range strings.Split(strings.TrimSpace(o.out), "\n") {
		var v struct{ Reason string }
		require.NoError(t, json.Unmarshal([]byte(line), &v))
		reasons = append(reasons, v.Reason)
	}
	require.Equal(t, []string{"", "malformed_token", "malformed_token", "token_too_long", ""}, reasons)
}

func TestAFlagThatIsEmptyIsNotOneThatIsMissing(t *testing.T) {
	t.Setenv(keyVariable, misuseKey)
	for _, args := range [][]string{
		{"issue", "jwt", "--capability", ""}, {"issue", "jwt", "--client-id="}, {"issue", "jwt", "--ttl", "0s"}, {"issue", "jwt", "--revocation-key", ""},
		{"issue", "request", "--capability", ""}, {"verify", "a.b.c", "--at", ""}, {"verify", "a.b.c", "--channel", ""},
	} {
		o := execute(t, args...)
		require.Equal(t, exitUsage, o.code, args)
		require.Empty(t, o.out, args)
	}
	require.Zero(t, execute(t, "issue", "jwt").code)
}

func TestAKeyThatWasCopiedBadlyIsRefused(t *testing.T) {
	for _, key := range []string{`"` + misuseKey + `"`, " " + misuseKey, "ABLY_API_KEY=" + misuseKey, misuseKey + "\nother.key:another-secret-of-16"} {
		t.Setenv(keyVariable, key)
		o := execute(t, "issue", "jwt")
		require.Equal(t, exitUsage, o.code, key)
		require.Contains(t, o.err, keyVariable+" is not an API key as it was issued: it holds")
		require.NotContains(t, o.err, "a-secret")
	}
}

func TestAVerbThatIsMissingOrMisspelt(t *testing.T) {
	for want, args := range map[string][]string{
		"did you mean jwt?":                      {"issue", "jtw"},
		"portcullis issue needs one of":          {"issue"},
		"did you mean match?":                    {"capability", "mach"},
		"portcullis capability needs one of":     {"capability"},
		`has no verb "zzzzzzzzzzzz"; there are:`: {"capability", "zzzzzzzzzzzz"},
	} {
		o := execute(t, args...)
		require.Equal(t, exitUsage, o.code, args)
		require.Contains(t, o.err, want)
		require.Empty(t, o.out, "nothing on stdout that could be taken for a token")
	}
}

func TestAKeyInAWrongPlaceIsNotPrinted(t *testing.T) {
	for message, want := range map[string]string{
		`there is no key "` + misuseKey + `" in c.yaml`:                             `there is no key "app.k1:[redacted]" in c.yaml`,
		"/etc/portcullis.yaml:12:34: apps[0].keys[0].secret: shorter than 16 bytes": "/etc/portcullis.yaml:12:34: apps[0].keys[0].secret: shorter than 16 bytes",
		"Get \"http://127.0.0.1:8080/v1/admit?\": dial tcp 127.0.0.1:8080: refused": "Get \"http://127.0.0.1:8080/v1/admit?\": dial tcp 127.0.0.1:8080: refused",
	} {
		require.Equal(t, want, withoutSecrets(message))
	}
}

func TestAnOpaqueTokenIsForItsServerToJudge(t *testing.T) {
	t.Setenv(keyVariable, misuseKey)
	for _, verb := range []string{"verify", "explain"} {
		o := execute(t, verb, "app.AAAA")
		require.Equal(t, exitUsage, o.code)
		require.Contains(t, o.err, "verify --server URL")
	}
	require.Contains(t, execute(t, "inspect", "app.AAAA").err, "an opaque Ably token")
	var read struct {
		Verified bool
		Carries  struct{ Claims map[string]any }
	}
	carrier := "eyJ4LWFibHktdG9rZW4iOiJlMzAuZXlKaElqb3hmUS5jMmxuIn0.e30." // {"x-ably-token":"e30.eyJhIjoxfQ.c2ln"}
	require.NoError(t, json.Unmarshal([]byte(execute(t, "inspect", "--json", carrier).out), &read))
	require.Equal(t, map[string]any{"a": 1.0}, read.Carries.Claims, "inspect reads the token that another one carries too")
	require.False(t, read.Verified)
	require.Contains(t, execute(t, "explain", "app.k1:wrong-secret-of-16-bytes").out, "bad_secret")
}

func TestAnAddressThatIsTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	o := execute(t, "dev", "--listen", ln.Addr().String(), "--admin-listen", "127.0.0.1:0")
	require.Equal(t, exitUnreachable, o.code)
	require.Contains(t, o.err, "give another --listen")
}
