package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exampleServers are the programs under examples/auth-server, which answer alike.
var exampleServers = []sampleProgram{
	{"go", buildExampleServer},
	{"node", exampleScript("node", "node", "auth-server.mjs")},
	{"python", exampleScript("/usr/bin/python3", "python", "auth_server.py")},
}

func exampleScript(interpreter string, path ...string) func(*testing.T) []string {
	return script(interpreter, append([]string{"..", "..", "examples", "auth-server"}, path...)...)
}

func buildExampleServer(t *testing.T) []string {
	path := filepath.Join(t.TempDir(), "auth-server")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = filepath.Join("..", "examples", "auth-server", "go")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return []string{path}
}

const (
	demoPassword = "demo-Wm4Kq7TzXy2RbLfN"
	demoParam    = "csrf-Jt7RyBc2LfGdMvQp" // travels in the target of a GET
)

// What the example servers' own table grants, in canonical text.
var demoCapabilities = map[string]string{
	"ana": `{"chat:*":["publish","subscribe"],"inbox:ana":["subscribe"]}`,
	"ben": `{"chat:*":["subscribe"]}`,
}

// authServer is a running example server.
type authServer struct {
	*process
	url string
}

func startAuthServer(t *testing.T, program sampleProgram, apiKey, portcullisURL string, env ...string) authServer {
	t.Helper()
	line := program.command(t)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = environment(append(env, "ABLY_API_KEY="+apiKey, "PORTCULLIS_URL="+portcullisURL, "DEMO_PASSWORD="+demoPassword, "LISTEN=127.0.0.1:0")...)
	s := authServer{process: launch(t, cmd)}
	_, s.url, _ = strings.Cut(s.stderr.await(t, "listening on "), "listening on ")
	return s
}

func (s authServer) login(t testing.TB, user, password string) answer {
	t.Helper()
	form := url.Values{"user": {user}, "password": {password}}.Encode()
	return request{method: "POST", path: "/login", body: form}.withHeader("Content-Type", "application/x-www-form-urlencoded").send(t, s.url)
}

// session logs a user in and returns the cookie as a request carries it.
func (s authServer) session(t testing.TB, user string) string {
	t.Helper()
	a := s.login(t, user, demoPassword)
	require.Equal(t, 204, a.status, "%s", a.body)
	cookies := (&http.Response{Header: a.header}).Cookies()
	require.Len(t, cookies, 1)
	c := cookies[0]
	require.True(t, c.HttpOnly, "no script reads it")
	require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	return c.Name + "=" + c.Value
}

// requireDenied requires a refusal in the form that SDKs read.
func requireDenied(t testing.TB, a answer, status, code int) {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.body)
	require.Equal(t, []string{"application/json"}, a.header["Content-Type"])
	var body struct{ Error fault }
	decodeStrictly(t, a.body, &body)
	require.Equal(t, []int{code, status}, []int{body.Error.Code, body.Error.StatusCode})
	require.NotEmpty(t, body.Error.Message)
}

// TestAblyWithTheExampleAuthServers has the SDK fetch tokens from each example
// server in every form, by authUrl and by authCallback, and ask each for more than
// its user may have.
func TestAblyWithTheExampleAuthServers(t *testing.T) {
	dev := startDev(t)
	key := createApp(t, dev.Server, object{})[0]
	for _, program := range exampleServers {
		t.Run(program.name, func(t *testing.T) {
			s := startAuthServer(t, program, key.KeyStr, dev.Server)
			ana, ben := s.session(t, "ana"), s.session(t, "ben")
			secrets := canaries{"the API key": key.KeySecret, "the password": demoPassword, "a parameter": demoParam, "ana's session": ana, "ben's session": ben}
			runAbly(t, dev.Server, exampleServerCases(t, dev, s, key, ana, ben, secrets))

			requireDenied(t, s.login(t, "ana", demoPassword+"x"), 401, 40100)
			requireDenied(t, s.login(t, "ana", ""), 401, 40100)
			requireDenied(t, s.login(t, "mallory", demoPassword), 401, 40100)
			requireDenied(t, s.login(t, "constructor", demoPassword), 401, 40100)
			for _, form := range exampleForms {
				fetch := request{path: form.path}.withHeader("Cookie", ana)
				a := fetch.send(t, s.url)
				require.Equal(t, 200, a.status, "%s", a.body)
				require.True(t, strings.HasPrefix(a.header.Get("Content-Type"), form.contentType))
				require.Equal(t, "no-store", a.header.Get("Cache-Control"))
				require.Empty(t, a.header.Values("Access-Control-Allow-Origin"), "foreign pages may not read it")
				require.Equal(t, 200, fetch.withHeader("Origin", s.url).send(t, s.url).status, "its own pages may")
				for _, origin := range []string{"https://evil.example", "null", s.url + ".evil.example", strings.Replace(s.url, "http:", "https:", 1)} {
					requireDenied(t, fetch.withHeader("Origin", origin).send(t, s.url), 403, 40300)
				}
			}
			_ = s.cmd.Process.Kill()
			s.wait()
			secrets.requireAbsent(t, "its output", s.stdout.all()+s.stderr.all())
		})
	}
	dev.stop(t)
}

