package capability

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The wildcard rules of Ably's documentation, and those its test server adds.
func TestMatching(t *testing.T) {
	for _, c := range []struct {
		pattern, resource string
		want              bool
	}{
		{"*", "a", true},
		{"*", "a:b:c", true},
		{"*", "[queue]app-q", false},
		{"*", "[meta]x", false},
		{"namespace:*", "namespace:channel", true},
		{"namespace:*", "namespace:channel:other", true},
		{"namespace:*", "namespace", true},
		{"namespace:*", "namespace2:x", false},
		{"namespace:*", "namespac", false},
		{"foo:*:baz", "foo:bar:baz", true},
		{"foo:*:baz", "foo:bar:bam:baz", false},
		{"foo:*:baz", "foo:baz", false},
		{"foo:*:*", "foo:bar", true},
		{"foo:*:*", "foo:bar:baz:x", true},
		{"foo:*:*", "foo", false},
		{"foo*", "foo*", true},
		{"foo*", "foobar", false},
		{"foo:b*", "foo:bar", false},
		{"*:foo", "x:foo", true},
		{"*:foo", "x:y:foo", false},
		{"*:foo", "foo", false},
		{"[queue]*", "[queue]anything", true},
		{"[queue]*", "anything", false},
		{"[meta]*", "[meta]log", true},
		{"[meta]*", "log", false},
		{"[*]*", "log", true},
		{"[*]*", "a:b", true},
		{"[*]*", "[meta]log", true},
		{"[*]*", "[queue]q", true},
		{"[*]foo", "foo", true},
		{"[*]foo", "[meta]foo", true},
		{"[*]chat:*", "chat:x", true},
		{"a:", "a:", true},
		{"a:", "a", false},
		{"a::b", "a::b", true},
		{"a:*:b", "a::b", true},
		{"A", "a", false},
		{"a", "a ", false},
		{"*", "[*]a", false},
		{"[*]*", "[*]a", false},
		{"*", "", false},
		{"*", ":x", false},
	} {
		set, err := Parse([]byte(`{"` + c.pattern + `":["publish"]}`))
		require.NoError(t, err, c.pattern)
		require.Equal(t, c.want, set.Compile().Allows([]byte(c.resource), Publish), "%s on %q", c.pattern, c.resource)
		if r, err := ParseResource([]byte(c.resource)); err == nil && r.Qualifier != Any {
			require.Equal(t, c.want, set.Ops(r)&Publish != 0, "%s on %q, rule by rule", c.pattern, c.resource)
		}
	}
}

// Capabilities of ably-common's test-app-setup.json, keys 0 to 5.
const (
	k0 = `{"*":["*"]}`
	k1 = `{"cansubscribe:*":["subscribe"],"canpublish:*":["publish"],"canpublish:andpresence":["presence","publish"],"pushenabled:*":["publish","subscribe","push-subscribe"],"pushenabled:admin:*":["publish","subscribe","push-admin"]}`
	k2 = `{"channel0":["publish"],"channel1":["publish"],"channel2":["publish","subscribe"],"channel3":["subscribe"],"channel4":["presence","publish","subscribe"],"channel5":["presence"],"channel6":["*"]}`
	k3 = `{"*":["subscribe"]}`
	k5 = `{"[*]*":["*"]}`
	// k1 in canonical text.
	k1Canonical = `{"canpublish:*":["publish"],"canpublish:andpresence":["presence","publish"],"cansubscribe:*":["subscribe"],"pushenabled:*":["publish","push-subscribe","subscribe"],"pushenabled:admin:*":["publish","push-admin","subscribe"]}`
)

