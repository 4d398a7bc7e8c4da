package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/capability"
)

// commented is a file that a person keeps. In what an edit makes of it, NEWID and
// NEWSECRET stand for what is random.
const commented = `# Our keys.   Ask ops before a change!
server:   {listen: "127.0.0.1:8080"}   # public

apps:
  # The chat.
  - id: chat      # since 2021
    keys:
      # production
      - id: web        # browsers
        secret: "` + canary + `"   # rotated yearly

        capability:
          # rooms
          "room:*":   [subscribe,
                       publish]
  # not indented like the rest, and still of this key
        restrictions: {ips: [10.0.0.0/8]}   # office
        # last words of web

      # staging
      - {id: stage, secret: ` + canary + `, state: 'active'}   # in braces

  # The news.
  - id: news
    keys: [{id: a, secret: ` + canary + `}]   # in brackets
  - id: later   # nothing here yet
log: {level:   warn}
# the end, without a newline`

// edited applies an edit to text and returns the new text, what is random in it
// replaced.
func edited(t *testing.T, text string, change func(Source) (string, error)) string {
	t.Helper()
	path := write(t, "c.yaml", text)
	added, err := change(Source{Path: path})
	require.NoError(t, err)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file stays")
	if added == "" {
		return string(got)
	}
	m := regexp.MustCompile(`^[a-z]+\.([A-Za-z0-9_-]+):([A-Za-z0-9_-]{32})$`).FindStringSubmatch(added)
	require.NotNil(t, m, "a whole API key of harmless characters")
	require.Equal(t, 1, strings.Count(string(got), m[2]))
	return strings.NewReplacer(m[1], "NEWID", m[2], "NEWSECRET").Replace(string(got))
}

// with is commented with one piece of it replaced.
func with(t *testing.T, old, replacement string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(commented, old))
	return strings.Replace(commented, old, replacement, 1)
}

