package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
)

// configOf is a configuration of one key.
func configOf(keyID, more string) string {
	return strings.Replace(goodConfig, "id: k1", "id: "+keyID, 1) + more
}

func TestInvalidFilesChangeNothing(t *testing.T) {
	s := startServer(t, goodConfig, nil)
	faults := []struct {
		text   string // after a number of comment lines and the two keys
		column int
		path   string
	}{
		{"log: {level: loud}\n", 14, "log.level"},
		{"lg: {}\n", 1, ""},
		{"log: [\n", 7, ""},
		{"cache: {max_bytes: lots}\n", 20, "cache.max_bytes"},
		{"tokens: {max_ttl: 0s}\n", 19, "tokens.max_ttl"},
		{"tokens: {spelling: free}\n", 20, "tokens.spelling"},
		{"log: {level: \xff}\n", 14, ""},
		{"log: {level: &a info}\n", 14, "log.level"},
		{"store: memory\n", 8, "store"},
		{"---\nlog: {}\n", 1, ""},
	}
	for i := range 100 {
		f := faults[i%len(faults)]
		text := strings.Repeat("# line\n", i) + strings.Replace(goodConfig, "id: k1", "id: other", 1) + f.text
		line := i + 6
		if strings.HasPrefix(f.text, "---") {
			line++
		}
		at := fmt.Sprintf("%s:%d:%d", s.path, line, f.column)
		seen := s.logs.count()
		require.NoError(t, os.WriteFile(s.path, []byte(text), 0o600))
		require.NotEqual(t, http.StatusOK, s.post(t))
		record, _ := s.logs.await(t, seen, map[string]any{"trigger": "request"})
		require.Equal(t, "ERROR", record["level"])
		require.Equal(t, "configuration refused, the old one stays", record["msg"])
		require.Equal(t, at, record["at"], "%d: %v", i, record)
		require.Equal(t, f.path, record["path"])
		require.True(t, s.admits(t, "app.k1:"+canary), "the old key")
		require.False(t, s.admits(t, "app.other:"+canary), "the new key")
		require.Equal(t, "0", s.metric(t, "portcullis_config_last_reload_successful"))
	}
	require.NoError(t, os.WriteFile(s.path, []byte(configOf("other", "")), 0o600))
	require.Equal(t, http.StatusOK, s.post(t))
	require.False(t, s.admits(t, "app.k1:"+canary))
	require.True(t, s.admits(t, "app.other:"+canary))
	require.Equal(t, "1", s.metric(t, "portcullis_config_last_reload_successful"))
}

// TestAReloadLosesNoRequest keeps clients busy on keep-alive connections while
// the configuration changes, and counts.
func TestAReloadLosesNoRequest(t *testing.T) {
	s := startServer(t, goodConfig, nil)
	signer, err := engine.NewSigner("app.k1:" + canary)
	require.NoError(t, err)
	const clients, reloads = 8, 100
	var sent, admitted atomic.Int64
	var running, warm sync.WaitGroup
	warm.Add(clients)
	done := make(chan struct{})
	failures := make(chan error, clients)
	for range clients {
		token, err := signer.AppendJWT(nil, &engine.TokenParams{Issued: engine.Now()})
		require.NoError(t, err)
		running.Go(func() {
			transport := &http.Transport{MaxConnsPerHost: 1}
			client := &http.Client{Timeout: patience, Transport: transport}
			defer transport.CloseIdleConnections()
			for n := 0; ; n++ {
				if n == 10 {
					warm.Done()
				}
				select {
				case <-done:
					return
				default:
				}
				sent.Add(1)
				v, err := ask(context.Background(), client, s.public+"/v1/admit", string(token))
				if err != nil || !v.Admitted {
					failures <- fmt.Errorf("%+v: %w", v, err)
					return
				}
				admitted.Add(1)
			}
		})
	}
	warm.Wait()
	before := sent.Load()
	for i := range reloads {
		other := fmt.Sprintf("      - {id: extra%d, secret: %s}\n", i, canary)
		s.replace(t, "c.yaml", goodConfig+other+fmt.Sprintf("tokens: {max_ttl: %dh}\n", 2+i%20))
		require.NoError(t, s.reload("test"))
		require.True(t, s.admits(t, fmt.Sprintf("app.extra%d:%s", i, canary)), "what is loaded takes effect at once")
	}
	during := sent.Load() - before
	close(done)
	running.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
	require.Equal(t, sent.Load(), admitted.Load())
	require.Positive(t, during)
	t.Logf("%d of %d requests admitted, %d of them during %d reloads", admitted.Load(), sent.Load(), during, reloads)
}

