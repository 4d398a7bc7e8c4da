package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests named TestAbly run the unmodified Ably SDK of npm against a server.
// js/ably.mjs does what it is told and says what came of it; what is right is
// decided here.

// object is a JSON object on its way to JavaScript.
type object = map[string]any

// ablyCase is one client and what it does.
type ablyCase struct {
	name        string
	client      ablyClient
	calls       []ablyCall
	clockOffset int  // milliseconds by which the client's clock is off
	observe     bool // note what passes between client and server
	check       func(t *testing.T, did ablyDid)
}

// ablyClient is how the client is made; see js/ably/client.mjs.
type ablyClient struct {
	Options  object `json:"options,omitempty"`
	Literal  object `json:"literal,omitempty"`
	Callback object `json:"callback,omitempty"`
	Device   bool   `json:"device,omitempty"` // it is a device that receives push messages
}

// keyClient is a client with an API key.
func keyClient(key string) ablyClient { return ablyClient{Options: object{"key": key}} }

// ablyCall is one call; see js/ably/calls.mjs.
type ablyCall object

func askToken(params object) ablyCall { return ablyCall{"do": "requestToken", "params": params} }

// ablyDid is what the client did.
type ablyDid struct {
	Case      string
	Before    int64         // the server's time when it began
	Outcomes  []ablyOutcome // one a call
	Callbacks int           // how often authCallback was called
	Exchanges []struct {
		Method, Path string
		Token        int // which of the tokens seen so far, from 0; -1 for none
		Status, Code int
	}
	Binary bool `json:"-"`
}

// ablyOutcome is what the SDK returned or threw.
type ablyOutcome struct {
	Result json.RawMessage
	Error  *fault
	Broken string // thrown by something else, or in another form
}

// into decodes what the SDK returned.
func (o ablyOutcome) into(t testing.TB, dst any) {
	t.Helper()
	require.Nil(t, o.Error)
	require.NoError(t, json.Unmarshal(o.Result, dst), "%s", o.Result)
}

// requireThrew requires the error that the SDK made of a server's refusal.
func (o ablyOutcome) requireThrew(t testing.TB, code, status int, message string) {
	t.Helper()
	require.NotNil(t, o.Error, "it succeeded: %s", o.Result)
	require.Equal(t, code, o.Error.Code, o.Error.Message)
	require.Equal(t, status, o.Error.StatusCode)
	require.Contains(t, o.Error.Message, message)
	require.NotEmpty(t, o.Error.Message)
	require.Equal(t, hrefOf(code), o.Error.Href)
}

// threw checks a case whose only outcome is an error.
func threw(code, status int, message string) func(*testing.T, ablyDid) {
	return func(t *testing.T, did ablyDid) {
		require.Len(t, did.Outcomes, 1)
		did.Outcomes[0].requireThrew(t, code, status, message)
	}
}

// tokenDetails is a token as the SDK returns it.
type tokenDetails struct {
	Token, KeyName, Capability, ClientID, Method string
	Issued, Expires                              int64
}

// tokenOf is the token of one outcome, with what holds for every one of them.
func (d ablyDid) tokenOf(t testing.TB, i int) (details tokenDetails) {
	t.Helper()
	require.Greater(t, len(d.Outcomes), i)
	d.Outcomes[i].into(t, &details)
	appID, _, _ := strings.Cut(details.KeyName, ".")
	require.True(t, strings.HasPrefix(details.Token, appID+"."), "a token begins with the app's id")
	require.GreaterOrEqual(t, details.Issued, d.Before)
	return details
}

// restAnswer is what rest.request returns.
type restAnswer struct {
	StatusCode   int
	Success      bool
	Items        []json.RawMessage
	ContentType  string
	ErrorCode    int
	ErrorMessage string
}

