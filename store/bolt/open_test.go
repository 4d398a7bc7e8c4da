package bolt

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/storetest"
)

func TestAFirstStartServesAtOnce(t *testing.T) {
	clock, dir := storetest.NewClock(), t.TempDir()
	s, err := Open(Options{Path: stateIn(dir), Now: clock.Now})
	require.NoError(t, err)
	require.Equal(t, store.Status{}, s.Status())
	requireSpent(t, s, engine.Fresh, storetest.Nonce(1, storetest.Start.Add(-store.FutureWindow)))
	require.NoError(t, s.Close())
	info, err := os.Stat(stateIn(dir))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	marker, err := os.ReadFile(stateIn(dir) + ".marker")
	require.NoError(t, err)
	require.Equal(t, "1700000000000\n", string(marker))
}

// A file of an earlier version lacks the buckets that came later, here that of
// devices: it is used as it is, and takes them.
func TestABucketThatCameLater(t *testing.T) {
	clock, dir := storetest.NewClock(), t.TempDir()
	o := Options{Path: stateIn(dir), Now: clock.Now}
	s, err := Open(o)
	require.NoError(t, err)
	n := storetest.Nonce(1, storetest.Start)
	requireSpent(t, s, engine.Fresh, n)
	require.NoError(t, s.Put(t.Context(), store.Apps, "app", []byte("kept"), true))
	require.NoError(t, s.Close())
	without := func() {
		db, err := bbolt.Open(stateIn(dir), 0o600, nil)
		require.NoError(t, err)
		require.NoError(t, db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(store.Devices)) }))
		require.NoError(t, db.Close())
	}
	without()
	for i, value := range []string{"", "first", "second"} {
		s, err = Open(o)
		require.NoError(t, err)
		require.Equal(t, store.Status{Nonces: 1}, s.Status(), "no damage, no floor")
		requireSpent(t, s, engine.Replayed, n)
		if i > 0 {
			require.NoError(t, s.Put(t.Context(), store.Devices, "device", []byte(value), false))
			got, err := s.Get(t.Context(), store.Devices, "device")
			require.NoError(t, err)
			require.Equal(t, value, string(got))
		}
		require.NoError(t, s.Close())
	}
	// One that held something and is gone is damage.
	without()
	s, err = Open(o)
	require.NoError(t, err)
	defer s.Close()
	require.Contains(t, s.Status().FloorCause, "devices: missing")
	value, err := s.Get(t.Context(), store.Apps, "app")
	require.NoError(t, err)
	require.Equal(t, "kept", string(value))
}

func TestAMissingFileBesideItsMarkerRaisesTheFloor(t *testing.T) {
	clock, dir := storetest.NewClock(), t.TempDir()
	o := Options{Path: stateIn(dir), Now: clock.Now}
	s, err := Open(o)
	require.NoError(t, err)
	n := storetest.Nonce(1, storetest.Start)
	requireSpent(t, s, engine.Fresh, n)
	require.NoError(t, s.Close())
	require.NoError(t, os.Remove(stateIn(dir)))

	for range 2 { // the floor survives a restart
		s, err = Open(o)
		require.NoError(t, err)
		require.NoError(t, s.Status().Err)
		require.Equal(t, storetest.Start+1+120_000, s.Status().Floor)
		require.Contains(t, s.Status().FloorCause, "missing beside its marker")
		got, wait := spend(t, s, n)
		require.Equal(t, engine.Unknown, got)
		require.Equal(t, 121*time.Second, wait)
		require.NoError(t, s.Close())
	}
	require.NoError(t, os.Remove(stateIn(dir)))
	require.NoError(t, os.Remove(stateIn(dir)+".marker"))
	s, err = Open(o)
	require.NoError(t, err)
	require.Zero(t, s.Status().Floor, "deleting both says that the keys were never used here")
	require.NoError(t, s.Close())
}

func TestAFileWithoutMarkerIsUsed(t *testing.T) {
	clock, dir := storetest.NewClock(), t.TempDir()
	o := Options{Path: stateIn(dir), Now: clock.Now}
	s, err := Open(o)
	require.NoError(t, err)
	requireSpent(t, s, engine.Fresh, storetest.Nonce(1, storetest.Start))
	require.NoError(t, s.Close())
	require.NoError(t, os.Remove(stateIn(dir)+".marker"))
	s, err = Open(o)
	require.NoError(t, err)
	requireSpent(t, s, engine.Replayed, storetest.Nonce(1, storetest.Start))
	require.FileExists(t, stateIn(dir)+".marker")
	require.NoError(t, s.Close())
}

// A first start that was cut short left no marker, and maybe the begin of a file
// under another name.
func TestAFirstStartThatWasCutShortIsAFirstStart(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(stateIn(dir)+".new", []byte("half a file"), 0o600))
	s, err := Open(Options{Path: stateIn(dir)})
	require.NoError(t, err)
	require.Equal(t, store.Status{}, s.Status())
	require.NoError(t, s.Close())
	require.NoFileExists(t, stateIn(dir)+".new")
}

func TestTheClockMustNotBeBehindTheRecords(t *testing.T) {
	for name, lose := range map[string]bool{"the file's": false, "the marker's": true} {
		t.Run(name, func(t *testing.T) {
			clock, dir := storetest.NewClock(), t.TempDir()
			o := Options{Path: stateIn(dir), Now: clock.Now}
			s, err := Open(o)
			require.NoError(t, err)
			newest := storetest.Start
			if !lose {
				newest = newest.Add(time.Hour)
				clock.Set(newest)
				requireSpent(t, s, engine.Fresh, storetest.Nonce(1, newest))
			}
			require.NoError(t, s.Close())
			if lose {
				require.NoError(t, os.Remove(stateIn(dir)))
			}
			clock.Set(newest.Add(-5*time.Minute) - 1)
			_, err = Open(o)
			require.ErrorContains(t, err, "the clock shows")
			require.ErrorContains(t, err, newest.Time().Format(time.RFC3339))
			clock.Set(newest.Add(-5 * time.Minute))
			s, err = Open(o)
			require.NoError(t, err)
			require.NoError(t, s.Close())
		})
	}
}