func TestEditsKeepEveryOtherByte(t *testing.T) {
	rotate := func(name string) func(Source) (string, error) {
		return func(s Source) (string, error) { key, err := s.RotateKey(name); return string(key), err }
	}
	disable := func(name string) func(Source) (string, error) {
		return func(s Source) (string, error) { _, err := s.DisableKey(name); return "", err }
	}
	add := func(r KeyRequest) func(Source) (string, error) {
		return func(s Source) (string, error) { key, err := s.NewKey(r); return string(key), err }
	}
	t.Run("disable adds a state", func(t *testing.T) {
		require.Equal(t, with(t, "# browsers\n", "# browsers\n        state: disabled\n"), edited(t, commented, disable("chat.web")))
	})
	t.Run("disable replaces a quoted state in braces", func(t *testing.T) {
		require.Equal(t, with(t, "'active'", "disabled"), edited(t, commented, disable("chat.stage")))
	})
	t.Run("disable adds a state in braces", func(t *testing.T) {
		require.Equal(t, with(t, "[{id: a", "[{state: disabled, id: a"), edited(t, commented, disable("news.a")))
	})
	t.Run("rotate", func(t *testing.T) {
		want := with(t, "# browsers\n", "# browsers\n        state: verify_only\n")
		want = strings.Replace(want, "        # last words of web\n", `        # last words of web
      - id: NEWID
        secret: "NEWSECRET"
        capability: {"room:*":["publish","subscribe"]}
        restrictions: {ips: ["10.0.0.0/8"]}
`, 1)
		require.Equal(t, want, edited(t, commented, rotate("chat.web")))
	})
	t.Run("rotate in brackets", func(t *testing.T) {
		require.Equal(t, with(t, "[{id: a", `[{id: NEWID, secret: "NEWSECRET"}, {state: verify_only, id: a`), edited(t, commented, rotate("news.a")))
	})
	t.Run("new at the end of a list", func(t *testing.T) {
		require.Equal(t, with(t, "# in braces\n", "# in braces\n      - id: NEWID\n        secret: \"NEWSECRET\"\n"), edited(t, commented, add(KeyRequest{App: "chat"})))
	})
	t.Run("new with everything", func(t *testing.T) {
		set, err := capability.Parse([]byte(`{"b":["publish"],"a\"é":["*"]}`))
		require.NoError(t, err)
		want := with(t, "# in braces\n", `# in braces
      - id: "007"
        secret: "NEWSECRET"
        capability: {"a\"é":["*"],"b":["publish"]}
        revocable_tokens: true
`)
		got := edited(t, commented, add(KeyRequest{App: "chat", ID: "007", Capability: set, RevocableTokens: true}))
		require.Equal(t, want, strings.Replace(got, "NEWID", "007", 1))
	})
	t.Run("new in an app without keys", func(t *testing.T) {
		require.Equal(t, with(t, "# nothing here yet\n", "# nothing here yet\n    keys: [{id: NEWID, secret: \"NEWSECRET\"}]\n"), edited(t, commented, add(KeyRequest{App: "later"})))
	})
	t.Run("new at the end of the file", func(t *testing.T) {
		text := strings.TrimSuffix(good, "\n")
		require.Equal(t, text+"\n      - id: NEWID\n        secret: \"NEWSECRET\"", edited(t, text, add(KeyRequest{App: "app"})))
	})
	t.Run("dashes that are not indented", func(t *testing.T) {
		text := "apps:\n- id: app\n  keys:\n  - id: a\n    secret: " + canary + "\n    state:   # none\n\n- id: b\n"
		require.Equal(t, strings.Replace(text, "state:   # none", "state: disabled   # none", 1), edited(t, text, disable("app.a")))
		require.Equal(t, strings.Replace(text, "# none\n", "# none\n  - id: NEWID\n    secret: \"NEWSECRET\"\n", 1), edited(t, text, add(KeyRequest{App: "app"})))
	})
	t.Run("lines of Windows, letters of more than a byte, and a byte order mark", func(t *testing.T) {
		text := "\ufeff" + strings.ReplaceAll("# é\n"+good, "\n", "\r\n")
		require.Equal(t, text+"      - id: NEWID\r\n        secret: \"NEWSECRET\"\r\n", edited(t, text, add(KeyRequest{App: "app"})))
		text = "apps: [{id: app, keys: [{capability: {é: ['*']}, state: \"active\", id: k1, secret: " + canary + "}]}]\r\n"
		require.Equal(t, strings.Replace(text, `"active"`, "disabled", 1), edited(t, text, disable("app.k1")))
	})
	t.Run("a literal text with a hash", func(t *testing.T) {
		text := app("secret: |-", "  "+canary, "  # part of it") + "      # of the next\n"
		require.Equal(t, strings.Replace(text, "# part of it\n", "# part of it\n      - id: NEWID\n        secret: \"NEWSECRET\"\n", 1), edited(t, text, add(KeyRequest{App: "app"})))
	})
	t.Run("nothing to do", func(t *testing.T) {
		text := app(secretLine, "state: disabled")
		path := write(t, "c.yaml", text)
		changed, err := Source{Path: path}.DisableKey("app.k1")
		require.NoError(t, err)
		require.False(t, changed)
	})
}