// What Ably's SDK suites and documentation expect of a request against a key.
func TestIntersection(t *testing.T) {
	for _, c := range []struct{ key, requested, want string }{
		{k0, `{"onlythischannel":["subscribe"]}`, `{"onlythischannel":["subscribe"]}`},
		{k1, `{"canpublish:test":["subscribe"]}`, ``},
		{k2, `{"channelx":["publish"]}`, ``},
		{k2, `{"channel2":["presence","subscribe"]}`, `{"channel2":["subscribe"]}`},
		{k2, `{"channel2":["presence","subscribe"],"channelx":["presence","subscribe"]}`, `{"channel2":["subscribe"]}`},
		{k2, `{"channel2":["*"]}`, `{"channel2":["publish","subscribe"]}`},
		{k2, `{"channel6":["publish","subscribe"]}`, `{"channel6":["publish","subscribe"]}`},
		{k3, `{"cansubscribe":["subscribe"]}`, `{"cansubscribe":["subscribe"]}`},
		{k1, `{"canpublish:check":["publish"]}`, `{"canpublish:check":["publish"]}`},
		{k3, `{"cansubscribe:*":["subscribe"]}`, `{"cansubscribe:*":["subscribe"]}`},
		{`{"your-namespace:*":["publish","subscribe","presence"],"notifications":["subscribe","history"],"alerts":["subscribe"]}`,
			`{"your-namespace:user-123":["subscribe"],"notifications":["*"],"private":["publish","subscribe"]}`,
			`{"notifications":["history","subscribe"],"your-namespace:user-123":["subscribe"]}`},
		{`{"your-namespace":["*"]}`, `{"other-namespace":["*"]}`, ``},
		{k3, k0, `{"*":["subscribe"]}`},
		{k5, `{"foo:*":["*"]}`, `{"foo:*":["*"]}`},
		{k5, k0, k0},
		{`{"[meta]*":["*"]}`, `{"[queue]*":["*"]}`, ``},
		{k0, `{"[meta]log":["subscribe"]}`, ``},
		{k5, `{"[meta]log":["subscribe"],"x":["stats"]}`, `{"[meta]log":["subscribe"],"x":["stats"]}`},
		{`{"foo:*":["*"]}`, `{"foo":["*"]}`, ``},
		{`{"a:*:c":["*"]}`, `{"a:b:*":["publish"]}`, `{"a:b:c":["publish"]}`},
		{`{"a:*":["*"]}`, `{"*:b:c":["publish"]}`, `{"a:b:c":["publish"]}`},
		{`{"*":["publish"],"a":["subscribe"]}`, `{"a":["publish","subscribe"]}`, `{"a":["publish","subscribe"]}`},
		{k0, `{}`, ``},
	} {
		a, b := mustParse(t, c.key), mustParse(t, c.requested)
		want := c.want
		if want == "" {
			want = "{}"
			require.ErrorIs(t, CheckIntersection(a, b, MaxTextBytes), ErrNothingInCommon, "%s with %s", c.key, c.requested)
		} else {
			require.NoError(t, CheckIntersection(a, b, MaxTextBytes), "%s with %s", c.key, c.requested)
		}
		require.Equal(t, want, Intersect(a, b).String(), "%s with %s", c.key, c.requested)
		require.Equal(t, want, Intersect(b, a).String(), "%s with %s", c.requested, c.key)
	}
	// A key's capability against itself, and against the request that one of the
	// SDKs always sends.
	for _, other := range []string{k1, k0} {
		require.Equal(t, k1Canonical, Intersect(mustParse(t, k1), mustParse(t, other)).String())
	}
}

func TestCanonicalText(t *testing.T) {
	for in, want := range map[string]string{
		k1: k1Canonical,
		" { \"b\" : [ \"subscribe\" , \"publish\", \"publish\" ] , \"a\":[\"*\"] } ": `{"a":["*"],"b":["publish","subscribe"]}`,
		`{}`:                           `{}`,
		`{"\u0061\"\\\/":["publish"]}`: `{"a\"\\/":["publish"]}`,
		`{"<&>` + "\u2028é" + `":["\u0070ublish"]}`:               `{"<&>` + "\u2028é" + `":["publish"]}`,
		`{"` + "\ue000" + `":["*"],"` + "\U0001f600" + `":["*"]}`: `{"` + "\U0001f600" + `":["*"],"` + "\ue000" + `":["*"]}`, // as UTF-16 sorts
		`{"aa":["*"],"a":["*"]}`:                                  `{"a":["*"],"aa":["*"]}`,
	} {
		require.Equal(t, want, mustParse(t, in).String())
	}
	var every []string
	for _, name := range OpNames() {
		every = append(every, `"`+name+`"`)
	}
	require.Len(t, every, 17)
	all := `{"a":[` + strings.Join(every, ",") + `]}`
	require.Equal(t, all, mustParse(t, all).String(), "all operations by name are not the wildcard")
}

