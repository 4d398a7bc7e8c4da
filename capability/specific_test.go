package capability

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		pattern, resource string
		want              bool
	}{
		{"*", "a:b", true}, {"*", "[meta]a", false}, {"[*]*", "[meta]a", true}, {"[meta]*", "[meta]a", true}, {"[meta]a", "a", false},
		{"foo:*", "foo", true}, {"foo:*", "foo:a:b", true}, {"foo:*:baz", "foo:bar:baz", true}, {"foo:*:baz", "foo:baz", false}, {"foo*", "foobar", false},
	} {
		pattern, err := ParseResource([]byte(c.pattern))
		require.NoError(t, err)
		resource, err := ParseResource([]byte(c.resource))
		require.NoError(t, err)
		require.Equal(t, c.want, pattern.Covers(resource), "%s of %s", c.pattern, c.resource)
	}
}

// Each pattern comes before all that follow it: by how many segments are no
// wildcards, then by length, then in byte order.
func TestMoreSpecific(t *testing.T) {
	var order []Resource
	for _, text := range []string{
		"a:b:c:d",
		"*:a:b:c", "a:b:c:*",
		"aa:b:*:*", "*:aa:bb", "a:b:*:*", "a:b:*", "a:b",
		"*:*:a", "a:*:*", "aa:*", "*:b", "a:*", "b:*", "a", "[meta]a", "[*]a", "b",
		"*:*", "*", "[meta]*", "[*]*",
	} {
		r, err := ParseResource([]byte(text))
		require.NoError(t, err)
		order = append(order, r)
	}
	for i, a := range order {
		for j, b := range order {
			require.Equal(t, i < j, a.MoreSpecific(b), "%s%s and %s%s", a.Qualifier, a.Path, b.Qualifier, b.Path)
		}
	}
}

func TestNames(t *testing.T) {
	s := mustParse(t, `{"b":["*"],"a:*":["publish"],"[meta]log":["*"],"\uffee":["*"],"\ud83d\ude00":["*"],"\u00e9":["*"]}`)
	for resource, want := range map[string]bool{
		"b": true, "a:*": true, "[meta]log": true, "\uffee": true, "\U0001f600": true, "é": true,
		"a": false, "a:b": false, "log": false, "": false, "*": false, "\U0001f601": false,
	} {
		require.Equal(t, want, s.Names(resource), "%q", resource)
	}
	require.False(t, new(Set).Names("a"))
	r := newRandom(3)
	for range 500 {
		s := r.set(t)
		named := map[string]bool{}
		for _, rule := range s.Rules() {
			named[rule.Resource] = true
			require.True(t, s.Names(rule.Resource), "%s in %s", rule.Resource, s)
		}
		other := r.path(true)
		require.Equal(t, named[other], s.Names(other), "%s in %s", other, s)
	}
}
