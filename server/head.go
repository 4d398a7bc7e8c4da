package server

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"portcullis/engine"
)

// checkHead refuses requests that two readers could understand differently, and
// that fasthttp lets pass: it is what keeps a proxy in front and this server from
// seeing different requests in the same bytes (request smuggling).
func checkHead(ctx *fasthttp.RequestCtx) *engine.ErrorInfo {
	header := &ctx.Request.Header
	if p := header.Protocol(); string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0" {
		return engine.ErrVersion
	}
	if !knownMethod(header.Method()) {
		return engine.ErrMethod
	}
	if err := checkTarget(header.RequestURI()); err != nil {
		return err
	}
	chunked, err := checkFields(header)
	if chunked {
		// Where chunks end fasthttp reads more kindly than others: a line feed alone
		// will do. What one reader takes for a trailer would be the next request to
		// another, so nothing is read behind them.
		ctx.SetConnectionClose()
	}
	return err
}

func knownMethod(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return true
	}
	return false
}

// checkTarget refuses paths that mean one thing to one reader and another to the
// next. The target is matched as it was sent; only a parameter is decoded, once,
// after it was found, so in a parameter every escape is data.
func checkTarget(target []byte) *engine.ErrorInfo {
	path, _, _ := bytes.Cut(target, []byte{'?'})
	if len(path) == 0 || path[0] != '/' {
		return engine.ErrBadRequest // absolute, authority and asterisk forms are for proxies
	}
	from, to := parameterOf(path)
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' || c == '#' || c <= ' ' || c >= 0x7f:
			return engine.ErrBadRequest
		case c == '/' && ambiguousSegment(path[i+1:]):
			return engine.ErrBadRequest
		case c == '%' && !isEscape(path[i+1:]), c == '%' && !(from <= i && i < to) && ambiguousEscape(path[i+1:]):
			return engine.ErrBadRequest
		}
	}
	return nil
}

// ambiguousSegment says whether what follows a slash is another slash or a dot
// segment.
func ambiguousSegment(rest []byte) bool {
	segment, _, _ := bytes.Cut(rest, []byte{'/'})
	switch string(segment) {
	case "":
		return len(rest) > 0 // "//"; a slash at the end is just another path
	case ".", "..":
		return true
	}
	return false
}

// isEscape says whether two hexadecimal digits follow a percent sign.
func isEscape(rest []byte) bool { return len(rest) >= 2 && unhex(rest[0]) < 16 && unhex(rest[1]) < 16 }

// ambiguousEscape says whether an escape is that of a NUL, a dot, a slash, a
// backslash or a percent sign.
func ambiguousEscape(rest []byte) bool {
	switch unhex(rest[0])<<4 | unhex(rest[1]) {
	case 0, '.', '/', '\\', '%':
		return true
	}
	return false
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// single are the fields that must not be repeated.
const (
	fieldAuthorization = iota
	fieldContentType
	fieldContentLength
	fieldTransferEncoding
	fieldExpect
	fieldClientID
	fieldDeviceToken
	fieldDeviceSecret
	fieldOrigin
	fieldHost
	singleFields
)

var singleNames = [singleFields]string{
	"authorization", "content-type", "content-length", "transfer-encoding", "expect", "x-ably-clientid", "x-ably-devicetoken", "x-ably-devicesecret", "origin", "host",
}

// checkFields checks the header block as it was sent (RFC 9112 §5, §6), and says
// whether the body comes in chunks.
func checkFields(header *fasthttp.RequestHeader) (chunked bool, err *engine.ErrorInfo) {
	var seen [singleFields]bool
	block := header.RawHeaders()
	for len(block) > 0 {
		end := bytes.Index(block, []byte("\r\n"))
		if end < 0 {
			return false, engine.ErrBadRequest
		}
		line := block[:end]
		block = block[end+2:]
		if bytes.IndexByte(line, '\n') >= 0 {
			return false, engine.ErrBadRequest // a line feed alone ends a line for some readers only
		}
		if len(line) == 0 {
			continue // the end of the block
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || !isToken(line[:colon]) {
			return false, engine.ErrBadRequest // a folded line begins with white space, which is no token
		}
		field, value := singleField(line[:colon]), bytes.TrimSpace(line[colon+1:])
		if field < 0 {
			continue
		}
		if seen[field] {
			return false, engine.ErrBadRequest
		}
		seen[field] = true
		switch {
		case field == fieldTransferEncoding && !bytes.EqualFold(value, []byte("chunked")):
			return false, engine.ErrBadRequest
		case field == fieldExpect && !bytes.EqualFold(value, []byte("100-continue")):
			return false, engine.ErrExpectation
		}
	}
	if seen[fieldTransferEncoding] && (seen[fieldContentLength] || hasTrailers(header, &seen)) {
		return false, engine.ErrBadRequest
	}
	return seen[fieldTransferEncoding], nil
}

// hasTrailers says whether the trailer section of a chunked body has brought a
// field that decides something: fasthttp puts it among the header fields, where
// it must not count (RFC 9110 §6.5.1).
func hasTrailers(header *fasthttp.RequestHeader, seen *[singleFields]bool) bool {
	for i, name := range singleNames {
		if !seen[i] && i != fieldContentLength && i != fieldHost && len(header.Peek(name)) > 0 {
			return true
		}
	}
	return len(header.Peek(fasthttp.HeaderTrailer)) > 0
}

func singleField(name []byte) int {
	for i, single := range singleNames {
		if len(name) == len(single) && bytes.EqualFold(name, []byte(single)) {
			return i
		}
	}
	return -1
}

// tokenChars are the characters of a field name (RFC 9110 §5.6.2).
var tokenChars = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' && c < 0x80
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return t
}()

func isToken(name []byte) bool {
	for _, c := range name {
		if !tokenChars[c] {
			return false
		}
	}
	return true
}
