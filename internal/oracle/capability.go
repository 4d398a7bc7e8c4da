package oracle

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf16"
)

const (
	maxCapabilityBytes     = 32 * 1024
	maxCapabilityResources = 1024
)

// The two ways in which a capability text can be refused.
var (
	ErrCapabilityInvalid  = errors.New("capability: invalid")
	ErrCapabilityTooLarge = errors.New("capability: too large")
)

// operations are the names that may be granted, besides "*" for all of them.
var operations = []string{
	"annotation-publish", "annotation-subscribe", "channel-metadata", "history",
	"message-delete-any", "message-delete-own", "message-update-any", "message-update-own",
	"object-publish", "object-subscribe", "presence", "privileged-headers", "publish",
	"push-admin", "push-subscribe", "stats", "subscribe",
}

// Resource is what a grant is about. The two parts stay apart: text put together
// and read again could change its meaning, as "[]" followed by "[*]*" would.
type Resource struct {
	Qualifier string // "", "meta", "queue", or "*" for any of them
	Path      string // segments separated by colons
}

func (r Resource) String() string {
	if r.Qualifier == "" {
		return r.Path
	}
	return "[" + r.Qualifier + "]" + r.Path
}

// Capability maps each resource to the set of its operations. A set holding "*"
// grants all of them.
type Capability map[Resource]map[string]bool

// ParseCapability reads a capability text. The error is ErrCapabilityInvalid or
// ErrCapabilityTooLarge; the length is looked at before anything else, the number
// of resources only in a text that is valid.
func ParseCapability(text string) (Capability, error) {
	if len(text) > maxCapabilityBytes {
		return nil, ErrCapabilityTooLarge
	}
	tree, err := parseJSON(text)
	if err != nil || tree.kind != kindObject || tree.repeatsName() {
		return nil, ErrCapabilityInvalid
	}
	c := Capability{}
	for _, m := range tree.members {
		resource, ok := parseResource(m.name)
		if !ok {
			return nil, ErrCapabilityInvalid
		}
		ops, ok := parseOperations(m.value)
		if !ok {
			return nil, ErrCapabilityInvalid
		}
		c[resource] = ops
	}
	if len(c) > maxCapabilityResources {
		return nil, ErrCapabilityTooLarge
	}
	return c, nil
}

// parseResource takes an optional qualifier, exactly one of three, off the front
// of a non-empty path.
func parseResource(text string) (Resource, bool) {
	r := Resource{Path: text}
	for _, qualifier := range []string{"meta", "queue", "*"} {
		if path, found := strings.CutPrefix(text, "["+qualifier+"]"); found {
			r = Resource{qualifier, path}
		}
	}
	if r.Path == "" || r.Path[0] == '[' || r.Path[0] == ':' || hasControl(r.Path) {
		return Resource{}, false
	}
	return r, true
}

// hasControl tells whether a text has a C0 control or DEL in it.
func hasControl(text string) bool {
	for i := range len(text) {
		if text[i] < 0x20 || text[i] == 0x7F {
			return true
		}
	}
	return false
}

// parseOperations reads a list of one or more operations; "*" stands alone in it.
func parseOperations(v value) (map[string]bool, bool) {
	if v.kind != kindArray || len(v.items) == 0 {
		return nil, false
	}
	ops := map[string]bool{}
	for _, item := range v.items {
		if item.kind != kindString {
			return nil, false
		}
		if item.str == "*" {
			if len(v.items) != 1 {
				return nil, false
			}
		} else if !slices.Contains(operations, item.str) {
			return nil, false
		}
		ops[item.str] = true
	}
	return ops, true
}

// Canonical writes c in its one spelling: resources in the order of their UTF-16
// code units (as JavaScript sorts, and so ably-js), operations sorted by name, no
// white space.
func (c Capability) Canonical() string {
	var resources []string
	lists := map[string]string{}
	for resource, ops := range c {
		name := resource.String()
		resources = append(resources, name)
		lists[name] = canonicalOperations(ops)
	}
	slices.SortFunc(resources, func(a, b string) int {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
	})
	for i, name := range resources {
		resources[i] = quote(name) + ":" + lists[name]
	}
	return "{" + strings.Join(resources, ",") + "}"
}

