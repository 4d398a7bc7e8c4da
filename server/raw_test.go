package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	fanout "portcullis/fanout/memory"
	"portcullis/server"
)

// newTCPSite serves on a real socket and returns its address.
func newTCPSite(t *testing.T, o server.Options) string {
	t.Helper()
	const secret = "0123456789abcdef0123456789abcdef"
	v, err := engine.NewVerifier(engine.Options{Keys: []engine.Key{
		{Name: "appId.keyId", Secret: secret},
		{Name: "appId.ours", Secret: secret, Restrictions: engine.Restrictions{IPs: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}},
		{Name: "appId.page", Secret: secret, Restrictions: engine.Restrictions{Origins: []string{"https://app.example.com"}}},
	}})
	require.NoError(t, err)
	o.Verifier = v
	o.Fanout = fanout.New(fanout.Options{})
	s := server.New(o)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		require.NoError(t, s.Shutdown(context.Background()))
		require.NoError(t, <-served)
	})
	return ln.Addr().String()
}

// exchange sends raw bytes on one connection, tells the server that no more will
// come, and returns the status of every answer until the connection is closed.
func exchange(t *testing.T, address, raw string) (statuses []int) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = conn.Write([]byte(raw))
	require.NoError(t, err)
	_ = conn.(*net.TCPConn).CloseWrite() // fails where the server has closed the connection already
	for r := bufio.NewReader(conn); ; {
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return statuses
		}
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		statuses = append(statuses, response.StatusCode)
	}
}

