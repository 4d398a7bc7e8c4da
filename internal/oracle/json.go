package oracle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth is how deep arrays and objects may be nested; the outermost one
// is depth 1.
const maxJSONDepth = 16

// kind says which of the JSON types (RFC 8259 §3) a value has.
type kind int

const (
	kindNull kind = iota
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

// value is one node of a parsed JSON text.
type value struct {
	kind    kind
	raw     string   // the text of this value, exactly as it was written
	str     string   // kindString: what it says, escapes resolved
	items   []value  // kindArray
	members []member // kindObject: in the order written, repeated names kept
}

// member is one name with its value.
type member struct {
	name  string // escapes resolved
	value value
}

// get finds a member by its exact name. Names that differ in case are different
// names (RFC 7519 §10.1.1), which is why encoding/json cannot be used here.
func (v value) get(name string) (value, bool) {
	for _, m := range v.members {
		if m.name == name {
			return m.value, true
		}
	}
	return value{}, false
}

// count is how many members have the exact name.
func (v value) count(name string) int {
	n := 0
	for _, m := range v.members {
		if m.name == name {
			n++
		}
	}
	return n
}

// names counts the member names in v, those of nested objects included.
func (v value) names() int {
	n := len(v.members)
	for _, m := range v.members {
		n += m.value.names()
	}
	for _, item := range v.items {
		n += item.names()
	}
	return n
}

// repeatsName tells whether any object within v has one name twice. RFC 8259 §4
// leaves the meaning of such a text open, and RFC 7519 §4 lets a parser refuse it
// or take the last one: two parsers would then see two identities.
func (v value) repeatsName() bool {
	seen := map[string]bool{}
	for _, m := range v.members {
		if seen[m.name] || m.value.repeatsName() {
			return true
		}
		seen[m.name] = true
	}
	for _, item := range v.items {
		if item.repeatsName() {
			return true
		}
	}
	return false
}

// parser reads one JSON text from left to right.
type parser struct {
	text string
	pos  int
}

// parseJSON reads exactly one JSON value, with nothing but white space around it.
// It is RFC 8259 without any of the liberties that its §9 grants a parser, and
// also refuses what §8.1 and §8.2 warn of: a byte order mark, text that is not
// UTF-8, and escapes that name half of a surrogate pair.
func parseJSON(text string) (value, error) {
	if !utf8.ValidString(text) {
		return value{}, errors.New("not UTF-8")
	}
	p := &parser{text: text}
	p.space()
	v, err := p.value(1)
	if err != nil {
		return value{}, err
	}
	p.space()
	if p.pos != len(p.text) {
		return value{}, p.fail("text after the value")
	}
	return v, nil
}

func (p *parser) fail(what string) error {
	return fmt.Errorf("json: offset %d: %s", p.pos, what)
}

// peek is the next byte, or 0 at the end; a real NUL is valid nowhere outside a
// string, nor inside one unless escaped, so the two need not be told apart.
func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// space skips the four characters that RFC 8259 §2 calls white space.
func (p *parser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// accept takes the given byte if it comes next.
func (p *parser) accept(c byte) bool {
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// value reads one value; depth is that of an array or object starting here.
func (p *parser) value(depth int) (value, error) {
	start := p.pos
	var v value
	var err error
	switch c := p.peek(); {
	case c == '{':
		v, err = p.object(depth)
	case c == '[':
		v, err = p.array(depth)
	case c == '"':
		v.kind = kindString
		v.str, err = p.string()
	case c == '-' || '0' <= c && c <= '9':
		v.kind = kindNumber
		err = p.number()
	default:
		v, err = p.literal()
	}
	v.raw = p.text[start:p.pos]
	return v, err
}

// literal reads true, false or null (RFC 8259 §3: lower case only).
func (p *parser) literal() (value, error) {
	for word, k := range map[string]kind{"null": kindNull, "true": kindBool, "false": kindBool} {
		if strings.HasPrefix(p.text[p.pos:], word) {
			p.pos += len(word)
			return value{kind: k}, nil
		}
	}
	return value{}, p.fail("no value here")
}

func (p *parser) object(depth int) (value, error) {
	v := value{kind: kindObject}
	if depth > maxJSONDepth {
		return v, p.fail("nested too deep")
	}
	p.accept('{')
	p.space()
	if p.accept('}') {
		return v, nil
	}
	for {
		p.space()
		if p.peek() != '"' {
			return v, p.fail("no member name here")
		}
		name, err := p.string()
		if err != nil {
			return v, err
		}
		p.space()
		if !p.accept(':') {
			return v, p.fail("no colon after the member name")
		}
		p.space()
		item, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		v.members = append(v.members, member{name, item})
		p.space()
		if p.accept('}') {
			return v, nil
		}
		if !p.accept(',') {
			return v, p.fail("neither comma nor closing brace")
		}
	}
}

func (p *parser) array(depth int) (value, error) {
	v := value{kind: kindArray}
	if depth > maxJSONDepth {
		return v, p.fail("nested too deep")
	}
	p.accept('[')
	p.space()
	if p.accept(']') {
		return v, nil
	}
	for {
		p.space()
		item, err := p.value(depth + 1)
		if err != nil {
			return v, err
		}
		v.items = append(v.items, item)
		p.space()
		if p.accept(']') {
			return v, nil
		}
		if !p.accept(',') {
			return v, p.fail("neither comma nor closing bracket")
		}
	}
}

// number checks the grammar of RFC 8259 §6; what it is worth is for the caller.
func (p *parser) number() error {
	p.accept('-')
	if !p.accept('0') && p.digits() == 0 { // a leading zero stands alone
		return p.fail("no digit")
	}
	if p.accept('.') && p.digits() == 0 {
		return p.fail("no digit after the decimal point")
	}
	if p.accept('e') || p.accept('E') {
		if !p.accept('+') {
			p.accept('-')
		}
		if p.digits() == 0 {
			return p.fail("no digit in the exponent")
		}
	}
	return nil
}

func (p *parser) digits() int {
	start := p.pos
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.pos++
	}
	return p.pos - start
}

// string reads a string and resolves its escapes (RFC 8259 §7).
func (p *parser) string() (string, error) {
	var out strings.Builder
	p.accept('"')
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == '"':
			p.pos++
			return out.String(), nil
		case c < 0x20:
			return "", p.fail("control character in a string")
		case c == '\\':
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			out.WriteRune(r)
		default:
			out.WriteByte(c)
			p.pos++
		}
	}
	return "", p.fail("string not closed")
}

