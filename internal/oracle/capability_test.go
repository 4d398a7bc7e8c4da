package oracle

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func mustParse(t *testing.T, text string) Capability {
	t.Helper()
	c, err := ParseCapability(text)
	require.NoError(t, err, text)
	return c
}

func TestMatching(t *testing.T) {
	for _, row := range []struct {
		pattern, resource string
		match             bool
	}{
		{"*", "a", true},
		{"*", "a:b:c", true},
		{"*", "[queue]app-q", false},
		{"*", "[meta]x", false},
		{"namespace:*", "namespace:channel", true},
		{"namespace:*", "namespace:channel:other", true},
		{"namespace:*", "namespace", true},
		{"namespace:*", "namespace2:x", false},
		{"foo:*:baz", "foo:bar:baz", true},
		{"foo:*:baz", "foo:bar:bam:baz", false},
		{"foo:*:baz", "foo:baz", false},
		{"foo*", "foo*", true},
		{"foo*", "foobar", false},
		{"*:foo", "x:foo", true},
		{"*:foo", "x:y:foo", false},
		{"*:foo", "foo", false},
		{"[queue]*", "[queue]anything", true},
		{"[queue]*", "anything", false},
		{"[meta]*", "[meta]log", true},
		{"[meta]*", "log", false},
		{"[*]*", "a", true},
		{"[*]*", "a:b", true},
		{"[*]*", "[queue]q", true},
		{"[*]*", "[meta]log", true},
		{"[*]foo", "foo", true},
		{"[*]foo", "[meta]foo", true},
		{"[*]foo", "bar", false},
		{"[*]chat:*", "chat:x", true},
		{"[*]chat:*", "[meta]chat:x", true},
		{"a::b", "a::b", true},
		{"a:*:b", "a::b", true},
		{"a:", "a:", true},
		{"a:", "a", false},
		{"a", "a:", false},
		{"a:*", "a:", true},
		{"*:*", "a", true},
		{"*:*:x", "a:x", false},
		{"a", "A", false},
		{"a:*:*", "a", false},
		{"a:*:*", "a:b", true},
	} {
		t.Run(row.pattern+" "+row.resource, func(t *testing.T) {
			resource, ok := parseResource(row.resource)
			require.True(t, ok)
			c := mustParse(t, `{"`+row.pattern+`":["publish"]}`)
			require.Equal(t, row.match, c.Allows(resource.Qualifier, resource.Path, "publish"))
			require.False(t, c.Allows(resource.Qualifier, resource.Path, "subscribe"))
		})
	}
}

func TestGrantsAddUp(t *testing.T) {
	c := mustParse(t, `{"a:*":["subscribe"],"a:b":["publish"],"*":["history"]}`)
	for _, op := range []string{"subscribe", "publish", "history"} {
		require.True(t, c.Allows("", "a:b", op), op)
	}
	require.False(t, c.Allows("", "a:c", "publish"))
	require.False(t, c.Allows("", "a:b", "presence"))
}

func TestAllOperations(t *testing.T) {
	c := mustParse(t, `{"a":["*"]}`)
	require.Len(t, operations, 17)
	for _, op := range operations {
		require.True(t, c.Allows("", "a", op), op)
	}
	require.False(t, c.Allows("", "a", "fly"), "what is no operation is never allowed")
	require.False(t, Capability(nil).Allows("", "a", "publish"))
}

// The capabilities of the keys in ably-common's test-app-setup.json.
const (
	k0 = `{"*":["*"]}`
	k1 = `{"cansubscribe:*":["subscribe"],"canpublish:*":["publish"],"canpublish:andpresence":["presence","publish"],` +
		`"pushenabled:*":["publish","subscribe","push-subscribe"],"pushenabled:admin:*":["publish","subscribe","push-admin"]}`
	k2 = `{"channel0":["publish"],"channel1":["publish"],"channel2":["publish","subscribe"],"channel3":["subscribe"],` +
		`"channel4":["presence","publish","subscribe"],"channel5":["presence"],"channel6":["*"]}`
	k3 = `{"*":["subscribe"]}`
	k5 = `{"[*]*":["*"]}`

	k1Canonical = `{"canpublish:*":["publish"],"canpublish:andpresence":["presence","publish"],"cansubscribe:*":["subscribe"],` +
		`"pushenabled:*":["publish","push-subscribe","subscribe"],"pushenabled:admin:*":["publish","push-admin","subscribe"]}`
)

