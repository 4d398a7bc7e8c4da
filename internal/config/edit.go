package config

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"portcullis/capability"
	"portcullis/engine"
	"portcullis/internal/nearest"
)

// NewSecret makes a secret of 32 letters, digits, - and _, which every SDK takes.
func NewSecret() engine.Secret { return engine.Secret(rand.Text() + rand.Text()[:6]) }

// newKeyID makes the id of a key.
func newKeyID() string { return rand.Text()[:8] }

// KeyRequest is a key to be made.
type KeyRequest struct {
	App             string
	ID              string          // "" for a random one
	Capability      *capability.Set // nil grants everything
	RevocableTokens bool
}

// NewKey adds a key to the file and returns it, appId.keyId:secret.
func (s Source) NewKey(r KeyRequest) (engine.Secret, error) {
	e, err := s.edit()
	if err != nil {
		return "", err
	}
	ids := make([]string, 0, len(e.config.Apps))
	for _, app := range e.config.Apps {
		ids = append(ids, app.ID)
	}
	i := slices.Index(ids, r.App)
	if i < 0 {
		message := "there is no app " + quote(r.App) + " in " + s.Path
		if near := nearest.Name(r.App, ids); near != "" {
			message += ": did you mean " + near + "?"
		}
		return "", errors.New(message)
	}
	if r.ID == "" {
		r.ID = newKeyID()
	}
	k := Key{ID: r.ID, Secret: NewSecret(), Capability: Capability{r.Capability}, RevocableTokens: r.RevocableTokens}
	if err := e.add(i, len(e.config.Apps[i].Keys), k); err != nil {
		return "", err
	}
	return engine.Secret(r.App+"."+k.ID+":") + k.Secret, e.write()
}

// RotateKey adds a key like the named one beside it, makes the named one
// verify_only, and returns the new one, appId.keyId:secret.
func (s Source) RotateKey(name string) (engine.Secret, error) {
	e, err := s.edit()
	if err != nil {
		return "", err
	}
	i, j, err := e.find(name)
	if err != nil {
		return "", err
	}
	old := e.config.Apps[i].Keys[j]
	if engine.KeyState(old.State) != engine.Active {
		return "", fmt.Errorf("%s is %v: only an active key is rotated", name, old.State)
	}
	k := Key{ID: newKeyID(), Secret: NewSecret(), Capability: old.Capability, RevocableTokens: old.RevocableTokens, Restrictions: old.Restrictions}
	if err := e.setState(i, j, State(engine.VerifyOnly)); err != nil {
		return "", err
	}
	if err := e.add(i, j+1, k); err != nil {
		return "", err
	}
	return engine.Secret(e.config.Apps[i].ID+"."+k.ID+":") + k.Secret, e.write()
}

// DisableKey makes the named key disabled. It says whether there was anything to
// change.
func (s Source) DisableKey(name string) (bool, error) {
	e, err := s.edit()
	if err != nil {
		return false, err
	}
	i, j, err := e.find(name)
	if err != nil {
		return false, err
	}
	if engine.KeyState(e.config.Apps[i].Keys[j].State) == engine.Disabled {
		return false, nil
	}
	if err := e.setState(i, j, State(engine.Disabled)); err != nil {
		return false, err
	}
	return true, e.write()
}

// editor changes the text of one file and keeps note of what the result must
// mean, so that a change that went wrong is never written.
type editor struct {
	source Source
	text   []byte // as it was read
	mode   os.FileMode
	config Config
	want   Config // what the changed text must mean
	root   *yaml.Node
	edits  []edit
}

// edit is text that takes the place of text[at:at+remove].
type edit struct {
	at, remove int
	insert     string
}

func (s Source) edit() (*editor, error) {
	text, mode, err := readFile(s.Path, 0)
	if err != nil {
		return nil, Problems{{At: Position{File: s.Path}, Message: err.Error()}}
	}
	e := &editor{source: s, text: text, mode: mode}
	if e.config, err = s.load(text, mode); err != nil {
		return nil, err
	}
	e.want = e.config
	e.want.Apps = slices.Clone(e.config.Apps)
	for i := range e.want.Apps {
		e.want.Apps[i].Keys = slices.Clone(e.want.Apps[i].Keys)
	}
	e.root, _ = parseDocument(s.Path, text) // load has parsed it
	return e, nil
}

var errElsewhere = errors.New("what is to change does not stand in the file (the environment sets it?): nothing changed")

// find returns the indexes of the key of that name.
func (e *editor) find(name string) (app, key int, err error) {
	var names []string
	for i, a := range e.config.Apps {
		for j, k := range a.Keys {
			if full := a.ID + "." + k.ID; full == name {
				return i, j, nil
			} else {
				names = append(names, full)
			}
		}
	}
	message := "there is no key " + quote(name) + " in " + e.source.Path
	if near := nearest.Name(name, names); near != "" {
		message += ": did you mean " + near + "?"
	}
	return 0, 0, errors.New(message)
}

// node walks from the top of the file by names and indexes.
func (e *editor) node(path ...any) *yaml.Node {
	n := e.root
	for _, p := range path {
		if n == nil {
			return nil
		}
		switch p := p.(type) {
		case string:
			_, n = member(n, p)
		case int:
			if n.Kind != yaml.SequenceNode || p >= len(n.Content) {
				return nil
			}
			n = n.Content[p]
		}
	}
	return n
}

