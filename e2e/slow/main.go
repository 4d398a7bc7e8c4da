// Command slow is what a server must bear: a client that opens many connections
// and sends one byte of a request's head a second on each, for as long as the
// server lets it. It then prints, as one line of JSON, what became of them.
//
// Times are counted from just before a connection's first byte is sent, so that
// none is understated.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// head is a request's head that never ends.
const head = "GET /v1/admit HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "

// dialling is how many connections are being made at once; more would overflow
// the queue of a listener, and wait for TCP's second try.
const dialling = 256

// outcome is what became of all connections.
type outcome struct {
	Opened   int     `json:"opened"`
	Failed   int     `json:"failed"`   // not opened
	Peak     int     `json:"peak"`     // open at once
	Closed   int     `json:"closed"`   // by the server
	Left     int     `json:"left"`     // open when patience ended
	TimedOut int     `json:"timedOut"` // answered 408 before they were closed
	Earliest float64 `json:"earliest"` // close, in seconds after the connection's first byte
	Latest   float64 `json:"latest"`
	Failure  string  `json:"failure,omitempty"` // the last one
}

type load struct {
	address            string
	interval, patience time.Duration
	slots              chan struct{}

	mu   sync.Mutex
	open int
	outcome
}

func main() {
	l := load{slots: make(chan struct{}, dialling)}
	flag.StringVar(&l.address, "address", "", "of the server, host:port")
	connections := flag.Int("connections", 1000, "how many to open")
	flag.DurationVar(&l.interval, "interval", time.Second, "between two bytes of one connection")
	flag.DurationVar(&l.patience, "patience", 30*time.Second, "after which a connection is given up")
	flag.Parse()
	if err := allowFiles(uint64(*connections) + 64); err != nil {
		log.Fatal("slow: ", err)
	}
	var running sync.WaitGroup
	for range *connections {
		running.Go(l.connect)
	}
	running.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(&l.outcome); err != nil {
		log.Fatal("slow: ", err)
	}
}

// allowFiles raises the limit on open files to at least n.
func allowFiles(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur >= n {
		return nil
	}
	limit.Cur, limit.Max = n, max(limit.Max, n)
	return os.NewSyscallError("setrlimit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
}

// connect is the life of one connection.
func (l *load) connect() {
	l.slots <- struct{}{}
	conn, err := net.DialTimeout("tcp", l.address, l.patience)
	if err != nil {
		<-l.slots
		l.note(func() { l.Failed++; l.Failure = err.Error() })
		return
	}
	defer conn.Close()
	began := time.Now()
	_, err = conn.Write([]byte(head[:1]))
	l.note(func() { l.Opened++; l.open++; l.Peak = max(l.Peak, l.open) })
	<-l.slots
	defer l.note(func() { l.open-- })

	answer := make([]byte, 0, 512)
	for sent := 1; err == nil; {
		if err = conn.SetReadDeadline(began.Add(time.Duration(sent) * l.interval)); err != nil {
			break
		}
		var n int
		n, err = conn.Read(answer[len(answer):cap(answer)])
		answer = answer[:min(len(answer)+n, cap(answer)-1)]
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			continue // an answer, then the end
		}
		if time.Since(began) > l.patience {
			l.note(func() { l.Left++ })
			return
		}
		next := byte('x')
		if sent < len(head) {
			next = head[sent]
		}
		sent++
		_, err = conn.Write([]byte{next})
	}
	l.closed(time.Since(began).Seconds(), strings.HasPrefix(string(answer), "HTTP/1.1 408 "))
}

func (l *load) closed(after float64, timedOut bool) {
	l.note(func() {
		if l.Closed == 0 || after < l.Earliest {
			l.Earliest = after
		}
		l.Latest = max(l.Latest, after)
		l.Closed++
		if timedOut {
			l.TimedOut++
		}
	})
}

func (l *load) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}
