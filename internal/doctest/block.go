package doctest

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// block is one fenced block of a page.
type block struct {
	line     int // of the opening fence, from 1
	language string
	server   bool
	exit     int
	file     string
	norun    string
	text     string
}

var attribute = regexp.MustCompile(`^(server)$|^exit=([0-9]+)$|^file=(\S+)$|^norun="([^"]+)"$`)

// word is one word of an info string; a quoted part of it may hold spaces.
var word = regexp.MustCompile(`[^\s"]+"[^"]*"|\S+`)

// blocks returns the fenced blocks of a page.
func blocks(page string) ([]block, error) {
	var list []block
	var open *block
	n := 0
	for line := range strings.Lines(page) {
		n++
		fence, info, isFence := strings.Cut(strings.TrimRight(line, " \n"), "```")
		switch {
		case isFence && strings.TrimSpace(fence) != "" || !isFence && open == nil:
		case !isFence:
			open.text += line
		case fence != "":
			return nil, fmt.Errorf("line %d: an indented fence", n)
		case open == nil:
			b, err := parseInfo(info)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n, err)
			}
			b.line = n
			open = &b
		case info != "":
			return nil, fmt.Errorf("line %d: the block of line %d is still open", n, open.line)
		default:
			if err := open.check(); err != nil {
				return nil, fmt.Errorf("line %d: %w", open.line, err)
			}
			list = append(list, *open)
			open = nil
		}
	}
	if open != nil {
		return nil, fmt.Errorf("line %d: the block is not closed", open.line)
	}
	return list, nil
}

func parseInfo(info string) (block, error) {
	words := word.FindAllString(info, -1)
	if len(words) == 0 {
		return block{}, errors.New("the block has no language")
	}
	b := block{language: words[0]}
	for _, w := range words[1:] {
		m := attribute.FindStringSubmatch(w)
		switch {
		case m == nil:
			return b, fmt.Errorf("unknown attribute %s", w)
		case m[1] != "":
			b.server = true
		case m[2] != "":
			b.exit, _ = strconv.Atoi(m[2]) // digits
		case m[3] != "":
			b.file = m[3]
		default:
			b.norun = m[4]
		}
	}
	return b, nil
}

// check refuses blocks in which a command could hide.
func (b *block) check() error {
	commands := b.language == "sh" || b.language == "console"
	switch {
	case !commands && (b.server || b.exit != 0):
		return fmt.Errorf("%s block: server and exit are for commands", b.language)
	case commands && b.file != "":
		return fmt.Errorf("%s block: file is for what is not run", b.language)
	case b.norun != "" && !commands && b.language != "go" && b.language != "js":
		return fmt.Errorf("%s block: norun is for what would be run", b.language)
	}
	switch b.language {
	case "sh", "go":
		return nil
	case "js":
		if b.norun == "" {
			return errors.New("js block: does not say which test runs it")
		}
		return nil
	case "console":
		steps, err := b.steps()
		if err == nil && b.server && len(steps) != 1 {
			err = errors.New("a server block has one command")
		}
		return err
	case "yaml":
		if b.file == "" {
			return errors.New("yaml block: no file")
		}
		return nil
	case "json":
		if !json.Valid([]byte(b.text)) {
			return errors.New("json block: not JSON")
		}
		return nil
	case "text":
		if strings.HasPrefix(b.text, "$ ") || strings.Contains(b.text, "\n$ ") {
			return errors.New("text block: holds a command, so it is console")
		}
		return nil
	}
	return fmt.Errorf("unknown language %q", b.language)
}

// step is one command of a console block and what it must print.
type step struct{ command, output string }

// steps takes a console block apart. A command line that ends in a backslash goes
// on in the next one.
func (b *block) steps() ([]step, error) {
	var list []step
	goesOn := false
	for line := range strings.Lines(b.text) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case goesOn:
			list[len(list)-1].command += line
		case isCommand:
			list = append(list, step{command: command})
		case len(list) == 0:
			return nil, errors.New("console block: output before any command")
		default:
			list[len(list)-1].output += line
		}
		goesOn = (goesOn || isCommand) && strings.HasSuffix(line, "\\\n")
	}
	if len(list) == 0 {
		return nil, errors.New("console block: no command")
	}
	return list, nil
}

// matches says whether a program has printed what a page shows.
func matches(shown, printed string) bool {
	var pattern strings.Builder
	pattern.WriteString(`\A`)
	for line := range strings.Lines(shown) {
		if line = strings.TrimRight(line, " \n"); line == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		for i, part := range strings.Split(line, "…") {
			if i > 0 {
				pattern.WriteString(`.*`)
			}
			pattern.WriteString(regexp.QuoteMeta(part))
		}
		pattern.WriteString(` *\n`)
	}
	pattern.WriteString(`\z`)
	if printed != "" && !strings.HasSuffix(printed, "\n") {
		printed += "\n"
	}
	return regexp.MustCompile(pattern.String()).MatchString(printed)
}
