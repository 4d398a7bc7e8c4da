package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
)

func TestKeysOnTheCommandLine(t *testing.T) {
	path := writeConfig(t, goodConfig)
	made := execute(t, "keys", "new", "--app", "app", "--id", "k2", "--capability", `{"a":["publish"]}`, "--revocable-tokens", "-c", path)
	require.Zero(t, made.code, made.err)
	require.Regexp(t, `^app\.k2:[A-Z0-9]{32}\n$`, made.out)
	rotated := execute(t, "keys", "rotate", "app.k1", "--json", "-c", path)
	require.Zero(t, rotated.code, rotated.err)
	key := jsonLines[map[string]string](t, rotated.out)[0]["key"]
	require.Regexp(t, `^app\.[A-Z0-9]{8}:[A-Z0-9]{32}$`, key)
	newName, _, _ := strings.Cut(key, ":")
	require.Equal(t, "app.k2 is disabled\n", execute(t, "keys", "disable", "app.k2", "-c", path).out)
	require.Equal(t, "app.k2 was disabled already\n", execute(t, "keys", "disable", "app.k2", "-c", path).out)

	yes, no := true, false
	listed := execute(t, "keys", "list", "--json", "-c", path)
	require.Zero(t, listed.code, listed.err)
	require.Equal(t, []listedKey{
		{KeyName: "app.k1", State: "verify_only", Capability: `{"*":["*"]}`, RevocableTokens: &no},
		{KeyName: newName, State: "active", Capability: `{"*":["*"]}`, RevocableTokens: &no},
		{KeyName: "app.k2", State: "disabled", Capability: `{"a":["publish"]}`, RevocableTokens: &yes},
	}, jsonLines[listedKey](t, listed.out))

	// The keys that were printed are those that verify.
	v, err := newLocalVerifier(newRoot(), path, "")
	require.NoError(t, err)
	defer v.Close()
	var g engine.Grant
	require.NoError(t, v.VerifyKey(&g, []byte(key), engine.Now()))
	require.ErrorIs(t, v.VerifyKey(&g, []byte("app.k1:"+canary), engine.Now()), engine.ErrKeyVerifyOnly)
	require.ErrorIs(t, v.VerifyKey(&g, []byte(strings.TrimSpace(made.out)), engine.Now()), engine.ErrKeyDisabled)

	require.Equal(t, exitUsage, execute(t, "keys", "new", "-c", path).code)
	require.Equal(t, exitUsage, execute(t, "keys", "new", "--app", "app", "--capability", "{", "-c", path).code)
	require.Equal(t, exitUsage, execute(t, "keys", "list").code)
	require.Equal(t, exitConfig, execute(t, "keys", "disable", "app.none", "-c", path).code)
}

func TestKeysListOfAServer(t *testing.T) {
	s := startServer(t, strings.Replace(goodConfig, "}\napps", ", admin_token_file: token}\napps", 1)+"      - {id: k2, secret: "+canary+", state: disabled}\n",
		map[string]string{"token": "admin-0123456789\n"})
	require.True(t, s.admits(t, "app.k1:"+canary))

	tokenFile := "@" + s.dir + "/token"
	for _, refused := range [][]string{{}, {"--admin-token", "wrong"}} {
		got := execute(t, append([]string{"keys", "list", "--server", s.admin}, refused...)...)
		require.Equal(t, exitUnreachable, got.code)
		require.Contains(t, got.err, "--admin-token")
	}
	listed := execute(t, "keys", "list", "--json", "--server", s.admin, "--admin-token", tokenFile)
	require.Zero(t, listed.code, listed.err)
	lines := strings.Split(strings.TrimSpace(listed.out), "\n")
	require.Len(t, lines, 2)
	require.Regexp(t, `^{"keyName":"app.k1","lastUsed":"20\d\d-.*Z"}$`, lines[0])
	require.JSONEq(t, `{"states":{"active":1,"verify_only":0,"disabled":1,"revoked":0}}`, lines[1])

	both := execute(t, "keys", "list", "--json", "--server", s.admin, "--admin-token", tokenFile, "-c", s.path)
	require.Zero(t, both.code, both.err)
	keys := jsonLines[listedKey](t, both.out)
	require.Len(t, keys, 2)
	require.NotEmpty(t, keys[0].LastUsed)
	require.Empty(t, keys[1].LastUsed)

	public := execute(t, "keys", "list", "--server", s.public)
	require.Equal(t, exitUnreachable, public.code)
	require.Contains(t, public.err, "is it the admin listener?")
	require.Equal(t, exitUsage, execute(t, "keys", "list", "--server", "localhost:1").code)
}

func TestSample(t *testing.T) {
	name, value, ok := sample("m{key_name=\"a\\\\.\\\"} 1\\n\"} 1.7e+09\n", "m", "key_name")
	require.True(t, ok)
	require.Equal(t, "a\\.\"} 1\n", name)
	require.Equal(t, 1.7e9, value)
	for _, line := range []string{"", "# HELP m x", "m 1", "mm{key_name=\"a\"} 1", "m{other=\"a\"} 1", "m{key_name=\"a\"} x", "m{key_name=\"a\"}"} {
		_, _, ok := sample(line, "m", "key_name")
		require.False(t, ok, line)
	}
}

func TestCompletionAndManual(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		got := execute(t, "completion", shell)
		require.Zero(t, got.code)
		require.Contains(t, got.out, "portcullis")
		require.Greater(t, strings.Count(got.out, "\n"), 50)
	}
	require.Equal(t, exitUsage, execute(t, "completion", "csh").code)
	require.Equal(t, exitUsage, execute(t, "completion").code)

	page := execute(t, "man", "keys", "rotate")
	require.Zero(t, page.code)
	require.Contains(t, page.out, `.TH "PORTCULLIS-KEYS-ROTATE" "1" "" "Portcullis" ""`)
	require.Contains(t, page.out, "verify_only")
	require.Contains(t, execute(t, "man").out, `.TH "PORTCULLIS" "1" "" "Portcullis" ""`)
	require.Equal(t, exitUsage, execute(t, "man", "nothing").code)

	dir := t.TempDir()
	require.Zero(t, execute(t, "man", "-o", dir).code)
	pages, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := make([]string, 0, len(pages))
	for _, p := range pages {
		names = append(names, p.Name())
		text, err := os.ReadFile(dir + "/" + p.Name())
		require.NoError(t, err)
		require.NotRegexp(t, `20\d\d|Jan 0001|Auto generated`, string(text), "%s bears a date", p.Name())
	}
	require.Subset(t, names, []string{"portcullis.1", "portcullis-serve.1", "portcullis-config-check.1", "portcullis-keys-rotate.1", "portcullis-issue-jwt.1"})
}
