package msgpackscan

import (
	"errors"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"portcullis/internal/jsonscan"
)

// MaxDepth is how deep maps and arrays may nest, the outermost counted as 1.
const MaxDepth = jsonscan.MaxDepth

// Why a map is refused.
var (
	ErrSyntax        = errors.New("msgpackscan: not a msgpack map with string keys")
	ErrUTF8          = errors.New("msgpackscan: a name is not UTF-8")
	ErrDepth         = errors.New("msgpackscan: nested too deep")
	ErrTooManyNames  = errors.New("msgpackscan: too many names")
	ErrDuplicateName = errors.New("msgpackscan: repeated name")
)

// Scanner reads the members of one map. The zero Scanner is ready for Reset and
// keeps its memory from one map to the next.
//
//	s.Reset(data, limit)
//	for s.Next() {
//		use(s.Name(), s.Value())
//	}
//	if err := s.Err(); err != nil { … } // nothing used above counts before this
type Scanner struct {
	rest  []byte
	left  uint32 // members that are still to come
	err   error
	name  []byte
	value []byte
	names [][]byte
}

// Reset makes s read data, which must be one map and nothing else, of at most
// maxNames members; zero or less means no limit. The Scanner keeps views of data
// until the next Reset.
func (s *Scanner) Reset(data []byte, maxNames int) {
	*s = Scanner{names: s.names[:0]}
	size, rest, err := msgp.ReadMapHeaderBytes(data)
	switch {
	case err != nil:
		s.err = ErrSyntax
	case maxNames > 0 && int64(size) > int64(maxNames):
		s.err = ErrTooManyNames
	}
	s.left, s.rest = size, rest
}

// Name returns the member's name.
func (s *Scanner) Name() []byte { return s.name }

// Value returns the member's value: one msgpack object, well-formed and not nested
// too deep. Strings in it may be no UTF-8, and maps in it have any keys.
func (s *Scanner) Value() []byte { return s.value }

// Err returns why the map was refused, nil when it was read to its end.
func (s *Scanner) Err() error { return s.err }

// Next reads the next member and says whether there was one.
func (s *Scanner) Next() bool {
	if s.err != nil {
		return false
	}
	if s.left == 0 {
		switch {
		case len(s.rest) > 0:
			s.err = ErrSyntax
		case jsonscan.Repeated(s.names):
			s.err = ErrDuplicateName
		}
		return false
	}
	s.left--
	var err error
	if s.name, s.rest, err = msgp.ReadStringZC(s.rest); err != nil {
		s.err = ErrSyntax
		return false
	}
	if !utf8.Valid(s.name) {
		s.err = ErrUTF8
		return false
	}
	s.names = append(s.names, s.name)
	from := s.rest
	if s.rest, s.err = skip(from, 1); s.err != nil {
		return false
	}
	s.value = from[:len(from)-len(s.rest)]
	return true
}

// Skip returns what stands behind the first object of data.
func Skip(data []byte) (rest []byte, err error) { return skip(data, 0) }

// skip is Skip inside depth open maps and arrays.
func skip(data []byte, depth int) (rest []byte, err error) {
	var size uint32
	inner := 1 // objects for each of the size
	switch msgp.NextType(data) {
	case msgp.MapType:
		inner = 2
		size, rest, err = msgp.ReadMapHeaderBytes(data)
	case msgp.ArrayType:
		size, rest, err = msgp.ReadArrayHeaderBytes(data)
	default:
		if rest, err = msgp.Skip(data); err != nil {
			return nil, ErrSyntax
		}
		return rest, nil
	}
	if err != nil {
		return nil, ErrSyntax
	}
	if depth == MaxDepth {
		return nil, ErrDepth
	}
	for range size {
		for range inner {
			if rest, err = skip(rest, depth+1); err != nil {
				return nil, err
			}
		}
	}
	return rest, nil
}
