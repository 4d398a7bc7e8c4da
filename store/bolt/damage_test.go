package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/internal/state"
	"portcullis/store/storetest"
)

// longRun is set for the tests that take minutes.
var longRun = os.Getenv("PORTCULLIS_STORE_LONG") != ""

const (
	sampleNonces      = 3000
	sampleRevocations = 300
	sampleApps        = 60
)

func sampleNonce(i int) *engine.Nonce {
	return storetest.Nonce(i, storetest.Start.Add(time.Duration(i%240)*time.Second-2*time.Minute))
}

func sampleRevocation(i int) engine.Revocation {
	return engine.Revocation{Target: engine.RevokeClientID, Value: fmt.Sprint("client", i), IssuedBefore: storetest.Start, AppliesAt: storetest.Start}
}

func sampleApp(i int) []byte { return bytes.Repeat([]byte{byte(i)}, i*i*10) }

// sample returns a state file with a bit of everything: trees of several levels,
// buckets within pages, values longer than a page, free pages.
func sample(t testing.TB) []byte {
	dir := t.TempDir()
	f, err := begin(stateIn(dir), os.OpenFile, &change{header: header{created: storetest.Start, latest: storetest.Start}})
	require.NoError(t, err)
	f.db.NoSync = true // nothing of the sample is worth a sync
	for i := 0; i < sampleNonces; i += 10 {
		c := change{header: header{created: storetest.Start, latest: storetest.Start}}
		for j := i; j < i+10; j++ {
			n := sampleNonce(j)
			c.nonces = append(c.nonces, spent{n.Key, n.Expires})
		}
		c.add = []state.Entry{{KeyName: "app.key", Revocation: sampleRevocation(i / 10)}, {KeyName: "app.gone", Revocation: sampleRevocation(i / 10)}}
		if i > 0 {
			c.remove = []state.Entry{{KeyName: "app.gone", Revocation: sampleRevocation(i/10 - 1)}}
		}
		if k := i / 10; k < sampleApps {
			c.records = []state.Change{{Bucket: store.Apps, Name: fmt.Sprint("app", k), Value: sampleApp(k)}, {Bucket: store.SealSecrets, Name: "newest", Value: []byte{byte(k)}}, {Bucket: store.Devices, Name: fmt.Sprint("device", k), Value: []byte("{}")}}
		}
		require.NoError(t, f.write(&c, false))
	}
	require.NoError(t, f.close())
	data, err := os.ReadFile(stateIn(dir))
	require.NoError(t, err)
	return data
}

// place puts a state file and its marker into a directory of their own.
func place(t testing.TB, data []byte) (dir string) {
	dir = t.TempDir()
	require.NoError(t, os.WriteFile(stateIn(dir), data, 0o600))
	require.NoError(t, writeMarker(stateIn(dir), storetest.Start))
	return dir
}

func TestPagesAreReadAsBoltReadsThem(t *testing.T) {
	dir := place(t, sample(t))
	f, err := os.Open(stateIn(dir))
	require.NoError(t, err)
	defer f.Close()
	info, err := f.Stat()
	require.NoError(t, err)
	c, damage := load(f, info.Size())
	require.NoError(t, damage)
	require.Equal(t, sampleNonces, c.nonces.Len())

	db, err := bbolt.Open(stateIn(dir), 0o600, &bbolt.Options{ReadOnly: true})
	require.NoError(t, err)
	defer db.Close()
	totals := make(map[string]total)
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			require.NoError(t, err, "bbolt's own check")
		}
		sum := func(group string, b *bbolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error {
				s := totals[group]
				s.add(group, k, v)
				totals[group] = s
				return nil
			})
		}
		for _, name := range []string{"revocations", "apps", "seal_secrets", "devices"} {
			require.NoError(t, sum(name, tx.Bucket([]byte(name))))
		}
		nonces := tx.Bucket(bucketNonces)
		return nonces.ForEachBucket(func(k []byte) error { return sum("nonces"+string(k), nonces.Bucket(k)) })
	}))
	require.Equal(t, totals, c.totals)
	require.EqualValues(t, sampleApps, totals["apps"].count)
	require.EqualValues(t, 1, totals["seal_secrets"].count)
	require.EqualValues(t, sampleApps, totals["devices"].count)
}