func (d ablyDid) answerOf(t testing.TB, i int) (a restAnswer) {
	t.Helper()
	require.Greater(t, len(d.Outcomes), i)
	d.Outcomes[i].into(t, &a)
	want := typeJSON
	if d.Binary {
		want = typeMsgpack
	}
	require.Equal(t, want, a.ContentType, "the client's own format")
	return a
}

// runAbly runs the cases in each of the SDK's two formats, in one process each.
func runAbly(t *testing.T, url string, cases []ablyCase) {
	t.Helper()
	runAblyAnew(t, url, func(*testing.T) []ablyCase { return cases })
}

// runAblyAnew runs cases that are made anew for each format.
func runAblyAnew(t *testing.T, url string, make func(t *testing.T) []ablyCase) {
	t.Helper()
	require.DirExists(t, filepath.Join("js", "node_modules", "ably"), "run: npm ci --prefix e2e/js")
	for _, binary := range []bool{false, true} {
		name := "json"
		if binary {
			name = "msgpack"
		}
		t.Run(name, func(t *testing.T) {
			cases := make(t)
			did := doAbly(t, url, binary, cases)
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					d, present := did[c.name]
					require.True(t, present, "the case did not run")
					require.NotEmpty(t, d.Outcomes)
					for _, o := range d.Outcomes {
						require.Empty(t, o.Broken)
					}
					c.check(t, d)
				})
			}
			require.Len(t, did, len(cases))
		})
	}
}

func doAbly(t *testing.T, url string, binary bool, cases []ablyCase) map[string]ablyDid {
	t.Helper()
	var jobs []object
	for _, c := range cases {
		jobs = append(jobs, object{
			"case": c.name, "client": c.client, "calls": c.calls, "clockOffset": c.clockOffset, "observe": c.observe,
		})
	}
	input, err := json.Marshal(object{"url": url, "binary": binary, "jobs": jobs})
	require.NoError(t, err)
	did := map[string]ablyDid{}
	for line := range strings.Lines(runMinter(t, exec.Command("node", filepath.Join("js", "ably.mjs")), input)) {
		var d ablyDid
		require.NoError(t, json.NewDecoder(bytes.NewReader([]byte(line))).Decode(&d), line)
		require.NotContains(t, did, d.Case, "two cases of one name")
		d.Binary = binary
		did[d.Case] = d
	}
	return did
}

// devServer is a running `portcullis dev`.
type devServer struct {
	*process
	Key, Server, Admin string
}

func startDev(t testing.TB) devServer {
	t.Helper()
	d := devServer{process: start(t, "dev", "--json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")}
	line := d.stdout.await(t, "{")
	require.NoError(t, json.Unmarshal([]byte(line), &d), line)
	return d
}

// sandboxKey is a key that POST /apps has made.
type sandboxKey struct {
	KeyName, KeySecret, KeyStr, Capability string
	RevocableTokens                        bool
}

// createApp makes an app with a key for each object, in Ably's form.
func createApp(t testing.TB, url string, keys ...object) (created []sandboxKey) {
	t.Helper()
	body, err := json.Marshal(object{"keys": keys, "namespaces": []object{{"id": "persisted", "persisted": true}}})
	require.NoError(t, err)
	a := request{method: "POST", path: "/apps", body: string(body)}.withHeader("Content-Type", typeJSON).send(t, url)
	require.Equal(t, 201, a.status, "%s", a.body)
	var app struct {
		Keys       []sandboxKey
		Namespaces []json.RawMessage
	}
	require.NoError(t, json.Unmarshal(a.body, &app))
	require.Len(t, app.Keys, len(keys))
	require.Len(t, app.Namespaces, 1)
	return app.Keys
}

// mintWith mints a JWT with a sandbox key.
func mintWith(t *testing.T, k sandboxKey, claims object) string {
	t.Helper()
	return mintGolangJWT(t, []job{{Alg: "HS256", Kid: k.KeyName, Secret: k.KeySecret, Claims: claims}})[0]
}
