package jsonscan

import (
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string, its quotes included (RFC 8259 §7).
func (s *Scanner) str() Value {
	if !s.take('"') {
		s.fail(ErrSyntax)
		return Value{}
	}
	v := Value{Kind: String}
	from := s.pos
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			v.Text = s.src[from:s.pos]
			s.pos++
			return v
		case c == '\\':
			v.Escaped = true
			if !s.escape() {
				return Value{}
			}
		case c < 0x20:
			s.fail(ErrSyntax)
			return Value{}
		default:
			s.pos++
		}
	}
	s.fail(ErrSyntax)
	return Value{}
}

// escape reads one escape sequence, both halves of a surrogate pair at once: a
// half alone spells no character (RFC 8259 §8.2) and is refused.
func (s *Scanner) escape() bool {
	if s.pos+1 >= len(s.src) {
		return s.fail(ErrSyntax)
	}
	switch s.src[s.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return true
	case 'u':
		r, ok := hex4(s.src[s.pos+2:])
		if !ok {
			return s.fail(ErrSyntax)
		}
		s.pos += 6
		if !utf16.IsSurrogate(r) {
			return true
		}
		rest := s.src[s.pos:]
		if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
			return s.fail(ErrUTF8)
		}
		low, ok := hex4(rest[2:])
		if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
			return s.fail(ErrUTF8)
		}
		s.pos += 6
		return true
	}
	return s.fail(ErrSyntax)
}

func hex4(text []byte) (r rune, ok bool) {
	if len(text) < 4 {
		return 0, false
	}
	for _, c := range text[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// AppendUnescaped appends what the text of a String value spells to dst. The
// text must come from a Scanner. dst may be text[:0]: what a string spells is
// never longer than its text.
func AppendUnescaped(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		c = text[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, _ := hex4(text[i:])
			i += 4
			if utf16.IsSurrogate(r) {
				low, _ := hex4(text[i+2:])
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// number reads a number in the grammar of RFC 8259 §6: no leading zero, no
// bare point, no sign but minus.
func (s *Scanner) number() {
	s.take('-')
	if !s.take('0') && !s.digits() {
		s.fail(ErrSyntax)
		return
	}
	if s.take('.') && !s.digits() {
		s.fail(ErrSyntax)
		return
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			s.fail(ErrSyntax)
		}
	}
}

func (s *Scanner) digits() bool {
	from := s.pos
	for s.pos < len(s.src) && '0' <= s.src[s.pos] && s.src[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > from
}

// AppendQuoted appends text, which must be UTF-8, to dst as a JSON string. It
// escapes what RFC 8259 §7 requires and nothing else.
func AppendQuoted[T string | []byte](dst []byte, text T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0 // of what needs no escape and is not yet appended
	for i := range len(text) {
		c := text[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, text[from:]...)
	return append(dst, '"')
}
