package capability

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// random builds capabilities from so few parts that they meet often.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 7))} }

func (r random) pick(from ...string) string { return from[r.IntN(len(from))] }

func (r random) path(wild bool) string {
	segments := make([]string, 1+r.IntN(4))
	for i := range segments {
		segments[i] = r.pick("a", "b", "c", "a*", "*x")
		if wild && r.IntN(3) == 0 {
			segments[i] = "*"
		}
	}
	return strings.Join(segments, ":")
}

func (r random) set(t testing.TB) *Set {
	rules := map[string]string{}
	for range r.IntN(6) {
		ops := `"*"`
		if r.IntN(3) > 0 {
			ops = `"` + r.pick("publish", "subscribe", "presence") + `","` + r.pick("publish", "subscribe", "history") + `"`
		}
		rules[r.pick("", "", "", "[meta]", "[queue]", "[*]")+r.path(true)] = ops
	}
	var members []string
	for resource, ops := range rules {
		members = append(members, fmt.Sprintf("%q:[%s]", resource, ops))
	}
	return mustParse(t, "{"+strings.Join(members, ",")+"}")
}

func (r random) resource() Resource {
	return Resource{Qualifier(r.IntN(int(Any))), []byte(r.path(false))}
}

func TestLawsOnRandomCapabilities(t *testing.T) {
	r := newRandom(1)
	met := 0
	for range 20_000 {
		a, b := r.set(t), r.set(t)
		text := a.String()
		require.Equal(t, text, mustParse(t, text).String(), "parse(format(x)) = x")

		ab, ba := Intersect(a, b), Intersect(b, a)
		require.Equal(t, ab.String(), ba.String(), "%s and %s commute", a, b)
		require.Equal(t, ab.String(), mustParse(t, ab.String()).String(), "what is granted can be read again")
		require.Equal(t, ab.Len() == 0, CheckIntersection(a, b, MaxTextBytes) == ErrNothingInCommon, "%s and %s", a, b)
		if ab.Len() > 0 {
			met++
		}
		aa := Intersect(a, a).Compile()
		ma, mb, mab := a.Compile(), b.Compile(), ab.Compile()
		for range 8 {
			q := r.resource()
			require.Equal(t, a.Ops(q), ma.OpsOn(q), "%s on %s%s: compiled as rule by rule", a, q.Qualifier, q.Path)
			granted := mab.OpsOn(q)
			require.Zero(t, granted&^(ma.OpsOn(q)&mb.OpsOn(q)), "%s and %s on %s%s never widen", a, b, q.Qualifier, q.Path)
			require.Equal(t, ma.OpsOn(q), aa.OpsOn(q), "%s with itself on %s%s", a, q.Qualifier, q.Path)
			for _, op := range []Op{Publish, Subscribe, History, Stats} {
				require.Equal(t, granted&op != 0, AllowsBoth(a, b, q, op), "%s and %s on %s%s: %s unbuilt as built", a, b, q.Qualifier, q.Path, op)
			}
		}
	}
	require.Greater(t, met, 5_000, "the random capabilities hardly ever meet")
}

func TestDoesNotAllocate(t *testing.T) {
	text := []byte(`{"chat:*":["publish","subscribe"],"a:*:b":["history"],"[meta]*":["\u0073ubscribe"],"x":["*"]}`)
	key := mustParse(t, `{"[*]*":["*"]}`)
	var p Parser
	var s Set
	require.NoError(t, p.Parse(&s, text))
	m := s.Compile()
	resource, parsed := []byte("chat:room1:x"), Resource{Channel, []byte("chat:room1:x")}
	for name, f := range map[string]func() bool{
		"parse":     func() bool { return p.Parse(&s, text) == nil },
		"match":     func() bool { return m.Allows(resource, Publish) },
		"check":     func() bool { return CheckIntersection(&s, key, MaxTextBytes) == nil },
		"both":      func() bool { return AllowsBoth(&s, key, parsed, Publish) },
		"unmatched": func() bool { return !m.Allows(resource, Stats) },
	} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if !f() {
				t.Error(name, "did not succeed")
			}
		}), name)
	}
}