// survey opens a state file that may be damaged and says what came of it.
func survey(t testing.TB, data []byte, what string) (floor bool) {
	dir := place(t, data)
	clock := storetest.NewClock()
	var log bytes.Buffer
	s, err := Open(Options{Path: stateIn(dir), Now: clock.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err, what)
	defer s.Close()
	require.NoError(t, s.Status().Err, what)
	for i := range sampleNonces {
		n := sampleNonce(i)
		if n.Expires < clock.Now() {
			continue
		}
		got, _ := spend(t, s, n)
		require.NotEqual(t, engine.Fresh, got, "%s: nonce %d was accepted again", what, i)
	}
	aside, err := filepath.Glob(stateIn(dir) + ".damaged-*")
	require.NoError(t, err)
	floor = s.Status().Floor != 0
	if floor {
		require.Len(t, aside, 1, what)
		kept, err := os.ReadFile(aside[0])
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, kept), "%s: the damaged file is kept as it was", what)
		require.Contains(t, log.String(), "damaged and was moved aside", what)
		require.Contains(t, s.Status().FloorCause, "damaged", what)
	}
	// Records that are there are right, whatever else is lost.
	apps := 0
	require.NoError(t, s.Watch(store.Apps, func(name string, value []byte) {
		var i int
		_, err := fmt.Sscanf(name, "app%d", &i)
		require.NoError(t, err, what)
		require.True(t, bytes.Equal(sampleApp(i), value), "%s: %s", what, name)
		apps++
	}))
	devices := 0
	require.NoError(t, s.Watch(store.Devices, func(name string, value []byte) {
		require.Equal(t, "{}", string(value), "%s: %s", what, name)
		devices++
	}))
	right := make(map[state.Entry]bool)
	for i := range sampleRevocations {
		right[state.Entry{KeyName: "app.key", Revocation: sampleRevocation(i)}] = true
	}
	for i := 2; i > 0; i-- { // the second when the newest meta page is lost: the state before the last
		right[state.Entry{KeyName: "app.gone", Revocation: sampleRevocation(sampleRevocations - i)}] = true
	}
	revocations := 0
	require.NoError(t, s.WatchRevocations(func(keyName string, r engine.Revocation) {
		require.True(t, right[state.Entry{KeyName: keyName, Revocation: r}], "%s: %s %v", what, keyName, r)
		revocations++
	}))
	if !floor {
		require.Empty(t, aside, what)
		require.Equal(t, [2]int{sampleApps, sampleApps}, [2]int{apps, devices}, "%s: a file that is used has everything", what)
		require.Equal(t, sampleRevocations+1, revocations, what)
		require.Equal(t, sampleNonces, s.Status().Nonces, what)
	}
	return floor
}

func mutations() int {
	switch {
	case longRun:
		return 5000
	case testing.Short():
		return 40
	}
	return 200
}

func TestOneFlippedBit(t *testing.T) {
	data := sample(t)
	require.False(t, survey(t, data, "undamaged"))
	r := rand.New(rand.NewPCG(1, 2))
	noticed := 0
	for i := range mutations() {
		at, bit := r.IntN(len(data)), r.IntN(8)
		damaged := bytes.Clone(data)
		damaged[at] ^= 1 << bit
		if survey(t, damaged, fmt.Sprintf("flip %d: bit %d of byte %d", i, bit, at)) {
			noticed++
		}
	}
	t.Logf("of %d flips %d were noticed; the others hit space that is not used", mutations(), noticed)
	require.Greater(t, noticed, mutations()/10)
}

func TestTruncation(t *testing.T) {
	data := sample(t)
	r := rand.New(rand.NewPCG(3, 4))
	noticed := 0
	for i := range mutations() {
		size := r.IntN(len(data))
		if i == 0 {
			size = 0
		}
		if survey(t, data[:size], fmt.Sprintf("cut %d: at %d", i, size)) {
			noticed++
		}
	}
	t.Logf("of %d truncations %d were noticed; the others cut off space that is not used", mutations(), noticed)
	require.Greater(t, noticed, mutations()/10)
}

// Whole pages: written somewhere else, lost, or left as they were.
func TestMisplacedPages(t *testing.T) {
	data := sample(t)
	r := rand.New(rand.NewPCG(5, 6))
	page := os.Getpagesize()
	noticed := 0
	for i := range mutations() {
		damaged := bytes.Clone(data)
		from, to := r.IntN(len(data)/page)*page, r.IntN(len(data)/page)*page
		if i%2 == 0 {
			copy(damaged[to:to+page], data[from:])
		} else {
			clear(damaged[to : to+page])
		}
		if survey(t, damaged, fmt.Sprintf("page %d: %d to %d", i, from/page, to/page)) {
			noticed++
		}
	}
	t.Logf("of %d misplaced pages %d were noticed", mutations(), noticed)
	require.Greater(t, noticed, mutations()/10)
}

