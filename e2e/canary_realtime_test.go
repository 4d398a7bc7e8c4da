package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNothingOfAConnectionIsEverShown does what TestNoSecretAndNoTokenIsEverShown
// does for realtime connections, devices and tokens within others, and looks into
// what a server can be asked about itself while all of them are there.
func TestNothingOfAConnectionIsEverShown(t *testing.T) {
	server := startServer(t, realtimeConfig("log: {level: debug}", "tokens: {seal_secrets: [\""+strings.Repeat("seal-canary-", 4)+"\"]}"))
	seen := canaries{"sealing secret": "seal-canary-seal"}
	for name, key := range realtimeKeys {
		seen.key(name, key)
	}
	var said []string // by frames, which are to hold no token either
	for _, format := range []string{"json", "msgpack"} {
		said = append(said, connectionsOfEveryKind(t, server, seen, format)...)
	}
	said = append(said, devicesOfEveryKind(t, server, seen)...)
	said = append(said, embeddedOfEveryKind(t, server, seen)...)
	require.Greater(t, len(said), 30)
	for _, text := range said {
		seen.requireAbsent(t, "an answer", text)
	}

	for _, target := range []string{
		"/metrics", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/goroutine?debug=1", "/debug/pprof/heap?debug=1", "/debug/pprof/heap",
		"/debug/pprof/allocs?debug=1", "/debug/pprof/threadcreate?debug=1", "/debug/pprof/block?debug=1", "/debug/pprof/mutex?debug=1",
		"/debug/pprof/profile?seconds=1", "/debug/pprof/trace?seconds=1", "/debug/pprof/",
	} {
		path, query, _ := strings.Cut(target, "?")
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		a := request{path: path, query: values}.send(t, server.admin)
		require.Equal(t, 200, a.status, target)
		seen.requireAbsent(t, target, string(inflated(a.body)))
	}
	pid := server.cmd.Process.Pid
	for _, name := range []string{"cmdline", "comm", "status", "maps"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		require.NoError(t, err)
		seen.requireAbsent(t, name, string(text))
	}
	server.stop(t)
	seen.requireAbsent(t, "stdout", server.stdout.all())
	require.Contains(t, server.stderr.all(), `"level":"DEBUG"`, "the log is to tell all that it can")
	seen.requireAbsent(t, "stderr", server.stderr.all())
	require.NotContains(t, server.stderr.all(), "panic")
}

// inflated is what a profile holds, which is compressed.
func inflated(body []byte) []byte {
	if r, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
		if text, err := io.ReadAll(r); err == nil {
			return append(text, body...)
		}
	}
	return body
}

// connectionsOfEveryKind opens connections whose credentials are good and bad, and
// leaves the good ones open.
func connectionsOfEveryKind(t *testing.T, server *process, seen canaries, format string) (said []string) {
	t.Helper()
	token := func(keyName string, claims object) string {
		text := mintRealtime(t, keyName, claims)
		seen.token(format+" token of "+keyName, text)
		return text
	}
	hear := func(f frame) { said = append(said, fmt.Sprintf("%+v", f)) }
	good := token("full", object{"x-ably-clientId": "ana", "jti": format})
	c, connected := upgrade{format: format}.withQuery("access_token", good).connect(t, server)
	hear(connected)
	hear(c.attach(t, "canary:"+format))
	for _, bad := range []string{forge(good), token("other", nil), realtimeKeys["full"], "x" + good} {
		seen.token("an AUTH frame's "+format, bad)
		c.send(t, object{"action": actAuth, "auth": object{"accessToken": bad}})
		if f, err := c.read(patience); err == nil {
			hear(f)
		}
		c, connected = upgrade{format: format}.withQuery("access_token", good).connect(t, server) // a bad one may end it
		hear(connected)
	}
	for name, u := range map[string]upgrade{
		"forged": upgrade{format: format}.withQuery("access_token", forge(good)), "a key": upgrade{format: format}.withQuery("key", realtimeKeys["full"]),
		"a bad key": upgrade{format: format}.withQuery("key", realtimeKeys["full"]+"x"), "expired": upgrade{format: format}.withQuery("access_token", token("full", object{"exp": nowSeconds() - 1, "iat": nowSeconds() - 9})),
		"a token as resume": upgrade{format: format}.withQuery("access_token", good, "resume", good), "a token as clientId": upgrade{format: format}.withQuery("access_token", good, "clientId", good),
		"twice": upgrade{format: format}.withQuery("access_token", good, "access_token", good), "a token as a key": upgrade{format: format}.withQuery("key", good),
	} {
		f := u.dial(t, server).next(t)
		require.NotEmpty(t, f, name)
		hear(f)
	}
	c.send(t, object{"action": actAttach, "channel": ":" + good}, object{"action": actAttach, "channel": "[" + realtimeKeys["full"] + "]x"})
	for range 2 {
		c.next(t) // names the channel, as the protocol has it, to whom has named it
	}
	return said
}

