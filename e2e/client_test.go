package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// request is one HTTP request of a test.
type request struct {
	method string // "" is GET
	path   string // "" is /v1/admit
	query  url.Values
	header http.Header
	host   string // "" is that of the URL
	body   string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

var client = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func (r request) send(t testing.TB, base string) answer {
	t.Helper()
	target := base + "/v1/admit"
	if r.path != "" {
		target = base + r.path
	}
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequest(r.method, target, bytes.NewReader([]byte(r.body)))
	require.NoError(t, err)
	for name, values := range r.header {
		req.Header[name] = values
	}
	if r.host != "" {
		req.Host = r.host
	}
	response, err := client.Do(req)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, body}
}

// with returns r with query parameters, name and value in turn, added.
func (r request) with(pairs ...string) request {
	query := url.Values{}
	for name, values := range r.query {
		query[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		query.Add(pairs[i], pairs[i+1])
	}
	r.query = query
	return r
}

func (r request) withHeader(name, value string) request {
	header := r.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header[http.CanonicalHeaderKey(name)] = []string{value}
	r.header = header
	return r
}

// present is a request that presents a token as it is.
func present(token string) request {
	return request{}.withHeader("Authorization", "Bearer "+token)
}

// presentKey is a request that presents an API key.
func presentKey(key string) request {
	return request{}.withHeader("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(key)))
}

// admission is the body of an admission, in either format.
type admission struct {
	Admitted   bool   `json:"admitted"`
	KeyName    string `json:"keyName"`
	ClientID   string `json:"clientId"`
	Capability string `json:"capability"`
	Issued     int64  `json:"issued"`
	Expires    int64  `json:"expires"`
}

// requireAdmitted requires an admission with exactly these members.
func requireAdmitted(t testing.TB, a answer, want admission) {
	t.Helper()
	require.Equal(t, 200, a.status, "%s", a.body)
	require.Equal(t, []string{"application/json"}, a.header["Content-Type"])
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Empty(t, a.header.Values("X-Ably-Errorcode"))
	var got admission
	decodeStrictly(t, a.body, &got)
	want.Admitted = true
	require.Equal(t, want, got)
	members := map[string]any{}
	require.NoError(t, json.Unmarshal(a.body, &members))
	require.Equal(t, want.ClientID != "", members["clientId"] != nil, "clientId is left out when there is none")
	require.Equal(t, want.Expires != 0, members["expires"] != nil, "expires is left out for an API key")
	require.Equal(t, want.Issued != 0, members["issued"] != nil, "issued is left out for an API key")
}

// refusal is what a refusal must say.
type refusal struct {
	code, status int
	reason       string // what the metrics call it
}

// fault is the member error of a refusal's body.
type fault struct {
	Code       int    `json:"code"`
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
	Href       string `json:"href"`
}

var printable = regexp.MustCompile(`^[ -~]{1,256}$`)

// requireRefused requires a refusal in JSON, all of its five places agreeing.
func requireRefused(t testing.TB, a answer, want refusal) {
	t.Helper()
	require.Equal(t, []string{"application/json"}, a.header["Content-Type"], "%s", a.body)
	var got struct {
		Error fault `json:"error"`
	}
	decodeStrictly(t, a.body, &got)
	requireFault(t, a, got.Error, want)
}

func requireFault(t testing.TB, a answer, got fault, want refusal) {
	t.Helper()
	require.Equal(t, want.code, got.Code, "%s", a.body)
	require.Equal(t, want.status, got.StatusCode)
	require.Equal(t, want.status, a.status)
	require.Equal(t, []string{strconv.Itoa(want.code)}, a.header["X-Ably-Errorcode"])
	require.Equal(t, []string{got.Message}, a.header["X-Ably-Errormessage"])
	require.Regexp(t, printable, got.Message)
	require.Equal(t, hrefOf(want.code), got.Href)
	require.Equal(t, want.status == 401, a.header.Get("Www-Authenticate") != "", "RFC 9110 §15.5.2: a 401 names a challenge")
}

func decodeStrictly(t testing.TB, body []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(into), "%s", body)
	_, err := d.Token()
	require.ErrorIs(t, err, io.EOF, "something stands behind the body: %s", body)
}

var sample = regexp.MustCompile(`(?m)^([a-z_]+(?:\{[^}]*\})?) (\S+)$`)

// metrics reads every sample of a server's /metrics.
func metrics(t testing.TB, p *process) map[string]float64 {
	t.Helper()
	a := request{path: "/metrics"}.send(t, p.admin)
	require.Equal(t, 200, a.status)
	samples := map[string]float64{}
	for _, m := range sample.FindAllSubmatch(a.body, -1) {
		value, err := strconv.ParseFloat(string(m[2]), 64)
		require.NoError(t, err)
		samples[string(m[1])] = value
	}
	return samples
}

// decisions names the counter of one kind of decision.
func decisions(result, reason string) string {
	return `portcullis_decisions_total{reason="` + reason + `",result="` + result + `",surface="admit"}`
}

// requireRefusedFor sends r and requires the refusal, and that the server has
// counted it under its reason and under nothing else.
func requireRefusedFor(t testing.TB, p *process, r request, want refusal) answer {
	t.Helper()
	before := metrics(t, p)
	a := r.send(t, p.public)
	requireRefused(t, a, want)
	after := metrics(t, p)
	for name, value := range after {
		moved := value - before[name]
		if name == decisions("refused", want.reason) {
			require.Equal(t, 1.0, moved, name)
		} else if len(name) > 26 && name[:26] == "portcullis_decisions_total" {
			require.Zero(t, moved, name)
		}
	}
	require.Contains(t, after, decisions("refused", want.reason), "an unknown reason")
	return a
}

// unixMilli is what seconds are in an answer.
func unixMilli(seconds int64) int64 { return seconds * 1000 }

// nowSeconds is the time as JWTs write it.
func nowSeconds() int64 { return time.Now().Unix() }

// hrefOf is where Ably explains a code.
func hrefOf(code int) string { return "https://help.ably.io/error/" + strconv.Itoa(code) }
