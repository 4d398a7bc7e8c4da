package e2e

import (
	"bufio"
	"bytes"
	bigendian "encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The opcodes of RFC 6455 §5.2.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// tappedFrame is one WebSocket message that passed.
type tappedFrame struct {
	frame
	fromServer bool
	op         byte
	at         time.Time
	payload    []byte
}

// tappedRequest is one HTTP request that passed, and how it was answered.
type tappedRequest struct {
	method, path string
	query        url.Values
	status       int // 0 while it is not answered
	code         string
}

// tap records one TCP connection: its requests, and after an upgrade its frames.
type tap struct {
	mu       sync.Mutex
	requests []tappedRequest
	frames   []tappedFrame
	upgraded bool
	broken   error // what could not be read
	sides    [2]tapSide
}

const (
	fromClient = 0
	fromServer = 1
)

// tapSide is what one side has sent and is not yet read.
type tapSide struct {
	rest     []byte
	skip     int // bytes of a body
	answered int // requests, by the server
	framed   bool
	message  []byte // of a fragmented message
	op       byte
}

// feed reads what a side sends.
func (p *tap) feed(side int, chunk []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.sides[side]
	s.rest = append(s.rest, chunk...)
	for p.broken == nil {
		more := false
		switch {
		case s.skip > 0:
			n := min(s.skip, len(s.rest))
			s.rest, s.skip = s.rest[n:], s.skip-n
			more = n > 0
		case s.framed:
			more = p.readFrame(side, s)
		default:
			more = p.readHead(side, s)
		}
		if !more {
			return
		}
	}
}

func (p *tap) readHead(side int, s *tapSide) bool {
	end := bytes.Index(s.rest, []byte("\r\n\r\n"))
	if end < 0 {
		return false
	}
	head := bufio.NewReader(bytes.NewReader(s.rest[:end+4]))
	s.rest = s.rest[end+4:]
	if side == fromClient {
		r, err := http.ReadRequest(head)
		if err != nil {
			p.broken = err
			return false
		}
		p.requests = append(p.requests, tappedRequest{method: r.Method, path: r.URL.Path, query: r.URL.Query()})
		s.framed = strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
		s.skip = int(max(r.ContentLength, 0))
		return true
	}
	if s.answered == len(p.requests) {
		p.broken = fmt.Errorf("an answer to nothing")
		return false
	}
	request := &p.requests[s.answered]
	a, err := http.ReadResponse(head, &http.Request{Method: request.method})
	if err != nil {
		p.broken = err
		return false
	}
	s.answered++
	request.status, request.code = a.StatusCode, a.Header.Get("X-Ably-Errorcode")
	if a.StatusCode == http.StatusSwitchingProtocols {
		s.framed, p.upgraded = true, true
		return true
	}
	if len(a.TransferEncoding) > 0 {
		p.broken = fmt.Errorf("an answer in chunks")
	}
	if request.method != http.MethodHead {
		s.skip = int(max(a.ContentLength, 0))
	}
	return true
}

// readFrame reads one frame (RFC 6455 §5.2).
func (p *tap) readFrame(side int, s *tapSide) bool {
	b := s.rest
	if len(b) < 2 {
		return false
	}
	final, op, size, at := b[0]&0x80 != 0, b[0]&0x0f, int(b[1]&0x7f), 2
	if b[0]&0x70 != 0 {
		p.broken = fmt.Errorf("a frame with extensions")
		return false
	}
	switch size {
	case 126:
		if len(b) < 4 {
			return false
		}
		size, at = int(bigendian.BigEndian.Uint16(b[2:])), 4
	case 127:
		if len(b) < 10 {
			return false
		}
		size, at = int(bigendian.BigEndian.Uint64(b[2:])), 10
	}
	masked := b[1]&0x80 != 0
	if masked != (side == fromClient) {
		p.broken = fmt.Errorf("RFC 6455 §5.1: only a client masks")
		return false
	}
	var mask []byte
	if masked {
		at += 4
	}
	if len(b) < at+size {
		return false
	}
	payload := bytes.Clone(b[at : at+size])
	if masked {
		mask = b[at-4 : at]
		for i := range payload {
			payload[i] ^= mask[i%4]
		}
	}
	s.rest = b[at+size:]
	if op < opClose {
		if op != opContinuation {
			s.op, s.message = op, nil
		}
		s.message = append(s.message, payload...)
		if !final {
			return true
		}
		op, payload = s.op, s.message
	}
	f := tappedFrame{fromServer: side == fromServer, op: op, at: time.Now(), payload: payload}
	if op < opClose {
		var err error
		if f.frame, err = decodeFrame(payload, op == opBinary); err != nil {
			p.broken = err
			return false
		}
	}
	p.frames = append(p.frames, f)
	return true
}
