package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// canary is a secret that nothing may print.
const canary = "canary-5Hq2vX9sLw7RtKd3"

// outcome is what a command line led to.
type outcome struct {
	code        int
	out, stderr string
	err         string
}

// execute runs a command line in this process.
func execute(t *testing.T, args ...string) outcome {
	t.Helper()
	return executeOn(t, "", args...)
}

// executeOn is execute with a standard input.
func executeOn(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var out, stderr bytes.Buffer
	root := newRoot()
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	o := outcome{out: out.String(), stderr: stderr.String()}
	var exit *exitError
	switch {
	case errors.As(err, &exit):
		o.code, o.err = exit.code, exit.Error()
	case err != nil:
		o.code, o.err = exitUsage, err.Error()
	}
	return o
}

// writeConfig writes a configuration file of mode 0600 and returns its path.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

const goodConfig = `server: {listen: "127.0.0.1:0", admin_listen: "127.0.0.1:0"}
apps:
  - id: app
    keys:
      - {id: k1, secret: ` + canary + `}
`

// jsonLines reads one JSON object a line.
func jsonLines[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	for line := range strings.Lines(text) {
		var one T
		require.NoError(t, json.Unmarshal([]byte(line), &one), line)
		all = append(all, one)
	}
	return all
}

func TestConfigInit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.yaml")
	require.Zero(t, execute(t, "config", "init", "-o", path).code)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(path)
	require.NoError(t, err)

	again := execute(t, "config", "init", "-o", path)
	require.Equal(t, exitConfig, again.code)
	require.Contains(t, again.err, "is there already")
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, text, kept)

	checked := execute(t, "config", "check", "--strict", "-c", path)
	require.Equal(t, outcome{out: path + ": good, with 1 apps and 1 keys\n"}, checked)
	require.Contains(t, execute(t, "config", "init").out, "\napps:\n")
}

func TestConfigCheckListsEverything(t *testing.T) {
	path := writeConfig(t, `server: {lisen: a}
apps:
  - id: app
    keys:
      - {id: k1, secret: `+canary+`, state: on}
tokens: {max_ttl: 1m}
`)
	want := []finding{
		{"error", path + ":1:10", path, 1, 10, "server", `unknown name "lisen": did you mean listen?`},
		{"error", path + ":5:58", path, 5, 58, "apps[0].keys[0].state", `"on" is none of active, verify_only, disabled, revoked`},
		{"warning", path + ":6:19", path, 6, 19, "tokens.max_ttl", "shorter than 10m0s: tokens with the usual lifetime of an hour are refused"},
	}
	asJSON := execute(t, "config", "check", "--json", "-c", path)
	require.Equal(t, exitConfig, asJSON.code)
	require.Equal(t, want, jsonLines[finding](t, asJSON.out))

	asText := execute(t, "config", "check", "-c", path)
	require.Equal(t, exitConfig, asText.code)
	var lines string
	for _, f := range want {
		lines += f.Severity + ": " + f.At + ": " + f.Path + ": " + f.Message + "\n"
	}
	require.Equal(t, lines, asText.out)
}

func TestConfigCheckCodes(t *testing.T) {
	good := writeConfig(t, goodConfig)
	require.Zero(t, execute(t, "config", "check", "-c", good).code)
	warned := writeConfig(t, goodConfig+"cache: {max_bytes: 0}\n")
	require.Zero(t, execute(t, "config", "check", "-c", warned).code)
	require.Equal(t, exitConfig, execute(t, "config", "check", "--strict", "-c", warned).code)
	require.Equal(t, exitConfig, execute(t, "config", "check", "-c", good+"x").code)
	require.Equal(t, exitUsage, execute(t, "config", "check").code)
	require.Equal(t, exitUsage, execute(t, "config").code)
	require.Equal(t, exitConfig, execute(t, "serve", "-c", good+"x").code)
	require.Equal(t, exitConfig, execute(t, "serve", "-c", good, "--listen", "nowhere").code)
	require.Equal(t, exitConfig, execute(t, "serve", "-c", good, "--admin-listen", "0.0.0.0:0").code, "no admin token")
}