func (p *parser) escape() (rune, error) {
	p.accept('\\')
	if p.accept('u') {
		return p.unicodeEscape()
	}
	simple := map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
	r, known := simple[p.peek()]
	if !known {
		return 0, p.fail("unknown escape")
	}
	p.pos++
	return r, nil
}

// unicodeEscape reads what follows \u. A character beyond U+FFFF takes two
// escapes; one half without the other stands for no character, and a decoder
// that puts U+FFFD in its place makes two different names equal (RFC 8259 §8.2).
func (p *parser) unicodeEscape() (rune, error) {
	first, err := p.hex4()
	if err != nil {
		return 0, err
	}
	if !utf16.IsSurrogate(first) {
		return first, nil
	}
	if !p.accept('\\') || !p.accept('u') {
		return 0, p.fail("lone surrogate")
	}
	second, err := p.hex4()
	if err != nil {
		return 0, err
	}
	r := utf16.DecodeRune(first, second)
	if r == utf8.RuneError { // no pair of surrogates decodes to U+FFFD
		return 0, p.fail("surrogates that are no pair")
	}
	return r, nil
}

func (p *parser) hex4() (rune, error) {
	if p.pos+4 > len(p.text) {
		return 0, p.fail("short \\u escape")
	}
	digits := p.text[p.pos : p.pos+4]
	if strings.Trim(digits, "0123456789abcdefABCDEF") != "" { // ParseUint alone is not asked to refuse signs
		return 0, p.fail("bad \\u escape")
	}
	n, err := strconv.ParseUint(digits, 16, 16)
	if err != nil {
		return 0, p.fail("bad \\u escape")
	}
	p.pos += 4
	return rune(n), nil
}
