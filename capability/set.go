package capability

import (
	"errors"
	"slices"

	"portcullis/internal/jsonscan"
)

// Limits on one capability.
const (
	MaxTextBytes = 32 << 10
	MaxResources = 1024
)

// Why a capability is refused.
var (
	ErrSyntax    = errors.New("capability: not a JSON object from resource to operations")
	ErrOperation = errors.New("capability: unknown operation, or * among others")
	ErrEmptyOps  = errors.New("capability: a resource without operations")
	ErrDuplicate = errors.New("capability: a resource twice")
	ErrTooLarge  = errors.New("capability: more than 32 KiB or 1,024 resources")
)

// Set is a capability: for each resource, operations. The zero Set is empty and
// grants nothing.
type Set struct {
	text  []byte // the resources, one after the other
	rules []rule // sorted by resource as canonical text is
}

// rule is one resource of a Set and its operations. It points into the Set's
// text by position, so that the text may grow.
type rule struct {
	start, path, end uint32 // the whole resource is text[start:end]
	qualifier        Qualifier
	ops              Op
	shape            shape
}

func (s *Set) resource(r rule) []byte { return s.text[r.start:r.end] }
func (s *Set) path(r rule) []byte     { return s.text[r.path:r.end] }

// Parser reads capabilities into Sets, keeping its memory from one to the next.
// The zero Parser is ready.
type Parser struct{ scanner jsonscan.Scanner }

// Parse reads a capability from its JSON text.
func Parse(json []byte) (*Set, error) {
	s := new(Set)
	if err := new(Parser).Parse(s, json); err != nil {
		return nil, err
	}
	return s, nil
}

// Parse reads a capability from its JSON text into dst, whose memory it reuses.
// After an error dst is empty.
func (p *Parser) Parse(dst *Set, json []byte) error {
	dst.reset()
	if len(json) > MaxTextBytes {
		return ErrTooLarge
	}
	err := p.parse(dst, json)
	if err == nil && len(dst.rules) > MaxResources {
		err = ErrTooLarge
	}
	if err != nil {
		dst.reset()
		return err
	}
	dst.sort()
	return nil
}

func (s *Set) reset() { s.text, s.rules = s.text[:0], s.rules[:0] }

func (p *Parser) parse(dst *Set, json []byte) error {
	var wrong error // the first fault of meaning; a fault of form wins over it
	p.scanner.Reset(json, 0)
	for p.scanner.Next() {
		ops, err := parseOps(p.scanner.Value())
		if err == nil {
			err = dst.add(p.scanner.Name(), ops)
		}
		if err != nil && wrong == nil {
			wrong = err
		}
	}
	switch err := p.scanner.Err(); err {
	case nil:
		return wrong
	case jsonscan.ErrDuplicateName:
		return ErrDuplicate
	default:
		return ErrSyntax
	}
}

func parseOps(list jsonscan.Value) (Op, error) {
	if list.Kind != jsonscan.Array {
		return 0, ErrSyntax
	}
	var ops Op
	var unescaped [128]byte // holds the longest name, every character escaped
	elements, n := jsonscan.In(list), 0
	for v, ok := elements.Next(); ok; v, ok = elements.Next() {
		if v.Kind != jsonscan.String {
			return 0, ErrSyntax
		}
		name := v.Text
		if v.Escaped && len(name) <= len(unescaped) {
			name = jsonscan.AppendUnescaped(unescaped[:0], name)
		}
		op := ParseOp(name)
		if op == 0 || n > 0 && (op|ops)&wildcard != 0 {
			return 0, ErrOperation
		}
		ops |= op
		n++
	}
	if n == 0 {
		return 0, ErrEmptyOps
	}
	return ops, nil
}

func (s *Set) add(resource []byte, ops Op) error {
	r, err := ParseResource(resource)
	if err != nil {
		return err
	}
	start := len(s.text)
	s.text = append(s.text, resource...)
	s.append(start, len(s.text)-len(r.Path), r.Qualifier, ops)
	return nil
}