func TestConfigPrint(t *testing.T) {
	path := writeConfig(t, goodConfig)
	t.Setenv("PORTCULLIS_LOG__LEVEL", "warn")
	t.Setenv("PORTCULLIS_LOG__FORMAT", "text")
	printed := execute(t, "config", "print", "--json", "-c", path, "--log-format", "json")
	require.Zero(t, printed.code)
	got := make(map[string][2]string)
	for _, s := range jsonLines[setting](t, printed.out) {
		got[s.Path] = [2]string{s.Value, s.Source}
	}
	require.Equal(t, [2]string{"127.0.0.1:0", path + ":1:18"}, got["server.listen"])
	require.Equal(t, [2]string{"warn", "environment PORTCULLIS_LOG__LEVEL"}, got["log.level"])
	require.Equal(t, [2]string{"json", "flag --log-format"}, got["log.format"])
	require.Equal(t, [2]string{"24h", "default"}, got["tokens.max_ttl"])
	require.Equal(t, [2]string{"[redacted]", path + ":5:26"}, got["apps[0].keys[0].secret"])

	asText := execute(t, "config", "print", "-c", path)
	require.Contains(t, asText.out, "  level: warn\n")
	require.NotContains(t, asText.out, "#")
	require.Contains(t, execute(t, "config", "print", "--sources", "-c", path).out, "  level: warn # environment PORTCULLIS_LOG__LEVEL\n")
}

// TestSecretsAreNeverPrinted runs every verb that reads the configuration, on
// good files and on files whose fault is at the secret.
func TestSecretsAreNeverPrinted(t *testing.T) {
	secretFile := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secretFile, []byte(canary), 0o600))
	files := map[string]string{"good": goodConfig, "from a file": "apps: [{id: app, keys: [{id: k1, secret_file: " + secretFile + "}]}]\n"}
	for i, fault := range []string{
		"secret: [" + canary + "]", "secret: {" + canary + ": x}", "secret: *" + canary, "secret: &" + canary + " x", "secret: !" + canary + " x", "secret: !!int " + canary,
		"secret: \"" + canary, "secret: '" + canary + "'x", "secret: " + canary + ": x", "secret: " + canary + "\n        secret: " + canary, "secret: a,b\n        secret: [a," + canary + "]",
		"{secret: x," + canary + "}", "secret: \"\\" + canary + "\"", "secret: @" + canary, "secret: " + canary + "\n        secret_file: x", "secret: " + canary + "\n        state: x",
		"secret: |\n  " + canary + "\n      x", "? " + canary + "\n", "secret: `" + canary, "secret: %" + canary, "secret: " + canary + "\x00", "secret: " + canary + "\xff", "secret: #" + canary,
	} {
		files["fault "+string(rune('a'+i))] = "apps:\n  - id: app\n    keys:\n      - id: k1\n        " + fault + "\n"
	}
	for name, text := range files {
		path := writeConfig(t, text)
		for _, args := range [][]string{
			{"config", "check"}, {"config", "check", "--json"}, {"config", "print"}, {"config", "print", "--json"}, {"config", "print", "--sources"},
			{"keys", "list"}, {"keys", "list", "--json"}, {"keys", "rotate", "app.kx"}, {"keys", "new", "--app", "ap"}, {"keys", "disable", "app.x"}, {"verify", "a.b.c"},
		} {
			got := execute(t, append(args, "-c", path)...)
			all := got.out + got.stderr + got.err
			require.NotContains(t, all, canary, "%s: %v", name, args)
			require.NotContains(t, all, "Hq2vX9s", "%s: %v", name, args)
			if strings.HasPrefix(name, "fault") && args[0] != "verify" {
				require.Equal(t, exitConfig, got.code, "%s: %v: %s", name, args, all)
			}
		}
	}
}
