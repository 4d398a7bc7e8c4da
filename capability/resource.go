package capability

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Qualifier is the kind of thing a resource names.
type Qualifier uint8

// The qualifiers. Any stands in capabilities only: it matches the others.
const (
	Channel Qualifier = iota // no qualifier
	Meta                     // [meta]
	Queue                    // [queue]
	Any                      // [*]
)

var qualifierTexts = [...]string{"", "[meta]", "[queue]", "[*]"}

// String returns the qualifier as it stands before a path.
func (q Qualifier) String() string { return qualifierTexts[q] }

// covers says whether a pattern of qualifier q speaks of resources of r.
func (q Qualifier) covers(r Qualifier) bool { return q == r || q == Any }

// Resource is a resource taken apart: everything is decided on its parts, never
// on text put together again, so that no text can be read in two ways.
type Resource struct {
	Qualifier Qualifier
	Path      []byte
}

// ErrResource and ErrChannel are why a resource and a channel name are refused.
var (
	ErrResource = errors.New("capability: not a resource")
	ErrChannel  = errors.New("capability: not a channel name")
)

// ParseResource reads a resource as capabilities write it. The result is a view
// of text.
func ParseResource(text []byte) (Resource, error) {
	r := Resource{Path: text}
	for q := Meta; q <= Any; q++ {
		if path, ok := bytes.CutPrefix(text, []byte(q.String())); ok {
			r = Resource{q, path}
			break
		}
	}
	if !validPath(r.Path) {
		return Resource{}, ErrResource
	}
	return r, nil
}

// ParseChannel reads a channel name as clients write it: a bracketed prefix may
// hold parameters ([?rewind=1]foo) or a filter, which are not part of what is
// named, or the qualifier meta. The result is a view of name, and it is both
// what is authorised and what is attached.
func ParseChannel(name []byte) (Resource, error) {
	r := Resource{Path: name}
	if len(name) > 0 && name[0] == '[' {
		end := bytes.IndexByte(name, ']')
		if end < 0 {
			return Resource{}, ErrChannel
		}
		content := name[1:end]
		r.Path = name[end+1:]
		if len(r.Path) > 0 && r.Path[0] == ']' {
			return Resource{}, ErrChannel
		}
		if !bytes.HasPrefix(content, []byte("filter=")) {
			content, _, _ = bytes.Cut(content, []byte{'?'})
			switch string(content) {
			case "":
			case "meta":
				r.Qualifier = Meta
			default:
				return Resource{}, ErrChannel
			}
		}
	}
	if !validPath(r.Path) || hasControl(name) || !utf8.Valid(name) {
		return Resource{}, ErrChannel
	}
	return r, nil
}

// String returns the resource as capabilities write it. Nothing is decided on it.
func (r Resource) String() string { return r.Qualifier.String() + string(r.Path) }

// Covers says whether r, read as a capability's resource with wildcards, covers
// other, which has none.
func (r Resource) Covers(other Resource) bool {
	return r.Qualifier.covers(other.Qualifier) && matchPath(r.Path, other.Path)
}

// MoreSpecific says whether r comes before other where of several resources that
// cover something one must count: the one with more segments that are no
// wildcards, then the longer one, then the first in byte order. Of two equal
// paths the one with a qualifier of its own comes before [Any].
func (r Resource) MoreSpecific(other Resource) bool {
	if a, b := literals(r.Path), literals(other.Path); a != b {
		return a > b
	}
	if len(r.Path) != len(other.Path) {
		return len(r.Path) > len(other.Path)
	}
	if order := bytes.Compare(r.Path, other.Path); order != 0 {
		return order < 0
	}
	return r.Qualifier < other.Qualifier
}

// literals counts the segments that are no wildcards.
func literals(path []byte) (n int) {
	for more := true; more; {
		var segment []byte
		if segment, path, more = cutSegment(path); !isStar(segment) {
			n++
		}
	}
	return n
}

// validPath says whether path is not empty, does not begin as a qualifier or
// with an empty segment, and has no control characters (bytes below 0x20, and
// 0x7F).
func validPath(path []byte) bool {
	return len(path) > 0 && path[0] != '[' && path[0] != ':' && !hasControl(path)
}

func hasControl(text []byte) bool {
	for _, c := range text {
		if c < 0x20 || c == 0x7f {
			return true
		}
	}
	return false
}

// cutSegment cuts the first segment off path; more is false for the last one.
func cutSegment(path []byte) (segment, rest []byte, more bool) {
	if i := bytes.IndexByte(path, ':'); i >= 0 {
		return path[:i], path[i+1:], true
	}
	return path, nil, false
}

func isStar(segment []byte) bool { return len(segment) == 1 && segment[0] == '*' }

// matchPath says whether pattern, a path that may hold wildcards, covers path.
func matchPath(pattern, path []byte) bool {
	for more := true; ; {
		want, patternRest, patternMore := cutSegment(pattern)
		if isStar(want) && !patternMore {
			return true // the last wildcard also stands for no segment at all
		}
		if !more {
			return false
		}
		var have []byte
		have, path, more = cutSegment(path)
		if !isStar(want) && !bytes.Equal(want, have) {
			return false
		}
		if !patternMore {
			return !more
		}
		pattern = patternRest
	}
}