func canonicalOperations(ops map[string]bool) string {
	if ops["*"] {
		return `["*"]`
	}
	var names []string
	for op := range ops {
		names = append(names, quote(op))
	}
	slices.Sort(names)
	return "[" + strings.Join(names, ",") + "]"
}

// quote writes a JSON string. A resource has no control characters, so these two
// escapes are all that JSON.stringify would use.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// Allows tells whether any one grant of c covers the operation on the resource.
// Grants only add up; none takes away. An operation that does not exist is
// allowed by nothing.
func (c Capability) Allows(qualifier, path, op string) bool {
	if !slices.Contains(operations, op) {
		return false
	}
	for pattern, ops := range c {
		if (ops["*"] || ops[op]) && matches(pattern, qualifier, path) {
			return true
		}
	}
	return false
}

// matches decides whether a pattern covers a resource. "*" is a wildcard only as
// a whole segment: at the end for any number of segments, none included, and
// elsewhere for exactly one.
func matches(pattern Resource, qualifier, path string) bool {
	if pattern.Qualifier != qualifier && pattern.Qualifier != "*" {
		return false
	}
	want := strings.Split(pattern.Path, ":")
	have := strings.Split(path, ":")
	for i, segment := range want {
		last := i == len(want)-1
		switch {
		case segment == "*" && last:
			return true
		case i >= len(have):
			return false
		case segment == "*":
			continue
		case segment != have[i]:
			return false
		}
	}
	return len(want) == len(have)
}

// Intersect grants what both a and b grant, found pair by pair. A token never
// has more than its key.
func Intersect(a, b Capability) Capability {
	result := Capability{}
	for ra, opsA := range a {
		for rb, opsB := range b {
			ops := intersectOperations(opsA, opsB)
			resource, overlap := intersectResources(ra, rb)
			if len(ops) == 0 || !overlap {
				continue
			}
			// Two pairs may meet in one resource, which then has the operations of both.
			if result[resource] == nil {
				result[resource] = map[string]bool{}
			}
			for op := range ops {
				result[resource][op] = true
			}
		}
	}
	return result
}

func intersectOperations(a, b map[string]bool) map[string]bool {
	if a["*"] {
		return b
	}
	if b["*"] {
		return a
	}
	both := map[string]bool{}
	for op := range a {
		if b[op] {
			both[op] = true
		}
	}
	return both
}

func intersectResources(a, b Resource) (Resource, bool) {
	qualifier := a.Qualifier
	switch {
	case a.Qualifier == b.Qualifier, b.Qualifier == "*":
	case a.Qualifier == "*":
		qualifier = b.Qualifier
	default:
		return Resource{}, false
	}
	path, overlap := intersectPaths(strings.Split(a.Path, ":"), strings.Split(b.Path, ":"))
	return Resource{qualifier, strings.Join(path, ":")}, overlap
}

// intersectPaths walks the shorter of two paths along the longer one. A path that
// ends in "*" also matches the resource one segment shorter, but that resource is
// left out here: "foo" and "foo:*" have nothing in common. Fewer rights than
// possible is the safe side.
func intersectPaths(short, long []string) ([]string, bool) {
	if len(short) > len(long) {
		short, long = long, short
	}
	last := len(short) - 1
	if len(short) < len(long) && short[last] != "*" {
		return nil, false
	}
	var path []string
	for i, segment := range short {
		switch {
		case segment == "*" && i == last:
			return append(path, long[i:]...), true
		case segment == "*":
			path = append(path, long[i])
		case long[i] == "*" || long[i] == segment:
			path = append(path, segment)
		default:
			return nil, false
		}
	}
	return path, true
}
