package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is where a value of the configuration was given.
type Position struct {
	Outside      string // the environment variable or flag, when it is not the file
	File         string
	Line, Column int // from 1; in characters
}

// IsDefault says that the value was not given anywhere.
func (p Position) IsDefault() bool { return p == Position{} }

// String returns file:line:column, or what else the place is called.
func (p Position) String() string {
	switch {
	case p.Outside != "":
		return p.Outside
	case p.IsDefault():
		return "default"
	case p.Line == 0:
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing that is wrong with a configuration. It never holds a
// secret.
type Problem struct {
	At      Position
	Path    string // apps[0].keys[1].secret; "" when the whole file is meant
	Message string
}

// String returns the problem as one line.
func (p Problem) String() string {
	if p.Path == "" {
		return p.At.String() + ": " + p.Message
	}
	return p.At.String() + ": " + p.Path + ": " + p.Message
}

// Problems are all that is wrong with a configuration, in the order of the file.
type Problems []Problem

// Error returns the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what is told about one file.
const maxProblems = 100

func sortProblems(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.At.Outside, b.At.Outside),
			cmp.Compare(a.At.File, b.At.File),
			cmp.Compare(a.At.Line, b.At.Line),
			cmp.Compare(a.At.Column, b.At.Column),
		)
	})
	if more := len(problems) - maxProblems; more > 0 {
		last := problems[maxProblems].At
		problems = append(problems[:maxProblems:maxProblems], Problem{At: last, Message: fmt.Sprintf("%d more problems", more)})
	}
	return problems
}
