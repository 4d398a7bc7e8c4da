package msgpackscan

import "github.com/tinylib/msgp/msgp"

// Elements reads the elements of an array, one after the other.
type Elements struct {
	rest []byte
	left uint32
	err  error
}

// Reset makes e read data, which must be one array and nothing else.
func (e *Elements) Reset(data []byte) {
	*e = Elements{}
	if e.left, e.rest, e.err = msgp.ReadArrayHeaderBytes(data); e.err != nil {
		e.err = ErrSyntax
	}
}

// Next returns the next element, false after the last and after an error.
func (e *Elements) Next() ([]byte, bool) {
	if e.err != nil {
		return nil, false
	}
	if e.left == 0 {
		if len(e.rest) > 0 {
			e.err = ErrSyntax
		}
		return nil, false
	}
	e.left--
	from := e.rest
	if e.rest, e.err = skip(from, 1); e.err != nil {
		return nil, false
	}
	return from[:len(from)-len(e.rest)], true
}

// Err returns why the array was refused, nil when it was read to its end.
func (e *Elements) Err() error { return e.err }
