package jsonscan

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may nest, the outermost counted as 1.
const MaxDepth = 16

// Why a text is refused.
var (
	ErrSyntax        = errors.New("jsonscan: not a JSON object")
	ErrUTF8          = errors.New("jsonscan: not UTF-8")
	ErrDepth         = errors.New("jsonscan: nested too deep")
	ErrTooManyNames  = errors.New("jsonscan: too many names")
	ErrDuplicateName = errors.New("jsonscan: repeated name")
)

// Kind is the kind of a JSON value.
type Kind uint8

// The kinds of RFC 8259 §3. The zero Kind is no value.
const (
	None Kind = iota
	String
	Number
	Object
	Array
	True
	False
	Null
)

// Value is one JSON value as it stands in the text.
type Value struct {
	Kind Kind
	// Escaped says that the String holds a backslash, see [AppendUnescaped].
	Escaped bool
	// Duplicate says that an object inside this value repeats a name.
	Duplicate bool
	// Text is the value's text; of a String, what stands between the quotes.
	Text []byte
}

// Scanner reads the members of one object. The zero Scanner is ready for Reset
// and keeps its memory from one text to the next.
//
//	s.Reset(text, limit)
//	for s.Next() {
//		use(s.Name(), s.Value())
//	}
//	if err := s.Err(); err != nil { … } // nothing used above counts before this
type Scanner struct {
	src       []byte
	pos       int
	left      int // names that may still come
	started   bool
	duplicate bool
	err       error
	name      []byte
	value     Value
	names     [][]byte // of the objects that are open now, outermost first
	unescaped []byte   // what names with escapes spell
}

// Reset makes s read text, which may hold at most maxNames member names in all
// its objects together; zero or less means no limit. The Scanner keeps views of
// text until the next Reset.
func (s *Scanner) Reset(text []byte, maxNames int) {
	if maxNames <= 0 {
		maxNames = len(text)
	}
	*s = Scanner{src: text, left: maxNames, names: s.names[:0], unescaped: s.unescaped[:0]}
	if !utf8.Valid(text) {
		s.err = ErrUTF8
	}
}

// Name returns the member's name, unescaped; it is good until the next Reset.
func (s *Scanner) Name() []byte { return s.name }

// Value returns the member's value, a view of the text.
func (s *Scanner) Value() Value { return s.value }

// Err returns why the text was refused, nil when it was read to its end.
func (s *Scanner) Err() error { return s.err }

// Next reads the next member and says whether there was one.
func (s *Scanner) Next() bool {
	if s.err != nil {
		return false
	}
	more := false
	if !s.started {
		s.started = true
		s.space()
		if !s.take('{') {
			return s.fail(ErrSyntax)
		}
		s.space()
		more = !s.take('}')
	} else {
		s.space()
		if more = s.take(','); more {
			s.space()
		} else if !s.take('}') {
			return s.fail(ErrSyntax)
		}
	}
	if !more {
		return s.finish()
	}
	if s.name = s.member(); s.err != nil {
		return false
	}
	s.value = s.scan(1)
	return s.err == nil
}

// finish checks what can only be known at the end. It always returns false.
func (s *Scanner) finish() bool {
	s.space()
	if s.pos != len(s.src) {
		return s.fail(ErrSyntax)
	}
	if Repeated(s.names) {
		return s.fail(ErrDuplicateName)
	}
	return false
}

func (s *Scanner) fail(err error) bool {
	if s.err == nil {
		s.err = err
	}
	return false
}

func (s *Scanner) space() {
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *Scanner) take(c byte) bool {
	if s.pos < len(s.src) && s.src[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// member reads a name, the colon and the white space around it, and notes the
// name among those of its object.
func (s *Scanner) member() []byte {
	if s.left--; s.left < 0 {
		s.fail(ErrTooManyNames)
		return nil
	}
	v := s.str()
	if s.err != nil {
		return nil
	}
	name := v.Text
	if v.Escaped {
		from := len(s.unescaped)
		s.unescaped = AppendUnescaped(s.unescaped, name)
		name = s.unescaped[from:len(s.unescaped):len(s.unescaped)]
	}
	s.names = append(s.names, name)
	s.space()
	if !s.take(':') {
		s.fail(ErrSyntax)
		return nil
	}
	s.space()
	return name
}

// scan reads a value that stands inside depth open objects and arrays.
func (s *Scanner) scan(depth int) Value {
	if s.pos == len(s.src) {
		s.fail(ErrSyntax)
		return Value{}
	}
	from := s.pos
	switch c := s.src[s.pos]; c {
	case '"':
		return s.str()
	case '{', '[':
		if depth == MaxDepth {
			s.fail(ErrDepth)
			return Value{}
		}
		outer := s.duplicate
		s.duplicate = false
		kind := Object
		if c == '{' {
			s.object(depth + 1)
		} else {
			kind = Array
			s.array(depth + 1)
		}
		v := Value{Kind: kind, Duplicate: s.duplicate, Text: s.src[from:s.pos]}
		s.duplicate = s.duplicate || outer
		return v
	case 't':
		return s.literal("true", True)
	case 'f':
		return s.literal("false", False)
	case 'n':
		return s.literal("null", Null)
	default:
		s.number()
		return Value{Kind: Number, Text: s.src[from:s.pos]}
	}
}

func (s *Scanner) object(depth int) {
	outer := len(s.names)
	s.pos++
	s.space()
	for more := !s.take('}'); more && s.err == nil; {
		s.member()
		if s.err != nil {
			return
		}
		s.scan(depth)
		more = s.comma('}')
	}
	s.duplicate = s.duplicate || Repeated(s.names[outer:])
	s.names = s.names[:outer]
}

func (s *Scanner) array(depth int) {
	s.pos++
	s.space()
	for more := !s.take(']'); more && s.err == nil; {
		s.scan(depth)
		more = s.comma(']')
	}
}

// comma reads what may follow an element: a comma, then true, or the end.
func (s *Scanner) comma(end byte) bool {
	s.space()
	if s.take(',') {
		s.space()
		return true
	}
	if !s.take(end) {
		s.fail(ErrSyntax)
	}
	return false
}

func (s *Scanner) literal(text string, kind Kind) Value {
	from := s.pos
	if len(s.src)-from < len(text) || string(s.src[from:from+len(text)]) != text {
		s.fail(ErrSyntax)
		return Value{}
	}
	s.pos += len(text)
	return Value{Kind: kind, Text: s.src[from:s.pos]}
}

// strictly orders names so that equal ones count as out of order.
func strictly(a, b []byte) int {
	if bytes.Compare(a, b) < 0 {
		return -1
	}
	return 1
}

// few is up to how many names are compared pair by pair; more are sorted first,
// so that an object of many names costs n log n and not n².
const few = 12

// Repeated says whether two names are equal. It may reorder them.
func Repeated(names [][]byte) bool {
	if len(names) > few {
		if slices.IsSortedFunc(names, strictly) {
			return false // canonical text: no two names can be equal
		}
		slices.SortFunc(names, bytes.Compare)
		for i := 1; i < len(names); i++ {
			if bytes.Equal(names[i-1], names[i]) {
				return true
			}
		}
		return false
	}
	for i, name := range names {
		for _, earlier := range names[:i] {
			if bytes.Equal(name, earlier) {
				return true
			}
		}
	}
	return false
}