func TestReplacedFilesAreNoticed(t *testing.T) {
	const fromFile = `server: {listen: "127.0.0.1:0", admin_listen: "127.0.0.1:0"}
apps: [{id: app, keys: [{id: k1, secret_file: secret}]}]
`
	reloaded := map[string]any{"msg": "configuration reloaded", "trigger": "file"}
	s := startServer(t, fromFile, map[string]string{"secret": canary})
	require.True(t, s.admits(t, "app.k1:"+canary))

	// A secret file is replaced.
	s.replace(t, "secret", canary+"-2")
	_, next := s.logs.await(t, 0, reloaded)
	require.False(t, s.admits(t, "app.k1:"+canary))
	require.True(t, s.admits(t, "app.k1:"+canary+"-2"))

	// The configuration file is replaced by one that names another file.
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "v1"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "v1", "secret"), []byte(canary+"-3"), 0o600))
	require.NoError(t, os.Symlink("v1", filepath.Join(s.dir, "present")))
	s.replace(t, "c.yaml", strings.Replace(fromFile, "secret_file: secret", "secret_file: present/secret", 1))
	_, next = s.logs.await(t, next, reloaded)
	require.True(t, s.admits(t, "app.k1:"+canary+"-3"))

	// That file is reached through a link, which is turned, as Kubernetes does.
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "v2"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "v2", "secret"), []byte(canary+"-4"), 0o600))
	require.NoError(t, os.Symlink("v2", filepath.Join(s.dir, "coming")))
	require.NoError(t, os.Rename(filepath.Join(s.dir, "coming"), filepath.Join(s.dir, "present")))
	_, next = s.logs.await(t, next, reloaded)
	require.True(t, s.admits(t, "app.k1:"+canary+"-4"))

	// A fault in the file, and its cure; in between the file is not even there.
	require.NoError(t, os.Remove(s.path))
	_, next = s.logs.await(t, next, map[string]any{"level": "ERROR", "trigger": "file", "at": s.path})
	require.True(t, s.admits(t, "app.k1:"+canary+"-4"))
	require.NoError(t, os.WriteFile(s.path, []byte(fromFile), 0o600))
	_, _ = s.logs.await(t, next, reloaded)
	require.True(t, s.admits(t, "app.k1:"+canary+"-2"))
}

func TestKeysThatAreChangedOnTheCommandLineTakeEffect(t *testing.T) {
	s := startServer(t, goodConfig, nil)
	rotated := execute(t, "keys", "rotate", "app.k1", "-c", s.path)
	require.Zero(t, rotated.code, rotated.err)
	s.logs.await(t, 0, map[string]any{"msg": "configuration reloaded", "trigger": "file"})
	require.True(t, s.admits(t, strings.TrimSpace(rotated.out)))
	require.False(t, s.admits(t, "app.k1:"+canary))
}

func TestSIGHUP(t *testing.T) {
	s := startServer(t, goodConfig, nil)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	s.logs.await(t, 0, map[string]any{"msg": "configuration reloaded", "trigger": "SIGHUP"})
}

func TestWhatNeedsARestartIsLogged(t *testing.T) {
	s := startServer(t, goodConfig, map[string]string{"token": "admin-0123456789"})
	changed := `server: {listen: "127.0.0.1:1", admin_listen: "127.0.0.1:2", admin_token_file: token, max_connections: 5, max_connections_per_ip: 6, allow_insecure_basic: false}
apps: [{id: app, keys: [{id: k1, secret: ` + canary + `}]}]
cache: {max_bytes: 1MiB}
log: {format: text, level: debug}
`
	require.NoError(t, os.WriteFile(s.path, []byte(changed), 0o600))
	require.NoError(t, s.reload("test"))
	next := 0
	for _, path := range []string{"server.listen", "server.admin_listen", "server.admin_token_file", "server.max_connections", "server.max_connections_per_ip", "cache.max_bytes", "log.format"} {
		var record map[string]any
		record, next = s.logs.await(t, next, map[string]any{"msg": "needs a restart"})
		require.Equal(t, path, record["path"])
		require.Equal(t, "WARN", record["level"])
		require.Contains(t, record["at"], s.path)
	}
	require.True(t, s.log.Enabled(context.Background(), -4), "the level has changed")
	require.False(t, s.admits(t, "app.k1:"+canary), "keys in clear are no longer accepted")
}

