package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// heldConn is a keep-alive connection in the middle of its second request: the
// server has read the head and waits for the body.
type heldConn struct {
	net.Conn
	r *bufio.Reader
}

const heldBody = "body!"

func hold(t *testing.T, server *process, token string) heldConn {
	t.Helper()
	host := strings.TrimPrefix(server.public, "http://")
	conn, err := net.Dial("tcp", host)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	c := heldConn{conn, bufio.NewReader(conn)}

	head := "POST /v1/admit HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + token + "\r\n"
	fmt.Fprintf(c, "%sContent-Length: 0\r\n\r\n", head)
	response, _ := c.read(t)
	require.False(t, response.Close, "the connection must stay open")

	fmt.Fprintf(c, "%sContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", head, len(heldBody))
	line, err := c.r.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")
	_, err = c.r.ReadString('\n')
	require.NoError(t, err)
	return c
}

func (c heldConn) read(t *testing.T) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(c.r, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode, "%s", body)
	return response, string(body)
}

// TestARequestInFlightSurvivesSIGTERM shows the whole of a drain: the requests
// that the server has begun to read are answered, readiness turns false, new
// connections are refused, and the exit code is 0.
func TestARequestInFlightSurvivesSIGTERM(t *testing.T) {
	server := startServer(t, baseConfig())
	token := mint(t, keyFull, nil)
	var held []heldConn
	for range 8 {
		held = append(held, hold(t, server, token))
	}
	server.signal(t, syscall.SIGTERM)
	server.stderr.await(t, `"msg":"draining"`)

	// The admin listener answers until the public one has drained.
	deadline := time.Now().Add(patience)
	for {
		a := request{path: "/readyz"}.send(t, server.admin)
		if a.status == 503 {
			require.Equal(t, "draining\n", string(a.body))
			break
		}
		require.Equal(t, 200, a.status)
		require.True(t, time.Now().Before(deadline), "still ready")
	}
	for _, c := range held {
		_, err := io.WriteString(c, heldBody)
		require.NoError(t, err)
		response, body := c.read(t)
		require.True(t, response.Close, "the last answer of a connection says so")
		require.Contains(t, body, `"admitted":true`)
		_, err = c.r.ReadByte()
		require.ErrorIs(t, err, io.EOF)
	}
	require.Equal(t, 0, server.exit(t), server.stderr.all())
	require.Contains(t, server.stderr.all(), `"msg":"stopped"`)
	_, err := net.Dial("tcp", strings.TrimPrefix(server.public, "http://"))
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// TestKeepAliveClientsLoseNothing keeps clients busy while the server drains.
// Every request that a client sends is answered in full, until one of two things
// tells it to go elsewhere: an answer with Connection: close, or a connection
// refused. (net/http tries again where a server closes an idle connection just
// as a request is sent, RFC 9112 §9.3.1; that new connection is then refused.)
func TestKeepAliveClientsLoseNothing(t *testing.T) {
	server := startServer(t, baseConfig())
	const clients, warm = 16, 50
	var warmed, stopping sync.WaitGroup
	warmed.Add(clients)
	var answered, told atomic.Int64
	problems := make(chan error, clients)
	for i := range clients {
		token := mint(t, keyFull, map[string]any{"x-ably-clientId": fmt.Sprint("client", i)})
		stopping.Go(func() {
			own := &http.Client{Timeout: patience, Transport: &http.Transport{}}
			defer own.CloseIdleConnections()
			for n := 1; ; n++ {
				closing, err := admitOnce(own, server.public, token)
				if err != nil {
					if !errors.Is(err, syscall.ECONNREFUSED) || n <= warm {
						problems <- fmt.Errorf("client %d, request %d: %w", i, n, err)
					}
					break
				}
				answered.Add(1)
				if n == warm {
					warmed.Done()
				}
				if closing {
					told.Add(1)
					break
				}
			}
		})
	}
	warmed.Wait()
	server.signal(t, syscall.SIGTERM)
	code := server.exit(t)
	stopping.Wait()
	close(problems)
	for err := range problems {
		require.NoError(t, err)
	}
	require.Equal(t, 0, code, server.stderr.all())
	require.GreaterOrEqual(t, answered.Load(), int64(clients*warm))
	t.Logf("%d requests answered, %d of %d clients told to go by Connection: close", answered.Load(), told.Load(), clients)
}

func admitOnce(c *http.Client, base, token string) (closing bool, err error) {
	req, err := http.NewRequest("GET", base+"/v1/admit", nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	response, err := c.Do(req)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return false, err
	}
	if response.StatusCode != 200 || !strings.Contains(string(body), `"admitted":true`) {
		return false, fmt.Errorf("HTTP %d: %s", response.StatusCode, body)
	}
	return response.Close, nil
}
