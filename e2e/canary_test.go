package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// canaries are texts that must not be seen where they have no business, each
// with the name that a failure gives it.
type canaries map[string]string

// token adds a token and its signature.
func (c canaries) token(name, text string) {
	if len(text) < 16 {
		return // shorter texts stand everywhere
	}
	c[name] = text
	if signature := text[strings.LastIndexByte(text, '.')+1:]; len(signature) >= 16 {
		c["signature of "+name] = signature
	}
}

// key adds an API key, its secret and the forms they travel in.
func (c canaries) key(name, key string) {
	_, secret, _ := strings.Cut(key, ":")
	c["secret of "+name] = secret
	c["escaped secret of "+name] = url.QueryEscape(secret)
	c["base64 of "+name] = base64.StdEncoding.EncodeToString([]byte(key))
}

func (c canaries) requireAbsent(t testing.TB, where, text string) {
	t.Helper()
	for name, canary := range c {
		if strings.Contains(text, canary) {
			require.Fail(t, "a canary was seen", "%s, in %s", name, where)
		}
	}
}

// TestNoSecretAndNoTokenIsEverShown presents credentials in every way that is
// refused, and in requests that are hardly HTTP, and then looks for them in all
// that the server has answered, logged, measured and can be asked about itself.
func TestNoSecretAndNoTokenIsEverShown(t *testing.T) {
	server := startServer(t, baseConfig())
	seen := canaries{}
	for _, name := range []string{keyFull, keyChat, keyWide} {
		seen.key(name, apiKey(name))
	}
	good := mint(t, keyFull, map[string]any{"x-ably-clientId": "ana"})
	seen.token("the good token", good)

	requests := everyRefusal(t)
	for name, r := range map[string]request{
		"token": present(good), "key": presentKey(apiKey(keyFull)), "as a path": {path: "/" + good},
		"as a method": {method: "POST", path: "/v1/admit/" + good}, "key parameter": request{}.with("key", apiKey(keyFull)),
		"as an operation": present(good).with("channel", "a", "op", good), "as a channel": present(good).with("channel", ":"+good, "op", "publish"),
		"as a clientId": present(good).with("clientId", secretFull), "as a header": present(good).withHeader("Accept", good),
	} {
		requests = append(requests, anyRefusal{name: name, request: r})
	}
	for _, r := range requests {
		for _, format := range []string{typeJSON, typeMsgpack} {
			if token, isToken := strings.CutPrefix(r.header.Get("Authorization"), "Bearer "); isToken {
				seen.token(r.name, token)
			}
			q := r.request
			if q.header.Get("Accept") == "" {
				q = q.withHeader("Accept", format)
			}
			a := q.send(t, server.public)
			seen.requireAbsent(t, "the answer to "+r.name, fmt.Sprint(a.header, string(a.body)))
		}
	}
	requireBodiesKeepSilent(t, server, seen, requests)
	malformedRequests(t, server, seen, good)

	for _, path := range []string{"/metrics", "/debug/pprof/goroutine?debug=2", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline", "/debug/pprof/heap?debug=1"} {
		path, query, _ := strings.Cut(path, "?")
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		a := request{path: path, query: values}.send(t, server.admin)
		require.Equal(t, 200, a.status)
		require.NotEmpty(t, a.body)
		seen.requireAbsent(t, path, fmt.Sprint(a.header, string(a.body)))
	}
	require.Equal(t, 200, present(good).send(t, server.public).status, "still serving")
	server.stop(t)
	seen.requireAbsent(t, "stdout", server.stdout.all())
	seen.requireAbsent(t, "stderr", server.stderr.all())
	require.NotContains(t, server.stderr.all(), "panic")
	require.Contains(t, server.stderr.all(), `"msg":"stopped"`)
}

// requireBodiesKeepSilent presents the same credentials in bodies: to the batch,
// and to the admin listener, which explains them.
func requireBodiesKeepSilent(t *testing.T, server *process, seen canaries, requests []anyRefusal) {
	t.Helper()
	for _, r := range requests {
		token, isToken := strings.CutPrefix(r.header.Get("Authorization"), "Bearer ")
		if !isToken {
			continue
		}
		question, err := json.Marshal(map[string]string{"token": token})
		require.NoError(t, err)
		for path, base := range map[string]string{"/v1/admit/batch": server.public, "/v1/explain": server.admin} {
			for _, body := range []string{"[" + string(question) + "]", string(question), string(question[:len(question)-1])} {
				a := request{method: "POST", path: path, body: body}.withHeader("Content-Type", typeJSON).send(t, base)
				seen.requireAbsent(t, path+" on "+r.name, fmt.Sprint(a.header, string(a.body)))
			}
		}
	}
	for _, keyName := range []string{keyFull, keyWide, keyOff} {
		question, err := json.Marshal(map[string]string{"key": apiKey(keyName)})
		require.NoError(t, err)
		a := request{method: "POST", path: "/v1/explain", body: string(question)}.send(t, server.admin)
		require.Equal(t, 200, a.status, "%s", a.body)
		seen.requireAbsent(t, "the explanation of "+keyName, fmt.Sprint(a.header, string(a.body)))
	}
}

