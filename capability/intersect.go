package capability

import (
	"bytes"
	"errors"
)

// ErrNothingInCommon is why an intersection grants nothing.
var ErrNothingInCommon = errors.New("capability: nothing in common")

// Intersect returns what both a and b grant, pair by pair of their resources:
// of each pair the common operations on the narrower path. It never grants more
// than either side. A literal path and the same path with a wildcard behind it
// ("foo" and "foo:*") have nothing in common here, although the second matches
// "foo": the rule errs on the side of granting less.
func Intersect(a, b *Set) *Set {
	s := new(Set)
	for i := range a.rules {
		for j := range b.rules {
			if x, y := &a.rules[i], &b.rules[j]; common(a, b, x, y) {
				s.addCommon(a, b, x, y)
			}
		}
	}
	s.sort()
	s.merge()
	return s
}

// CheckIntersection says, without building it, whether the intersection of a
// and b is one that may be granted: nil, [ErrNothingInCommon] or, beyond
// MaxResources or maxBytes of canonical text, [ErrTooLarge]. Only where a bound
// on its size passes the limits is it measured.
func CheckIntersection(a, b *Set, maxBytes int) error {
	resources, size := 0, len("{}")
	for i := range a.rules {
		for j := range b.rules {
			if x, y := &a.rules[i], &b.rules[j]; common(a, b, x, y) {
				resources++
				size += len(`"":,`) + sizeJSON(a.resource(*x)) + sizeJSON(b.resource(*y)) + commonOps(x, y).jsonSize()
			}
		}
	}
	if resources == 0 {
		return ErrNothingInCommon
	}
	if resources > MaxResources || size > maxBytes {
		return measure(a, b, maxBytes)
	}
	return nil
}

// maxPairs bounds how many pairs are put together to be measured. Only sets made
// for it have more pairs in common that come to few resources.
const maxPairs = 16 * MaxResources

// measure puts the intersection together as far as it may be granted: with the
// first resource or byte too many it stops, whatever is left.
func measure(a, b *Set, maxBytes int) error {
	var one Set // the resource of one pair
	seen := make(map[string]Op)
	size, pairs := len("{}"), 0
	for i := range a.rules {
		for j := range b.rules {
			x, y := &a.rules[i], &b.rules[j]
			if !common(a, b, x, y) {
				continue
			}
			one.reset()
			one.addCommon(a, b, x, y)
			resource := one.resource(one.rules[0])
			ops, known := seen[string(resource)]
			if !known {
				size += len(`"":,`) + sizeJSON(resource)
			} else {
				size -= ops.jsonSize()
			}
			ops |= commonOps(x, y)
			size += ops.jsonSize()
			seen[string(resource)] = ops
			if pairs++; pairs > maxPairs || len(seen) > MaxResources || size-len(",") > maxBytes {
				return ErrTooLarge
			}
		}
	}
	return nil
}

func sizeJSON(resource []byte) int {
	return len(resource) + bytes.Count(resource, []byte{'"'}) + bytes.Count(resource, []byte{'\\'})
}

// AllowsBoth says whether the intersection of a and b allows op on r, without
// building it: a resource is covered by a pair's intersection exactly when it
// is covered by both of a pair that has one.
func AllowsBoth(a, b *Set, r Resource, op Op) bool {
	for i := range a.rules {
		x := &a.rules[i]
		if x.ops&op == 0 || !a.covers(*x, r) {
			continue
		}
		for j := range b.rules {
			if y := &b.rules[j]; y.ops&op != 0 && b.covers(*y, r) && common(a, b, x, y) {
				return true
			}
		}
	}
	return false
}

func commonOps(x, y *rule) Op { return x.ops & y.ops }

// common says whether x of a and y of b have anything in common.
func common(a, b *Set, x, y *rule) bool {
	return x.shape.mayMeet(y.shape) && commonOps(x, y) != 0 && // most pairs end here, so it is all inlined
		inCommon(a, b, x, y)
}

func inCommon(a, b *Set, x, y *rule) bool {
	return (x.qualifier.covers(y.qualifier) || y.qualifier.covers(x.qualifier)) &&
		commonPath(nil, a.path(*x), b.path(*y))
}

// addCommon adds the intersection of x of a and y of b, which is not empty.
func (s *Set) addCommon(a, b *Set, x, y *rule) {
	start := len(s.text)
	qualifier := x.qualifier
	if qualifier == Any {
		qualifier = y.qualifier
	}
	s.text = append(s.text, qualifier.String()...)
	path := len(s.text)
	commonPath(&s.text, a.path(*x), b.path(*y))
	s.append(start, path, qualifier, commonOps(x, y))
}

// commonPath says whether two paths have a common part, and appends it to dst
// unless that is nil. It walks the path with fewer segments: a wildcard at its
// end takes the rest of the other, elsewhere the other's segment; a literal
// meets itself or a wildcard; and paths of different length meet only in a
// wildcard at the end of the shorter.
func commonPath(dst *[]byte, short, long []byte) bool {
	if bytes.Count(short, []byte{':'}) > bytes.Count(long, []byte{':'}) {
		short, long = long, short
	}
	for {
		s, shortRest, shortMore := cutSegment(short)
		if isStar(s) && !shortMore {
			appendTo(dst, long)
			return true
		}
		l, longRest, longMore := cutSegment(long)
		if !shortMore && longMore {
			return false
		}
		switch {
		case isStar(s):
			appendTo(dst, l)
		case isStar(l) || bytes.Equal(s, l):
			appendTo(dst, s)
		default:
			return false
		}
		if !shortMore {
			return true
		}
		appendTo(dst, []byte{':'})
		short, long = shortRest, longRest
	}
}

func appendTo(dst *[]byte, text []byte) {
	if dst != nil {
		*dst = append(*dst, text...)
	}
}

// merge joins neighbouring rules of one resource; the Set is sorted.
func (s *Set) merge() {
	kept := s.rules[:0]
	for _, r := range s.rules {
		if n := len(kept); n > 0 && bytes.Equal(s.resource(kept[n-1]), s.resource(r)) {
			kept[n-1].ops |= r.ops
			continue
		}
		kept = append(kept, r)
	}
	s.rules = kept
}
