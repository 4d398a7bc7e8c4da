package config

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"portcullis/engine"
)

// FuzzLoad holds that no text makes the reader fail otherwise than with problems
// that have a place in the text, and that a key can be disabled in every file
// that loads, or the file is told to be beyond it.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(commented))
	f.Add([]byte(Starter()))
	f.Add([]byte("apps: [{id: a, keys: [{id: b, secret: 'abcdefghijklmnop', capability: '{}'}]}]\n"))
	f.Add([]byte("a: &a [*a]\n---\n%YAML 1.2\n? |\n x\n: >-\n y\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 || bytes.Contains(text, []byte("_file")) { // it would read other files
			return
		}
		s := Source{Path: "c.yaml"}
		c, err := s.load(text, 0o600)
		if err != nil {
			var problems Problems
			require.True(t, errors.As(err, &problems))
			require.NotEmpty(t, problems)
			lastLine, _ := position(text, len(text))
			for _, p := range problems {
				require.NotEmpty(t, p.Message)
				require.Equal(t, "c.yaml", p.At.File)
				require.LessOrEqual(t, p.At.Line, lastLine+1)
				require.Positive(t, p.At.Line)
				require.Positive(t, p.At.Column)
			}
			return
		}
		again, err := c.YAML(true)
		require.NoError(t, err)
		require.NotEmpty(t, again)

		e := &editor{source: s, text: text, mode: 0o600, config: c, want: c}
		e.root, _ = parseDocument(s.Path, text)
		e.want.Apps = slices.Clone(c.Apps)
		i := slices.IndexFunc(c.Apps, func(a App) bool { return len(a.Keys) > 0 })
		e.want.Apps[i].Keys = slices.Clone(c.Apps[i].Keys)
		if e.setState(i, 0, State(engine.Disabled)) != nil {
			return
		}
		if changed, err := e.result(); err == nil {
			after, err := s.load(changed, 0o600)
			require.NoError(t, err)
			require.Equal(t, "disabled", after.Apps[i].Keys[0].State.String())
		}
	})
}
