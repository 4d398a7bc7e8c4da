// Command realtime_load opens many realtime connections and holds them. It reads a
// token for each from stdin, one a line, and opens them as fast as the server lets
// it. Then it prints one line of JSON about that, waits until every connection has
// ended or stdin has, and prints one line about the ends.
//
// With -bare it is the server to compare with: one that upgrades every request and
// sends a frame, and knows nothing of credentials. It prints its address, and ends
// with stdin.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sync"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("realtime_load: ")
	var l load
	bare := flag.Bool("bare", false, "be the server to compare with")
	flag.StringVar(&l.address, "address", "", "of the server, host:port")
	flag.IntVar(&l.dialling, "dialling", 64, "connections that are being made at once")
	flag.IntVar(&l.sources, "sources", 16, "loopback addresses to connect from, 127.0.0.2 and on")
	flag.DurationVar(&l.patience, "patience", 30*time.Second, "after which an attempt is given up")
	flag.Parse()
	if err := allowFiles(); err != nil {
		log.Fatal(err)
	}
	stdin := bufio.NewScanner(os.Stdin)
	if *bare {
		address, err := serveBare()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(address)
		for stdin.Scan() {
		}
		return
	}
	for stdin.Scan() && stdin.Text() != "" {
		l.tokens = append(l.tokens, stdin.Text())
	}
	print(l.open())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.running.Wait()
	}()
	orders := make(chan struct{})
	go func() {
		defer close(orders)
		for stdin.Scan() {
		}
	}()
	select {
	case <-ended:
	case <-orders:
	}
	print(l.ends())
}

func print(v any) {
	if err := json.NewEncoder(os.Stdout).Encode(v); err != nil {
		log.Fatal(err)
	}
}

// allowFiles raises the limit on open files as far as it goes.
func allowFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return os.NewSyscallError("setrlimit", syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
}

// load is the client.
type load struct {
	address           string
	dialling, sources int
	patience          time.Duration
	tokens            []string
	running           sync.WaitGroup

	mu      sync.Mutex
	opened  opening
	closing ending
}

// opening is what became of the attempts.
type opening struct {
	Opened  int     `json:"opened"`
	Failed  int     `json:"failed"`
	Seconds float64 `json:"seconds"` // from the first attempt to the last answer
	Slowest float64 `json:"slowest"` // attempt, in seconds
	Failure string  `json:"failure,omitempty"`
}

// ending is what became of the connections.
type ending struct {
	Disconnected int     `json:"disconnected"` // told so by a DISCONNECTED frame
	Goodbye      int     `json:"goodbye"`      // ended by a close frame
	Cut          int     `json:"cut"`          // ended without a word
	Left         int     `json:"left"`         // still open
	Seconds      float64 `json:"seconds"`      // from the first end to the last
	first, last  time.Time
}

func (l *load) open() opening {
	began := time.Now()
	attempts := make(chan int)
	var dialling sync.WaitGroup
	for range l.dialling {
		dialling.Go(func() {
			for i := range attempts {
				l.attempt(i)
			}
		})
	}
	for i := range l.tokens {
		attempts <- i
	}
	close(attempts)
	dialling.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened.Seconds = time.Since(began).Seconds()
	return l.opened
}

func (l *load) attempt(i int) {
	began := time.Now()
	c, err := dial(l.address, l.tokens[i], i%l.sources, l.patience)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.opened.Failed++
		l.opened.Failure = err.Error()
		return
	}
	l.opened.Opened++
	l.opened.Slowest = max(l.opened.Slowest, time.Since(began).Seconds())
	l.running.Go(func() { l.hold(c) })
}

// hold reads until the connection ends.
func (l *load) hold(c *connection) {
	disconnected, goodbye := c.drain()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closing.last = time.Now()
	if l.closing.first.IsZero() {
		l.closing.first = l.closing.last
	}
	switch {
	case disconnected:
		l.closing.Disconnected++
	case goodbye:
		l.closing.Goodbye++
	default:
		l.closing.Cut++
	}
}

func (l *load) ends() ending {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.closing
	e.Left = l.opened.Opened - e.Disconnected - e.Goodbye - e.Cut
	e.Seconds = e.last.Sub(e.first).Seconds()
	return e
}
