package server_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/internal/vectors"
	"portcullis/server"
	"portcullis/store"
	"portcullis/store/memory"
)

// gatedStore lets spends through one by one, and tells when one waits.
type gatedStore struct {
	store.Store
	waiting chan struct{}
	gate    chan struct{}
}

func (g *gatedStore) Spend(ctx context.Context, n *engine.Nonce) (engine.SpendOutcome, time.Duration) {
	g.waiting <- struct{}{}
	<-g.gate
	return g.Store.Spend(ctx, n)
}

// What is too much for the store is refused at once, and nothing else is; what was
// refused can be sent again as it is.
func TestWorkThatNeedsTheStoreIsBounded(t *testing.T) {
	const room = 3
	gated := &gatedStore{memory.New(memory.Options{Now: func() engine.UnixMilli { return vectors.DefaultNow }}), make(chan struct{}, room), make(chan struct{})}
	s := newTokenSite(t, server.Options{Store: gated, MaxStoreRequests: room, Settings: server.Settings{AllowInsecureBasic: true}})
	request := func(body []byte) answer {
		return s.send(t, "POST", "/keys/appId.keyId/requestToken", "application/json", body, nil)
	}
	statuses := make(chan int, room)
	for range room {
		body := signed(t, engine.TokenRequestParams{})
		go func() { statuses <- request(body).status }()
	}
	for range room {
		<-gated.waiting
	}

	last := signed(t, engine.TokenRequestParams{})
	for range 2 {
		a := request(last)
		a.requireRefused(t, 50004, 503, "one too many")
		require.Equal(t, "1", a.header.Get("Retry-After"))
	}
	for _, c := range [][2]string{
		{"POST", "/keys/appId.keyId/revokeTokens"}, {"POST", "/push/deviceRegistrations"}, {"DELETE", "/push/channelSubscriptions"}, {"PATCH", "/push/deviceRegistrations/d"}, {"DELETE", "/apps/a"}, {"POST", "/apps"},
	} {
		s.send(t, c[0], c[1], "application/json", []byte("{}"), basic(fixtureKey)).requireRefused(t, 50004, 503, c[0]+" "+c[1])
	}
	for _, target := range []string{"/time", "/v1/admit", "/channels/a", "/push/deviceRegistrations", "/livez"} {
		require.Equal(t, 200, s.do(t, "GET", target, basic(fixtureKey)).status, target)
	}
	require.Equal(t, 201, s.send(t, "POST", "/channels/a/messages", "application/json", []byte(`{"name":"n"}`), basic(fixtureKey)).status)
	require.Equal(t, 204, s.do(t, "OPTIONS", "/keys/appId.keyId/requestToken", http.Header{"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"POST"}}).status)
	ready := s.do(t, "GET", "/readyz", nil)
	require.Equal(t, 200, ready.status, "everything else is served")
	require.Contains(t, string(ready.body), "there are too many")
	require.Contains(t, string(s.admin(t, "GET", "/metrics", nil).body), `portcullis_shed_total{what="store"} 8`)

	close(gated.gate)
	for range room {
		require.Equal(t, 201, <-statuses)
	}
	go func() { <-gated.waiting }()
	require.Equal(t, 201, request(last).status, "its nonce was not spent when it was refused")
	s.now.Add(1000)
	require.Equal(t, "ok\n", string(s.do(t, "GET", "/readyz", nil).body))
}

// A server that cannot take another connection is not ready for one.
func TestReadinessTellsOfConnections(t *testing.T) {
	s := newSite(t, vectors.Keys(), server.Options{MaxConnections: 2})
	s.do(t, "GET", "/time", nil) // and the connection stays
	ready := func() int { return s.admin(t, "GET", "/readyz", nil).status }
	require.Equal(t, 200, ready())
	other := &http.Client{Transport: s.client.Transport.(*http.Transport).Clone()}
	response, err := other.Get("http://127.0.0.1/time")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body) // or the connection would not be kept
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, 503, ready())
	require.Equal(t, 200, s.admin(t, "GET", "/livez", nil).status)
	require.Equal(t, 200, s.do(t, "GET", "/time", nil).status, "who is connected is served")
	other.CloseIdleConnections()
	require.Eventually(t, func() bool { return ready() == 200 }, 5*time.Second, time.Millisecond)
}