func TestIntersection(t *testing.T) {
	const empty, invalid = "{}", "invalid"
	for i, row := range []struct{ key, requested, want string }{
		{k0, `{"onlythischannel":["subscribe"]}`, `{"onlythischannel":["subscribe"]}`},
		{k1, k1, k1Canonical},
		{k1, `{"canpublish:test":["subscribe"]}`, empty},
		{k2, `{"channelx":["publish"]}`, empty},
		{k2, `{"channel2":["presence","subscribe"]}`, `{"channel2":["subscribe"]}`},
		{k2, `{"channel2":["presence","subscribe"],"channelx":["presence","subscribe"]}`, `{"channel2":["subscribe"]}`},
		{k2, `{"channel2":["*"]}`, `{"channel2":["publish","subscribe"]}`},
		{k2, `{"channel6":["publish","subscribe"]}`, `{"channel6":["publish","subscribe"]}`},
		{k3, `{"cansubscribe":["subscribe"]}`, `{"cansubscribe":["subscribe"]}`},
		{k1, `{"canpublish:check":["publish"]}`, `{"canpublish:check":["publish"]}`},
		{k3, `{"cansubscribe:*":["subscribe"]}`, `{"cansubscribe:*":["subscribe"]}`},
		{k0, `{"channel0":["publish_"]}`, invalid},
		{k0, `{"channel0":["*","publish"]}`, invalid},
		{k0, `{"channel0":[]}`, invalid},
		{
			`{"your-namespace:*":["publish","subscribe","presence"],"notifications":["subscribe","history"],"alerts":["subscribe"]}`,
			`{"your-namespace:user-123":["subscribe"],"notifications":["*"],"private":["publish","subscribe"]}`,
			`{"notifications":["history","subscribe"],"your-namespace:user-123":["subscribe"]}`,
		},
		{`{"your-namespace":["*"]}`, `{"other-namespace":["*"]}`, empty},
		{k3, k0, k3},
		{k1, k0, k1Canonical},
		{k5, `{"foo:*":["*"]}`, `{"foo:*":["*"]}`},
		{k5, k0, k0},
		{`{"[meta]*":["*"]}`, `{"[queue]*":["*"]}`, empty},
		{k0, `{"[meta]log":["subscribe"]}`, empty},

		// What matches and yet has nothing in common.
		{`{"foo":["*"]}`, `{"foo:*":["*"]}`, empty},
		// Wildcards on both sides fill each other's gaps.
		{`{"*:b":["*"]}`, `{"a:*":["*"]}`, `{"a:b":["*"]}`},
		{`{"a:*:c":["*"]}`, `{"a:b:*":["*"]}`, `{"a:b:c":["*"]}`},
		{`{"[*]a:*":["*"]}`, `{"[meta]*":["*"]}`, `{"[meta]a:*":["*"]}`},
		{`{"[*]a":["*"]}`, `{"[*]a":["publish"]}`, `{"[*]a":["publish"]}`},
		// Two pairs meet in one resource.
		{`{"a:*":["publish"],"*:b":["subscribe"]}`, `{"a:b":["*"]}`, `{"a:b":["publish","subscribe"]}`},
		{`{"a:*":["publish"],"*:b":["*"]}`, `{"a:b":["*"]}`, `{"a:b":["*"]}`},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			requested, err := ParseCapability(row.requested)
			if row.want == invalid {
				require.ErrorIs(t, err, ErrCapabilityInvalid)
				return
			}
			require.NoError(t, err)
			key := mustParse(t, row.key)
			require.Equal(t, row.want, Intersect(requested, key).Canonical())
			require.Equal(t, row.want, Intersect(key, requested).Canonical(), "order must not matter")
		})
	}
}

func TestParseCapabilityRefuses(t *testing.T) {
	for _, text := range []string{
		``, `null`, `[]`, `"*"`, `1`, `{`, `{"a":["*"]`, `{"a":["*"]}}`, `{"a":["*"]} x`, `{"a":["*"],}`,
		`{"[*][meta]log":["*"]}`, `{"[][*]*":["*"]}`, `{"[*][*]*":["*"]}`, `{"[foo]x":["*"]}`, `{"[meta?x=1]log":["*"]}`,
		`{"[meta]":["*"]}`, `{"":["*"]}`, `{"a":["*","*"]}`, `{"[]a":["*"]}`, `{"[Meta]a":["*"]}`, `{"[meta":["*"]}`,
		`{"[queue]":["*"]}`, `{"[*]":["*"]}`, `{":a":["*"]}`, `{"[meta]:a":["*"]}`, `{"a\n":["*"]}`, `{"a\u0000":["*"]}`,
		`{"a\u007f":["*"]}`, `{"a":"*"}`, `{"a":null}`, `{"a":{}}`, `{"a":["Publish"]}`, `{"a":[""]}`, `{"a":["publish",1]}`,
		`{"a":["publish","*"]}`, `{"a":["publish"],"a":["publish"]}`, `{"a":["publish"],"\u0061":["publish"]}`,
		"{\"a\xff\":[\"*\"]}", `{"\ud800":["*"]}`,
	} {
		_, err := ParseCapability(text)
		require.ErrorIs(t, err, ErrCapabilityInvalid, text)
	}
}

