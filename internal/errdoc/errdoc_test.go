package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
	"portcullis/oauth"
)

const root = "../.."

func TestDocumentsAreUpToDate(t *testing.T) {
	documents, err := render(root)
	require.NoError(t, err)
	require.Len(t, documents, 3)
	for _, d := range documents {
		have, err := os.ReadFile(d.path)
		require.NoError(t, err)
		require.Equal(t, string(d.text), string(have), "%s: run: go run ./internal/errdoc", d.path)
	}
}

// The page must have a row for each refusal, with everything there is to say
// about it, and no other row.
func TestErrorsPageIsComplete(t *testing.T) {
	var rows []string
	for line := range strings.Lines(string(errorsPage())) {
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, line)
		}
	}
	all := engine.Errors()
	require.Len(t, rows, len(all))
	seen := map[engine.Reason]bool{}
	for i, info := range all {
		require.False(t, seen[info.Reason()], info.Reason())
		seen[info.Reason()] = true
		require.True(t, strings.HasPrefix(rows[i], fmt.Sprintf("| `%s` | %d | %d | ", info.Reason(), info.Code, info.StatusCode)), rows[i])
		for _, text := range []string{info.Message, info.Cause(), info.Fix()} {
			require.NotEmpty(t, text, info.Reason())
			require.Contains(t, rows[i], escape(text))
		}
		require.Equal(t, 8, strings.Count(strings.ReplaceAll(rows[i], `\|`, ""), "|"), "seven cells: %s", rows[i])
	}
}

// Every code has one row, with what it says.
func TestResultsPageIsComplete(t *testing.T) {
	page := string(resultsPage())
	for _, r := range oauth.Results() {
		require.Equal(t, 1, strings.Count(page, "\n| `"+r.Code+"` |"), r.Code)
		require.Contains(t, page, escape(r.Text))
	}
}

func TestReadmeHasEveryRefusalOfACredential(t *testing.T) {
	table := string(readmeTable())
	for _, reason := range []string{"bad_signature", "token_expired", "capability_denied", "client_id_mismatch", "unknown_ably_claim", "bad_secret"} {
		require.Contains(t, table, "| `"+reason+"` |")
	}
	require.NotContains(t, table, "`not_found`")
}

func TestMarkers(t *testing.T) {
	text := "a\n" + string(begin) + "old\n" + string(end) + "b\n"
	got, err := between([]byte(text), []byte("new\n"))
	require.NoError(t, err)
	require.Equal(t, "a\n"+string(begin)+"new\n"+string(end)+"b\n", string(got))

	for _, wrong := range []string{"", string(begin), string(end), string(end) + string(begin), text + text} {
		_, err := between([]byte(wrong), nil)
		require.Error(t, err, "%q", wrong)
	}
}

func TestRunWritesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "docs"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "README.md"), append(append([]byte("x\n"), begin...), end...), 0o644))
	require.NoError(t, run(dir))
	page, err := os.ReadFile(filepath.Join(dir, "docs", "errors.md"))
	require.NoError(t, err)
	require.Equal(t, errorsPage(), page)
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	require.Equal(t, "x\n"+string(begin)+string(readmeTable())+string(end), string(readme))
	require.Error(t, run(filepath.Join(dir, "nowhere")))
}
