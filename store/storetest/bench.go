package storetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portcullis/engine"
	"portcullis/store"
)

// Bench measures spends of new nonces, with 1, 64 and 512 in flight.
func Bench(b *testing.B, open func(b testing.TB, dir string) store.Store) {
	for _, inFlight := range []int{1, 64, 512} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			s := open(b, b.TempDir())
			defer s.Close()
			took := make([]time.Duration, b.N)
			var next atomic.Int64
			var refused atomic.Int64
			var group sync.WaitGroup
			b.ResetTimer()
			for range inFlight {
				group.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
						// The numbers are hashes elsewhere; what costs is that they differ.
						now := engine.Now()
						n := engine.Nonce{Stamped: now, Expires: now.Add(130 * time.Second)}
						binary.LittleEndian.PutUint64(n.Key[:], uint64(i)*0x9E3779B97F4A7C15)
						begin := time.Now()
						if got, _ := s.Spend(context.Background(), &n); got != engine.Fresh {
							refused.Add(1)
						}
						took[i] = time.Since(begin)
					}
				})
			}
			group.Wait()
			b.StopTimer()
			if n := refused.Load(); n > 0 {
				b.Fatalf("%d of %d were not spent", n, b.N)
			}
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "spends/s")
			b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
