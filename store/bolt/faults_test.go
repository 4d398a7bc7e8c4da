//go:build linux

package bolt

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/storetest"
)

// faults is a file layer that can be made to fail: the descriptors that bbolt
// has are pointed at a device that behaves like a bad disk. All above it is the
// real code, and the errors are the kernel's.
type faults struct {
	mu     sync.Mutex
	device string // "" when all is well
	files  map[string]*os.File
}

const (
	syncFails = "/dev/null" // takes every write; fdatasync is EINVAL
	diskFull  = "/dev/full" // every write is ENOSPC
)

func (f *faults) open(name string, flag int, perm fs.FileMode) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	if f.files == nil {
		f.files = make(map[string]*os.File)
	}
	f.files[filepath.Base(name)] = file
	if f.device != "" {
		err = point(file, f.device)
	}
	return file, err
}

// set makes what is open now, and what is opened from now on, fail.
func (f *faults) set(t *testing.T, device string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.device = device
	for _, file := range f.files {
		if device != "" {
			require.NoError(t, point(file, device))
		}
	}
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.device = ""
}

func point(file *os.File, device string) error {
	d, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer d.Close()
	return unix.Dup3(int(d.Fd()), int(file.Fd()), unix.O_CLOEXEC)
}

func TestAFailedWriteAcknowledgesNothingAndHeals(t *testing.T) {
	for name, device := range map[string]string{"sync fails": syncFails, "the disk is full": diskFull} {
		t.Run(name, func(t *testing.T) {
			var disk faults
			clock, dir := storetest.NewClock(), t.TempDir()
			o := Options{Path: stateIn(dir), Now: clock.Now, openFile: disk.open}
			s, err := Open(o)
			require.NoError(t, err)
			ctx, start := t.Context(), storetest.Start
			revoked := engine.Revocation{Value: "alice", IssuedBefore: start, AppliesAt: start}
			const acked = 100
			for i := range acked {
				requireSpent(t, s, engine.Fresh, storetest.Nonce(i, start))
			}
			require.NoError(t, s.Put(ctx, store.Apps, "kept", []byte("value"), true))
			require.NoError(t, s.AppendRevocations(ctx, "app.key", []engine.Revocation{revoked}))

			disk.set(t, device)
			got, wait := spend(t, s, storetest.Nonce(acked, start))
			require.Equal(t, engine.Unknown, got)
			require.Equal(t, 121*time.Second, wait, "the future window, and the millisecond of the failure rounded up")
			require.Error(t, s.Status().Err)
			require.NotZero(t, s.Status().Floor)
			for i := range 50 { // also those that a floor would not refuse
				n := storetest.Nonce(1000+i, start)
				n.Since = start + 1
				got, wait := spend(t, s, n)
				require.Equal(t, engine.Unknown, got)
				require.GreaterOrEqual(t, wait, time.Second)
			}
			require.Error(t, s.Put(ctx, store.Apps, "lost", nil, true))
			require.Error(t, s.AppendRevocations(ctx, "app.key", []engine.Revocation{{Value: "bob"}}))
			requireSpent(t, s, engine.Replayed, storetest.Nonce(0, start))

			disk.clear()
			require.Eventually(t, func() bool { return s.Status().Err == nil }, 5*time.Second, 5*time.Millisecond)
			check := func(s *Store) {
				for i := range acked + 1 {
					got, _ := spend(t, s, storetest.Nonce(i, start))
					require.NotEqual(t, engine.Fresh, got)
				}
				value, err := s.Get(ctx, store.Apps, "kept")
				require.NoError(t, err)
				require.Equal(t, "value", string(value))
				_, err = s.Get(ctx, store.Apps, "lost")
				require.ErrorIs(t, err, store.ErrNotFound)
				var told []engine.Revocation
				require.NoError(t, s.WatchRevocations(func(_ string, r engine.Revocation) { told = append(told, r) }))
				require.Equal(t, []engine.Revocation{revoked}, told)
				require.Equal(t, start+1+120_000, s.Status().Floor)
				require.Equal(t, "writing the state file failed", s.Status().FloorCause)
			}
			check(s)
			young := storetest.Nonce(2000, start)
			young.Since = start + 1
			requireSpent(t, s, engine.Fresh, young)

			require.NoError(t, s.Close())
			s, err = Open(o)
			require.NoError(t, err)
			check(s)
			requireSpent(t, s, engine.Replayed, young)
			clock.Set(start + 1 + 120_000)
			require.Zero(t, s.Status().Floor)
			requireSpent(t, s, engine.Fresh, storetest.Nonce(3000, clock.Now()))
			requireSpent(t, s, engine.Unknown, storetest.Nonce(3001, clock.Now()-1))
			require.NoError(t, s.Close())
		})
	}
}

