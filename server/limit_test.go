package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/server"
)

// keepOpen opens a connection and has one request answered on it.
func keepOpen(t *testing.T, address string) (conn net.Conn, response *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, _ = conn.Write([]byte("GET /time HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))
	response, err = http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	if response.StatusCode == 503 {
		require.JSONEq(t, `{"error":{"code":50004,"statusCode":503,"message":"overloaded","href":"https://help.ably.io/error/50004"}}`, string(body))
		require.Equal(t, []string{"application/json"}, response.Header["Content-Type"])
		require.Equal(t, "1", response.Header.Get("Retry-After"))
		require.Equal(t, "50004", response.Header.Get("X-Ably-Errorcode"))
		_, err := conn.Read(make([]byte, 1))
		require.Error(t, err, "the connection is closed")
	}
	return conn, response
}

func TestConnectionsAreLimited(t *testing.T) {
	for name, o := range map[string]server.Options{"in all": {MaxConnections: 2}, "from one address": {MaxConnectionsPerIP: 2}} {
		t.Run(name, func(t *testing.T) {
			address := newTCPSite(t, o)
			first, r := keepOpen(t, address)
			require.Equal(t, 200, r.StatusCode)
			_, r = keepOpen(t, address)
			require.Equal(t, 200, r.StatusCode)
			_, r = keepOpen(t, address)
			require.Equal(t, 503, r.StatusCode)
			require.NoError(t, first.Close())
			require.Eventually(t, func() bool {
				_, r := keepOpen(t, address)
				return r.StatusCode == 200
			}, 5*time.Second, 10*time.Millisecond, "a place that was given up is free again")
		})
	}
}
