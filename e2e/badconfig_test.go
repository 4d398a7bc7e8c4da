package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// invalidConfigurations are kinds of files with a fault; n makes every one of a kind
// another. All of them would let the key "never" in if they were taken.
var invalidConfigurations = map[string]func(text string, n int) string{
	"a name that is not known":   func(s string, n int) string { return s + fmt.Sprintf("tokens%d: {}\n", n) },
	"a name in another section":  func(s string, n int) string { return s + fmt.Sprintf("limits: {max_ttl%d: 1h}\n", n) },
	"a secret that is too short": func(s string, n int) string { return strings.Replace(s, secretChat, "short"+fmt.Sprint(n%1000), 1) },
	"a key twice":                func(s string, _ int) string { return s + "      - {id: never, secret: " + secretRest + "}\n" },
	"a wrong type":               func(s string, n int) string { return s + fmt.Sprintf("tokens: {max_ttl: [%d]}\n", n) },
	"a value out of range":       func(s string, n int) string { return s + fmt.Sprintf("tokens: {max_ttl: -%dh}\n", n+1) },
	"a value that is not known":  func(s string, n int) string { return s + fmt.Sprintf("tokens: {spelling: loose%d}\n", n) },
	"a bad capability": func(s string, n int) string {
		return s + fmt.Sprintf("      - {id: more, secret: %s, capability: {\"a%d\": [fly]}}\n", secretRest, n)
	},
	"a second document": func(s string, n int) string { return s + fmt.Sprintf("---\nlog: {level: info} # %d\n", n) },
	"no YAML":           func(s string, n int) string { return s + strings.Repeat(" ", n%7) + "\t}{\n" },
	"no UTF-8":          func(s string, n int) string { return s + fmt.Sprintf("# %d \xff\n", n) },
	"a NUL":             func(s string, n int) string { return s[:n%len(s)] + "\x00" + s[n%len(s):] },
	"a file that is not there": func(s string, n int) string {
		return s + fmt.Sprintf("      - {id: more, secret_file: nowhere-%d}\n", n)
	},
	"an anchor":            func(s string, n int) string { return s + fmt.Sprintf("log: {level: &a%d info}\n", n) },
	"too large":            func(s string, n int) string { return s + "# " + strings.Repeat("x", 4<<20+n) + "\n" },
	"cut off within a key": func(s string, n int) string { return s[:strings.LastIndex(s, "secret: ")+len("secret: ")+n%12] },
}

// TestInvalidConfigurations has a server read a thousand invalid files of sixteen
// kinds, under load. None is taken, none ends it, and each is told and counted.
func TestInvalidConfigurations(t *testing.T) {
	rounds := 4
	if longRun() {
		rounds = 63 // 1,008 files
	}
	server := startServer(t, withKey("kept"))
	kept, never := mint(t, app+".kept", nil), mint(t, app+".never", nil)
	good := startClients(t, server.public, 2)
	random := rand.New(rand.NewPCG(18, 1000))
	refused := 0
	for range rounds {
		for kind, invalid := range invalidConfigurations {
			replaceFile(t, server.config, invalid(withKey("never"), random.IntN(1<<16)))
			a := reload(t, server)
			require.Equal(t, 422, a.status, "%s was taken: %s", kind, a.body)
			require.Zero(t, metrics(t, server)[lastReload], kind)
			refused++
		}
		require.Equal(t, 200, present(kept).send(t, server.public).status)
		requireRefused(t, present(never).send(t, server.public), refusal{40400, 401, "unknown_key"})
	}
	require.GreaterOrEqual(t, strings.Count(server.stderr.all(), `"level":"ERROR"`), refused, "every refusal is logged")
	replaceFile(t, server.config, withKey("never"))
	require.Equal(t, 200, reload(t, server).status)
	require.Equal(t, 200, present(never).send(t, server.public).status, "the next good file takes effect")
	good.stop(t)
	fmt.Printf("%d invalid configurations of %d kinds refused, under %s\n", refused, len(invalidConfigurations), good)
	server.stop(t)
	canary := canaries{}
	for _, name := range []string{keyFull, keyChat, keyWide} {
		canary.key(name, apiKey(name))
	}
	canary.requireAbsent(t, "the log", server.stderr.all())
}
