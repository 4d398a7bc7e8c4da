package doctest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a command may take. It ends a hanging test, nothing else.
const patience = time.Minute

// The addresses that pages write, and those that the server of a page has.
const (
	writtenPublic = "127.0.0.1:8080"
	writtenAdmin  = "127.0.0.1:8090"
)

// freePorts has a server of a page choose its ports.
var freePorts = strings.NewReplacer(writtenPublic, "127.0.0.1:0", writtenAdmin, "127.0.0.1:0")

// page is one document while it is run.
type page struct {
	t      *testing.T
	dir    string
	state  string // file of exported variables
	server *server
}

// run runs the blocks of a page from top to bottom.
func run(t *testing.T, list []block) {
	work := t.TempDir()
	p := &page{t: t, dir: filepath.Join(work, "page"), state: filepath.Join(work, "exported")}
	require.NoError(t, os.MkdirAll(filepath.Join(p.dir, "bin"), 0o755))
	require.NoError(t, os.Symlink(binary, filepath.Join(p.dir, "bin", "portcullis")))
	require.NoError(t, os.Symlink(root, filepath.Join(p.dir, "portcullis")))
	require.NoError(t, os.WriteFile(p.state, nil, 0o600))
	defer p.stop()
	for _, b := range list {
		p.block(b)
	}
}

func (p *page) block(b block) {
	if b.file != "" {
		path := filepath.Join(p.dir, b.file)
		require.NoError(p.t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(p.t, os.WriteFile(path, []byte(freePorts.Replace(b.text)), 0o600))
	}
	switch {
	case b.norun != "":
		p.t.Logf("%s, line %d: not run: %s", p.t.Name(), b.line, b.norun)
	case b.server:
		p.serve(b)
	case b.language == "sh":
		output, exit := p.command(b.text)
		require.Equal(p.t, b.exit, exit, "line %d:\n%s\nprinted:\n%s", b.line, b.text, output)
	case b.language == "console":
		steps, err := b.steps()
		require.NoError(p.t, err)
		for i, s := range steps {
			want := 0
			if i == len(steps)-1 {
				want = b.exit
			}
			output, exit := p.command(s.command)
			require.Equal(p.t, want, exit, "line %d: %sprinted:\n%s", b.line, s.command, output)
			require.True(p.t, matches(s.output, output), "line %d: %sshows:\n%s\nprints:\n%s", b.line, s.command, s.output, output)
		}
	case b.language == "go":
		compile(p.t, b)
	}
}

// command runs bash on a script and returns what it printed, on both outputs,
// with the addresses that pages write.
func (p *page) command(script string) (output string, exit int) {
	if p.server != nil {
		script = strings.NewReplacer(writtenPublic, p.server.public, writtenAdmin, p.server.admin).Replace(script)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", `. "$0"; trap 'export -p > "$0"' EXIT; `+script, p.state)
	c.Dir, c.Env = p.dir, environment()
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		require.NoError(p.t, err)
	}
	require.NoError(p.t, ctx.Err(), script)
	output = downloading.ReplaceAllString(out.String(), "")
	if p.server != nil {
		output = strings.NewReplacer(p.server.public, writtenPublic, p.server.admin, writtenAdmin).Replace(output)
	}
	return output, c.ProcessState.ExitCode()
}

// downloading is what go prints on a machine that does not have a module yet.
var downloading = regexp.MustCompile(`(?m)^go: downloading .*\n`)

// environment is that of a newcomer: nothing of Portcullis, of a make that runs
// this test or of a proxy for loopback addresses is set.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "PORTCULLIS_") {
			continue
		}
		switch name {
		case "ABLY_API_KEY", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "GOFLAGS":
		default:
			env = append(env, v)
		}
	}
	return append(env, "NO_COLOR=1", "GOWORK=off", "no_proxy=127.0.0.1", "LC_ALL=C.UTF-8")
}

// server is a program that a page has started and that is still running.
type server struct {
	cmd           *exec.Cmd
	exited        chan error
	public, admin string
}

var (
	address = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)
	export  = regexp.MustCompile(`(?m)^\s*(export [A-Z_]+=\S+)$`)

	// started matches once a server has printed everything that it prints at its
	// start: the last line of dev, and that of serve in both log formats.
	started = regexp.MustCompile(`(?m)^Ctrl-C stops the server\.$|"msg":"serving".*\n|\bmsg=serving .*\n`)
)

// serve starts the server of a block and waits until it has printed what the
// page shows.
func (p *page) serve(b block) {
	p.stop()
	steps, err := b.steps()
	require.NoError(p.t, err)
	args := strings.Fields(freePorts.Replace(steps[0].command))
	if strings.Join(args, " ") == "make run" {
		args = []string{"bin/portcullis", "dev"}
	}
	require.GreaterOrEqual(p.t, len(args), 2)
	require.Equal(p.t, "bin/portcullis", args[0], "line %d", b.line)
	if args[1] == "dev" {
		args = append(args, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	}
	s := &server{cmd: exec.Command(binary, args[1:]...), exited: make(chan error, 1)}
	s.cmd.Dir, s.cmd.Env = p.dir, environment()
	out := &output{changed: make(chan struct{}, 1)}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	require.NoError(p.t, s.cmd.Start())
	p.server = s
	go func() { s.exited <- s.cmd.Wait() }()

	timeout := time.After(patience)
	for {
		text := out.String()
		complete := started.MatchString(text)
		// The addresses are told in this order by dev and by serve.
		if found := address.FindAllString(text, -1); s.admin == "" && len(found) > 1 {
			for _, a := range found[1:] {
				if a != found[0] {
					s.public, s.admin = found[0], a
					break
				}
			}
		}
		if s.admin != "" {
			shown := strings.NewReplacer(s.public, writtenPublic, s.admin, writtenAdmin).Replace(text)
			if matches(steps[0].output, shown) {
				if line := export.FindStringSubmatch(text); line != nil {
					_, exit := p.command(line[1])
					require.Zero(p.t, exit)
				}
				return
			}
		}
		require.False(p.t, complete, "line %d: the server has started, and prints something else than the page shows:\n%s", b.line, text)
		select {
		case <-out.changed:
		case err := <-s.exited:
			p.server = nil
			require.Fail(p.t, "the server has ended", "line %d: %v\n%s", b.line, err, out.String())
		case <-timeout:
			require.Fail(p.t, "the server does not print what the page shows", "line %d:\n%s", b.line, out.String())
		}
	}
}

// stop ends the server as Ctrl-C or a service manager would.
func (p *page) stop() {
	if p.server == nil {
		return
	}
	s := p.server
	p.server = nil
	require.NoError(p.t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.exited:
		require.NoError(p.t, err, "exit of the server")
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		require.Fail(p.t, "the server does not stop")
	}
}

// output collects what a program prints and tells when there is more.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