// malformedRequests sends requests that hold credentials and have been damaged
// in a place chosen by lot, from a fixed seed, many on one connection each.
func malformedRequests(t *testing.T, server *process, seen canaries, token string) {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 11))
	damage := []string{"\r\n", "\n", "\x00", " ", "\t", ":", "%", "%zz", "?", "\r", "\xff", "HTTP/9.9", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "\r\n ", token, secretFull}
	host := strings.TrimPrefix(server.public, "http://")
	whole := "GET /v1/admit?access_token=" + token + "&key=" + url.QueryEscape(apiKey(keyFull)) + " HTTP/1.1\r\nHost: " + host +
		"\r\nAuthorization: Bearer " + token + "\r\nX-Ably-ClientId: YW5h\r\n\r\n"
	refused := 0
	for i := range 1000 {
		text := whole
		for range 1 + random.IntN(3) {
			at := random.IntN(len(text))
			switch piece := damage[random.IntN(len(damage))]; random.IntN(3) {
			case 0:
				text = text[:at] + piece + text[at:]
			case 1:
				text = text[:at] + piece + text[min(at+1+random.IntN(8), len(text)):]
			default:
				text = text[:at] + text[min(at+1+random.IntN(8), len(text)):]
			}
		}
		conn, err := net.Dial("tcp", host)
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = io.WriteString(conn, text)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite()) // nothing more comes: an answer, or the end
		said, _ := io.ReadAll(conn)                          // a reset is an end too
		conn.Close()
		if !strings.Contains(string(said), " 200 OK") {
			refused++
		}
		seen.requireAbsent(t, fmt.Sprintf("the answer to malformed request %d", i), string(said))
	}
	require.Greater(t, refused, 500, "most must have been malformed")
	require.Equal(t, 200, request{path: "/livez"}.send(t, server.public).status)
}

// TestTheCommandLineShowsNeitherKeysNorTokens does the same for the verbs that
// read credentials.
func TestTheCommandLineShowsNeitherKeysNorTokens(t *testing.T) {
	config := writeFile(t, "portcullis.yaml", baseConfig())
	server := startServer(t, baseConfig())
	seen := canaries{}
	seen.key(keyFull, apiKey(keyFull))
	key := []string{"ABLY_API_KEY=" + apiKey(keyFull)}
	tokens := []string{mint(t, keyFull, nil)}
	for _, r := range everyRefusal(t) {
		if token, isToken := strings.CutPrefix(r.header.Get("Authorization"), "Bearer "); isToken && strings.Count(token, ".") >= 1 {
			tokens = append(tokens, token)
			seen.token(r.name, token)
		}
	}
	all := strings.Join(tokens, "\n") + "\n"
	commands := []command{
		{args: []string{"verify", "-c", config, "-"}, stdin: all},
		{args: []string{"verify", "--json", "--server", server.public, "-"}, stdin: all},
		{args: []string{"verify", "-"}, stdin: all, env: key},
		{args: []string{"verify", "--key", "-", "x"}, stdin: apiKey(keyFull)[:20]},
		{args: []string{"issue", "jwt", "--key", "-"}, stdin: ":" + secretFull},
		{args: []string{"issue", "jwt", "--ttl", "-1s"}, env: key},
		{args: []string{"serve", "-c", writeFile(t, "twice.yaml", strings.Replace(baseConfig(), "id: chat, secret: \""+secretChat, "id: full, secret: \""+secretFull, 1))}},
		{args: []string{"verify", "--server", "http://127.0.0.1:1"}, stdin: tokens[0]},
	}
	for _, token := range tokens[:12] {
		commands = append(commands,
			command{args: []string{"explain", "-"}, stdin: token, env: key},
			command{args: []string{"explain", "--json", "-"}, stdin: token, env: key},
			command{args: []string{"inspect", "-"}, stdin: token})
	}
	for _, c := range commands {
		r := c.run(t)
		require.NotEmpty(t, r.stdout+r.stderr, "%v", c.args)
		require.Less(t, r.code, 5, "%v: %s", c.args, r.stderr)
		seen.requireAbsent(t, fmt.Sprint(c.args), r.stdout+r.stderr)
	}
	server.stop(t)
}
