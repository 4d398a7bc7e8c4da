package capability

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchSizes are how many resources the measured capabilities have.
var benchSizes = []int{4, 64, MaxResources}

// benchText is the text of a capability of n resources: namespaces, every fourth
// one a single channel.
func benchText(n int) []byte {
	rules := make([]string, n)
	for i := range rules {
		resource := fmt.Sprintf("ns%04d:*", i)
		if i%4 == 3 {
			resource = fmt.Sprintf("room%04d", i)
		}
		rules[i] = fmt.Sprintf(`"%s":["publish"]`, resource)
	}
	return []byte("{" + strings.Join(rules, ",") + "}")
}

// benchChannels are channels that the first n namespaces of benchText grant, or
// that nothing grants.
func benchChannels(n int, granted bool) [][]byte {
	var channels [][]byte
	for i := range n {
		switch {
		case granted && i%4 == 3:
			channels = append(channels, fmt.Appendf(nil, "room%04d", i))
		case granted:
			channels = append(channels, fmt.Appendf(nil, "ns%04d:a", i))
		default:
			channels = append(channels, fmt.Appendf(nil, "no%04d:a", i))
		}
	}
	return channels
}

func parseBench(b *testing.B, n int) *Set {
	b.Helper()
	set, err := Parse(benchText(n))
	require.NoError(b, err)
	require.Equal(b, n, set.Len())
	return set
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range benchSizes {
		matcher := parseBench(b, n).Compile()
		for _, result := range []string{"hit", "miss"} {
			b.Run(fmt.Sprintf("resources=%d/result=%s", n, result), func(b *testing.B) {
				channels, next := benchChannels(n, result == "hit"), 0
				b.ReportAllocs()
				for b.Loop() {
					if matcher.Allows(channels[next], Publish) != (result == "hit") {
						b.Fatalf("%s: wrong verdict", channels[next])
					}
					if next++; next == n {
						next = 0
					}
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("resources=%d", n), func(b *testing.B) {
			text := benchText(n)
			var parser Parser
			var set Set
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := parser.Parse(&set, text); err != nil || set.Len() != n {
					b.Fatal(err, set.Len())
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("resources=%d", n), func(b *testing.B) {
			set := parseBench(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if set.Compile() == nil {
					b.Fatal("no matcher")
				}
			}
		})
	}
}

// BenchmarkIntersect measures capabilities of n resources each, all in common,
// which is the most work: pairs are tried each with each.
func BenchmarkIntersect(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprintf("resources=%d/do=build", n), func(b *testing.B) {
			x, y := parseBench(b, n), parseBench(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if Intersect(x, y).Len() != n {
					b.Fatal("wrong intersection")
				}
			}
		})
		b.Run(fmt.Sprintf("resources=%d/do=check", n), func(b *testing.B) {
			x, y := parseBench(b, n), parseBench(b, n)
			want := CheckIntersection(x, y, MaxTextBytes)
			require.NoError(b, want)
			b.ReportAllocs()
			for b.Loop() {
				if CheckIntersection(x, y, MaxTextBytes) != want {
					b.Fatal("wrong verdict")
				}
			}
		})
	}
}
