package capability

import "bytes"

// Matcher is a compiled [Set]. A nil Matcher grants nothing.
type Matcher struct {
	tables [Any]table // by the qualifier of the resource asked for
}

// table holds the rules that can match resources of one qualifier. A path is
// looked up whole, and up to each of its colons among the prefixes: as many
// look-ups as it has segments, however many rules there are. Only rules with a
// wildcard before the last segment are tried one by one.
type table struct {
	all    Op            // of "*"
	exact  map[string]Op // paths without a wildcard
	prefix map[string]Op // paths with one wildcard, at the end: what stands before its colon
	inner  []innerRule
}

type innerRule struct {
	pattern []byte
	ops     Op
}

// Compile returns a Matcher that grants what s grants.
func (s *Set) Compile() *Matcher {
	m := new(Matcher)
	for _, r := range s.rules {
		for q := range m.tables {
			if r.qualifier.covers(Qualifier(q)) {
				m.tables[q].add(s.path(r), r.ops)
			}
		}
	}
	return m
}

func (t *table) add(path []byte, ops Op) {
	prefix, wild := bytes.CutSuffix(path, []byte(":*"))
	switch {
	case isStar(path):
		t.all |= ops
	case hasStar(prefix):
		t.inner = append(t.inner, innerRule{bytes.Clone(path), ops})
	case wild:
		put(&t.prefix, prefix, ops)
	default:
		put(&t.exact, path, ops)
	}
}

func put(m *map[string]Op, path []byte, ops Op) {
	if *m == nil {
		*m = make(map[string]Op)
	}
	(*m)[string(path)] |= ops
}

func hasStar(path []byte) bool {
	for more := true; more; {
		var segment []byte
		if segment, path, more = cutSegment(path); isStar(segment) {
			return true
		}
	}
	return false
}

// Ops returns the operations granted on a resource, written as capabilities
// write it, without wildcards: "chat:room1", "[meta]log". On anything else it
// returns none.
func (m *Matcher) Ops(resource []byte) Op {
	r, err := ParseResource(resource)
	if err != nil {
		return 0
	}
	return m.OpsOn(r)
}

// OpsOn is Ops for a resource that is taken apart already.
func (m *Matcher) OpsOn(r Resource) Op {
	if m == nil || r.Qualifier >= Any || !validPath(r.Path) {
		return 0
	}
	t := &m.tables[r.Qualifier]
	ops := t.all | t.exact[string(r.Path)]
	if len(t.prefix) > 0 {
		for i, c := range r.Path {
			if c == ':' {
				ops |= t.prefix[string(r.Path[:i])]
			}
		}
		ops |= t.prefix[string(r.Path)]
	}
	for _, rule := range t.inner {
		if rule.ops&^ops != 0 && matchPath(rule.pattern, r.Path) {
			ops |= rule.ops
		}
	}
	return ops
}

// Allows says whether any operation of op is granted on resource.
func (m *Matcher) Allows(resource []byte, op Op) bool { return m.Ops(resource)&op != 0 }