// Every bit of the pages that say where everything is.
func TestFlippedBitsOfMetaPages(t *testing.T) {
	data := sample(t)
	for _, page := range []int{0, os.Getpagesize()} {
		for at := pageHeaderBytes; at < pageHeaderBytes+metaBytes; at++ {
			if !longRun && at%7 != 0 {
				continue
			}
			damaged := bytes.Clone(data)
			damaged[page+at] ^= 1
			require.True(t, survey(t, damaged, fmt.Sprintf("meta page at %d, byte %d", page, at)),
				"the older page is valid, but it may be that of the state before the last")
		}
	}
}

// A flip in a nonce costs the nonces, and neither revocations nor records.
func TestDamageIsContained(t *testing.T) {
	data := sample(t)
	n := sampleNonce(sampleNonces / 2)
	at := bytes.LastIndex(data, n.Key[:])
	require.Positive(t, at)
	data[at] ^= 1
	for damaged := bytes.Index(data, n.Key[:]); damaged >= 0; damaged = bytes.Index(data, n.Key[:]) {
		data[damaged] ^= 1
	}
	dir := place(t, data)
	s, err := Open(Options{Path: stateIn(dir), Now: storetest.NewClock().Now})
	require.NoError(t, err)
	defer s.Close()
	require.Contains(t, s.Status().FloorCause, "nonces: its records are not those that were written")
	apps, revocations := 0, 0
	require.NoError(t, s.Watch(store.Apps, func(string, []byte) { apps++ }))
	require.NoError(t, s.WatchRevocations(func(string, engine.Revocation) { revocations++ }))
	require.Equal(t, sampleApps, apps)
	require.Equal(t, sampleRevocations+1, revocations)
}

func TestAnotherVersionIsMovedAside(t *testing.T) {
	dir := place(t, sample(t))
	db, err := bbolt.Open(stateIn(dir), 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketState)
		other := bytes.Clone(b.Get(keyState))
		other[0] = 99
		return b.Put(keyState, other)
	}))
	require.NoError(t, db.Close())
	s, err := Open(Options{Path: stateIn(dir), Now: storetest.NewClock().Now})
	require.NoError(t, err)
	defer s.Close()
	require.Contains(t, s.Status().FloorCause, "version 99, this program knows version 1")
	requireSpent(t, s, engine.Unknown, sampleNonce(200))
}

// A list of free pages that names one that is in use, or not one that is free: the
// next transactions would write over what is there.
func TestAWrongListOfFreePages(t *testing.T) {
	data := sample(t)
	m, damage, err := readMetas(bytes.NewReader(data))
	require.NoError(t, errors.Join(damage, err))
	list := int(m.freelist)*m.pageSize + pageHeaderBytes
	require.Positive(t, native.Uint16(data[list-pageHeaderBytes+10:]), "the sample has free pages")
	for _, id := range []uint64{m.root, m.freelist, 0, m.high, native.Uint64(data[list+8:])} {
		damaged := bytes.Clone(data)
		native.PutUint64(damaged[list:], id)
		require.True(t, survey(t, damaged, fmt.Sprintf("page %d is said to be free", id)))
	}
	damaged := bytes.Clone(data)
	damaged[list-pageHeaderBytes+10]-- // the count
	require.True(t, survey(t, damaged, "a free page is not in the list"))
}

// What is no bbolt file at all, and what would lead bbolt's own reader round in
// circles: a page that names one above it as its child.
func TestAFileThatLeadsInCircles(t *testing.T) {
	data := sample(t)
	page := os.Getpagesize()
	found := 0
	for id := 2; (id+1)*page <= len(data); id++ {
		at := data[id*page:]
		if native.Uint64(at) == uint64(id) && native.Uint16(at[8:]) == branchPage {
			damaged := bytes.Clone(data)
			native.PutUint64(damaged[id*page+pageHeaderBytes+8:], uint64(id))
			if survey(t, damaged, fmt.Sprintf("circle at page %d", id)) {
				found++
			}
			native.PutUint16(damaged[id*page+10:], 1) // and no second child whose keys give it away
			survey(t, damaged, fmt.Sprintf("narrow circle at page %d", id))
		}
	}
	require.Positive(t, found)
	require.True(t, survey(t, []byte("not a database"), "text"))
	require.True(t, survey(t, make([]byte, 1<<16), "zeroes"))
	noise := make([]byte, 1<<16)
	r := rand.New(rand.NewPCG(7, 8))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	require.True(t, survey(t, noise, "noise"))
}