func TestRefusedCapabilities(t *testing.T) {
	for text, want := range map[string]error{
		``:                             ErrSyntax,
		`null`:                         ErrSyntax,
		`[]`:                           ErrSyntax,
		`"{}"`:                         ErrSyntax,
		`{"a":"publish"}`:              ErrSyntax,
		`{"a":[1]}`:                    ErrSyntax,
		`{"a":[["publish"]]}`:          ErrSyntax,
		`{"a":["publish"]}x`:           ErrSyntax,
		`{"a":["publish",]}`:           ErrSyntax,
		`{"channel0":["publish_"]}`:    ErrOperation,
		`{"channel0":["*","publish"]}`: ErrOperation,
		`{"channel0":["publish","*"]}`: ErrOperation,
		`{"a":["*","*"]}`:              ErrOperation,
		`{"a":["Publish"]}`:            ErrOperation,
		`{"a":[""]}`:                   ErrOperation,
		`{"channel0":[]}`:              ErrEmptyOps,
		`{"a":["*"],"a":["*"]}`:        ErrDuplicate,
		`{"a":["*"],"\u0061":["*"]}`:   ErrDuplicate,
		`{"[*][meta]log":["*"]}`:       ErrResource,
		`{"[][*]*":["*"]}`:             ErrResource,
		`{"[*][*]*":["*"]}`:            ErrResource,
		`{"[foo]x":["*"]}`:             ErrResource,
		`{"[meta?x=1]log":["*"]}`:      ErrResource,
		`{"[meta]":["*"]}`:             ErrResource,
		`{"[meta":["*"]}`:              ErrResource,
		`{"[]x":["*"]}`:                ErrResource,
		`{"[Meta]x":["*"]}`:            ErrResource,
		`{"[meta]:x":["*"]}`:           ErrResource,
		`{":x":["*"]}`:                 ErrResource,
		`{"":["*"]}`:                   ErrResource,
		`{"a\nb":["*"]}`:               ErrResource,
		`{"a\u0000":["*"]}`:            ErrResource,
		"{\"a\x7f\":[\"*\"]}":          ErrResource,
	} {
		_, err := Parse([]byte(text))
		require.ErrorIs(t, err, want, "%q", text)
	}
}

func TestLimits(t *testing.T) {
	resources := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = `"` + strings.Repeat("x", 3) + itoa(i) + `":["*"]`
		}
		return "{" + strings.Join(names, ",") + "}"
	}
	require.Equal(t, MaxResources, mustParse(t, resources(MaxResources)).Len())
	_, err := Parse([]byte(resources(MaxResources + 1)))
	require.ErrorIs(t, err, ErrTooLarge)

	long := func(size int) string { return `{"` + strings.Repeat("x", size-len(`{"":["*"]}`)) + `":["*"]}` }
	mustParse(t, long(MaxTextBytes))
	_, err = Parse([]byte(long(MaxTextBytes + 1)))
	require.ErrorIs(t, err, ErrTooLarge)

	// 40 × 40 resources meet in 1,600 different ones; each with itself in 40.
	var left, right, both []string
	for i := range 40 {
		left = append(left, `"*:r`+itoa(i)+`":["*"]`)
		right = append(right, `"l`+itoa(i)+`:*":["*"]`)
		both = append(both, `"*:r`+itoa(i)+`:*:*":["*"]`)
	}
	object := func(members []string) *Set { return mustParse(t, "{"+strings.Join(members, ",")+"}") }
	require.ErrorIs(t, CheckIntersection(object(left), object(right), MaxTextBytes), ErrTooLarge)
	require.NoError(t, CheckIntersection(object(left), object(right[:20]), MaxTextBytes))
	require.NoError(t, CheckIntersection(object(both), object(both), MaxTextBytes))
	// The same, in bytes.
	require.ErrorIs(t, CheckIntersection(object(left[:2]), object(right[:2]), 80), ErrTooLarge)
	text := Intersect(object(left[:2]), object(right[:2])).String()
	require.NoError(t, CheckIntersection(object(left[:2]), object(right[:2]), len(text)))
	require.ErrorIs(t, CheckIntersection(object(left[:2]), object(right[:2]), len(text)-1), ErrTooLarge)
	// 3,600 pairs pass the bound, but they meet in 60 resources only.
	var chains []string
	for i := range 60 {
		chains = append(chains, `"`+strings.Repeat("*:", i)+`*":["*"]`)
	}
	require.NoError(t, CheckIntersection(object(chains), object(chains), MaxTextBytes))
}

