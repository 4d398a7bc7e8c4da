package doctest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBlocks(t *testing.T) {
	list, err := blocks("a ``` b\n```console server exit=3\n$ a \\\n  b\nx\n$y\n```\ntext\n```sh norun=\"needs a moon\"\nls\n```\n```text file=a/b\n```\n")
	require.NoError(t, err)
	require.Equal(t, []block{
		{line: 2, language: "console", server: true, exit: 3, text: "$ a \\\n  b\nx\n$y\n"},
		{line: 9, language: "sh", norun: "needs a moon", text: "ls\n"},
		{line: 12, language: "text", file: "a/b"},
	}, list)
	steps, err := list[0].steps()
	require.NoError(t, err)
	require.Equal(t, []step{{"a \\\n  b\n", "x\n$y\n"}}, steps)
}

// A block that would not be run must not pass for one that is.
func TestBlocksInWhichACommandCouldHide(t *testing.T) {
	for _, page := range []string{
		"```\nls\n```\n", "```bash\nls\n```\n", "```sh norun\nls\n```\n", "```sh norun=\"\"\nls\n```\n", "```sh skip\nls\n```\n",
		"```sh\nls\n", "```sh\nls\n```sh\nls\n```\n", "- a\n  ```sh\n  ls\n  ```\n",
		"```text\n$ ls\n```\n", "```text\na\n$ ls\n```\n", "```console\nls\n```\n", "```console\n```\n",
		"```console server\n$ a\n$ b\n```\n", "```json\n{a}\n```\n", "```js\na()\n```\n", "```yaml\na: 1\n```\n", "```text exit=1\n```\n",
		"```sh file=x\nls\n```\n", "```yaml file=x norun=\"no\"\na: 1\n```\n",
	} {
		_, err := blocks(page)
		require.Error(t, err, page)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		shown, printed string
		want           bool
	}{
		{"", "", true},
		{"", "x\n", false},
		{"a\n", "a\n", true},
		{"a\n", "a", true},
		{"a\n", "a  \n", true},
		{"a\n", " a\n", false},
		{"a\n", "a\nb\n", false},
		{"a\nb\n", "a\n", false},
		{"a.c\n", "abc\n", false},
		{"a…c\n", "abbbc\n", true},
		{"a…c\n", "ab\nc\n", false},
		{"a\n…\nd\n", "a\nb\nc\nd\n", true},
		{"a\n…\nd\n", "a\nd\n", true},
		{"a\n…\nd\n", "a\nb\n", false},
		{"…\n", "", true},
		{"…\nd\n", "xd\n", false},
	} {
		require.Equal(t, c.want, matches(c.shown, c.printed), "%q %q", c.shown, c.printed)
	}
}
