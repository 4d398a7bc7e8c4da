package capability

import (
	"bytes"
	"fmt"
)

// RuleTrace says what one rule had to say about one question, for people.
type RuleTrace struct {
	Rule
	Covers bool   // the rule speaks of this resource
	Grants bool   // and grants an operation that was asked for
	Why    string // why it does not cover, or what it grants
}

// Trace answers the question of Ops rule by rule.
func (s *Set) Trace(r Resource, op Op) []RuleTrace {
	traces := make([]RuleTrace, len(s.rules))
	for i, rule := range s.rules {
		t := RuleTrace{Rule: Rule{string(s.resource(rule)), rule.ops}}
		switch {
		case !rule.qualifier.covers(r.Qualifier):
			t.Why = fmt.Sprintf("speaks of %s, not of %s", rule.qualifier.kind(), r.Qualifier.kind())
		case !matchPath(s.path(rule), r.Path):
			t.Why = mismatch(s.path(rule), r.Path)
		default:
			t.Covers, t.Grants = true, rule.ops&op != 0
			t.Why = "grants " + op.String()
			if !t.Grants {
				t.Why = "does not grant " + op.String()
			}
		}
		traces[i] = t
	}
	return traces
}

func (q Qualifier) kind() string {
	return [...]string{"channels", "metachannels", "queues", "everything"}[q]
}

// mismatch says where matchPath has failed.
func mismatch(pattern, path []byte) string {
	for n, more := 1, true; ; n++ {
		want, patternRest, patternMore := cutSegment(pattern)
		if !more {
			return fmt.Sprintf("segment %d %q has no counterpart", n, want)
		}
		var have []byte
		have, path, more = cutSegment(path)
		if !isStar(want) && !bytes.Equal(want, have) {
			return fmt.Sprintf("segment %d %q ≠ %q", n, want, have)
		}
		if !patternMore {
			return fmt.Sprintf("ends after segment %d", n)
		}
		pattern = patternRest
	}
}
