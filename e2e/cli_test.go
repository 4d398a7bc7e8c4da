package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestExitCodes shows each exit code that is a contract with scripts.
func TestExitCodes(t *testing.T) {
	config := writeFile(t, "portcullis.yaml", baseConfig())
	misspelt := writeFile(t, "misspelt.yaml", strings.Replace(baseConfig(), "apps:", "aps:", 1))
	weak := writeFile(t, "weak.yaml", strings.Replace(baseConfig(), secretChat, "short", 1))
	good, forged := mint(t, keyChat, nil), mint(t, keyChat, nil)+"A"

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	busy := writeFile(t, "busy.yaml", strings.Replace(baseConfig(), "listen: 127.0.0.1:0", "listen: "+taken.Addr().String(), 1))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := "http://" + free.Addr().String()
	require.NoError(t, free.Close())

	for _, c := range []struct {
		name string
		command
		code           int
		stdout, stderr string // what each must hold
	}{
		{"admitted", command{args: []string{"verify", "-c", config}, stdin: good}, 0, "ADMITTED", ""},
		{"admitted by the environment's key", command{args: []string{"verify"}, stdin: good, env: []string{"ABLY_API_KEY=" + apiKey(keyChat)}}, 0, "ADMITTED", ""},
		{"version", command{args: []string{"version"}}, 0, "portcullis", ""},
		{"refused", command{args: []string{"verify", "-c", config}, stdin: forged}, 1, "REFUSED", ""},
		{"refused operation", command{args: []string{"verify", "-c", config, "--channel", "admin", "--op", "publish"}, stdin: good}, 1, "capability_denied", ""},
		{"capability does not match", command{args: []string{"capability", "match", chatCapability, "admin", "publish"}}, 1, "", ""},
		{"an invalid capability", command{args: []string{"capability", "lint", `{"a":["destroy"]}`}}, 1, "", "operation"},
		{"unknown verb", command{args: []string{"guard"}}, 2, "", "unknown command"},
		{"unknown flag", command{args: []string{"verify", "--frobnicate"}}, 2, "", "unknown flag"},
		{"no key", command{args: []string{"verify"}, stdin: good}, 2, "", "ABLY_API_KEY"},
		{"serve without a configuration", command{args: []string{"serve"}}, 2, "", "-c FILE"},
		{"dev beyond loopback", command{args: []string{"dev", "--listen", "0.0.0.0:0"}}, 2, "", "loopback"},
		{"no such file", command{args: []string{"serve", "-c", config + ".missing"}}, 3, "", "no such file"},
		{"unknown member", command{args: []string{"serve", "-c", misspelt}}, 3, "", "aps"},
		{"weak secret", command{args: []string{"serve", "-c", weak}}, 3, "", "secret shorter than 16 bytes"},
		{"the same from verify", command{args: []string{"verify", "-c", weak}, stdin: good}, 3, "", "secret shorter than 16 bytes"},
		{"address taken", command{args: []string{"serve", "-c", busy}}, 4, "", "address already in use"},
		{"nobody there", command{args: []string{"verify", "--server", nobody}, stdin: good}, 4, "", "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.run(t)
			require.Equal(t, c.code, r.code, "stdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
			require.Contains(t, r.stdout, c.stdout)
			require.Contains(t, r.stderr, c.stderr)
		})
	}
}

// line is one verdict of verify --json.
type line struct {
	Admitted   bool   `json:"admitted"`
	Code       int    `json:"code"`
	StatusCode int    `json:"statusCode"`
	Reason     string `json:"reason"`
	Message    string `json:"message"`
	KeyName    string `json:"keyName"`
	ClientID   string `json:"clientId"`
	Capability string `json:"capability"`
	Issued     int64  `json:"issued"`
	Expires    int64  `json:"expires"`
}

// TestVerifyAnswersInOrder gives verify 300 tokens, locally and against a
// server, and requires a verdict for each, in order.
func TestVerifyAnswersInOrder(t *testing.T) {
	config := writeFile(t, "portcullis.yaml", baseConfig())
	server := startServer(t, baseConfig())
	now := nowSeconds()
	var tokens []string
	var want []line
	for i := range 100 {
		id := fmt.Sprintf("client-%03d", i)
		token := mint(t, keyChat, map[string]any{"iat": now, "exp": now + 60, "x-ably-clientId": id})
		tokens = append(tokens, token, replaceInSegment(1, id, "intruder")(t, token), mint(t, keyChat, map[string]any{"iat": now - 60, "exp": now - 1, "x-ably-clientId": id}))
		want = append(want,
			line{Admitted: true, KeyName: keyChat, ClientID: id, Capability: chatCapability, Issued: unixMilli(now), Expires: unixMilli(now + 60)},
			line{Code: 40144, StatusCode: 401, Reason: "bad_signature"},
			line{Code: 40142, StatusCode: 401, Reason: "token_expired"},
		)
	}
	for name, where := range map[string][]string{"locally": {"-c", config}, "by the server": {"--server", server.public}} {
		t.Run(name, func(t *testing.T) {
			remote := where[0] == "--server"
			r := command{args: append([]string{"verify", "--json", "-"}, where...), stdin: strings.Join(tokens, "\n") + "\n"}.run(t)
			require.Equal(t, 1, r.code, r.stderr)
			require.Empty(t, r.stderr)
			n := 0
			for s := bufio.NewScanner(strings.NewReader(r.stdout)); s.Scan(); n++ {
				var got line
				decodeStrictly(t, s.Bytes(), &got)
				require.Equal(t, !got.Admitted, got.Message != "")
				got.Message = ""
				expected := want[n]
				if remote && expected.Reason == "bad_signature" {
					expected.Reason = "" // a server does not tell strangers which of several it was
				}
				require.Equal(t, expected, got, "line %d", n+1)
			}
			require.Equal(t, len(tokens), n)
		})
	}
	t.Run("all good: exit 0", func(t *testing.T) {
		r := command{args: []string{"verify", "--server", server.public, "--channel", "chat:x", "--op", "publish", "-"}, stdin: tokens[0] + "\n" + tokens[3] + "\n"}.run(t)
		require.Equal(t, 0, r.code, r.stdout+r.stderr)
		require.Equal(t, 2, strings.Count(r.stdout, "ADMITTED"))
	})
	server.stop(t)
}

