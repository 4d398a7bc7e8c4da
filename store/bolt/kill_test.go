package bolt

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/store"
)

// The process is killed while it writes, and whatever it has acknowledged must be
// there. The test runs itself as the process that is killed; an acknowledgement is
// what has come through the pipe.

const (
	childVariable = "PORTCULLIS_STORE_CHILD"
	spenders      = 64
	minAcked      = 100 // a round with less says nothing
	ackBytes      = 1 + 8
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		runChild(path)
	}
	os.Exit(m.Run())
}

// ackedNonce is a nonce of the kill test: remembered longer than the test takes.
func ackedNonce(number uint64) *engine.Nonce {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, number))
	now := engine.Now()
	return &engine.Nonce{Key: [16]byte(sum[:]), Stamped: now, Expires: now.Add(time.Hour)}
}

func ackedRevocation(number uint64) engine.Revocation {
	return engine.Revocation{Target: engine.RevokeChannel, Value: fmt.Sprint(number), IssuedBefore: 1, AppliesAt: engine.Now()}
}

// runChild spends, revokes and creates until it is killed, and says of what on its
// standard output when it was told that it is done.
func runChild(path string) {
	s, err := Open(Options{Path: path})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	seed := rand.Uint64() << 24
	acknowledge := func(kind byte, number uint64) {
		// One write of a few bytes: it is in the pipe or not.
		if _, err := os.Stdout.Write(binary.BigEndian.AppendUint64([]byte{kind}, number)); err != nil {
			os.Exit(1)
		}
	}
	ctx := context.Background()
	var group sync.WaitGroup
	for worker := range spenders + 2 {
		group.Go(func() {
			for i := uint64(0); ; i++ {
				number := seed + i*(spenders+2) + uint64(worker)
				switch worker {
				case spenders:
					if s.AppendRevocations(ctx, "app.key", []engine.Revocation{ackedRevocation(number)}) == nil {
						acknowledge('r', number)
					}
				case spenders + 1:
					if s.Put(ctx, store.Apps, fmt.Sprint(number), []byte("app"), true) == nil {
						acknowledge('a', number)
					}
				default:
					if got, _ := s.Spend(ctx, ackedNonce(number)); got == engine.Fresh {
						acknowledge('n', number)
					}
				}
			}
		})
	}
	group.Wait()
}

// journal is what was acknowledged.
type journal struct{ nonces, revocations, apps []uint64 }

func (j *journal) read(r io.Reader, each func(count int)) error {
	in := bufio.NewReader(r)
	for count := 1; ; count++ {
		var ack [ackBytes]byte
		if _, err := io.ReadFull(in, ack[:]); err != nil {
			return err
		}
		number := binary.BigEndian.Uint64(ack[1:])
		switch ack[0] {
		case 'n':
			j.nonces = append(j.nonces, number)
		case 'r':
			j.revocations = append(j.revocations, number)
		case 'a':
			j.apps = append(j.apps, number)
		default:
			return fmt.Errorf("acknowledgement of %q", ack[0])
		}
		each(count)
	}
}

func TestKill(t *testing.T) {
	rounds := 5
	if longRun {
		rounds = 200
	}
	path := stateIn(t.TempDir())
	var all journal
	var slowest time.Duration
	for round := range rounds {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), childVariable+"="+path)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		// The point is random twice: after so many acknowledgements, and so much later.
		last := minAcked + rand.IntN(3000)
		delay := time.Duration(rand.IntN(5_000)) * time.Microsecond
		before := len(all.nonces)
		var kill *time.Timer
		err = all.read(out, func(count int) {
			if count == last {
				kill = time.AfterFunc(delay, func() { child.Process.Kill() })
			}
		})
		require.ErrorIs(t, err, io.EOF)
		require.NotNil(t, kill, "round %d: the process ended by itself", round)
		require.ErrorContains(t, child.Wait(), "killed")
		require.GreaterOrEqual(t, len(all.nonces)-before, minAcked, "round %d: too few acknowledgements", round)
		slowest = max(slowest, checkJournal(t, path, &all, round, rounds))
	}
	t.Logf("%d kills: %d nonces, %d revocations, %d apps acknowledged, none lost; slowest open %s",
		rounds, len(all.nonces), len(all.revocations), len(all.apps), slowest)
}

// checkJournal opens what the killed process has left. Nothing may be lost, and
// nothing may be moved aside: a kill is no damage.
func checkJournal(t *testing.T, path string, j *journal, round, rounds int) time.Duration {
	begin := time.Now()
	s, err := Open(Options{Path: path})
	took := time.Since(begin)
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, store.Status{Nonces: s.Status().Nonces}, s.Status(), "round %d: a kill is no damage", round)
	for _, number := range j.nonces {
		got, _ := spend(t, s, ackedNonce(number))
		require.Equal(t, engine.Replayed, got, "round %d of %d: nonce %d was acknowledged", round, rounds, number)
	}
	revoked := make(map[string]bool)
	require.NoError(t, s.WatchRevocations(func(_ string, r engine.Revocation) { revoked[r.Value] = true }))
	for _, number := range j.revocations {
		require.True(t, revoked[fmt.Sprint(number)], "round %d: revocation %d was acknowledged", round, number)
	}
	for _, number := range j.apps {
		_, err := s.Get(t.Context(), store.Apps, fmt.Sprint(number))
		require.NoError(t, err, "round %d: app %d was acknowledged", round, number)
	}
	return took
}