// append adds the rule whose resource is the end of the text, from start on.
func (s *Set) append(start, path int, q Qualifier, ops Op) {
	s.rules = append(s.rules, rule{
		start: uint32(start), path: uint32(path), end: uint32(len(s.text)),
		qualifier: q, ops: ops, shape: shapeOf(s.text[path:]),
	})
}

// sort puts the rules in canonical order. Most texts come sorted, which costs
// one comparison for each resource.
func (s *Set) sort() {
	for i := 1; i < len(s.rules); i++ {
		if compareCodeUnits(s.resource(s.rules[i-1]), s.resource(s.rules[i])) > 0 {
			slices.SortFunc(s.rules, func(a, b rule) int {
				return compareCodeUnits(s.resource(a), s.resource(b))
			})
			return
		}
	}
}

// compareCodeUnits orders two UTF-8 texts as their UTF-16 code units would be,
// which is how the sort of JavaScript, and so every signed capability, orders
// them. The two orders part only where a character outside the basic plane
// (first byte 0xF0 or more; a surrogate, D800 to DFFF, in UTF-16) meets one from
// U+E000 to U+FFFF (first byte 0xEE or 0xEF).
func compareCodeUnits(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0) {
			x, y = y, x
		}
		if x < y {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

// Len returns how many resources the Set names.
func (s *Set) Len() int { return len(s.rules) }

// Everywhere returns the operations granted by a resource that is literally "*"
// or "[*]*". Statistics and the like concern no channel, so only these grant
// them.
func (s *Set) Everywhere() (ops Op) {
	for _, r := range s.rules {
		if isStar(s.path(r)) && (r.qualifier == Channel || r.qualifier == Any) {
			ops |= r.ops
		}
	}
	return ops
}

// Names says whether the Set names that resource, letter for letter.
func (s *Set) Names(resource string) bool {
	_, found := slices.BinarySearchFunc(s.rules, []byte(resource), func(r rule, want []byte) int {
		return compareCodeUnits(s.resource(r), want)
	})
	return found
}

// Clone returns a copy that shares no memory with s.
func (s *Set) Clone() *Set { return &Set{text: slices.Clone(s.text), rules: slices.Clone(s.rules)} }

// Restrict returns what the Set grants of ops, in memory of its own.
func (s *Set) Restrict(ops Op) *Set {
	c := s.Clone()
	for i := range c.rules {
		c.rules[i].ops &= ops
	}
	c.rules = slices.DeleteFunc(c.rules, func(r rule) bool { return r.ops == 0 })
	return c
}

// Ops returns what the Set grants on r, rule by rule. A [Matcher] answers the
// same faster.
func (s *Set) Ops(r Resource) Op {
	var ops Op
	for _, rule := range s.rules {
		if s.covers(rule, r) {
			ops |= rule.ops
		}
	}
	return ops
}

func (s *Set) covers(rule rule, r Resource) bool {
	return rule.qualifier.covers(r.Qualifier) && matchPath(s.path(rule), r.Path)
}

// AppendJSON appends the canonical text: resources sorted by UTF-16 code units,
// operations sorted, no white space. It is the text that TokenRequests sign and
// TokenDetails carry.
func (s *Set) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, r := range s.rules {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		for _, c := range s.resource(r) {
			if c == '"' || c == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
		}
		dst = append(dst, '"', ':')
		dst = r.ops.appendJSON(dst)
	}
	return append(dst, '}')
}

// String returns the canonical text.
func (s *Set) String() string { return string(s.AppendJSON(nil)) }

// Rule is one resource of a Set and its operations, for those who explain a
// decision.
type Rule struct {
	Resource string
	Ops      Op
}

// Rules returns the Set's rules in canonical order.
func (s *Set) Rules() []Rule {
	rules := make([]Rule, len(s.rules))
	for i, r := range s.rules {
		rules[i] = Rule{string(s.resource(r)), r.ops}
	}
	return rules
}
