package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// overload is an open-loop load of TokenRequests: they come when they come, not when
// the server has answered the last.
type overload struct {
	address string
	conns   int
	serial  atomic.Int64
}

// served is one answer.
type served struct {
	status         int           // or Ably's error code
	lateness, took time.Duration // from when it was due, and from when it was sent
}

// step is what a rate has led to.
type step struct {
	offered, goodput float64 // a second
	behind           float64 // share of the requests that could not be sent in time
	accepted, shed   []time.Duration
	late             int             // that the store did not write in time: 50003
	probe            []time.Duration // of GET /time meanwhile, which does nothing: what this machine's own delays are
	other            map[int]int
}

func p99(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)*99/100].Round(10 * time.Microsecond)
}

func (s *step) String() string {
	return fmt.Sprintf("offered %.0f/s, behind %.1f %%, goodput %.0f/s, accepted p99 %s, shed %d p99 %s (GET /time p99 %s), too late %d, other %v",
		s.offered, 100*s.behind, s.goodput, p99(s.accepted), len(s.shed), p99(s.shed), p99(s.probe), s.late, s.other)
}

// run offers rate requests a second for so long; 0 is a closed loop, each connection
// sending its next request when it has the answer to the last.
func (o *overload) run(t testing.TB, rate float64, conns int, duration time.Duration) *step {
	t.Helper()
	due := make(chan time.Time, 1<<20)
	answers := make([][]served, conns)
	var running sync.WaitGroup
	begin := time.Now()
	end := begin.Add(duration)
	for i := range conns {
		conn, err := net.Dial("tcp", o.address)
		require.NoError(t, err)
		running.Go(func() {
			defer conn.Close()
			r := bufio.NewReader(conn)
			for {
				at, more := time.Now(), at(end)
				if rate > 0 {
					at, more = receive(due)
				}
				if !more {
					return
				}
				body, err := signedTokenRequest(keyChat, secretChat, "ana", fmt.Sprintf("load-%d-sixteen-characters", o.serial.Add(1)))
				if err != nil {
					t.Error(err)
					return
				}
				sent := time.Now()
				status, err := exchangeRaw(conn, r, "POST /keys/"+keyChat+"/requestToken HTTP/1.1\r\nHost: "+o.address+"\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body)
				if err != nil {
					t.Error(err)
					return
				}
				answers[i] = append(answers[i], served{status, time.Since(at), time.Since(sent)})
			}
		})
	}
	s := &step{other: map[int]int{}}
	running.Go(func() { s.probe = o.probe(t, end) })
	scheduled := 0
	if rate > 0 {
		for now := begin; now.Before(end); now = time.Now() {
			for ; float64(scheduled) < now.Sub(begin).Seconds()*rate; scheduled++ {
				due <- begin.Add(time.Duration(float64(scheduled) / rate * float64(time.Second)))
			}
			time.Sleep(time.Millisecond)
		}
		close(due)
	}
	left := len(due)
	running.Wait()
	good := 0
	for _, list := range answers {
		for _, a := range list {
			switch a.status {
			case 201:
				good++
				s.accepted = append(s.accepted, a.lateness)
			case 50004:
				s.shed = append(s.shed, a.took)
			case 50003:
				s.late++
			default:
				s.other[a.status]++
			}
		}
	}
	s.offered, s.goodput = float64(scheduled-left)/duration.Seconds(), float64(good)/duration.Seconds()
	if scheduled > 0 {
		s.behind = float64(left) / float64(scheduled)
	}
	return s
}

// probe asks for the time, again and again.
func (o *overload) probe(t testing.TB, end time.Time) (took []time.Duration) {
	conn, err := net.Dial("tcp", o.address)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close()
	for r := bufio.NewReader(conn); at(end); time.Sleep(5 * time.Millisecond) {
		began := time.Now()
		if _, err := exchangeRaw(conn, r, "GET /time HTTP/1.1\r\nHost: "+o.address+"\r\n\r\n"); err != nil {
			t.Error(err)
			return took
		}
		took = append(took, time.Since(began))
	}
	return took
}

func at(end time.Time) bool { return time.Now().Before(end) }

func receive(due chan time.Time) (time.Time, bool) {
	t, more := <-due
	return t, more
}

// exchangeRaw sends a request and reads the answer, with as little work as there is:
// the status of a good one, the error code of another.
func exchangeRaw(conn net.Conn, r *bufio.Reader, request string) (status int, err error) {
	if err = conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err = io.WriteString(conn, request); err != nil {
		return 0, err
	}
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, err
		}
		switch line = strings.TrimRight(line, "\r\n"); {
		case first && len(line) > 12:
			if status, err = strconv.Atoi(line[9:12]); err != nil {
				return 0, err
			}
		case line == "":
			_, err = r.Discard(length)
			return status, err
		}
		if value, found := strings.CutPrefix(line, "X-Ably-Errorcode: "); found {
			if status, err = strconv.Atoi(value); err != nil {
				return 0, err
			}
		}
		if value, found := strings.CutPrefix(line, "Content-Length: "); found {
			if length, err = strconv.Atoi(value); err != nil {
				return 0, err
			}
		}
	}
}

// TestOverload offers twice and ten times the TokenRequests that the disk can take.
// The disk takes 5 ms longer for every fdatasync than it would, so that its capacity is the
// bound and not this machine's processors, which the load needs too.
func TestOverload(t *testing.T) {
	if !longRun() {
		t.Skip("a long run of its own: make overload")
	}
	const duration = 60 * time.Second
	server := startOnDisk(t, baseConfig()+onBolt(t), "delay_exit=5000")
	o := &overload{address: strings.TrimPrefix(server.public, "http://")}
	idle := o.run(t, 20, 8, 10*time.Second)
	fmt.Println("idle:", idle)
	var peak float64
	for _, conns := range []int{64, 128} {
		s := o.run(t, 0, conns, 5*time.Second)
		fmt.Printf("closed loop of %d: %s\n", conns, s)
		peak = max(peak, s.goodput)
	}
	require.NotZero(t, peak)
	for _, times := range []float64{2, 10} {
		s := o.run(t, times*peak, 1024, duration)
		fmt.Printf("%.0f times the peak of %.0f/s: %s\n", times, peak, s)
		require.Empty(t, s.other)
		require.NotEmpty(t, s.shed)
		if s.behind > 0.02 {
			fmt.Printf("  not measurable: the load fell behind by %.1f %%\n", 100*s.behind)
			continue
		}
		// What needs nothing takes as long as this machine's other work makes it take.
		if noise := p99(s.probe); noise > 2500*time.Microsecond {
			fmt.Printf("  not measurable: an answer that needs nothing takes %s here, of the 5 ms that a refusal may take\n", noise)
			continue
		}
		require.GreaterOrEqual(t, s.goodput, 0.95*peak)
		require.LessOrEqual(t, p99(s.accepted), max(5*p99(idle.accepted), 20*time.Millisecond))
		require.LessOrEqual(t, p99(s.shed), 5*time.Millisecond)
	}
	after := o.run(t, 20, 8, 5*time.Second)
	fmt.Println("idle again:", after)
	require.Empty(t, after.shed)
	require.Equal(t, "ok\n", string(request{path: "/readyz"}.send(t, server.public).body))
	server.stop(t)
}