// Whatever is in flight when the disk fails: nothing is acknowledged between the
// first answer that is not and the new file.
func TestNothingIsAcknowledgedAfterTheFirstFailure(t *testing.T) {
	var disk faults
	clock, dir := storetest.NewClock(), t.TempDir()
	o := Options{Path: stateIn(dir), Now: clock.Now, openFile: disk.open}
	s, err := Open(o)
	require.NoError(t, err)
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		fresh []int
		warm  = make(chan struct{})
		once  sync.Once
	)
	for worker := range 32 {
		group.Go(func() {
			for i := worker; ; i += 32 {
				broken := s.Status().Err != nil
				got, _ := s.Spend(context.Background(), storetest.Nonce(i, storetest.Start))
				if got != engine.Fresh {
					return
				}
				if broken {
					t.Errorf("nonce %d was acknowledged after the failure", i)
					return
				}
				mu.Lock()
				if fresh = append(fresh, i); len(fresh) > 1000 {
					once.Do(func() { close(warm) })
				}
				mu.Unlock()
			}
		})
	}
	<-warm
	disk.set(t, syncFails)
	group.Wait()
	require.Error(t, s.Status().Err)
	require.NoError(t, s.Close(), "it can be closed while the disk fails")
	disk.clear()
	s, err = Open(o) // the old file: what was acknowledged is in it
	require.NoError(t, err)
	defer s.Close()
	for _, i := range fresh {
		requireSpent(t, s, engine.Replayed, storetest.Nonce(i, storetest.Start))
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	clock, dir, held := storetest.NewClock(), t.TempDir(), make(chan struct{})
	s, err := Open(Options{Path: stateIn(dir), Now: clock.Now, writing: func() { <-held }})
	require.NoError(t, err)
	var group sync.WaitGroup
	value := make([]byte, store.MaxValueBytes)
	var busy, kept int
	var mu sync.Mutex
	for i := range 3 * maxBatchBytes / len(value) {
		group.Go(func() {
			err := s.Put(t.Context(), store.Apps, string(rune('a'+i)), value, true)
			mu.Lock()
			defer mu.Unlock()
			switch err {
			case nil:
				kept++
			case store.ErrBusy:
				busy++
			default:
				t.Errorf("put: %v", err)
			}
		})
	}
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return busy > 0 }, 10*time.Second, time.Millisecond)
	close(held)
	group.Wait()
	require.NoError(t, s.Close())
	require.LessOrEqual(t, kept*len(value), 2*maxBatchBytes)
	require.Equal(t, 3*maxBatchBytes/len(value), kept+busy)
}

func TestMemoryOfNoncesIsBounded(t *testing.T) {
	clock := storetest.NewClock()
	s, err := Open(Options{Path: stateIn(t.TempDir()), Now: clock.Now, MaxNonces: 10})
	require.NoError(t, err)
	defer s.Close()
	for i := range 10 {
		requireSpent(t, s, engine.Fresh, storetest.Nonce(i, storetest.Start))
	}
	requireSpent(t, s, engine.Unknown, storetest.Nonce(10, storetest.Start))
	requireSpent(t, s, engine.Replayed, storetest.Nonce(9, storetest.Start))
}