func TestCapabilityLimits(t *testing.T) {
	resources := func(n int) string {
		var items []string
		for i := range n {
			items = append(items, fmt.Sprintf(`"r%d":["publish"]`, i))
		}
		return "{" + strings.Join(items, ",") + "}"
	}
	_, err := ParseCapability(resources(1024))
	require.NoError(t, err)
	_, err = ParseCapability(resources(1025))
	require.ErrorIs(t, err, ErrCapabilityTooLarge)
	_, err = ParseCapability(strings.Replace(resources(1025), "publish", "fly", 1))
	require.ErrorIs(t, err, ErrCapabilityInvalid, "a text that is wrong anyway is not called too large")

	text := func(n int) string { return `{"` + strings.Repeat("a", n-len(`{"":["*"]}`)) + `":["*"]}` }
	_, err = ParseCapability(text(32768))
	require.NoError(t, err)
	_, err = ParseCapability(text(32769))
	require.ErrorIs(t, err, ErrCapabilityTooLarge)
	_, err = ParseCapability(strings.Repeat("x", 32769))
	require.ErrorIs(t, err, ErrCapabilityTooLarge, "the length is looked at before the text")
}

func TestCanonical(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{` { } `, `{}`},
		{`{ "b" : [ "subscribe" , "publish", "publish" ] , "a":["*"] }`, `{"a":["*"],"b":["publish","subscribe"]}`},
		{`{"a\"\\\/":["*"]}`, `{"a\"\\/":["*"]}`},
		// U+1F600 is written with the surrogate D83D in UTF-16, which sorts before U+FF5E;
		// in UTF-8, and by code point, it comes after.
		{`{"～":["*"],"😀":["*"],"\u2028é":["*"]}`, "{\"\u2028é\":[\"*\"],\"😀\":[\"*\"],\"～\":[\"*\"]}"},
		{`{"a":["*"],"[queue]a":["*"],"[*]a":["*"],"A":["*"],"[meta]a":["*"]}`,
			`{"A":["*"],"[*]a":["*"],"[meta]a":["*"],"[queue]a":["*"],"a":["*"]}`},
		{`{"a":["stats","push-subscribe","push-admin","privileged-headers","presence","object-subscribe","object-publish"]}`,
			`{"a":["object-publish","object-subscribe","presence","privileged-headers","push-admin","push-subscribe","stats"]}`},
	} {
		c := mustParse(t, row.text)
		require.Equal(t, row.want, c.Canonical())
		require.Equal(t, row.want, mustParse(t, row.want).Canonical())
	}
}

func TestParseChannel(t *testing.T) {
	for _, row := range []struct{ name, qualifier, path string }{
		{"foo", "", "foo"},
		{"foo:bar", "", "foo:bar"},
		{"[?rewind=1]foo", "", "foo"},
		{"[]foo", "", "foo"},
		{"[filter=abc]foo", "", "foo"},
		{"[filter=abc?rewind=1]foo", "", "foo"},
		{"[meta]log", "meta", "log"},
		{"[meta?rewind=1]log", "meta", "log"},
		{"a[b", "", "a[b"},
		{"a]b", "", "a]b"},
		{"a:", "", "a:"},
		{"*", "", "*"},
		{"]x", "", "]x"},
		{"[?a]b]c", "", "b]c"},
	} {
		qualifier, path, err := ParseChannel(row.name)
		require.NoError(t, err, row.name)
		require.Equal(t, row.qualifier, qualifier, row.name)
		require.Equal(t, row.path, path, row.name)
	}
	for _, name := range []string{
		"", ":x", "[", "[]", "[meta", "[meta]", "[meta]:x", "[foo]x", "[*]x", "[queue]x", "[Meta]x", "[metax]x", "[filter]x",
		"[?a]]x", "[][meta]x", "[]:x", "a\nb", "a\x00", "a\x7f", "[?\n]x", "a\xff",
	} {
		_, _, err := ParseChannel(name)
		require.ErrorIs(t, err, ErrChannelInvalid, "%q", name)
	}
}