func member(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// add puts k into the app's keys, at index or, in a list in brackets, anywhere.
func (e *editor) add(app, index int, k Key) error {
	owner := e.node("apps", app)
	keys := e.node("apps", app, "keys")
	switch {
	case owner == nil:
		return errElsewhere
	case keys == nil || isNull(keys):
		index = 0
		item := "[" + k.flow() + "]"
		if key, _ := member(owner, "keys"); key != nil {
			if err := e.afterColon(key, item); err != nil {
				return err
			}
		} else if err := e.addMember(owner, "keys", item); err != nil {
			return err
		}
	case keys.Style&yaml.FlowStyle != 0:
		index = 0
		item := k.flow()
		if len(keys.Content) > 0 {
			item += ", "
		}
		e.edits = append(e.edits, edit{at: e.offset(keys) + 1, insert: item})
	default:
		index = min(index, len(keys.Content))
		at, lineEnd := e.endOfItem(keys, keys.Content[index-1])
		e.edits = append(e.edits, edit{at: at, insert: lineEnd + k.block(strings.Repeat(" ", keys.Column-1), lineEnd)})
	}
	e.want.Apps[app].Keys = slices.Insert(e.want.Apps[app].Keys, index, k)
	return nil
}

// setState writes a key's state.
func (e *editor) setState(app, key int, state State) error {
	n := e.node("apps", app, "keys", key)
	if n == nil || n.Kind != yaml.MappingNode {
		return errElsewhere
	}
	name, value := member(n, "state")
	switch {
	case name == nil:
		if err := e.addMember(n, "state", state.String()); err != nil {
			return err
		}
	case isNull(value):
		if err := e.afterColon(name, state.String()); err != nil {
			return err
		}
	default:
		at, written := e.offset(value), value.Value
		switch {
		case value.Style&yaml.DoubleQuotedStyle != 0:
			written = `"` + written + `"`
		case value.Style&yaml.SingleQuotedStyle != 0:
			written = "'" + written + "'"
		}
		if !bytes.HasPrefix(e.text[at:], []byte(written)) {
			return fmt.Errorf("%v: the state is written in a way that is not understood here: nothing changed", Position{File: e.source.Path, Line: value.Line, Column: value.Column})
		}
		e.edits = append(e.edits, edit{at, len(written), state.String()})
	}
	e.want.Apps[app].Keys[key].State = state
	return nil
}

// addMember adds a member to a mapping: at its beginning in braces, else as a
// line after that of its id.
func (e *editor) addMember(n *yaml.Node, name, value string) error {
	if n.Style&yaml.FlowStyle != 0 {
		e.edits = append(e.edits, edit{at: e.offset(n) + 1, insert: name + ": " + value + ", "})
		return nil
	}
	id, _ := member(n, "id")
	if id == nil {
		return errElsewhere
	}
	end, lineEnd := e.endOfLine(e.offset(id))
	e.edits = append(e.edits, edit{at: end, insert: lineEnd + strings.Repeat(" ", id.Column-1) + name + ": " + value})
	return nil
}

// afterColon gives a value to a name that has none.
func (e *editor) afterColon(name *yaml.Node, value string) error {
	at := e.offset(name)
	colon := bytes.IndexByte(e.text[at:], ':')
	if colon < 0 {
		return errElsewhere
	}
	e.edits = append(e.edits, edit{at: at + colon + 1, insert: " " + value})
	return nil
}

func (e *editor) offset(n *yaml.Node) int { return offsetOf(e.text, n.Line, n.Column) }

// endOfLine returns the offset of the end of the line that holds at, and how
// lines end here.
func (e *editor) endOfLine(at int) (end int, lineEnd string) {
	lineEnd = "\n"
	if bytes.Contains(e.text, []byte("\r\n")) {
		lineEnd = "\r\n"
	}
	for end = at; end < len(e.text); end++ {
		if _, ends := lineBreak(e.text, end); ends {
			break
		}
	}
	return end, lineEnd
}

// endOfItem returns the offset of the end of the last line of an element of a
// list with dashes. Lines that are indented further than the dash belong to it,
// and so do comments between them, whatever their indentation.
func (e *editor) endOfItem(list, item *yaml.Node) (end int, lineEnd string) {
	end, lineEnd = e.endOfLine(e.offset(item))
	for next := end; next < len(e.text); {
		size, _ := lineBreak(e.text, next)
		start := next + size
		next, _ = e.endOfLine(start)
		line := e.text[start:next]
		content := bytes.TrimLeft(line, " ")
		indent := len(line) - len(content)
		switch {
		case len(bytes.TrimSpace(content)) == 0:
		case indent >= list.Column:
			end = next
		case content[0] == '#':
		default:
			return end, lineEnd
		}
	}
	return end, lineEnd
}

// result is the text with the edits applied. It loads, and means what it must.
func (e *editor) result() ([]byte, error) {
	slices.SortStableFunc(e.edits, func(a, b edit) int { return a.at - b.at })
	var out []byte
	from := 0
	for _, x := range e.edits {
		out = append(append(out, e.text[from:x.at]...), x.insert...)
		from = x.at + x.remove
	}
	out = append(out, e.text[from:]...)

	got, err := e.source.load(out, e.mode)
	if err != nil {
		return nil, fmt.Errorf("the changed file would not load, so nothing changed:\n%w", err)
	}
	if !slices.Equal(meaning(&got), meaning(&e.want)) {
		return nil, fmt.Errorf("%s is written in a way that cannot be changed here, so nothing changed: edit it by hand", e.source.Path)
	}
	return out, nil
}

// write puts the result in the place of the file.
func (e *editor) write() error {
	text, err := e.result()
	if err != nil {
		return err
	}
	return replaceFile(e.source.Path, e.text, text)
}

// meaning is every value of a Config, secrets included, as text.
func meaning(c *Config) []string {
	p := printer{config: c, reveal: true}
	p.tree()
	lines := make([]string, len(p.settings))
	for i, s := range p.settings {
		lines[i] = s.Path + "=" + s.Value
	}
	return lines
}
