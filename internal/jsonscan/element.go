package jsonscan

// Elements reads the elements of an array that a [Scanner] has read before.
type Elements struct{ s Scanner }

// In returns the elements of v, which must be an Array.
func In(v Value) Elements {
	return Elements{Scanner{src: v.Text, left: len(v.Text)}}
}

// Next returns the next element, false after the last.
func (e *Elements) Next() (Value, bool) {
	s := &e.s
	if !s.started {
		s.started = true
		s.pos++ // the opening bracket
		s.space()
		if s.take(']') {
			return Value{}, false
		}
	} else if !s.comma(']') {
		return Value{}, false
	}
	return s.scan(1), true
}
