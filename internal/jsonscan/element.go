package jsonscan

import "unicode/utf8"

// Elements reads the elements of an array, one after the other.
type Elements struct {
	s     Scanner
	whole bool // the array must be the whole text
}

// In returns the elements of v, which must be an Array that a [Scanner] has read.
func In(v Value) Elements { return Elements{s: Scanner{src: v.Text, left: len(v.Text)}} }

// Reset makes e read v, which must be an Array that a [Scanner] has read. Like a
// Scanner, e keeps its memory from one array to the next.
func (e *Elements) Reset(v Value) {
	*e = Elements{s: Scanner{src: v.Text, left: len(v.Text), names: e.s.names[:0], unescaped: e.s.unescaped[:0]}}
}

// ReadArray returns the elements of text, which must be one array and nothing else.
// Whether it is shows at the end only, in Err.
func ReadArray(text []byte) Elements {
	e := Elements{s: Scanner{src: text, left: len(text)}, whole: true}
	if !utf8.Valid(text) {
		e.s.err = ErrUTF8
	}
	e.s.space()
	return e
}

// ReadValue reads text, which must be one value of any kind and nothing else.
func ReadValue(text []byte) (Value, error) {
	s := Scanner{src: text, left: len(text)}
	if !utf8.Valid(text) {
		return Value{}, ErrUTF8
	}
	s.space()
	v := s.scan(0)
	if s.space(); s.err == nil && s.pos != len(text) {
		s.err = ErrSyntax
	}
	if s.err != nil {
		return Value{}, s.err
	}
	return v, nil
}

// Next returns the next element, false after the last and after an error.
func (e *Elements) Next() (Value, bool) {
	s := &e.s
	if s.err != nil {
		return Value{}, false
	}
	more := true
	if !s.started {
		s.started = true
		if !s.take('[') {
			s.fail(ErrSyntax)
			return Value{}, false
		}
		s.space()
		more = !s.take(']')
	} else {
		more = s.comma(']')
	}
	if !more {
		if s.space(); e.whole && s.pos != len(s.src) {
			s.fail(ErrSyntax)
		}
		return Value{}, false
	}
	v := s.scan(1)
	return v, s.err == nil
}

// Err returns why the text was refused, nil when it was read to its end.
func (e *Elements) Err() error { return e.s.err }

// Unescaped returns what a String value spells: a view, or a copy if it holds
// escapes.
func (v Value) Unescaped() []byte {
	if v.Escaped {
		return AppendUnescaped(nil, v.Text)
	}
	return v.Text
}
