package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// connection is a WebSocket that mostly reads. It is written by hand so that the
// client costs as little as may be of the processors that it shares with the server.
type connection struct {
	net.Conn
	rest []byte // read and not yet taken
}

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10

	actConnected    = `"action":4`
	actDisconnected = `"action":6`
)

// dial opens a connection from one of the addresses of loopback and reads its first
// frame, which must be CONNECTED.
func dial(address, token string, source int, patience time.Duration) (c *connection, err error) {
	d := net.Dialer{
		Timeout:   patience,
		LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(source>>8), byte(2+source))},
		// The port is found when the other end is known: one serves several.
		Control: func(_, _ string, raw syscall.RawConn) error {
			var failed error
			err := raw.Control(func(fd uintptr) {
				const ipBindAddressNoPort = 24
				failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1)
			})
			if err == nil {
				err = failed
			}
			return err
		},
	}
	conn, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c = &connection{Conn: conn}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	if err = conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err = fmt.Fprintf(conn, "GET /?v=6&format=json&heartbeats=false&access_token=%s HTTP/1.1\r\nHost: %s\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", token, address); err != nil {
		return nil, err
	}
	if err = c.readHead(); err != nil {
		return nil, err
	}
	op, payload, err := c.readFrame()
	if err != nil {
		return nil, err
	}
	if op != opText || !bytes.Contains(payload, []byte(actConnected)) {
		return nil, fmt.Errorf("the first frame is %d %q", op, payload)
	}
	return c, conn.SetDeadline(time.Time{})
}

func (c *connection) readHead() error {
	for {
		if end := bytes.Index(c.rest, []byte("\r\n\r\n")); end >= 0 {
			status := fmt.Sprintf("HTTP/1.1 %d ", http.StatusSwitchingProtocols)
			if !bytes.HasPrefix(c.rest, []byte(status)) {
				return fmt.Errorf("answered %q", c.rest[:end])
			}
			c.rest = c.rest[end+4:]
			return nil
		}
		if err := c.more(); err != nil {
			return err
		}
	}
}

func (c *connection) more() error {
	var chunk [1024]byte
	n, err := c.Read(chunk[:])
	c.rest = append(c.rest, chunk[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// readFrame reads one frame of a server, which masks none (RFC 6455 §5.1).
func (c *connection) readFrame() (op byte, payload []byte, err error) {
	for {
		if b := c.rest; len(b) >= 2 {
			size, at := int(b[1]), 2
			if size == 126 && len(b) >= 4 {
				size, at = int(binary.BigEndian.Uint16(b[2:])), 4
			} else if size >= 126 {
				size = len(b) // more of it is needed, or it is not of this protocol
			}
			if len(b) >= at+size {
				c.rest = append([]byte(nil), b[at+size:]...)
				return b[0] & 0x0f, b[at : at+size], nil
			}
		}
		if err = c.more(); err != nil {
			return 0, nil, err
		}
	}
}

// drain reads until the connection ends, and answers pings.
func (c *connection) drain() (disconnected, goodbye bool) {
	defer c.Close()
	for {
		op, payload, err := c.readFrame()
		switch {
		case err != nil:
			return disconnected, goodbye
		case op == opClose:
			_ = c.answer(opClose, payload)
			_, _ = io.Copy(io.Discard, c.Conn)
			return disconnected, true
		case op == opPing:
			_ = c.answer(opPong, payload)
		case bytes.Contains(payload, []byte(actDisconnected)):
			disconnected = true
		}
	}
}

// answer writes a control frame, masked with zeros.
func (c *connection) answer(op byte, payload []byte) error {
	frame := append([]byte{0x80 | op, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	_, err := c.Write(frame)
	return err
}
