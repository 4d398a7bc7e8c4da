package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// canary is a secret that no message may hold.
const canary = "canary-5Hq2vX9sLw7RtKd3"

// good is a file without faults.
const good = `apps:
  - id: app
    keys:
      - id: k1
        secret: ` + canary + `
`

// write writes a file of mode 0600 and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	return writeMode(t, filepath.Join(t.TempDir(), name), text, 0o600)
}

func writeMode(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), mode))
	require.NoError(t, os.Chmod(path, mode)) // whatever the umask is
	return path
}

// problems loads a file and returns what is wrong with it, one a line, without
// the file's directory.
func problems(t *testing.T, s Source) []string {
	t.Helper()
	_, err := s.Load()
	if err == nil {
		return nil
	}
	var all Problems
	require.True(t, errors.As(err, &all), "an error is a list of problems")
	require.NotContains(t, err.Error(), canary)
	return strings.Split(strings.ReplaceAll(err.Error(), filepath.Dir(s.Path)+"/", ""), "\n")
}
