package e2e

import (
	"bytes"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

const (
	typeJSON    = "application/json"
	typeMsgpack = "application/x-msgpack"
)

func TestAnswersInMsgpack(t *testing.T) {
	server := startServer(t, baseConfig())
	now := nowSeconds()
	good := present(mint(t, keyChat, map[string]any{"iat": now, "exp": now + 60, "x-ably-clientId": "ana"}))

	t.Run("admitted", func(t *testing.T) {
		a := good.withHeader("Accept", typeMsgpack).send(t, server.public)
		require.Equal(t, 200, a.status)
		require.Equal(t, []string{typeMsgpack}, a.header["Content-Type"])
		require.Equal(t, map[string]any{
			"admitted": true, "keyName": keyChat, "clientId": "ana", "capability": chatCapability,
			"issued": unixMilli(now), "expires": unixMilli(now + 60),
		}, unpack(t, a))
	})
	t.Run("admitted by key", func(t *testing.T) {
		a := presentKey(apiKey(keyChat)).withHeader("Accept", typeMsgpack).send(t, server.public)
		require.Equal(t, map[string]any{"admitted": true, "keyName": keyChat, "clientId": "*", "capability": chatCapability}, unpack(t, a))
	})
	for name, want := range map[string]refusal{
		"a.b.c":   {40144, 401, "base64_invalid"},
		"rubbish": {40005, 400, "malformed_token"},
		mint(t, keyChat, map[string]any{"iat": now - 60, "exp": now - 1}):                           {40142, 401, "token_expired"},
		mint(t, keyChat, map[string]any{"x-ably-capability": `{"x":["publish"]}`}):                  {40160, 401, "capability_empty"},
		replaceInSegment(0, app, "noApp")(t, mint(t, keyChat, map[string]any{"iat": nowSeconds()})): {40400, 404, "unknown_app"},
	} {
		t.Run(want.reason, func(t *testing.T) {
			a := present(name).withHeader("Accept", typeMsgpack).send(t, server.public)
			require.Equal(t, []string{typeMsgpack}, a.header["Content-Type"])
			members, ok := unpack(t, a)["error"].(map[string]any)
			require.True(t, ok)
			require.Len(t, members, 4)
			requireFault(t, a, fault{
				Code: int(members["code"].(int64)), StatusCode: int(members["statusCode"].(int64)),
				Message: members["message"].(string), Href: members["href"].(string),
			}, want)
		})
	}
	t.Run("which format", func(t *testing.T) {
		for _, c := range []struct{ accept, format, want string }{
			{"", "", typeJSON}, {"", "msgpack", typeMsgpack}, {"", "json", typeJSON},
			{"*/*", "msgpack", typeJSON}, {typeJSON, "msgpack", typeJSON}, {typeMsgpack, "json", typeMsgpack},
			{typeMsgpack + ", " + typeJSON + ";q=0.5", "", typeMsgpack}, {typeMsgpack + ";q=0.1, " + typeJSON, "", typeJSON},
			{"text/html", "", typeJSON}, {typeMsgpack + ";q=0", "", typeJSON},
		} {
			for _, r := range []request{good, {}} {
				if c.accept != "" {
					r = r.withHeader("Accept", c.accept)
				}
				if c.format != "" {
					r = r.with("format", c.format)
				}
				require.Equal(t, []string{c.want}, r.send(t, server.public).header["Content-Type"], "%+v", c)
			}
		}
	})
	server.stop(t)
}

// unpack decodes a msgpack map, of which nothing may be left over.
func unpack(t *testing.T, a answer) map[string]any {
	t.Helper()
	d := msgpack.NewDecoder(bytes.NewReader(a.body))
	d.UseLooseInterfaceDecoding(true) // every integer as int64
	members, err := d.DecodeMap()
	require.NoError(t, err, "%q", a.body)
	_, err = d.PeekCode()
	require.Error(t, err, "something stands behind the body")
	return members
}

func TestTime(t *testing.T) {
	server := startServer(t, baseConfig())
	for _, format := range []string{typeJSON, typeMsgpack} {
		before := time.Now().UnixMilli()
		a := request{path: "/time"}.withHeader("Accept", format).send(t, server.public)
		after := time.Now().UnixMilli()
		require.Equal(t, 200, a.status)
		require.Equal(t, []string{format}, a.header["Content-Type"])
		var times []int64
		if format == typeJSON {
			decodeStrictly(t, a.body, &times)
		} else {
			require.NoError(t, msgpack.Unmarshal(a.body, &times))
		}
		require.Len(t, times, 1)
		require.GreaterOrEqual(t, times[0], before)
		require.LessOrEqual(t, times[0], after)
	}
	server.stop(t)
}

func TestHealthAndAdminEndpoints(t *testing.T) {
	server := startServer(t, baseConfig())
	for _, base := range []string{server.public, server.admin} {
		for _, path := range []string{"/livez", "/readyz"} {
			a := request{path: path}.send(t, base)
			require.Equal(t, 200, a.status)
			require.Equal(t, "ok\n", string(a.body))
		}
		requireRefused(t, request{path: "/nothing"}.send(t, base), refusal{40400, 404, "not_found"})
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/debug/pprof/goroutine"} {
		require.Equal(t, 200, request{path: path}.send(t, server.admin).status, path)
		requireRefused(t, request{path: path}.send(t, server.public), refusal{40400, 404, "not_found"})
	}
	for _, path := range []string{"/v1/admit", "/time"} {
		requireRefused(t, request{path: path}.send(t, server.admin), refusal{40400, 404, "not_found"})
		a := request{method: "DELETE", path: path}.send(t, server.public)
		requireRefused(t, a, refusal{40500, 405, "method_not_allowed"})
		require.Contains(t, a.header.Get("Allow"), "GET")
	}
	good := present(mint(t, keyFull, nil))
	for path, want := range map[string]refusal{
		"/V1/admit":      {40400, 404, "not_found"},
		"/v1/admit/":     {40400, 404, "not_found"},
		"/v1/%61dmit":    {40400, 404, "not_found"},
		"/v1//admit":     {40000, 400, "bad_request"}, // two readers may take these for different paths
		"/v1/./admit":    {40000, 400, "bad_request"},
		"/v1%2Fadmit":    {40000, 400, "bad_request"},
		"/x/../v1/admit": {40000, 400, "bad_request"},
	} {
		good.path = path
		requireRefused(t, good.send(t, server.public), want)
	}
	server.stop(t)
}

func TestMetricsCountEveryDecision(t *testing.T) {
	server := startServer(t, baseConfig())
	at := metrics(t, server)
	for state, n := range map[string]float64{"active": 7, "disabled": 1, "verify_only": 1, "revoked": 1} {
		require.Equal(t, n, at[`portcullis_keys{state="`+state+`"}`], state)
	}
	require.Zero(t, at[decisions("admitted", "")])
	lastUsed := `portcullis_key_last_used_timestamp_seconds{key_name="` + keyFull + `"}`
	require.NotContains(t, at, lastUsed, "a key that was never used")

	started := time.Now()
	for i := range 5 {
		token := mint(t, keyFull, map[string]any{"x-ably-clientId": strconv.Itoa(i)})
		require.Equal(t, http.StatusOK, present(token).send(t, server.public).status)
		requireRefused(t, present(token+"A").send(t, server.public), refusal{code: 40144, status: 401})
	}
	requireRefused(t, request{}.send(t, server.public), refusal{code: 40101, status: 401})
	at = metrics(t, server)
	require.Equal(t, 5.0, at[decisions("admitted", "")])
	require.Equal(t, 1.0, at[decisions("refused", "no_credentials")])
	require.Equal(t, 11.0, at[`portcullis_decision_duration_seconds_count{surface="admit"}`])
	require.Equal(t, 10.0, at[`portcullis_cache_lookups_total{result="hit"}`]+at[`portcullis_cache_lookups_total{result="miss"}`])
	require.GreaterOrEqual(t, at[lastUsed], float64(started.Unix()))
	require.LessOrEqual(t, at[lastUsed], float64(time.Now().UnixMilli())/1000)
	require.NotZero(t, at["go_goroutines"])
	require.NotZero(t, at["process_cpu_seconds_total"]+at["process_resident_memory_bytes"])
	require.NotContains(t, at, decisions("admitted", "no_credentials"))
	server.stop(t)
}
