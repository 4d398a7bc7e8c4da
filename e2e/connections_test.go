package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rssGoal is how much of the server's memory one idle connection may take, in bytes.
const rssGoal = 16 << 10

// connectionLoad is a running realtime_load.
type connectionLoad struct {
	*process
	stdin io.WriteCloser
}

func startLoad(t testing.TB, program string, args ...string) connectionLoad {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = environment()
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	return connectionLoad{launch(t, cmd), stdin}
}

// opened is what became of attempts to connect.
type opened struct {
	Opened, Failed   int
	Seconds, Slowest float64
	Failure          string
}

// perSecond is the rate at which connections were made.
func (o opened) perSecond() float64 { return float64(o.Opened) / o.Seconds }

// endings are how connections ended.
type endings struct {
	Disconnected, Goodbye, Cut, Left int
	Seconds                          float64
}

// open has the load make its connections, a token each.
func (l connectionLoad) open(t testing.TB, tokens []string) (o opened) {
	t.Helper()
	_, err := io.WriteString(l.stdin, strings.Join(tokens, "\n")+"\n\n")
	require.NoError(t, err)
	line := l.stdout.await(t, `"opened"`)
	decodeStrictly(t, []byte(line), &o)
	require.Equal(t, len(tokens), o.Opened, "%d failed, the last with %q", o.Failed, o.Failure)
	return o
}

// ends reads how its connections have ended, and waits for its own end.
func (l connectionLoad) ends(t testing.TB) (e endings) {
	t.Helper()
	line := l.stdout.await(t, `"disconnected"`)
	decodeStrictly(t, []byte(line), &e)
	l.stdin.Close()
	require.Equal(t, 0, l.exit(t), l.stderr.all())
	return e
}

// rss is how much memory a process has, in bytes.
func rss(t testing.TB, p *process) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	require.NoError(t, err)
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	require.NoError(t, err)
	return pages * os.Getpagesize()
}

// loadTokens are as many JWTs, no two alike: none is verified from a cache.
func loadTokens(t testing.TB, n int) []string {
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = mintRealtime(t, "full", object{"x-ably-clientId": fmt.Sprint("load", i)})
	}
	return tokens
}

// TestConnections holds many idle connections: it measures what one takes of the
// server's memory, how many are admitted a second, beside a server that only
// upgrades them, and shows that a stop with all of them open lets each know.
func TestConnections(t *testing.T) {
	number := 500
	if longRun() {
		number = 10_000
	}
	program := buildHere(t, "./realtime_load")
	tokens := loadTokens(t, number)
	bare := startLoad(t, program, "-bare")
	bareAddress := strings.TrimSpace(bare.stdout.await(t, "127.0.0.1:"))
	server := startServer(t, realtimeConfig())
	address := strings.TrimPrefix(server.public, "http://")

	// round makes all connections to one server and drops them again.
	round := func(address string) opened {
		l := startLoad(t, program, "-address", address)
		o := l.open(t, tokens)
		l.stdin.Close()
		require.Equal(t, number, l.ends(t).Left)
		return o
	}
	round(bareAddress) // both are warm after one
	round(address)
	var ours, theirs opened
	for range 3 {
		if o := round(address); o.perSecond() > ours.perSecond() || ours.Opened == 0 {
			ours = o
		}
		if o := round(bareAddress); o.perSecond() > theirs.perSecond() || theirs.Opened == 0 {
			theirs = o
		}
	}
	require.NoError(t, bare.stdin.Close())
	require.Equal(t, 0, bare.exit(t))
	t.Logf("admission: %.0f connections/s, each with a JWT of its own, %.0f µs of both processors and both processes; bare upgrades: %.0f/s, %.0f µs",
		ours.perSecond(), 1e6/ours.perSecond(), theirs.perSecond(), 1e6/theirs.perSecond())
	t.Logf("slowest of %d connections: %.0f ms, bare %.0f ms", number, 1000*ours.Slowest, 1000*theirs.Slowest)
	server.stop(t)

	server = startServer(t, realtimeConfig())
	address = strings.TrimPrefix(server.public, "http://")
	warm := startLoad(t, program, "-address", address)
	warm.open(t, tokens[:100])
	warm.stdin.Close()
	warm.ends(t)
	before := settledRSS(t, server)
	l := startLoad(t, program, "-address", address)
	l.open(t, tokens)
	after := settledRSS(t, server)
	each := (after - before) / number
	t.Logf("memory: %d MiB before, %d MiB with %d connections: %.1f KiB each", before>>20, after>>20, number, float64(each)/1024)
	if longRun() {
		t.Logf("RATIO realtime_rss_kib_per_connection %.1f goal %d", float64(each)/1024, rssGoal/1024)
		require.LessOrEqual(t, each, rssGoal)
	}

	began := time.Now()
	server.stop(t)
	stopped := time.Since(began)
	e := l.ends(t)
	t.Logf("SIGTERM with %d connections open: %s to the exit; %d got DISCONNECTED, %d a close frame only, %d neither, within %.3f s",
		number, stopped.Round(time.Millisecond), e.Disconnected, e.Goodbye, e.Cut, e.Seconds)
	require.Zero(t, e.Left)
	require.Zero(t, e.Cut)
	require.Equal(t, number, e.Disconnected+e.Goodbye)
}

// settledRSS is the memory of a process that does nothing: it is read until it no
// longer changes.
func settledRSS(t testing.TB, p *process) int {
	t.Helper()
	deadline := time.Now().Add(patience)
	last := rss(t, p)
	for same := 0; same < 5 && time.Now().Before(deadline); {
		time.Sleep(200 * time.Millisecond) // the pace of looking
		now := rss(t, p)
		if same++; now != last {
			same = 0
		}
		last = now
	}
	return last
}
