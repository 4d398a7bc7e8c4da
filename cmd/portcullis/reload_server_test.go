package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/internal/config"
)

// patience is how long a test waits for what must happen before it gives up.
const patience = 20 * time.Second

// logLines collects log records and lets a test wait for one.
type logLines struct {
	mu    sync.Mutex
	more  *sync.Cond
	text  bytes.Buffer
	lines []map[string]any
}

func newLogLines() *logLines {
	l := &logLines{}
	l.more = sync.NewCond(&l.mu)
	return l
}

// Write takes one record: slog makes one call for each.
func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	var record map[string]any
	if json.Unmarshal(p, &record) == nil {
		l.lines = append(l.lines, record)
	}
	l.more.Broadcast()
	return len(p), nil
}

// await returns the first record from index on that has these attributes, and the
// index after it.
func (l *logLines) await(t *testing.T, from int, attributes map[string]any) (map[string]any, int) {
	t.Helper()
	timer := time.AfterFunc(patience, l.more.Broadcast)
	defer timer.Stop()
	deadline := time.Now().Add(patience)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := from; ; i++ {
		for i >= len(l.lines) {
			require.True(t, time.Now().Before(deadline), "no record with %v in\n%s", attributes, l.text.String())
			l.more.Wait()
		}
		matches := true
		for name, value := range attributes {
			matches = matches && l.lines[i][name] == value
		}
		if matches {
			return l.lines[i], i + 1
		}
	}
}

func (l *logLines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

func (l *logLines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// testServer is a server of serve, in this process.
type testServer struct {
	*reloader
	dir, path     string
	public, admin string // URLs
	logs          *logLines
	client        *http.Client
}

func startServer(t *testing.T, text string, files map[string]string) *testServer {
	t.Helper()
	s := &testServer{dir: t.TempDir(), logs: newLogLines(), client: &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	s.path = filepath.Join(s.dir, "c.yaml")
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600))
	}
	require.NoError(t, os.WriteFile(s.path, []byte(text), 0o600))
	source := config.Source{Path: s.path}
	c, err := source.Load()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- serveConfig(ctx, s.logs, source, &c, false, func(r *reloader, public, admin string) {
			s.reloader, s.public, s.admin = r, "http://"+public, "http://"+admin
			close(started)
		})
	}()
	select {
	case <-started:
	case err := <-ended:
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		cancel()
		require.NoError(t, <-ended)
		require.NotContains(t, s.logs.all(), canary)
	})
	return s
}

// replace puts a new file in the place of the configuration, as editors do.
func (s *testServer) replace(t *testing.T, name, text string) {
	t.Helper()
	temporary := filepath.Join(s.dir, ".swp")
	require.NoError(t, os.WriteFile(temporary, []byte(text), 0o600))
	require.NoError(t, os.Rename(temporary, filepath.Join(s.dir, name)))
}

// admits presents an API key.
func (s *testServer) admits(t *testing.T, key string) bool {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.public+"/v1/admit", nil)
	require.NoError(t, err)
	name, secret, _ := strings.Cut(key, ":")
	request.SetBasicAuth(name, secret)
	response, err := s.client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.Less(t, response.StatusCode, 500)
	return response.StatusCode == http.StatusOK
}

// metric reads a metric without labels.
func (s *testServer) metric(t *testing.T, name string) string {
	t.Helper()
	response, err := s.client.Get(s.admin + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no metric %s", name)
	return ""
}

// post asks for a reload as scripts do.
func (s *testServer) post(t *testing.T) int {
	t.Helper()
	response, err := s.client.Post(s.admin+"/-/reload", "", nil)
	require.NoError(t, err)
	response.Body.Close()
	return response.StatusCode
}
