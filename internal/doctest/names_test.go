package doctest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	testName     = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)\(`)
)

// A page that says what is shown by which test names tests that there are.
func TestTestsThatPagesNameExist(t *testing.T) {
	there := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "node_modules":
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range testFunction.FindAllSubmatch(text, -1) {
			there[string(match[1])] = true
		}
		return err
	})
	require.NoError(t, err)
	for page, least := range map[string]int{"threat-model.md": 50, "reliability.md": 15} {
		text, err := os.ReadFile("../../docs/" + page)
		require.NoError(t, err)
		named := testName.FindAllSubmatch(text, -1)
		require.GreaterOrEqual(t, len(named), least, page)
		for _, match := range named {
			require.True(t, there[string(match[1])], "%s names %s, which is nowhere", page, match[1])
		}
	}
}