func TestASecondProcessIsToldSo(t *testing.T) {
	if path := os.Getenv("PORTCULLIS_STORE_SECOND"); path != "" {
		_, err := Open(Options{Path: path})
		require.ErrorContains(t, err, "in use by another process")
		return
	}
	dir := t.TempDir()
	s, err := Open(Options{Path: stateIn(dir)})
	require.NoError(t, err)
	defer s.Close()
	begin := time.Now()
	_, err = Open(Options{Path: stateIn(dir)})
	require.ErrorContains(t, err, "in use by another process", "nor can this process open it twice")
	require.Less(t, time.Since(begin), 5*time.Second)
	require.NoError(t, s.Status().Err)

	second := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestASecondProcessIsToldSo$", "-test.v")
	second.Env = append(os.Environ(), "PORTCULLIS_STORE_SECOND="+stateIn(dir))
	out, err := second.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "--- PASS: TestASecondProcessIsToldSo")
	requireSpent(t, s, engine.Fresh, storetest.Nonce(1, engine.Now()))
}

// A file that another process uses is not looked at: what it is just writing would
// look like damage, and be moved away from under it.
func TestAFileInUseIsNotJudged(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Path: stateIn(dir)})
	require.NoError(t, err)
	defer s.Close()
	f, err := os.OpenFile(stateIn(dir), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("half written"), pageHeaderBytes)
	require.NoError(t, errors.Join(err, f.Close()))
	_, err = Open(Options{Path: stateIn(dir)})
	require.ErrorContains(t, err, "in use by another process")
	aside, err := filepath.Glob(stateIn(dir) + ".damaged-*")
	require.NoError(t, err)
	require.Empty(t, aside)
}

// What was dropped stays refused for a clock that is put back, after a restart too.
func TestARestartWithTheClockPutBackRevivesNoNonce(t *testing.T) {
	clock, dir := storetest.NewClock(), t.TempDir()
	o := Options{Path: stateIn(dir), Now: clock.Now}
	s, err := Open(o)
	require.NoError(t, err)
	n := storetest.Nonce(1, storetest.Start)
	requireSpent(t, s, engine.Fresh, n)
	clock.Set(storetest.Start.Add(4 * time.Minute)) // the minute of n is over
	requireSpent(t, s, engine.Fresh, storetest.Nonce(2, clock.Now()))
	require.Equal(t, 1, s.Status().Nonces)
	require.NoError(t, s.Close())
	clock.Set(storetest.Start)
	s, err = Open(o)
	require.NoError(t, err)
	defer s.Close()
	requireSpent(t, s, engine.Unknown, n)
	requireSpent(t, s, engine.Replayed, storetest.Nonce(2, clock.Now()))
}

func TestWhatIsNoStateFileIsRefusedWithItsName(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(stateIn(dir), 0o700))
	_, err := Open(Options{Path: stateIn(dir)})
	require.ErrorContains(t, err, stateIn(dir))
	_, err = Open(Options{Path: filepath.Join(dir, "nowhere", "state.db")})
	require.ErrorContains(t, err, "nowhere")
	_, err = Open(Options{})
	require.ErrorContains(t, err, "path is empty")
}

// What has expired leaves the file as well, with the bucket of its minute.
func TestTheFileForgets(t *testing.T) {
	clock, dir := storetest.NewClock(), t.TempDir()
	s, err := Open(Options{Path: stateIn(dir), Now: clock.Now})
	require.NoError(t, err)
	for i := range 20 {
		now := storetest.Start.Add(time.Duration(i) * time.Minute)
		clock.Set(now)
		requireSpent(t, s, engine.Fresh, storetest.Nonce(i, now))
	}
	require.NoError(t, s.Close())
	require.LessOrEqual(t, len(groups(t, dir)), 4, "three minutes are alive")
	clock.Set(storetest.Start.Add(time.Hour)) // what expired while it was closed
	s, err = Open(Options{Path: stateIn(dir), Now: clock.Now})
	require.NoError(t, err)
	requireSpent(t, s, engine.Fresh, storetest.Nonce(99, clock.Now()))
	require.Equal(t, 1, s.Status().Nonces)
	require.NoError(t, s.Close())
	require.Len(t, groups(t, dir), 1)
}

// groups are the minutes in a file that is closed.
func groups(t *testing.T, dir string) (minutes []string) {
	f, c, err := openExisting(stateIn(dir), os.OpenFile)
	require.NoError(t, err)
	defer f.close()
	for group := range c.totals {
		if strings.HasPrefix(group, groupNonces) {
			minutes = append(minutes, group)
		}
	}
	return minutes
}

// A path that leads to somebody's own file is a mistake, and must not cost it.
func TestAFileThatIsNoStateFileIsNotTouched(t *testing.T) {
	for name, text := range map[string]string{"notes": "ten bytes.", "long": strings.Repeat("a configuration file\n", 1000)} {
		path := filepath.Join(t.TempDir(), "portcullis.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Open(Options{Path: path})
		require.ErrorContains(t, err, "not a state file", name)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(kept), name)
		entries, err := os.ReadDir(filepath.Dir(path))
		require.NoError(t, err)
		require.Len(t, entries, 1, name)
	}
}