func itoa(i int) string {
	return string([]byte{byte('0' + i/1000), byte('0' + i/100%10), byte('0' + i/10%10), byte('0' + i%10)})
}

func TestChannelNames(t *testing.T) {
	everything := mustParse(t, k0).Compile()
	for name, want := range map[string]Resource{
		"foo":                     {Channel, []byte("foo")},
		"a:b":                     {Channel, []byte("a:b")},
		"[?rewind=1]foo":          {Channel, []byte("foo")},
		"[]foo":                   {Channel, []byte("foo")},
		"[filter=name == `x`]foo": {Channel, []byte("foo")},
		"[meta]log":               {Meta, []byte("log")},
		"[meta?rewind=1]log":      {Meta, []byte("log")},
		"foo[bar]":                {Channel, []byte("foo[bar]")},
		"]x":                      {Channel, []byte("]x")},
		"*":                       {Channel, []byte("*")},
	} {
		got, err := ParseChannel([]byte(name))
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
		require.Equal(t, want.Qualifier == Channel, everything.OpsOn(got) != 0, name)
	}
	for _, name := range []string{"", "[foo]x", "[*]x", "[queue]x", "[?a]]x", "[meta", ":x", "a\nb", "[]", "[meta]", "[meta]:x", "[?a][meta]x", "[ ]x", "[Meta]x", "a\x00", "a\x7f", "a\xff", "[?\xff]a", "[?a\n]x"} {
		_, err := ParseChannel([]byte(name))
		require.ErrorIs(t, err, ErrChannel, "%q", name)
	}
}

func TestEverywhere(t *testing.T) {
	for text, want := range map[string]Op{
		k0: All, k5: All, k3: Subscribe, `{"a:*":["stats"],"[meta]*":["stats"],"*:*":["stats"]}`: 0, `{"*":["stats"],"[*]*":["history"]}`: Stats | History, `{}`: 0,
	} {
		require.Equal(t, want, mustParse(t, text).Everywhere(), text)
	}
}

func TestRestrict(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":["*"]}`: `{"a":["push-subscribe"]}`,
		`{"a":["publish"],"b":["publish","push-subscribe"],"[*]*":["*"]}`: `{"[*]*":["push-subscribe"],"b":["push-subscribe"]}`,
		`{"a":["push-admin"]}`: `{}`,
		`{}`:                   `{}`,
	} {
		s, err := Parse([]byte(in))
		require.NoError(t, err)
		before := s.String()
		require.Equal(t, want, s.Restrict(PushSubscribe).String(), in)
		require.Equal(t, before, s.String(), "the Set stays as it is")
	}
}

func TestTheZeroValuesGrantNothing(t *testing.T) {
	var m *Matcher
	require.Zero(t, m.Ops([]byte("a")))
	require.Zero(t, new(Matcher).Ops([]byte("a")))
	require.Zero(t, new(Set).Compile().Ops([]byte("a")))
	require.Equal(t, "{}", new(Set).String())
}

func mustParse(t testing.TB, text string) *Set {
	t.Helper()
	s, err := Parse([]byte(text))
	require.NoError(t, err, text)
	return s
}
