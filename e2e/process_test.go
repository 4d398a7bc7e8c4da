package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait, so that what never comes fails the test instead of
// hanging it.
const patience = 20 * time.Second

// lines is a stream of the program, kept whole, that can be waited on.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	new  chan string
}

func follow(r io.Reader) (l *lines, ended <-chan struct{}) {
	l = &lines{new: make(chan string, 1<<16)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(l.new)
		for s := bufio.NewScanner(r); s.Scan(); {
			l.mu.Lock()
			l.text.WriteString(s.Text() + "\n")
			l.mu.Unlock()
			l.new <- s.Text()
		}
	}()
	return l, done
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await returns the next line that holds text.
func (l *lines) await(t testing.TB, text string) string {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, more := <-l.new:
			if strings.Contains(line, text) {
				return line
			}
			require.True(t, more, "the stream ended without %q:\n%s", text, l.all())
		case <-deadline:
			require.Fail(t, "no line in time", "want %q, have:\n%s", text, l.all())
		}
	}
}

// process is a running program.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *lines
	ended          [2]<-chan struct{}
	public, admin  string // base URLs of a server
	config         string // the path of its configuration
	waited         bool
}

// start starts the program. The test's end kills it, if it has not ended by then.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = environment()
	return launch(t, cmd)
}

// launch starts any program, as start does.
func launch(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd}
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	stderr, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	p.stdout, p.ended[0] = follow(stdout)
	p.stderr, p.ended[1] = follow(stderr)
	t.Cleanup(func() {
		if !p.waited {
			_ = p.cmd.Process.Kill()
			p.wait()
		}
	})
	return p
}

// environment is this one's without what would configure the program.
func environment(add ...string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir()}
	return append(env, add...)
}

// startServer starts `serve` on a configuration, whose listeners are on free
// ports of loopback, and waits until it serves.
func startServer(t testing.TB, config string) *process {
	t.Helper()
	path := writeFile(t, "portcullis.yaml", config)
	p := start(t, "serve", "-c", path)
	p.config = path
	p.awaitServing(t)
	return p
}

// awaitServing waits until the program serves, and notes where.
func (p *process) awaitServing(t testing.TB) {
	t.Helper()
	var serving struct {
		Listen      string `json:"listen"`
		AdminListen string `json:"admin_listen"`
	}
	line := p.stderr.await(t, `"msg":"serving"`)
	require.NoError(t, json.Unmarshal([]byte(line), &serving), line)
	p.public, p.admin = "http://"+serving.Listen, "http://"+serving.AdminListen
}

func (p *process) signal(t testing.TB, s os.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

// exit waits for the program's end and returns its exit code.
func (p *process) exit(t testing.TB) int {
	t.Helper()
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	p.wait()
	require.True(t, p.cmd.ProcessState.Exited(), "ended by a signal: %s", p.cmd.ProcessState)
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) wait() {
	p.waited = true
	<-p.ended[0] // the pipes are read to their end before Wait closes them
	<-p.ended[1]
	_ = p.cmd.Wait()
}

// stop ends a server as a service manager does, and shows that it ends well.
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	require.Equal(t, 0, p.exit(t), "stderr:\n%s", p.stderr.all())
}

// result is what a command line that ends by itself has done.
type result struct {
	code           int
	stdout, stderr string
}

// command is one command line of the program.
type command struct {
	args  []string
	stdin string
	env   []string
}

func (c command) run(t testing.TB) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, c.args...)
	cmd.Env = environment(c.env...)
	cmd.Stdin = strings.NewReader(c.stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	require.True(t, cmd.ProcessState.Exited(), "%v: %s", c.args, cmd.ProcessState)
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
