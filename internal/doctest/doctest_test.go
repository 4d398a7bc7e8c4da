package doctest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the repository, binary the freshly built program.
var root, binary string

func TestMain(m *testing.M) {
	code, err := build(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func build(m *testing.M) (code int, err error) {
	if root, err = filepath.Abs("../.."); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "doctest")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "portcullis")
	c := exec.Command("go", "build", "-o", binary, "./cmd/portcullis")
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// pages returns the text of every page, by its path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "*.md"))
	require.NoError(t, err)
	err = filepath.WalkDir(filepath.Join(root, "docs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			names = append(names, path)
		}
		return err
	})
	require.NoError(t, err)
	texts := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		relative, err := filepath.Rel(root, name)
		require.NoError(t, err)
		texts[relative] = string(text)
	}
	for _, name := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/terms.md", "docs/errors.md", "docs/http.md", "docs/configuration.md", "docs/operations.md"} {
		require.Contains(t, texts, name)
	}
	return texts
}

func TestPages(t *testing.T) {
	for name, text := range pages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			list, err := blocks(text)
			require.NoError(t, err)
			run(t, list)
		})
	}
}

// TestConfigurationNames requires a word about every name of the configuration,
// also of those that are not served.
func TestConfigurationNames(t *testing.T) {
	var source []byte
	for _, name := range []string{"config.go", "services.go"} {
		text, err := os.ReadFile(filepath.Join(root, "internal/config", name))
		require.NoError(t, err)
		source = append(source, text...)
	}
	page := pages(t)["docs/configuration.md"]
	found := 0
	for _, m := range regexp.MustCompile("(?:yaml|unserved):\"([a-z_,]+)\"").FindAllStringSubmatch(string(source), -1) {
		for _, name := range strings.Split(m[1], ",") {
			found++
			require.Regexp(t, `[\s.`+"`"+`]`+name+`[`+"`"+`:,. ]`, page)
		}
	}
	require.Greater(t, found, 40)
}

// compile compiles a Go snippet in a module that uses this one as the README
// says.
func compile(t *testing.T, b block) {
	dir := t.TempDir()
	module := "module snippet\n\ngo 1.26\n\nrequire portcullis v0.0.0\n\nreplace portcullis => " + root + "\n"
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	for name, text := range map[string]string{"go.mod": module, "go.sum": string(sums), "snippet.go": b.text} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	c := exec.Command("go", "vet", "-mod=mod", ".")
	c.Dir, c.Env = dir, environment()
	out, err := c.CombinedOutput()
	require.NoError(t, err, "line %d: %s", b.line, out)
	c = exec.Command("gofmt", "-l", "snippet.go")
	c.Dir = dir
	out, err = c.CombinedOutput()
	require.NoError(t, err)
	require.Empty(t, string(out), "line %d: not formatted by gofmt", b.line)
}

var (
	makeTarget = regexp.MustCompile("(?m)^(?:\\$ )?make ([a-z0-9-]+)|`make ([a-z0-9-]+)[^`]*`")
	verb       = regexp.MustCompile("`(?:bin/)?portcullis ([a-z]+)")
	link       = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
)

// Every make target that a page names must exist, and "make run" must start what
// the pages are run with.
func TestMakeTargets(t *testing.T) {
	dry := func(target string) string {
		c := exec.Command("make", "--dry-run", "--no-print-directory", target)
		c.Dir, c.Env = root, environment()
		out, err := c.CombinedOutput()
		require.NoError(t, err, "make %s: %s", target, out)
		return string(out)
	}
	seen := map[string]bool{}
	for name, text := range pages(t) {
		for _, m := range makeTarget.FindAllStringSubmatch(text, -1) {
			if target := m[1] + m[2]; !seen[target] {
				seen[target] = true
				t.Logf("%s: make %s", name, target)
				dry(target)
			}
		}
	}
	require.True(t, seen["run"])
	require.Regexp(t, `(?m)bin/portcullis dev\s*$`, dry("run"))
}

func TestVerbsAndLinks(t *testing.T) {
	out, err := exec.Command(binary, "--help").Output()
	require.NoError(t, err)
	for name, text := range pages(t) {
		for _, m := range verb.FindAllStringSubmatch(text, -1) {
			require.Regexp(t, `(?m)^  `+m[1]+` `, string(out), "%s: no such verb", name)
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join(root, filepath.Dir(name), m[1]))
			require.NoError(t, err, "%s: broken link", name)
		}
	}
}