func TestIssuedTokensAreAdmitted(t *testing.T) {
	server := startServer(t, baseConfig())
	key := []string{"ABLY_API_KEY=" + apiKey(keyChat)}
	r := command{args: []string{"issue", "jwt", "--token-only", "--client-id", "ana", "--ttl", "90s", "--capability", `{"chat:a":["publish"]}`}, env: key}.run(t)
	require.Equal(t, 0, r.code, r.stderr)
	require.Empty(t, r.stderr)
	a := present(strings.TrimSpace(r.stdout)).send(t, server.public)
	require.Equal(t, 200, a.status, "%s", a.body)
	var got admission
	decodeStrictly(t, a.body, &got)
	require.Equal(t, keyChat, got.KeyName)
	require.Equal(t, "ana", got.ClientID)
	require.Equal(t, `{"chat:a":["publish"]}`, got.Capability)
	require.Equal(t, int64(90_000), got.Expires-got.Issued)
	require.InDelta(t, unixMilli(nowSeconds()), got.Issued, 10_000)

	// The key from a file and from stdin, the answer as JSON, the verdict over HTTP.
	for _, source := range []command{
		{args: []string{"--key", "@" + writeFile(t, "key", apiKey(keyFull)+"\n")}},
		{args: []string{"--key", "-"}, stdin: apiKey(keyFull) + "\n"},
	} {
		r := command{args: append([]string{"issue", "jwt", "--json"}, source.args...), stdin: source.stdin}.run(t)
		require.Equal(t, 0, r.code, r.stderr)
		var issued struct {
			Token   string `json:"token"`
			KeyName string `json:"keyName"`
			Expires int64  `json:"expires"`
		}
		decodeStrictly(t, []byte(r.stdout), &issued)
		require.Equal(t, keyFull, issued.KeyName)
		verified := command{args: []string{"verify", "--json", "--server", server.public}, stdin: issued.Token}.run(t)
		require.Equal(t, 0, verified.code, verified.stdout)
		var verdict line
		require.NoError(t, json.Unmarshal([]byte(verified.stdout), &verdict))
		require.Equal(t, issued.Expires, verdict.Expires)
		require.Equal(t, int64(3_600_000), verdict.Expires-verdict.Issued, "an hour by default")
	}
	server.stop(t)
}

// TestDevShowsAnAdmissionAndARefusal takes the newcomer's path: start dev, read
// what it prints, and use it.
func TestDevShowsAnAdmissionAndARefusal(t *testing.T) {
	p := start(t, "dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	p.stdout.await(t, "Ctrl-C stops the server")
	var export, admitted, refused, server string
	for _, l := range strings.Split(p.stdout.all(), "\n") {
		switch l = strings.TrimSpace(l); {
		case strings.HasPrefix(l, "export "):
			export = strings.TrimPrefix(l, "export ")
		case strings.Contains(l, "ADMITTED"):
			admitted = l
		case strings.Contains(l, "REFUSED"):
			refused = l
		case strings.HasPrefix(l, "server "):
			server = strings.Fields(l)[1]
		}
	}
	require.Contains(t, admitted, "ana")
	require.Regexp(t, `capability_denied .*40160.*401`, refused)
	require.Regexp(t, `^ABLY_API_KEY=[\w-]+\.[\w-]+:[\w-]{16,}$`, export)

	r := command{args: []string{"issue", "jwt", "--token-only", "--client-id", "ben"}, env: []string{export}}.run(t)
	require.Equal(t, 0, r.code, r.stderr)
	verdict := command{args: []string{"verify", "--server", server}, stdin: r.stdout}.run(t)
	require.Equal(t, 0, verdict.code, verdict.stdout+verdict.stderr)
	require.Contains(t, verdict.stdout, "ben")

	p.signal(t, syscall.SIGTERM)
	require.Equal(t, 0, p.exit(t), p.stderr.all())
}
