package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/server"
)

const (
	raceAskers   = 4
	raceRevokers = 2
	raceSlots    = 16   // tokens that one revoker has under way
	raceTick     = 2500 // milliseconds from one revocation to the next: a margin has ended when a revoker comes round again
)

// raceRevocations is how many tokens are revoked over HTTP.
func raceRevocations() int64 {
	if os.Getenv("PORTCULLIS_LONG") != "" {
		return 50_000
	}
	return 500
}

// contested is a token that is presented and revoked at the same time.
type contested struct {
	clientID  string
	request   string // the value of Authorization
	begun     atomic.Bool
	answered  atomic.Bool
	appliesAt atomic.Int64 // as answered
}

// race is a site whose tokens are presented and revoked at the same time.
type race struct {
	*testing.T
	*site
	sign                              *engine.Signer
	begun                             atomic.Int64
	slots                             [raceRevokers * raceSlots]atomic.Pointer[contested]
	requests, admitted, waited, wrong atomic.Int64
	refused                           atomic.Int64
}

// What is answered as revoked is refused from the next request on, at the time
// that the answer names or later, whatever requests are under way; and nobody is
// refused before. Every second revocation has a margin.
func TestNoRequestAfterTheAnswerIsAdmitted(t *testing.T) {
	s, err := engine.NewSigner(revocableKey)
	require.NoError(t, err)
	r := &race{T: t, site: newRevocationSite(t, server.Options{RefusalLimit: -1}), sign: s}
	r.client.Transport.(*http.Transport).MaxIdleConnsPerHost = raceAskers + raceRevokers
	began, stop := time.Now(), make(chan struct{})
	var askers, revokers sync.WaitGroup
	for i := range raceRevokers {
		revokers.Go(func() { r.revoke(r.slots[i*raceSlots : (i+1)*raceSlots]) })
	}
	for range raceAskers {
		askers.Go(func() { r.ask(stop) })
	}
	revokers.Wait()
	close(stop)
	askers.Wait()
	t.Logf("%d tokens revoked over HTTP, %d requests in %.0f s: %d admitted, %d refused after the answer, %d admitted within the margin, %d wrong",
		raceRevocations(), r.requests.Load(), time.Since(began).Seconds(), r.admitted.Load(), r.refused.Load(), r.waited.Load(), r.wrong.Load())
	require.Zero(t, r.wrong.Load())
	require.Greater(t, r.refused.Load(), raceRevocations()/2)
	require.GreaterOrEqual(t, r.admitted.Load(), raceRevocations())
	require.Positive(t, r.waited.Load())
}

// revoke makes a token, presents it, revokes it and presents it again, slot after
// slot.
func (r *race) revoke(slots []atomic.Pointer[contested]) {
	for own := 0; ; own++ {
		n := r.begun.Add(1)
		if n > raceRevocations() {
			return
		}
		slot := &slots[own%raceSlots]
		if c := slot.Load(); c != nil {
			r.present(c) // the margin has ended by now
		}
		c := &contested{clientID: fmt.Sprint("contested-", n)}
		token, err := r.sign.AppendJWT(nil, &engine.TokenParams{Issued: engine.UnixMilli(r.now.Add(raceTick)) - 1000, ClientID: c.clientID})
		if err != nil {
			r.Error(err)
			return
		}
		c.request = "Bearer " + base64.StdEncoding.EncodeToString(token)
		slot.Store(c)
		for range rand.IntN(3) {
			r.present(c)
		}
		if !r.post(c, n%2 == 0) {
			return
		}
		r.present(c)
	}
}

// post revokes a token over HTTP.
func (r *race) post(c *contested, margin bool) bool {
	c.begun.Store(true)
	body := fmt.Sprintf(`{"targets":["clientId:%s"],"allowReauthMargin":%t}`, c.clientID, margin)
	status, answer := r.request("POST", "/keys/appId.revocable/revokeTokens", "Basic "+base64.StdEncoding.EncodeToString([]byte(revocableKey)), body)
	var results []struct{ AppliesAt int64 }
	if err := json.Unmarshal(answer, &results); err != nil || status != http.StatusCreated || len(results) != 1 {
		r.Errorf("a revocation was answered %d: %s", status, answer)
		return false
	}
	c.appliesAt.Store(results[0].AppliesAt)
	c.answered.Store(true)
	return true
}

// ask presents tokens at random.
func (r *race) ask(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if c := r.slots[rand.IntN(len(r.slots))].Load(); c != nil {
			r.present(c)
		}
	}
}

// present asks for admission with a token and holds the answer against what was
// known before the request was sent and after it was answered. The server reads
// its clock in between.
func (r *race) present(c *contested) {
	answered, earliest := c.answered.Load(), r.now.Load()
	status, answer := r.request("GET", "/v1/admit", c.request, "")
	latest := r.now.Load()
	r.requests.Add(1)
	inForce := answered && earliest >= c.appliesAt.Load()
	var refusal struct{ Error struct{ Code int } }
	_ = json.Unmarshal(answer, &refusal)
	switch {
	case status == http.StatusOK && !inForce:
		r.admitted.Add(1)
		if answered {
			r.waited.Add(1)
		}
	case status == http.StatusUnauthorized && refusal.Error.Code == 40141 && inForce:
		r.refused.Add(1)
	case status == http.StatusUnauthorized && refusal.Error.Code == 40141 && c.begun.Load() && latest >= c.appliesAt.Load():
		// Revoked, or in force, since the request was sent.
	default:
		if r.wrong.Add(1) <= 10 {
			r.Errorf("answered before it was sent: %t, in force: %t, and the answer is %d: %s", answered, inForce, status, answer)
		}
	}
}

// request is send for goroutines that must not end the test.
func (r *race) request(method, target, authorization, body string) (status int, answer []byte) {
	request, err := http.NewRequestWithContext(context.Background(), method, "http://127.0.0.1"+target, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, []byte(err.Error())
	}
	request.Header.Set("Authorization", authorization)
	response, err := r.client.Do(request)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return response.StatusCode, answer
}
