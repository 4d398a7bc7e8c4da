package vectors

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// innerPrefix begins the directives of a token that is embedded in the token of
// the file, and innerMark stands for it there.
const (
	innerPrefix = "inner-"
	innerMark   = "<inner>"
)

// parts are the directives that make a token.
var parts = []string{
	"kid", "header", "claims", "header-segment", "payload-segment", "signature-segment", "encrypted-segments",
	"secret", "mac", "prepend", "append",
}

// marked are the directives in which a mark stands for something else.
var marked = []string{
	"header", "claims", "header-segment", "payload-segment", "signature-segment", "encrypted-segments", "token", "key", "client-id", "channel",
}

// known tells whether there is a directive of that name. An inner token can have
// one of its own.
func known(name string) bool {
	return slices.Contains(directives, name) || makesToken(name)
}

// makesToken tells whether the directive makes a token, or one within it.
func makesToken(name string) bool {
	part := withoutInner(name)
	return part == "token" || slices.Contains(parts, part)
}

func withoutInner(name string) string {
	for strings.HasPrefix(name, innerPrefix) {
		name = name[len(innerPrefix):]
	}
	return name
}

// replace puts text in the place of the mark, and tells whether it was there.
func (d document) replace(mark, text string) bool {
	found := false
	for name, value := range d {
		if slices.Contains(marked, withoutInner(name)) && strings.Contains(value, mark) {
			d[name] = strings.ReplaceAll(value, mark, text)
			found = true
		}
	}
	return found
}

// token makes the token of the document, the inner one first.
func (d document) token(keys []Key) ([]byte, error) {
	inner := document{}
	for name, value := range d {
		if part, found := strings.CutPrefix(name, innerPrefix); found {
			inner[part] = value
			delete(d, name)
		}
	}
	if len(inner) > 0 {
		token, err := inner.token(keys)
		if err != nil {
			return nil, fmt.Errorf("inner token: %w", err)
		}
		if !d.replace(innerMark, string(token)) {
			return nil, fmt.Errorf("%s occurs nowhere", innerMark)
		}
	} else if d.replace(innerMark, innerMark) {
		return nil, fmt.Errorf("%s stands for nothing", innerMark)
	}
	switch {
	case !d.has("token"):
		return compose(d, keys)
	case d.has(parts...):
		return nil, errors.New("one of token, key, or parts of a token")
	}
	return []byte(d["token"]), nil
}