// exampleForms are the forms in which an example server answers.
var exampleForms = []struct {
	path, contentType string
	hasDetails        bool // the SDK gets more than a token's text
}{
	{"/auth/token-request", "application/json", true},
	{"/auth/token-details", "application/json", true},
	{"/auth/token", "text/plain", false},
	{"/auth/jwt", "application/jwt", false},
}

func exampleServerCases(t *testing.T, dev devServer, s authServer, key sandboxKey, ana, ben string, secrets canaries) (cases []ablyCase) {
	message := object{"name": "n", "data": "d"}
	// What the client wishes for itself.
	wishes := object{"clientId": "root", "capability": object{"*": []string{"*"}}, "ttl": day}
	calls := []ablyCall{
		{"do": "authorize", "params": wishes},
		{"do": "publish", "channel": "chat:a", "message": message},
		{"do": "publish", "channel": "admin", "message": message},
	}
	authURL := func(path, method string, headers, params object) ablyClient {
		return ablyClient{Options: object{"authUrl": s.url + path + "?page=1", "authMethod": method, "authHeaders": headers, "authParams": params}}
	}
	granted := func(user string, hasDetails bool) func(*testing.T, ablyDid) {
		return func(t *testing.T, did ablyDid) {
			require.Len(t, did.Outcomes, 3)
			var got tokenDetails
			did.Outcomes[0].into(t, &got)
			secrets.token("a token for "+user, got.Token)
			if hasDetails {
				require.Equal(t, []string{user, demoCapabilities[user]}, []string{got.ClientID, got.Capability})
			}
			var real admission
			a := present(got.Token).send(t, dev.Server)
			require.Equal(t, 200, a.status, "%s", a.body)
			require.NoError(t, json.Unmarshal(a.body, &real))
			require.Equal(t, admission{
				Admitted: true, KeyName: key.KeyName, ClientID: user, Capability: demoCapabilities[user],
				Issued: real.Issued, Expires: real.Issued + hour,
			}, real, "the server's table decides, and not what the client wishes")
			if user == "ana" {
				require.Nil(t, did.Outcomes[1].Error)
			} else {
				did.Outcomes[1].requireThrew(t, 40160, 401, "")
			}
			did.Outcomes[2].requireThrew(t, 40160, 401, "")
		}
	}
	for _, form := range exampleForms {
		for _, method := range []string{"GET", "POST"} {
			cases = append(cases, ablyCase{
				name:   "authUrl " + method + " " + form.path,
				client: authURL(form.path, method, object{"cookie": ana, "x-of-the-app": "1"}, object{"user": "ben", "clientId": "admin", "csrf": demoParam}),
				calls:  calls, check: granted("ana", form.hasDetails),
			})
		}
		cases = append(cases, ablyCase{
			name:   "authCallback " + form.path,
			client: ablyClient{Callback: object{"returns": "fetched", "fetch": object{"url": s.url + form.path, "headers": object{"cookie": ben}}}},
			calls:  calls, check: granted("ben", form.hasDetails),
		})
	}
	for name, cookie := range forgedSessions(ana, ben) {
		cases = append(cases, ablyCase{
			name: "authUrl with " + name, client: authURL("/auth/token-request", "GET", object{"cookie": cookie}, nil),
			calls: calls[:1], check: threw(40100, 401, "log in first"),
		})
	}
	return append(cases, ablyCase{
		name:   "authUrl from a foreign page",
		client: authURL("/auth/token-request", "POST", object{"cookie": ana, "origin": "https://evil.example"}, nil),
		calls:  calls[:1], check: threw(40300, 403, ""), // 403: the SDK gives up (RSA4d)
	})
}