// devicesOfEveryKind registers devices and presents what they are given, rightly
// and wrongly.
func devicesOfEveryKind(t *testing.T, server *process, seen canaries) (said []string) {
	t.Helper()
	const secret = "device-canary-7Xk2Qw9Zt4Lm"
	seen["deviceSecret"] = secret
	seen["base64 of deviceSecret"] = base64.StdEncoding.EncodeToString([]byte(secret))
	key := presentKey(realtimeKeys["full"]).withHeader("Content-Type", typeJSON)
	register := func(r request, body object) answer {
		text, err := json.Marshal(body)
		require.NoError(t, err)
		r.method, r.path, r.body = "POST", "/push/deviceRegistrations", string(text)
		return r.send(t, server.public)
	}
	device := object{"id": "canary", "deviceSecret": secret, "platform": "ios", "formFactor": "phone", "push": object{"recipient": object{"transportType": "apns"}}}
	a := register(key, device)
	require.Less(t, a.status, 300, "%s", a.body)
	var d deviceDetails
	require.NoError(t, json.Unmarshal(a.body, &d))
	if deviceToken := d.DeviceIdentityToken.Token; deviceToken != "" {
		seen.token("the device token", deviceToken)
	}
	hear := func(a answer) { said = append(said, fmt.Sprint(a.header, string(a.body))) }
	hear(register(key, object{"id": "canary", "deviceSecret": secret + "x", "platform": secret}))
	hear(register(key, object{"id": secret, "deviceSecret": 1}))
	for _, proof := range [][2]string{{"X-Ably-DeviceSecret", secret}, {"X-Ably-DeviceSecret", secret + "x"}, {"X-Ably-DeviceToken", d.DeviceIdentityToken.Token + "x"}, {"X-Ably-DeviceToken", secret}} {
		for _, r := range []request{key, present(mintRealtime(t, "full", object{"x-ably-capability": `{"*":["push-subscribe"]}`}))} {
			r = r.withHeader(proof[0], proof[1])
			r.method, r.path = "GET", "/push/deviceRegistrations/canary"
			hear(r.send(t, server.public))
		}
	}
	return said
}

// embeddedOfEveryKind presents tokens within others, good and bad.
func embeddedOfEveryKind(t *testing.T, server *process, seen canaries) (said []string) {
	t.Helper()
	_, secret, _ := strings.Cut(realtimeKeys["full"], ":")
	good := mintRealtime(t, "full", object{"jti": "inner"})
	for _, inner := range []string{good, forge(good), mintRealtime(t, "full", object{"exp": nowSeconds() - 1}), secret, realtimeKeys["full"]} {
		seen.token("an inner token", inner)
		for _, outer := range []string{
			`{"alg":"RS256","kid":"strange","x-ably-token":"` + inner + `"}`, `{"alg":"RS256","kid":"strange"}`, `{"alg":"HS256","kid":"` + strings.SplitN(realtimeKeys["full"], ":", 2)[0] + `","x-ably-token":"` + inner + `"}`,
		} {
			claims := fmt.Sprintf(`{"exp":%d,"x-ably-token":%q}`, nowSeconds()+9, inner)
			text := base64.RawURLEncoding.EncodeToString([]byte(outer)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2lnbmF0dXJlLWNhbmFyeQ"
			seen.token("an outer token", text)
			a := present(text).send(t, server.public)
			said = append(said, fmt.Sprint(a.header, string(a.body)))
			said = append(said, fmt.Sprintf("%+v", upgrade{}.withQuery("access_token", text).dial(t, server).next(t)))
		}
	}
	return said
}

// TestACrashLeavesNothingBehind ends a server as a fault of the runtime would, with
// core files allowed and wanted, and looks at what is left.
func TestACrashLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "portcullis.yaml")
	require.NoError(t, os.WriteFile(path, []byte(realtimeConfig()), 0o600))
	cmd := exec.Command("sh", "-c", "ulimit -c unlimited 2>/dev/null; exec "+binary+" serve -c portcullis.yaml")
	cmd.Dir, cmd.Env = dir, environment("GOTRACEBACK=crash")
	server := launch(t, cmd)
	var serving struct {
		Listen string `json:"listen"`
	}
	require.NoError(t, json.Unmarshal([]byte(server.stderr.await(t, `"msg":"serving"`)), &serving))
	server.public = "http://" + serving.Listen
	seen := canaries{}
	for name, key := range realtimeKeys {
		seen.key(name, key)
	}
	token := mintRealtime(t, "full", nil)
	seen.token("the token", token)
	upgrade{}.withQuery("access_token", token).connect(t, server)
	require.Equal(t, 200, present(token).send(t, server.public).status)

	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", server.cmd.Process.Pid))
	require.NoError(t, err)
	require.Regexp(t, `Max core file size +0 +0 `, string(limits))
	server.signal(t, syscall.SIGQUIT)
	server.wait()
	status := server.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, status.Signaled() && !status.CoreDump(), "%v", server.cmd.ProcessState)
	require.Contains(t, server.stderr.all(), "goroutine ", "the stacks are there")
	seen.requireAbsent(t, "the stacks", server.stdout.all()+server.stderr.all())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "beside the configuration")
}