func TestEditsThatAreRefusedChangeNothing(t *testing.T) {
	disable := func(name string) func(s Source) error {
		return func(s Source) error { _, err := s.DisableKey(name); return err }
	}
	for name, c := range map[string]struct {
		text    string
		environ []string
		change  func(s Source) error
		want    string
	}{
		"unknown key":           {commented, nil, disable("chat.wep"), "did you mean chat.web?"},
		"unknown app":           {commented, nil, func(s Source) error { _, err := s.NewKey(KeyRequest{App: "chad"}); return err }, "did you mean chat?"},
		"an id that is taken":   {commented, nil, func(s Source) error { _, err := s.NewKey(KeyRequest{App: "chat", ID: "web"}); return err }, "would not load"},
		"an id that is none":    {commented, nil, func(s Source) error { _, err := s.NewKey(KeyRequest{App: "chat", ID: "a:b"}); return err }, "would not load"},
		"rotated already":       {app(secretLine, "state: verify_only"), nil, func(s Source) error { _, err := s.RotateKey("app.k1"); return err }, "is verify_only: only an active key is rotated"},
		"a file with a fault":   {app(secretLine, "state: on"), nil, disable("app.k1"), `"on" is none of`},
		"a state from outside":  {good, []string{"PORTCULLIS_APPS__0__KEYS__0__STATE=active"}, disable("app.k1"), "nothing changed"},
		"a key from outside":    {good, []string{"PORTCULLIS_APPS__0__KEYS__1__ID=k2", "PORTCULLIS_APPS__0__KEYS__1__SECRET=" + canary}, disable("app.k2"), "nothing changed"},
		"a new index for a key": {"apps: [{id: app, keys: [{id: k1, secret: " + canary + "}]}]", []string{"PORTCULLIS_APPS__0__KEYS__0__SECRET=" + canary + "x"}, func(s Source) error { _, err := s.NewKey(KeyRequest{App: "app"}); return err }, "nothing changed"},
		"a bracket of its own": {"apps: [{id: app, keys: [{id: k1, secret: " + canary + ", state: \"act\\x69ve\"}]}]", nil, disable("app.k1"),
			"c.yaml:1:74: the state is written in a way that is not understood here: nothing changed"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, "c.yaml", c.text)
			err := c.change(Source{Path: path, Environ: c.environ})
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), canary)
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, c.text, string(got))
		})
	}
}

func TestEditsKeepTheModeOfAFile(t *testing.T) {
	dir := t.TempDir()
	writeMode(t, filepath.Join(dir, "secret"), canary, 0o600)
	path := writeMode(t, filepath.Join(dir, "c.yaml"), app("secret_file: secret"), 0o644)
	changed, err := Source{Path: path}.DisableKey("app.k1")
	require.NoError(t, err)
	require.True(t, changed)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode().Perm(), "the mode is kept")
}

func TestASymbolicLinkStaysOne(t *testing.T) {
	dir := t.TempDir()
	target := writeMode(t, filepath.Join(dir, "target.yaml"), good, 0o600)
	link := filepath.Join(dir, "c.yaml")
	require.NoError(t, os.Symlink("target.yaml", link))
	_, err := Source{Path: link}.DisableKey("app.k1")
	require.NoError(t, err)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	text, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Contains(t, string(text), "state: disabled")
}

func TestAChangeBySomebodyElseIsKept(t *testing.T) {
	path := write(t, "c.yaml", "new")
	require.ErrorContains(t, replaceFile(path, []byte("old"), []byte("mine")), "was changed by somebody else meanwhile")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "new", string(text))
}

func TestTheStarterFileLoads(t *testing.T) {
	text := Starter()
	require.NotEqual(t, text, Starter(), "a fresh key each time")
	c := load(t, Source{Path: write(t, "c.yaml", text)})
	require.Empty(t, c.Warnings)
	require.Len(t, c.Apps[0].Keys[0].Secret, 32)
	// What is commented out is right too.
	uncommented := regexp.MustCompile(`(?m)^( +)# ([a-z_]+: )`).ReplaceAllString(text, "$1$2")
	dir := t.TempDir()
	writeMode(t, filepath.Join(dir, "admin.token"), "0123456789abcdef", 0o600)
	writeMode(t, filepath.Join(dir, "sandbox.token"), "0123456789abcdef", 0o600)
	writeMode(t, filepath.Join(dir, "seal.secrets"), "0123456789abcdef0123456789abcdef\nanother-one-of-32-bytes-or-more-", 0o600)
	path := writeMode(t, filepath.Join(dir, "c.yaml"), uncommented, 0o600)
	_, err := Source{Path: path}.Load()
	require.ErrorContains(t, err, "server.tls.cert_file")
	require.Len(t, err, 2, "only the certificate and its key are missing: %v", err)
}