// What an attacker may send, and the one right answer. Where the framing is in
// doubt nothing that follows on the connection is read: the second request, the
// smuggled one, must not be answered.
func TestRawRequests(t *testing.T) {
	address := newTCPSite(t, server.Options{Settings: server.Settings{AllowInsecureBasic: true}, LoopbackOnly: true})
	const (
		host     = "Host: 127.0.0.1\r\n"
		smuggled = "GET /time HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
		get      = "GET /time HTTP/1.1\r\n" + host
	)
	post := func(headers, body string) string {
		return "POST /v1/admit HTTP/1.1\r\n" + host + headers + "\r\n" + body
	}
	for name, c := range map[string]struct {
		raw  string
		want []int
	}{
		"a proper request":               {get + "\r\n", []int{200}},
		"two proper requests":            {get + "\r\n" + smuggled, []int{200, 200}},
		"HTTP/1.0":                       {"GET /time HTTP/1.0\r\n" + host + "\r\n", []int{200}},
		"absolute form":                  {"GET http://127.0.0.1/time HTTP/1.1\r\n" + host + "\r\n", []int{400}},
		"asterisk form":                  {"OPTIONS * HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"authority form":                 {"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{405}},
		"content length and chunked":     {post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled), []int{400}},
		"chunked and content length":     {post("Transfer-Encoding: chunked\r\nContent-Length: 60\r\n", "0\r\n\r\n"+smuggled), []int{400}},
		"two content lengths":            {post("Content-Length: 0\r\nContent-Length: 60\r\n", smuggled), []int{400}},
		"two equal content lengths":      {post("Content-Length: 0\r\nContent-Length: 0\r\n", smuggled), []int{400}},
		"a list of content lengths":      {post("Content-Length: 0, 0\r\n", smuggled), []int{400}},
		"a signed content length":        {post("Content-Length: +0\r\n", smuggled), []int{400}},
		"a negative content length":      {post("Content-Length: -1\r\n", smuggled), []int{400}},
		"a hexadecimal content length":   {post("Content-Length: 0x0\r\n", smuggled), []int{400}},
		"a huge content length":          {post("Content-Length: 99999999999999999999\r\n", smuggled), []int{400}},
		"an identity in a trailer":       {post("Transfer-Encoding: chunked\r\nTrailer: X-Ably-ClientId\r\n", "0\r\nX-Ably-ClientId: bWFsbG9yeQ==\r\n\r\n"+smuggled), []int{400}},
		"an undeclared trailer":          {post("Transfer-Encoding: chunked\r\n", "0\r\nX-Ably-ClientId: bWFsbG9yeQ==\r\n\r\n"+smuggled), []int{400}},
		"an origin in a trailer":         {post("Transfer-Encoding: chunked\r\n", "0\r\nOrigin: http://evil.example\r\n\r\n"+smuggled), []int{400}},
		"close among others":             {get + "Connection: close, keep-alive\r\n\r\n" + smuggled, []int{200}},
		"a host with a user":             {"GET /time HTTP/1.1\r\nHost: evil.example@127.0.0.1\r\n\r\n" + smuggled, []int{403}},
		"a broken escape in a parameter": {"GET /channels/%zz HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"an escape that ends early":      {"GET /channels/a%2 HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"deep nesting":                   {"POST /v1/admit/batch HTTP/1.1\r\n" + host + "Content-Length: 3000000\r\n\r\n" + strings.Repeat("[", 3_000_000) + smuggled, []int{400, 200}},
		"deep nesting in a message":      {"POST /apps HTTP/1.1\r\n" + host + "Content-Length: 60000\r\n\r\n" + `{"a":` + strings.Repeat("[", 59_995) + smuggled, []int{404, 200}},
		"a body over the limit":          {post("Content-Length: 65537\r\n", ""), []int{413}},
		"two transfer encodings":         {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+smuggled), []int{400}},
		"a list of transfer encodings":   {post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"+smuggled), []int{400}},
		"transfer encoding identity":     {post("Transfer-Encoding: identity\r\n", smuggled), []int{400}},
		"another transfer encoding":      {post("Transfer-Encoding: xchunked\r\n", smuggled), []int{400}},
		"transfer encoding on HTTP/1.0":  {"POST /v1/admit HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}},
		"chunks":                         {post("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n"+smuggled), []int{401}},
		"chunks that a line feed ends":   {post("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\n"+smuggled), []int{401}},
		"chunks in other letters":        {post("TRANSFER-encoding: Chunked\r\n", "0\r\n\n"+smuggled), []int{401}},
		"a chunk size that overflows":    {post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\nab\r\n0\r\n\r\n"+smuggled), []int{400}},
		"a chunk that is too short":      {post("Transfer-Encoding: chunked\r\n", "5\r\nab\r\n0\r\n\r\n"+smuggled), []int{400}},
		"chunks over the limit":          {post("Transfer-Encoding: chunked\r\n", "10001\r\n"+strings.Repeat("x", 65537)+"\r\n0\r\n\r\n"), []int{413}},
		"a space before the colon":       {get + "Content-Length : 0\r\n\r\n" + smuggled, []int{400}},
		"a folded header":                {get + "X-A: b\r\n c\r\n\r\n" + smuggled, []int{400}},
		"a folded first header":          {"GET /time HTTP/1.1\r\n Host: x\r\n" + host + "\r\n" + smuggled, []int{400}},
		"a folded transfer encoding":     {post("X-A: b\r\n\tTransfer-Encoding: chunked\r\nContent-Length: 0\r\n", smuggled), []int{400}},
		"a space in a header name":       {get + "X A: b\r\n\r\n" + smuggled, []int{400}},
		"a bracket in a header name":     {get + "X[A]: b\r\n\r\n" + smuggled, []int{400}},
		"a high byte in a header name":   {get + "X\xff: b\r\n\r\n" + smuggled, []int{400}},
		"no header name":                 {get + ": b\r\n\r\n" + smuggled, []int{400}},
		"no colon":                       {get + "Nothing\r\n\r\n" + smuggled, []int{400}},
		"a NUL in a header value":        {get + "X-A: b\x00c\r\n\r\n" + smuggled, []int{400}},
		"a bare line feed":               {get + "X-A: b\nX-B: c\r\n\r\n" + smuggled, []int{400}},
		"a bare carriage return":         {get + "X-A: b\rX-B: c\r\n\r\n" + smuggled, []int{400}},
		"no host":                        {"GET /time HTTP/1.1\r\n\r\n" + smuggled, []int{400}},
		"two hosts":                      {get + host + "\r\n" + smuggled, []int{400}},
		"a foreign host":                 {"GET /time HTTP/1.1\r\nHost: evil.example\r\n\r\n" + smuggled, []int{403}},
		"a host that begins as ours":     {"GET /time HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n" + smuggled, []int{403}},
		"localhost":                      {"GET /time HTTP/1.1\r\nHost: localhost:8080\r\n\r\n", []int{200}},
		"an IPv6 loopback host":          {"GET /time HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", []int{200}},
		"two authorizations":             {post("Authorization: Bearer a.b.c\r\nAuthorization: Bearer a.b.c\r\n", "") + smuggled, []int{400}},
		"two authorizations, two cases":  {post("authorization: Bearer a.b.c\r\nAUTHORIZATION: Basic eA==\r\n", "") + smuggled, []int{400}},
		"two content types":              {post("Content-Type: application/json\r\nContent-Type: text/plain\r\n", "") + smuggled, []int{400}},
		"two client ids":                 {post("X-Ably-ClientId: YQ==\r\nX-Ably-ClientId: YQ==\r\n", "") + smuggled, []int{400}},
		"two origins":                    {post("Origin: http://a\r\nOrigin: http://b\r\n", "") + smuggled, []int{400}},
		"HTTP/2 with prior knowledge":    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{505}},
		"HTTP/9.9":                       {"GET /time HTTP/9.9\r\n" + host + "\r\n" + smuggled, []int{505}},
		"HTTP/2.0":                       {"GET /time HTTP/2.0\r\n" + host + "\r\n" + smuggled, []int{505}},
		"no version":                     {"GET /time\r\n" + host + "\r\n" + smuggled, []int{400}},
		"another protocol":               {"GET /time FTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"another method":                 {"BREW /time HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{405}},
		"TRACE":                          {"TRACE /time HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{405}},
		"a control character in method":  {"GE\x01T /time HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"garbage":                        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" + smuggled, []int{400}},
		"an encoded slash":               {"GET /v1%2fadmit HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"an encoded dot segment":         {"GET /x/%2e%2e/time HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"a doubly encoded slash":         {"GET /v1%252fadmit HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"an encoded NUL":                 {"GET /time%00 HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"an encoded backslash":           {"GET /v1%5cadmit HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"a broken escape":                {"GET /time%zz HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"a backslash":                    {"GET /v1\\admit HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"two slashes":                    {"GET //time HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"a dot segment":                  {"GET /x/../time HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"a letter that is encoded":       {"GET /%74ime HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{404, 200}},
		"a fragment":                     {"GET /time#x HTTP/1.1\r\n" + host + "\r\n" + smuggled, []int{400}},
		"expect the unknown":             {post("Expect: 200-maybe\r\n", "") + smuggled, []int{417}},
		"expect twice":                   {post("Expect: 100-continue\r\nExpect: 100-continue\r\n", "") + smuggled, []int{400}},
		"an upgrade is ignored":          {get + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", []int{200}},
		"a forwarded host is ignored":    {"GET /time HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: 127.0.0.1\r\n\r\n", []int{403}},
		"a head over the limit":          {get + "X-A: " + strings.Repeat("x", 17<<10) + "\r\n\r\n" + smuggled, []int{431}},
		"many short headers":             {get + strings.Repeat("A: b\r\n", 3000) + "\r\n" + smuggled, []int{431}},
		"a target over the limit":        {"GET /" + strings.Repeat("x", 17<<10) + " HTTP/1.1\r\n" + host + "\r\n", []int{431}},
		"a publish over the limit":       {"POST /channels/a%2Fb/messages HTTP/1.1\r\n" + host + "Content-Length: 262145\r\n\r\n", []int{413}},
		"a batch of more than the limit": {"POST /v1/admit/batch HTTP/1.1\r\n" + host + "Content-Length: 4194305\r\n\r\n", []int{413}},
	} {
		got := exchange(t, address, c.raw)
		if name == "expect twice" { // fasthttp has said to continue before the head is judged
			got = withoutContinue(got)
		}
		require.Equal(t, c.want, got, name)
		require.Equal(t, []int{200}, exchange(t, address, smuggled), "the server is alive after %s", name)
	}
}

func withoutContinue(statuses []int) (rest []int) {
	for _, s := range statuses {
		if s != 100 {
			rest = append(rest, s)
		}
	}
	return rest
}

// A client that sends slowly, or stops, is answered 408 and closed in time.
func TestSlowRequestsAreClosed(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the read timeout of 5 s; the full run has it")
	}
	address := newTCPSite(t, server.Options{})
	for name, raw := range map[string]string{
		"a head that stops": "GET /time HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b",
		"a body that stops": "POST /v1/admit HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nabc",
		"nothing at all":    "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			defer conn.Close()
			start := time.Now()
			_, err = fmt.Fprint(conn, raw)
			require.NoError(t, err)
			require.NoError(t, conn.SetDeadline(start.Add(6*time.Second)))
			answer, err := io.ReadAll(conn)
			require.NoError(t, err, "not closed within the read timeout and a second")
			if raw != "" {
				require.Contains(t, string(answer), "HTTP/1.1 408")
			}
		})
	}
}
