package oracle

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// ErrChannelInvalid is the error of [ParseChannel].
var ErrChannelInvalid = errors.New("channel name: invalid")

// ParseChannel splits the name of a channel, as a client writes it, into the
// qualifier and the path that are authorised.
//
// A name may begin with brackets holding a word, then parameters after a question
// mark. No word, or a filter, leaves an ordinary channel; "meta" makes it a
// metachannel. Every other word is refused: "[queue]x" or "[*]x" would otherwise
// be held against patterns that were never meant for channels.
func ParseChannel(name string) (qualifier, path string, err error) {
	if !utf8.ValidString(name) || hasControl(name) {
		return "", "", ErrChannelInvalid
	}
	path = name
	if strings.HasPrefix(name, "[") {
		content, rest, closed := strings.Cut(name[1:], "]")
		if !closed {
			return "", "", ErrChannelInvalid
		}
		word, _, _ := strings.Cut(content, "?")
		switch {
		case word == "" || strings.HasPrefix(word, "filter="):
		case word == "meta":
			qualifier = "meta"
		default:
			return "", "", ErrChannelInvalid
		}
		if strings.HasPrefix(rest, "]") {
			return "", "", ErrChannelInvalid // where does the prefix end?
		}
		path = rest
	}
	if path == "" || path[0] == '[' || path[0] == ':' {
		return "", "", ErrChannelInvalid
	}
	return qualifier, path, nil
}