// certificatePEM makes a self-signed certificate for 127.0.0.1.
func certificatePEM(t *testing.T, serial int64, expires time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotBefore: expires.Add(-1000 * time.Hour), NotAfter: expires, DNSNames: []string{"portcullis.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func TestCertificatesAreReloaded(t *testing.T) {
	expires := time.Now().Add(100*24*time.Hour + time.Hour)
	cert, key := certificatePEM(t, 1, expires)
	withTLS := strings.Replace(goodConfig, `"127.0.0.1:0", admin`, `"127.0.0.1:0", tls: {cert_file: cert, key_file: key}, admin`, 1)
	s := startServer(t, withTLS, map[string]string{"cert": cert, "key": key})
	record, _ := s.logs.await(t, 0, map[string]any{"msg": "certificate"})
	require.Equal(t, expires.UTC().Format(time.RFC3339), record["expires"])
	require.Equal(t, []any{"portcullis.test"}, record["names"])
	require.Equal(t, float64(100), record["days_left"])

	dial := func(version uint16) (*tls.Conn, error) {
		return tls.Dial("tcp", strings.TrimPrefix(s.public, "http://"), &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
	}
	get := func(c *tls.Conn) int64 {
		_, err := io.WriteString(c, "GET /time HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
		require.NoError(t, err)
		answer := make([]byte, 1024)
		n, err := c.Read(answer)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(answer[:n]), "HTTP/1.1 200 OK"), "%s", answer[:n])
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	old, err := dial(0)
	require.NoError(t, err)
	defer old.Close()
	require.Equal(t, int64(1), get(old))
	_, err = dial(tls.VersionTLS11)
	require.Error(t, err, "TLS 1.1")
	twelve, err := dial(tls.VersionTLS12)
	require.NoError(t, err)
	defer twelve.Close()
	require.Equal(t, int64(1), get(twelve))

	// First the certificate, then its key: between the two they do not fit, and
	// the old pair stays.
	cert, key = certificatePEM(t, 2, expires)
	s.replace(t, "cert", cert)
	_, next := s.logs.await(t, 0, map[string]any{"level": "ERROR", "path": "server.tls"})
	s.replace(t, "key", key)
	s.logs.await(t, next, map[string]any{"msg": "configuration reloaded", "trigger": "file"})
	renewed, err := dial(0)
	require.NoError(t, err)
	defer renewed.Close()
	require.Equal(t, int64(2), get(renewed))
	require.Equal(t, int64(1), get(old), "connections stay")

	require.NoError(t, os.WriteFile(s.path, []byte(goodConfig), 0o600))
	require.NoError(t, s.reload("test"))
	s.logs.await(t, 0, map[string]any{"msg": "needs a restart", "path": "server.tls"})
	require.Equal(t, int64(2), get(renewed))
}

func TestWarningsAreLoggedAtTheStart(t *testing.T) {
	s := startServer(t, goodConfig+"cache: {max_bytes: 0}\n", nil)
	record, _ := s.logs.await(t, 0, map[string]any{"msg": "configuration"})
	require.Equal(t, map[string]any{"time": record["time"], "level": "WARN", "msg": "configuration", "at": s.path + ":6:20", "path": "cache.max_bytes",
		"problem": "no cache: every token is verified in full, every time"}, record)
}

func TestTextLogs(t *testing.T) {
	s := startServer(t, goodConfig+"log: {format: text}\n", nil)
	require.Contains(t, s.logs.all(), "level=INFO msg=serving listen=127.0.0.1:")
}

// TestABurstOfEventsIsOneReload runs on a clock of its own.
func TestABurstOfEventsIsOneReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan struct{})
		var fired []time.Duration
		start := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			debounce(events, func() { fired = append(fired, time.Since(start)) })
		}()
		for range 5 { // at 0, 20, … 80 ms
			events <- struct{}{}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []time.Duration{80*time.Millisecond + watchQuiet}, fired)

		// Events that never end do not put a reload off for good.
		fired, start = nil, time.Now()
		for range 50 { // every 50 ms, for 2.5 s
			events <- struct{}{}
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		require.Len(t, fired, 2)
		require.Equal(t, watchLimit, fired[0])
		close(events)
		<-done
		require.Len(t, fired, 2)
	})
}
