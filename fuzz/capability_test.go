package fuzz

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/capability"
	"portcullis/internal/oracle"
	"portcullis/internal/vectors"
)

// capabilitySeeds calls add for every capability of the vectors' keys and
// tokens, and for texts around the grammar's edges.
func capabilitySeeds(f *testing.F, add func(text string)) {
	for _, k := range vectors.Keys() {
		if k.Capability != "" && len(k.Capability) < 1000 {
			add(k.Capability)
		}
	}
	n := 0
	seeds(f, func(v vectors.Vector) {
		_, claims, ok := decode(v.Token)
		var fields map[string]json.RawMessage
		if !ok || json.Unmarshal([]byte(claims), &fields) != nil || len(claims) > 1000 {
			return
		}
		var text string
		if raw := fields["x-ably-capability"]; json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		add(text)
		n++
	})
	require.Greater(f, n, 100, "hardly any seeds")
	for _, text := range []string{
		`{"a\"b":["publish"],"a\\b":["*"]}`, `{"a:*":["publish"],"a":["subscribe"]}`, `{"a:":["*"],"a::b":["*"],"a:*:":["*"]}`,
		`{"*:*":["*"],"*:a:*":["publish"]}`, `{"[*]*":["*"],"[meta]*":["publish"],"[queue]a":["stats"]}`, `{"é😀":["*"]}`,
	} {
		add(text)
	}
}

func FuzzCapability(f *testing.F) {
	previous, resources := `{"*":["*"]}`, []string{"a", "a:", "a:b", "a::b", "x:y:z", "chat:room1", `a"b`, "foo:bar:baz"}
	i := 0
	capabilitySeeds(f, func(text string) {
		f.Add(text, previous, resources[i%len(resources)], uint8(i))
		f.Add(text, text, resources[i%len(resources)], uint8(i))
		previous, i = text, i+1
	})
	f.Fuzz(func(t *testing.T, textA, textB, path string, qualifier uint8) {
		a, okA := parseBoth(t, textA)
		b, okB := parseBoth(t, textB)
		if !okA || !okB {
			return
		}
		requireLaws(t, a, b, path, capability.Qualifier(qualifier%uint8(capability.Any)))
	})
}

// both is one capability as the engine's package and as the oracle read it.
type both struct {
	set    *capability.Set
	oracle oracle.Capability
}

// parseBoth wants both readers to agree whether text is a capability, and on its
// canonical text.
func parseBoth(t *testing.T, text string) (both, bool) {
	t.Helper()
	set, err := capability.Parse([]byte(text))
	slow, slowErr := oracle.ParseCapability(text)
	require.Equal(t, slowErr == nil, err == nil, "%q: %v, the oracle: %v", text, err, slowErr)
	if err != nil {
		return both{}, false
	}
	canonical := format(set)
	require.Equal(t, slow.Canonical(), canonical, "%q", text)
	again, err := capability.Parse([]byte(canonical))
	require.NoError(t, err, "what is written can be read: %q", canonical)
	require.Equal(t, canonical, again.String())
	return both{set, slow}, true
}

func requireLaws(t *testing.T, a, b both, path string, q capability.Qualifier) {
	t.Helper()
	ab, ba, aa := intersect(a.set, b.set), intersect(b.set, a.set), intersect(a.set, a.set)
	require.Equal(t, ab.String(), ba.String(), "%s and %s commute", a.set, b.set)
	require.Equal(t, oracle.Intersect(a.oracle, b.oracle).Canonical(), ab.String(), "%s and %s", a.set, b.set)
	require.Equal(t, ab.Len() == 0, capability.CheckIntersection(a.set, b.set, capability.MaxTextBytes) == capability.ErrNothingInCommon)

	r, err := capability.ParseResource([]byte(path))
	if err != nil || r.Qualifier != capability.Channel {
		return
	}
	r.Qualifier = q
	granted := operations(ab.Compile(), r)
	ofA := operations(a.set.Compile(), r)
	require.Zero(t, granted&^(a.set.Ops(r)&b.set.Ops(r)), "%s and %s on %q: never more than both", a.set, b.set, path)
	require.Equal(t, a.set.Ops(r), operations(aa.Compile(), r), "%s with itself on %q", a.set, path)
	require.Equal(t, a.set.Ops(r), ofA, "%s on %q: compiled as rule by rule", a.set, path)
	for _, name := range capability.OpNames() {
		op := capability.ParseOp([]byte(name))
		require.Equal(t, a.oracle.Allows(qualifierName(q), path, name), ofA&op != 0, "%s on %q: %s", a.set, path, name)
		require.Equal(t, granted&op != 0, capability.AllowsBoth(a.set, b.set, r, op), "%s and %s on %q: %s, unbuilt as built", a.set, b.set, path, name)
	}
}

func qualifierName(q capability.Qualifier) string {
	return [...]string{capability.Channel: "", capability.Meta: "meta", capability.Queue: "queue"}[q]
}

func FuzzChannel(f *testing.F) {
	n := 0
	all, err := vectors.All()
	require.NoError(f, err)
	for _, v := range all {
		if v.Op != "" {
			f.Add(v.Channel)
			n++
		}
	}
	require.Greater(f, n, 50, "hardly any seeds")
	f.Fuzz(func(t *testing.T, name string) {
		qualifier, path, slowErr := oracle.ParseChannel(name)
		r, err := parseChannel([]byte(name))
		require.Equal(t, slowErr == nil, err == nil, "%q", name)
		if err == nil {
			require.Equal(t, qualifier, qualifierName(r.Qualifier), "%q", name)
			require.Equal(t, path, string(r.Path), "%q", name)
		}
	})
}
