package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// replaceFile puts a file in the place of another, as editors and deployments do:
// nobody sees half of it.
func replaceFile(t *testing.T, path, text string) {
	t.Helper()
	next, err := os.CreateTemp(filepath.Dir(path), ".next-*")
	require.NoError(t, err)
	_, err = next.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, next.Close())
	require.NoError(t, os.Rename(next.Name(), path))
}

// withKey is baseConfig with one more key, which has the secret of the rest.
func withKey(id string) string {
	return baseConfig() + fmt.Sprintf("      - {id: %s, secret: %q}\n", id, secretRest)
}

func reload(t *testing.T, server *process) answer {
	t.Helper()
	return request{method: "POST", path: "/-/reload"}.send(t, server.admin)
}

const lastReload = "portcullis_config_last_reload_successful"

// TestReloadUnderLoad replaces the configuration twenty times under clients that
// keep their connections. No request is lost, and what a reload has changed holds
// from its answer on.
func TestReloadUnderLoad(t *testing.T) {
	server := startServer(t, withKey("round0"))
	good := startClients(t, server.public, 8)
	const rounds = 20
	for i := 1; i <= rounds; i++ {
		name := func(n int) string { return fmt.Sprint(app, ".round", n) }
		gone, added := mint(t, name(i-1), nil), mint(t, name(i), nil)
		require.Equal(t, 200, present(gone).send(t, server.public).status, "round %d", i)
		requireRefused(t, present(added).send(t, server.public), refusal{40400, 401, "unknown_key"})

		before := good.answered.Load()
		replaceFile(t, server.config, withKey(fmt.Sprint("round", i)))
		a := reload(t, server)
		require.Equal(t, 200, a.status, "%s", a.body)

		require.Equal(t, 200, present(added).send(t, server.public).status, "round %d", i)
		requireRefused(t, present(gone).send(t, server.public), refusal{40400, 401, "unknown_key"}) // the cache forgets it, too
		require.Equal(t, 1.0, metrics(t, server)[lastReload])
		for good.answered.Load() < before+500 && good.failed.Load() == 0 {
			require.Equal(t, 200, request{path: "/livez"}.send(t, server.public).status) // the load is on in every round
		}
	}
	good.stop(t)
	t.Logf("%d reloads under %s", rounds, good)
	server.stop(t)
}

// TestABadFileKeepsTheOldConfiguration shows, under load, that a file with a
// fault changes nothing, that the log says where the fault is, and that the next
// good file takes effect.
func TestABadFileKeepsTheOldConfiguration(t *testing.T) {
	server := startServer(t, withKey("kept"))
	kept, never := mint(t, app+".kept", nil), mint(t, app+".never", nil)
	good := startClients(t, server.public, 4)
	last := strings.Count(withKey("never"), "\n") + 1 // the line of what is put at the end
	for i, c := range []struct {
		name, text string
		line       int // of the fault
		path       string
	}{
		{"a misspelt member", withKey("never") + "tokns: {}\n", last, ""},
		{"a weak secret", strings.Replace(withKey("never"), secretChat, "short", 1), 9, "apps[0].keys[1].secret"},
		{"a key twice", withKey("never") + "      - {id: never, secret: " + secretRest + "}\n", last, "apps[0].keys"},
		{"no YAML", withKey("never") + "\t}{", last, ""},
		{"a wrong type", withKey("never") + "tokens: {max_ttl: [1h]}\n", last, "tokens.max_ttl"},
		{"an unknown value", withKey("never") + "tokens: {spelling: documentd}\n", last, "tokens.spelling"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Empty lines in front give every fault a line of its own in the log.
			replaceFile(t, server.config, strings.Repeat("\n", i)+c.text)
			requireRefused(t, reload(t, server), refusal{code: 40000, status: 422})
			line := server.stderr.await(t, fmt.Sprintf("portcullis.yaml:%d:", c.line+i))
			require.Contains(t, line, `"level":"ERROR"`)
			require.Contains(t, line, c.path)
			require.Regexp(t, `portcullis\.yaml:\d+:\d+`, line)
			require.Zero(t, metrics(t, server)[lastReload])
			require.Equal(t, 200, present(kept).send(t, server.public).status, "the old keys still verify")
			requireRefused(t, present(never).send(t, server.public), refusal{40400, 401, "unknown_key"})

			replaceFile(t, server.config, withKey("kept"))
			require.Equal(t, 200, reload(t, server).status)
			require.Equal(t, 1.0, metrics(t, server)[lastReload])
		})
	}
	t.Run("no file", func(t *testing.T) {
		require.NoError(t, os.Remove(server.config))
		requireRefused(t, reload(t, server), refusal{code: 40000, status: 422})
		require.Equal(t, 200, present(kept).send(t, server.public).status)
		replaceFile(t, server.config, withKey("kept"))
		require.Equal(t, 200, reload(t, server).status)
	})
	good.stop(t)
	t.Logf("bad files under %s", good)
	server.stop(t)
	canary := canaries{}
	for _, name := range []string{keyFull, keyChat, keyWide} {
		canary.key(name, apiKey(name))
	}
	canary.requireAbsent(t, "the log", server.stderr.all())
}
