package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startOnDisk starts `serve` with a state file on a disk that behaves as strace
// makes it: what it does to fdatasync is the kernel's answer to the program, which
// knows nothing of it.
func startOnDisk(t testing.TB, config, behaviour string) *process {
	t.Helper()
	strace, err := exec.LookPath("strace")
	require.NoError(t, err, "strace stands for bad disks: tools/install.sh installs it")
	path := writeFile(t, "portcullis.yaml", config)
	// As a grandchild, so that signals reach the program itself.
	cmd := exec.Command(strace, "-D", "-f", "-qq", "--seccomp-bpf", "-o", os.DevNull,
		"-e", "trace=fdatasync", "-e", "inject=fdatasync:"+behaviour, binary, "serve", "-c", path)
	cmd.Env = environment()
	p := launch(t, cmd)
	p.config = path
	p.awaitServing(t)
	return p
}

func onBolt(t testing.TB) string {
	t.Helper()
	return "store: bolt:" + filepath.Join(t.TempDir(), "portcullis.db") + "\nlimits: {revocations_per_minute: 0}\n"
}

// TestNothingIsAcknowledgedAfterASyncHasFailed lets the disk fail for good while 16
// callers request tokens: from the first failure on nothing is acknowledged, within
// a second the server says that it is not ready, verdicts go on, and what was
// acknowledged before is still spent for the next process.
func TestNothingIsAcknowledgedAfterASyncHasFailed(t *testing.T) {
	if !longRun() {
		t.Skip("strace may not be allowed everywhere: make faults")
	}
	state := onBolt(t)
	server := startOnDisk(t, baseConfig()+state, "error=EIO:when=60+")
	token := mint(t, keyFull, nil)
	var acked journal
	var callers sync.WaitGroup
	var firstFailure, unreadyAt, lastAck time.Time
	var mu sync.Mutex
	stop := make(chan struct{})
	for caller := range 16 {
		callers.Go(func() {
			own := &http.Client{Timeout: patience}
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				body := signTokenRequest(t, keyChat, secretChat, "ana", fmt.Sprintf("sync-%d-%d-sixteen-characters", caller, n))
				began := time.Now()
				_, ok := post(own, server.public+"/keys/"+keyChat+"/requestToken", "", body)
				mu.Lock()
				switch {
				case ok:
					acked.note(&acked.requests, body)
					lastAck = began
				case firstFailure.IsZero():
					firstFailure = time.Now()
				}
				mu.Unlock()
			}
		})
	}
	deadline := time.Now().Add(patience)
	for unreadyAt.IsZero() {
		require.True(t, time.Now().Before(deadline), "never unready")
		if a := (request{path: "/readyz"}).send(t, server.public); a.status == 503 {
			require.Contains(t, string(a.body), "the store is not well")
			unreadyAt = time.Now()
		}
	}
	for range 50 { // the disk stays as it is, and so does the answer
		require.Equal(t, 200, present(token).send(t, server.public).status, "verdicts need no disk")
		a := request{method: "POST", path: "/keys/" + keyChat + "/requestToken", body: signTokenRequest(t, keyChat, secretChat, "ana", fmt.Sprintf("after-%d-sixteen-characters", time.Now().UnixNano()))}.send(t, server.public)
		require.Equal(t, 503, a.status, "%s", a.body)
	}
	close(stop)
	callers.Wait()
	require.False(t, firstFailure.IsZero())
	require.True(t, lastAck.Before(firstFailure) || lastAck.Sub(firstFailure) < 100*time.Millisecond, "acknowledged %s after the first failure", lastAck.Sub(firstFailure))
	requests, _ := acked.len()
	require.NotZero(t, requests)
	fmt.Printf("failing fsync: %d acknowledged before, unready %s after the first failure seen\n", requests, unreadyAt.Sub(firstFailure).Round(time.Millisecond))
	require.Less(t, unreadyAt.Sub(firstFailure), time.Second)
	server.stop(t)

	// On a disk that works every acknowledged nonce is spent, or may be: then nothing is decided.
	again := startServer(t, baseConfig()+state)
	refused := map[string]int{}
	for _, body := range acked.requests {
		a := request{method: "POST", path: "/keys/" + keyChat + "/requestToken", body: body}.send(t, again.public)
		require.NotEqual(t, 201, a.status, "a replay was accepted")
		refused[a.header.Get("X-Ably-Errorcode")]++
	}
	fmt.Println("replays after the restart were refused with", strings.Trim(fmt.Sprint(refused), "map"))
	again.stop(t)
}
