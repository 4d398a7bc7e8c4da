package bench

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPeersAdmitAndRefuse shows what each peer's speed is worth: a peer that
// admits a bad token or refuses a good one is not measured.
func TestPeersAdmitAndRefuse(t *testing.T) {
	for _, p := range Peers() {
		t.Run(p.Name, func(t *testing.T) {
			also, err := CheckPeer(p)
			require.NoError(t, err)
			if p.Name == portcullisName {
				require.Empty(t, also)
			}
			t.Logf("also admits: %s", strings.Join(also, "; "))
		})
	}
}

// TestCheckPeerFindsBadPeers shows that the check is one.
func TestCheckPeerFindsBadPeers(t *testing.T) {
	peer := func(v Verify) Peer {
		return Peer{Name: "x", New: func(map[string]string) (Verify, error) { return v, nil }}
	}
	also, err := CheckPeer(peer(func(*Token) error { return nil }))
	require.Len(t, also, len(strictSet(time.Now())))
	for _, s := range badSet(time.Now()) {
		require.ErrorContains(t, err, s.name)
	}
	_, err = CheckPeer(peer(func(*Token) error { return errors.New("no") }))
	for _, s := range goodSet(time.Now()) {
		require.ErrorContains(t, err, s.name)
	}
}

func TestMeasureComparesMedians(t *testing.T) {
	require.Equal(t, Spread{1, 3, 9}, spreadOf([]float64{9, 1, 3}))
	require.Equal(t, Spread{1, 2.5, 9}, spreadOf([]float64{9, 2, 1, 3}))

	// In a bubble time passes for nobody but who sleeps, so the ratio is exact.
	synctest.Test(t, func(t *testing.T) {
		wait := func(d time.Duration) func(n int) error {
			return func(n int) error {
				time.Sleep(time.Duration(n) * d)
				return nil
			}
		}
		r, err := Measure(Contestant{"fast", wait(time.Microsecond)}, Contestant{"slow", wait(4 * time.Microsecond)}, 5, 4*time.Millisecond)
		require.NoError(t, err)
		require.Equal(t, 4.0, r.Value)
		require.Equal(t, Spread{4000, 4000, 4000}, r.Peer)
		_, err = Measure(Contestant{"broken", func(int) error { return errors.New("no") }}, Contestant{"slow", wait(1)}, 1, time.Millisecond)
		require.ErrorContains(t, err, "broken: no")
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, p := range Peers() {
		b.Run(fmt.Sprintf("peer=%s/token=%dB/cache=off", p.Name, TokenBytes), func(b *testing.B) {
			also, err := CheckPeer(p)
			require.NoError(b, err)
			tokens, err := MeasuredTokens(1000)
			require.NoError(b, err)
			verify, err := p.New(Keys())
			require.NoError(b, err)
			next := 0
			b.ReportAllocs()
			for b.Loop() {
				if err := verify(&tokens[next]); err != nil {
					b.Fatal(err)
				}
				if next++; next == len(tokens) {
					next = 0
				}
			}
			b.ReportMetric(float64(len(also)), "also-admits")
			if len(also) > 0 {
				b.Logf("%s also admits: %s", p.Name, strings.Join(also, "; "))
			}
		})
	}
}