// forgedSessions are cookies that are nobody's.
func forgedSessions(ana, ben string) map[string]string {
	claimOf := func(cookie string) (claim, mac string) {
		dot := strings.LastIndexByte(cookie, '.')
		return cookie[:dot], cookie[dot+1:]
	}
	claim, mac := claimOf(ana)
	others, _ := claimOf(ben)
	user, expires, _ := strings.Cut(claim, ".")
	last := "0"
	if strings.HasSuffix(mac, last) {
		last = "1"
	}
	return map[string]string{
		"no session":                     "theme=dark",
		"an empty session":               "session=",
		"a session without a mac":        claim,
		"an empty mac":                   claim + ".",
		"a changed mac":                  claim + "." + mac[:len(mac)-1] + last,
		"another user's mac":             others + "." + mac,
		"a longer life":                  user + ".9" + expires + "." + mac,
		"a mac over nothing":             "session=.." + mac,
		"a claim with a dot more":        claim + ".." + mac,
		"a session under another's name": strings.Replace(ana, "session=", "Session=", 1),
	}
}

// TestExampleAuthServersWithoutPortcullis shows what they do when the server is
// not there, and that they do not start without a key.
func TestExampleAuthServersWithoutPortcullis(t *testing.T) {
	key := apiKey(keyFull)
	for _, program := range exampleServers {
		t.Run(program.name, func(t *testing.T) {
			s := startAuthServer(t, program, key, "http://127.0.0.1:1", "APP_ORIGIN=https://app.example")
			a := s.login(t, "ana", demoPassword)
			require.Equal(t, 204, a.status)
			cookie := (&http.Response{Header: a.header}).Cookies()[0]
			require.True(t, cookie.Secure, "the application is on https")
			fetch := request{}.withHeader("Cookie", cookie.Name+"="+cookie.Value)
			for path, status := range map[string]int{"/auth/token-request": 200, "/auth/jwt": 200, "/auth/token-details": 502, "/auth/token": 502, "/auth/nothing": 404, "/": 404} {
				fetch.path = path
				require.Equal(t, status, fetch.send(t, s.url).status, path)
			}
			fetch.path = "/auth/token"
			requireDenied(t, fetch.send(t, s.url), 502, 50000)
			fetch.path = "/auth/jwt"
			require.Equal(t, 200, fetch.withHeader("Origin", "https://app.example").send(t, s.url).status)
			requireDenied(t, fetch.withHeader("Origin", s.url).send(t, s.url), 403, 40300)
			_ = s.cmd.Process.Kill()
			s.wait()
			c := canaries{}
			c.key("the API key", key)
			c.requireAbsent(t, "its output", s.stdout.all()+s.stderr.all())

			for _, bad := range []string{"ABLY_API_KEY=", "ABLY_API_KEY=app.key", "PORTCULLIS_URL=", "DEMO_PASSWORD="} {
				line := program.command(t)
				cmd := exec.Command(line[0], line[1:]...)
				cmd.Env = environment("ABLY_API_KEY="+key, "PORTCULLIS_URL=http://127.0.0.1:1", "DEMO_PASSWORD="+demoPassword, "LISTEN=127.0.0.1:0", bad)
				p := launch(t, cmd)
				require.Equal(t, 1, p.exit(t), "%s", p.stderr.all())
				name, _, _ := strings.Cut(bad, "=")
				require.Contains(t, p.stderr.all(), name, "it says what it needs")
			}
		})
	}
}

// TestExampleAuthServersEndSessions shows that a session is good for its time only:
// none at all, here.
func TestExampleAuthServersEndSessions(t *testing.T) {
	for _, program := range exampleServers {
		t.Run(program.name, func(t *testing.T) {
			s := startAuthServer(t, program, apiKey(keyFull), "http://127.0.0.1:1", "SESSION_SECONDS=0")
			for _, form := range exampleForms {
				a := request{path: form.path}.withHeader("Cookie", s.session(t, "ana")).send(t, s.url)
				requireDenied(t, a, 401, 40100)
			}
		})
	}
}
