package fuzz

import (
	"bytes"
	"strconv"
	"strings"
)

// framed is one request as a careful reader finds it in a stream of bytes.
type framed struct {
	method string
	proper bool // its beginning and its end are beyond doubt; nothing is read behind one of which they are not
}

// frames takes a stream apart by RFC 9112, and stops where two readers could see
// different requests: that is what a server must not go on behind.
func frames(stream []byte) (requests []framed) {
	for {
		stream = bytes.TrimLeft(stream, "\r\n") // §2.2
		if len(stream) == 0 {
			return requests
		}
		method, lines, rest, ok := readHead(stream)
		if ok {
			rest, ok = skipBody(lines, rest)
		}
		if !ok {
			return append(requests, framed{method, false})
		}
		stream = rest
		requests = append(requests, framed{method, true})
	}
}

// readHead returns the method and the field lines of a head, and what follows it
// (§3, §5). The request line may end with a line feed alone (§2.2): fasthttp takes
// that, and does not say so, and the head ends where it ends for everybody. In every
// other place it is refused.
func readHead(stream []byte) (method string, fields [][2]string, rest []byte, ok bool) {
	first, rest, ended := bytes.Cut(stream, []byte("\n"))
	first = bytes.TrimSuffix(first, []byte("\r"))
	var block []byte
	if !bytes.HasPrefix(rest, []byte("\r\n")) {
		var whole bool
		if block, rest, whole = bytes.Cut(rest, []byte("\r\n\r\n")); !whole {
			return "", nil, nil, false
		}
	} else {
		rest = rest[2:]
	}
	text := strings.ReplaceAll(string(block), "\r\n", "\x01")
	if !ended || strings.ContainsAny(text, "\r\n\x00") || bytes.ContainsAny(first, "\r\x00") {
		return "", nil, nil, false
	}
	parts := strings.Split(string(first), " ")
	if method = parts[0]; len(parts) != 3 || !isFieldName(method) || parts[1] == "" || parts[2] != "HTTP/1.0" && parts[2] != "HTTP/1.1" {
		return method, nil, nil, false
	}
	if len(block) == 0 {
		return method, nil, rest, true
	}
	for _, line := range strings.Split(text, "\x01") {
		name, value, found := strings.Cut(line, ":")
		if !found || !isFieldName(name) { // a folded line begins with white space (§5.2)
			return method, nil, nil, false
		}
		if strings.EqualFold(name, "transfer-encoding") && parts[2] == "HTTP/1.0" {
			return method, nil, nil, false // §6.1
		}
		fields = append(fields, [2]string{strings.ToLower(name), strings.Trim(value, " \t")})
	}
	return method, fields, rest, true
}

// isFieldName says whether text is a token (RFC 9110 §5.6.2).
func isFieldName(text string) bool {
	return text != "" && strings.Trim(text, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == ""
}

// skipBody returns what follows the body (§6.3).
func skipBody(fields [][2]string, rest []byte) ([]byte, bool) {
	var lengths, encodings []string
	for _, f := range fields {
		switch f[0] {
		case "content-length":
			lengths = append(lengths, f[1])
		case "transfer-encoding":
			encodings = append(encodings, f[1])
		}
	}
	switch {
	case len(lengths)+len(encodings) == 0:
		return rest, true
	case len(lengths)+len(encodings) > 1:
		return nil, false
	case len(encodings) == 1:
		if !strings.EqualFold(encodings[0], "chunked") {
			return nil, false
		}
		return skipChunks(rest)
	}
	n, err := strconv.ParseUint(lengths[0], 10, 31)
	if err != nil || strings.Trim(lengths[0], "0123456789") != "" || n > uint64(len(rest)) {
		return nil, false
	}
	return rest[n:], true
}

// skipChunks returns what follows a chunked body (§7.1). A line feed alone within a
// chunk extension ends the line for some readers, so nobody may take it.
func skipChunks(rest []byte) ([]byte, bool) {
	for {
		line, after, found := bytes.Cut(rest, []byte("\r\n"))
		digits, _, _ := strings.Cut(string(line), ";")
		digits = strings.TrimRight(digits, " \t")
		size, err := strconv.ParseUint(digits, 16, 31)
		if !found || err != nil || strings.Trim(digits, "0123456789abcdefABCDEF") != "" || bytes.ContainsAny(line, "\r\n\x00") {
			return nil, false
		}
		if size == 0 {
			return skipTrailers(after)
		}
		if size > uint64(len(after)) || !bytes.HasPrefix(after[size:], []byte("\r\n")) {
			return nil, false
		}
		rest = after[size+2:]
	}
}

// skipTrailers returns what follows a trailer section (§7.1.2).
func skipTrailers(rest []byte) ([]byte, bool) {
	for {
		line, after, found := bytes.Cut(rest, []byte("\r\n"))
		switch name, _, field := strings.Cut(string(line), ":"); {
		case !found:
			return nil, false
		case len(line) == 0:
			return after, true
		case !field || !isFieldName(name) || bytes.ContainsAny(line, "\r\n\x00"):
			return nil, false
		}
		rest = after
	}
}
