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
	revoked  []string // tokens whose revocation was answered 201
}

// note adds to one of the journal's lists.
func (j *journal) note(list *[]string, what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	*list = append(*list, what)
}

func (j *journal) len() (requests, revoked int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.requests), len(j.revoked)
}

// TestNothingAcknowledgedIsLostByAKill kills the server with SIGKILL at random
// points while 64 callers request tokens, make apps and revoke tokens, starts it
// again on the same state, and presents everything again that was ever
// acknowledged: no nonce is spent twice, no app is lost, no revoked token revives.
func TestNothingAcknowledgedIsLostByAKill(t *testing.T) {
	config := baseConfig("sandbox: true") + "store: bolt:" + filepath.Join(t.TempDir(), "portcullis.db") + "\nlimits: {revocations_per_minute: 0}\n"
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
		require.Eventually(t, func() bool {
			requests, revoked := acked.len()
			return requests >= minimumAcks && revoked > 0
		}, 20*time.Second, time.Millisecond, "round %d: too few acknowledgements", round)
		// A random point in what follows, measured in answers and not in time.
		requests, _ := acked.len()
		target := requests + rand.IntN(2000)
		require.Eventually(t, func() bool { requests, _ := acked.len(); return requests >= target }, 20*time.Second, time.Millisecond)
		require.NoError(t, server.cmd.Process.Kill())
		server.wait()
		close(stop)
		callers.Wait()
		// Only what is still in its window can be replayed; the rest is refused by its
		// timestamp, which proves nothing, so a round keeps its own.
		all = journal{requests: acked.requests, keys: append(all.keys, acked.keys...), revoked: append(all.revoked, acked.revoked...)}
	}
	server := startServer(t, config)
	checked += requireStillSpent(t, server, &all)
	server.stop(t)
	t.Logf("%d kills, %d acknowledged nonces presented again, %d apps kept, %d tokens still revoked, 0 replays accepted", killRounds(), checked, len(all.keys), len(all.revoked))
}

// callUntil requests tokens, and now and then makes an app or revokes a token, and
// journals what is acknowledged, until the server is gone.
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
			if body, ok := post(client, base+"/apps", "", `{"keys":[{}]}`); ok {
				var app struct{ Keys []struct{ KeyStr string } }
				if err := json.Unmarshal(body, &app); err == nil {
					acked.note(&acked.keys, app.Keys[0].KeyStr)
				}
			}
			continue
		}
		if caller == 1 && n%4 == 0 {
			id := fmt.Sprintf("%d-%d", round, n)
			token := mintFor(t, id)
			if _, ok := post(client, base+"/keys/"+keyRevocab+"/revokeTokens", apiKey(keyRevocab), `{"targets":["clientId:`+id+`"]}`); ok {
				acked.note(&acked.revoked, token)
			}
			continue
		}
		request := signTokenRequest(t, keyChat, secretChat, "ana", fmt.Sprintf("kill-%d-%d-%d-sixteen-characters", round, caller, n))
		if _, ok := post(client, base+"/keys/"+keyChat+"/requestToken", "", request); ok {
			acked.note(&acked.requests, request)
		}
	}
}

// mintFor mints a revocable token of a clientId, which was issued ten seconds ago.
func mintFor(t testing.TB, clientID string) string {
	now := nowSeconds()
	return mint(t, keyRevocab, object{"iat": now - 10, "exp": now + 3500, "x-ably-clientId": clientID})
}

// post says whether the whole answer of a 201 has arrived.
func post(client *http.Client, url, key, body string) ([]byte, bool) {
	ask, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, false
	}
	if key != "" {
		ask.Header = presentKey(key).header
	}
	ask.Header.Set("Content-Type", typeJSON)
	response, err := client.Do(ask)
	if err != nil {
		return nil, false
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return answer, err == nil && response.StatusCode == http.StatusCreated
}

// requireStillSpent presents every journalled request, key and token again.
func requireStillSpent(t *testing.T, server *process, all *journal) int {
	t.Helper()
	for _, r := range all.requests {
		a := request{method: "POST", path: "/keys/" + keyChat + "/requestToken", body: r}.send(t, server.public)
		requireRefused(t, a, refusal{code: 40105, status: 401})
	}
	for _, key := range all.keys {
		require.Equal(t, 200, presentKey(key).send(t, server.public).status, "an acknowledged app is lost")
	}
	for _, token := range all.revoked {
		requireRefused(t, present(token).send(t, server.public), refusal{40141, 401, "token_revoked"})
	}
	require.Equal(t, 200, present(mintFor(t, "somebody else")).send(t, server.public).status, "what was not revoked is admitted")
	return len(all.requests)
}
