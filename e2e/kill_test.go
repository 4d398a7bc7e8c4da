package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	killCallers = 64
	// minimumAcks is how many answers make a round worth anything: a server that
	// was killed before it had done anything proves nothing.
	minimumAcks = 100
)

// killRounds is how often the server is killed: 50 times in the long run.
func killRounds() int {
	if os.Getenv("PORTCULLIS_LONG") != "" {
		return 50
	}
	return 3
}

// journal is what was acknowledged. It is kept by this process, which is not the
// one that is killed.
type journal struct {
	mu       sync.Mutex
	requests []string // TokenRequests that were answered 201
	keys     []string // of sandbox apps that were answered 201
}

func (j *journal) note(request, key string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if request != "" {
		j.requests = append(j.requests, request)
	}
	if key != "" {
		j.keys = append(j.keys, key)
	}
}

func (j *journal) len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.requests)
}

// TestNothingAcknowledgedIsLostByAKill kills the server with SIGKILL at random
// points while 64 callers request tokens and make apps, starts it again on the
// same state, and presents everything again that was ever acknowledged: no nonce
// is spent twice, no app is lost.
func TestNothingAcknowledgedIsLostByAKill(t *testing.T) {
	config := baseConfig("sandbox: true") + "store: bolt:" + filepath.Join(t.TempDir(), "portcullis.db") + "\n"
	var all journal
	replayed, checked := 0, 0
	for round := range killRounds() {
		server := startServer(t, config)
		// What earlier rounds were told still holds.
		if round > 0 {
			checked += requireStillSpent(t, server, &all)
			replayed++
		}
		var acked journal
		var callers sync.WaitGroup
		stop := make(chan struct{})
		for caller := range killCallers {
			callers.Go(func() { callUntil(t, stop, server.public, round, caller, &acked) })
		}
		require.Eventually(t, func() bool { return acked.len() >= minimumAcks }, 20*time.Second, time.Millisecond, "round %d: too few acknowledgements", round)
		// A random point in what follows, measured in answers and not in time.
		target := acked.len() + rand.IntN(2000)
		require.Eventually(t, func() bool { return acked.len() >= target }, 20*time.Second, time.Millisecond)
		require.NoError(t, server.cmd.Process.Kill())
		server.wait()
		close(stop)
		callers.Wait()
		// Only what is still in its window can be replayed; the rest is refused by its
		// timestamp, which proves nothing, so a round keeps its own.
		all = journal{requests: acked.requests, keys: append(all.keys, acked.keys...)}
	}
	server := startServer(t, config)
	checked += requireStillSpent(t, server, &all)
	server.stop(t)
	t.Logf("%d kills, %d acknowledged nonces presented again, %d apps kept, 0 replays accepted", killRounds(), checked, len(all.keys))
}

// callUntil requests tokens, and now and then makes an app, and journals what is
// acknowledged, until the server is gone.
func callUntil(t *testing.T, stop <-chan struct{}, base string, round, caller int, acked *journal) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		if caller == 0 && n%20 == 10 {
			if body, ok := post(client, base+"/apps", `{"keys":[{}]}`); ok {
				var app struct{ Keys []struct{ KeyStr string } }
				if err := json.Unmarshal(body, &app); err == nil {
					acked.note("", app.Keys[0].KeyStr)
				}
			}
			continue
		}
		request := signTokenRequest(t, keyChat, secretChat, "ana", fmt.Sprintf("kill-%d-%d-%d-sixteen-characters", round, caller, n))
		if _, ok := post(client, base+"/keys/"+keyChat+"/requestToken", request); ok {
			acked.note(request, "")
		}
	}
}

// post says whether the whole answer of a 201 has arrived.
func post(client *http.Client, url, body string) ([]byte, bool) {
	response, err := client.Post(url, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, false
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return answer, err == nil && response.StatusCode == http.StatusCreated
}

// requireStillSpent presents every journalled request and key again.
func requireStillSpent(t *testing.T, server *process, all *journal) int {
	t.Helper()
	for _, r := range all.requests {
		a := request{method: "POST", path: "/keys/" + keyChat + "/requestToken", body: r}.send(t, server.public)
		requireRefused(t, a, refusal{code: 40105, status: 401})
	}
	for _, key := range all.keys {
		require.Equal(t, 200, presentKey(key).send(t, server.public).status, "an acknowledged app is lost")
	}
	return len(all.requests)
}
