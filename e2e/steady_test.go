package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// steadyClients are keep-alive clients that ask for one admission after the
// other until they are told to stop. Each may dial once: net/http would repeat a
// request whose connection was lost, and a second connection gives that away.
type steadyClients struct {
	answered, dialled, failed atomic.Int64
	slowest                   atomic.Int64 // answer, in nanoseconds
	problems                  chan error
	ending                    atomic.Bool
	running                   sync.WaitGroup
	count                     int
}

// startClients starts n clients with a token each, and waits until every one has
// been answered.
func startClients(t *testing.T, base string, n int) *steadyClients {
	t.Helper()
	c := &steadyClients{count: n, problems: make(chan error, n)}
	var warm sync.WaitGroup
	for i := range n {
		token := mint(t, keyFull, map[string]any{"x-ably-clientId": fmt.Sprint("steady", i)})
		warm.Add(1)
		c.running.Go(func() { c.run(base, token, sync.OnceFunc(warm.Done)) })
	}
	t.Cleanup(func() {
		c.ending.Store(true)
		c.running.Wait()
	})
	warm.Wait()
	return c
}

func (c *steadyClients) run(base, token string, warm func()) {
	defer warm()
	own := &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c.dialled.Add(1)
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}}
	defer own.CloseIdleConnections()
	for !c.ending.Load() {
		began := time.Now()
		_, err := admitOnce(own, base, token)
		if err != nil {
			c.failed.Add(1)
			select {
			case c.problems <- err:
			default: // enough are known
			}
			continue
		}
		took := int64(time.Since(began))
		for slowest := c.slowest.Load(); took > slowest && !c.slowest.CompareAndSwap(slowest, took); {
			slowest = c.slowest.Load()
		}
		c.answered.Add(1)
		warm()
	}
}

// stop ends the clients and requires that none has lost anything.
func (c *steadyClients) stop(t *testing.T) {
	t.Helper()
	c.ending.Store(true)
	c.running.Wait()
	close(c.problems)
	for err := range c.problems {
		t.Error(err)
	}
	require.Zero(t, c.failed.Load(), "requests were lost")
	require.Equal(t, int64(c.count), c.dialled.Load(), "connections were lost")
	require.GreaterOrEqual(t, c.answered.Load(), int64(c.count))
}

func (c *steadyClients) String() string {
	return fmt.Sprintf("%d good requests by %d clients on %d connections, %d failures, slowest answer %s",
		c.answered.Load(), c.count, c.dialled.Load(), c.failed.Load(), time.Duration(c.slowest.Load()).Round(time.Millisecond))
}
