package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the server promises about requests that do not arrive.
const (
	readTimeout = 5.0 // seconds after the first byte
	closeWithin = readTimeout + 1
)

// longRun says that the tests which are worth more time get it.
func longRun() bool { return os.Getenv("PORTCULLIS_LONG") == "1" }

// TestSlowConnections shows that slow connections, the weapon of Slowloris, cost
// good clients nothing, and that the server ends every one in time. Three
// processes take part: the server, the slow client, and the good ones here.
func TestSlowConnections(t *testing.T) {
	connections := 1000
	if longRun() {
		connections = 10_000
	}
	server := startServer(t, baseConfig())
	good := startClients(t, server.public, 4)

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	slow := exec.CommandContext(ctx, buildHere(t, "./slow"),
		"-address", strings.TrimPrefix(server.public, "http://"), "-connections", strconv.Itoa(connections))
	var stderr bytes.Buffer
	slow.Env, slow.Stderr = environment(), &stderr
	before := good.answered.Load()
	out, err := slow.Output()
	require.NoError(t, err, stderr.String())
	meanwhile := good.answered.Load() - before
	good.stop(t)

	var got struct {
		Opened, Failed, Peak, Closed, Left, TimedOut int
		Earliest, Latest                             float64
		Failure                                      string
	}
	decodeStrictly(t, out, &got)
	t.Logf("%s, %d of them meanwhile", good, meanwhile)
	t.Logf("%d slow connections opened, %d at once, %d closed by the server, %d of them with 408, earliest %.3f s and latest %.3f s after the first byte",
		got.Opened, got.Peak, got.Closed, got.TimedOut, got.Earliest, got.Latest)
	require.Equal(t, connections, got.Opened, got.Failure)
	require.Zero(t, got.Failed, got.Failure)
	require.Equal(t, connections, got.Closed)
	require.Zero(t, got.Left)
	require.GreaterOrEqual(t, got.Peak, connections*9/10, "they were not there together")
	require.LessOrEqual(t, got.Latest, closeWithin)
	require.Greater(t, got.Earliest, readTimeout-1, "slow is not yet too slow")
	require.Greater(t, meanwhile, int64(1000))
	server.stop(t)
}
