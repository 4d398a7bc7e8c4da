package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds every file that the configuration is read from.
const maxFileBytes = 4 << 20

// readFile reads a file whose permissions have none of the bits of forbidden.
func readFile(path string, forbidden os.FileMode) (text []byte, mode os.FileMode, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, plain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, plain(err)
	}
	mode = info.Mode().Perm()
	switch {
	case info.IsDir():
		return nil, mode, errors.New("is a directory")
	case mode&forbidden != 0:
		return nil, mode, fmt.Errorf("has mode %04o, so others can read it: chmod %04o", mode, mode&^forbidden)
	}
	text, err = io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	switch {
	case err != nil:
		return nil, mode, plain(err)
	case len(text) > maxFileBytes:
		return nil, mode, fmt.Errorf("is larger than %d MiB", maxFileBytes>>20)
	}
	return text, mode, nil
}

// plain drops the path that package os puts into its errors: who reports it
// names the file already.
func plain(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("cannot be read: %w", p.Err)
	}
	return err
}

// parseDocument parses the text of a configuration file into its top node, which
// is nil for an empty file.
func parseDocument(file string, text []byte) (*yaml.Node, *Problem) {
	fault := func(offset int, format string, args ...any) (*yaml.Node, *Problem) {
		line, column := position(text, offset)
		return nil, &Problem{Position{File: file, Line: line, Column: column}, "", fmt.Sprintf(format, args...)}
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return fault(i, "not UTF-8")
		}
		if r == 0 {
			return fault(i, "a NUL byte")
		}
		i += size
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err == nil {
		err = decoder.Decode(&second)
		if err == nil {
			at := &second
			if len(second.Content) > 0 {
				at = second.Content[0]
			}
			return nil, &Problem{Position{File: file, Line: at.Line, Column: at.Column}, "", "a second YAML document: one file is one document"}
		}
	}
	if !errors.Is(err, io.EOF) {
		at, message := syntaxFault(text, err)
		return fault(at, "%s", message)
	}
	if len(document.Content) == 0 || isNull(document.Content[0]) {
		return nil, nil
	}
	return document.Content[0], nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// slowReader hands out one byte at a time. The YAML parser reads no further than
// it must, so what it has read when it gives up is where the fault shows; the
// line in its own message is that of the construct around it, one off at times,
// and often missing.
type slowReader struct {
	text []byte
	read int
}

func (r *slowReader) Read(p []byte) (int, error) {
	if r.read == len(r.text) {
		return 0, io.EOF
	}
	n := copy(p[:1], r.text[r.read:])
	r.read += n
	return n, nil
}

// syntaxFault returns where text stops being YAML, and how. Messages that quote
// the file are replaced: an unquoted secret may begin with an asterisk.
func syntaxFault(text []byte, err error) (offset int, message string) {
	source := &slowReader{text: text}
	slow := yaml.NewDecoder(source)
	for e := error(nil); e == nil; {
		e = slow.Decode(new(yaml.Node))
	}
	offset = max(source.read-1, 0)

	message = strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if number, after, found := strings.Cut(rest, ": "); found {
			line, _ = strconv.Atoi(number)
			message = after
		}
	}
	read := text[:source.read]
	switch {
	case strings.Contains(message, "unknown anchor"):
		return max(bytes.LastIndexByte(read, '*'), 0), "not YAML: an alias without its anchor (put values that begin with * into quotes)"
	case strings.Contains(message, "mapping values are not allowed"):
		return max(bytes.LastIndexByte(read, ':'), 0), "not YAML: " + message + " (put values that hold a colon and a space, or end with a colon, into quotes)"
	case strings.Contains(message, "unknown escape character"):
		offset = max(bytes.LastIndexByte(read, '\\'), 0)
	case strings.Contains(message, "cannot start any token"):
		offset = max(bytes.LastIndexAny(read, "\t@`%"), 0)
	case strings.Contains(message, "did not find expected"):
		// The parser has read to the end of what it did not expect.
		word := bytes.TrimRight(read, " \r\n")
		offset = bytes.LastIndexAny(word, " \r\n\"'[]{},") + 1
	case strings.Contains(message, "could not find expected ':'"), strings.Contains(message, "unexpected end of stream"):
		// These show only later: the parser's line is where the construct begins.
		if at, _ := position(text, offset); 0 < line && line < at {
			offset = offsetOf(text, line, 1)
			offset += len(text[offset:]) - len(bytes.TrimLeft(text[offset:], " "))
		}
	}
	return offset, "not YAML: " + message
}

// position returns the line and the column, in characters from 1, of an offset.
func position(text []byte, offset int) (line, column int) {
	line, column = 1, 1
	for i := skipBOM(text); i < offset && i < len(text); {
		size, ends := lineBreak(text, i)
		switch {
		case ends:
			line, column = line+1, 1
		default:
			_, size = utf8.DecodeRune(text[i:])
			column++
		}
		i += size
	}
	return line, column
}

// offsetOf returns the offset of a line and column, the inverse of position.
func offsetOf(text []byte, line, column int) int {
	i := skipBOM(text)
	for l := 1; l < line && i < len(text); {
		size, ends := lineBreak(text, i)
		if ends {
			l++
		}
		i += size
	}
	for c := 1; c < column && i < len(text); c++ {
		_, size := utf8.DecodeRune(text[i:])
		i += size
	}
	return i
}

var byteOrderMark = []byte("\ufeff")

func skipBOM(text []byte) int {
	if bytes.HasPrefix(text, byteOrderMark) {
		return len(byteOrderMark)
	}
	return 0
}

// lineBreak returns the size of what stands at i and whether the YAML parser
// takes it for the end of a line: beside CR and LF these are NEL, LS and PS.
func lineBreak(text []byte, i int) (size int, ends bool) {
	switch {
	case text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n':
		return 2, true
	case text[i] == '\n', text[i] == '\r':
		return 1, true
	case bytes.HasPrefix(text[i:], []byte("\u0085")):
		return 2, true
	case bytes.HasPrefix(text[i:], []byte("\u2028")), bytes.HasPrefix(text[i:], []byte("\u2029")):
		return 3, true
	}
	return 1, false
}
