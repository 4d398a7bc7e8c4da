package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"portcullis/engine"
	"portcullis/store"
	"portcullis/store/internal/state"
	"portcullis/store/storetest"
)

const fuzzPageBytes = 1024 // small pages: many of them in a small file

// smallFile returns a state file of small pages, with pages of every kind.
func smallFile(t testing.TB) []byte {
	path := stateIn(t.TempDir())
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: fuzzPageBytes, NoSync: true})
	require.NoError(t, err)
	f := &file{db: db, totals: make(map[string]total)}
	for i := range 12 {
		n := sampleNonce(i * 20)
		require.NoError(t, f.write(&change{
			header:  header{created: storetest.Start, latest: storetest.Start},
			nonces:  []spent{{n.Key, n.Expires}},
			add:     []state.Entry{{KeyName: "app.key", Revocation: sampleRevocation(i)}},
			records: []state.Change{{Bucket: store.Apps, Name: fmt.Sprint(i), Value: sampleApp(i)}},
		}, i == 0))
	}
	require.NoError(t, f.close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// FuzzStateFile: whatever a file holds, reading it ends, without a panic, and what
// is returned is within the limits. The input is what to change in a good file: five
// bytes an edit, the place and what to add there, the last bytes the place to cut
// it off. The meta pages get right checksums, or no edit of them would be looked at.
func FuzzStateFile(f *testing.F) {
	good := smallFile(f)
	c, damage := load(bytes.NewReader(good), int64(len(good)))
	require.NoError(f, damage)
	require.Equal(f, 12, c.nonces.Len())
	f.Add([]byte{})
	f.Add([]byte{0, 0, 8, 24, 1})
	f.Add([]byte{0, 0, 4, 40, 2, 0, 0, 12, 12, 1})
	f.Add([]byte{0, 16, 0})
	f.Fuzz(func(t *testing.T, edits []byte) {
		data := bytes.Clone(good)
		for ; len(edits) >= 5; edits = edits[5:] {
			data[binary.BigEndian.Uint32(edits)%uint32(len(data))] += edits[4]
		}
		for _, page := range []int{0, fuzzPageBytes} {
			m := data[page+pageHeaderBytes:]
			sum := fnv.New64a()
			sum.Write(m[:56])
			native.PutUint64(m[56:], sum.Sum64())
		}
		if len(edits) >= 2 {
			data = data[:int(binary.BigEndian.Uint16(edits))%len(data)]
		}
		c, damage := load(bytes.NewReader(data), int64(len(data)))
		require.NotErrorIs(t, damage, errPanic, "the pages are to be checked, not believed")
		for _, e := range c.entries {
			require.NoError(t, state.CheckRevocations(e.KeyName, []engine.Revocation{e.Revocation}))
		}
		for _, r := range c.changes {
			require.NoError(t, state.CheckRecord(r.Bucket, r.Name, r.Value))
		}
		// Meta pages that were forged, checksum and all, may name an older state.
		if damage == nil && bytes.HasPrefix(data, good[:2*fuzzPageBytes]) {
			require.Equal(t, 12, c.nonces.Len())
			require.Len(t, c.entries, 12)
			require.Len(t, c.changes, 12)
		}
	})
}
