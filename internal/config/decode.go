package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"portcullis/internal/nearest"
)

// decoder puts YAML nodes into the types of Config and notes everything that
// does not fit.
type decoder struct {
	file     string
	outside  map[*yaml.Node]string // nodes that come from environment or flags
	at       map[string]Position
	problems []Problem
}

// nodeDecoder is a type that reads its YAML itself.
type nodeDecoder interface {
	decodeNode(d *decoder, n *yaml.Node, path string)
}

func (d *decoder) position(n *yaml.Node) Position {
	if name, ok := d.outside[n]; ok {
		return Position{Outside: name}
	}
	return Position{File: d.file, Line: n.Line, Column: n.Column}
}

func (d *decoder) wrong(n *yaml.Node, path, format string, args ...any) {
	d.problems = append(d.problems, Problem{d.position(n), path, fmt.Sprintf(format, args...)})
}

// decode puts n into v. A value that is not written (name:) leaves v as it is.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string) {
	if !d.plain(n, path) {
		return
	}
	if isNull(n) {
		return
	}
	if path != "" {
		d.at[path] = d.position(n)
	}
	switch target := v.Addr().Interface().(type) {
	case nodeDecoder:
		target.decodeNode(d, n, path)
		return
	case encoding.TextUnmarshaler:
		if text, ok := d.scalar(n, path); ok {
			if err := target.UnmarshalText([]byte(text)); err != nil {
				d.wrong(n, path, "%v", err)
			}
		}
		return
	case *time.Duration:
		if text, ok := d.scalar(n, path); ok {
			parsed, err := time.ParseDuration(text)
			if err != nil {
				d.wrong(n, path, "%s is not a duration such as 90s, 15m or 24h", quote(text))
				return
			}
			*target = parsed
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), path)
	case reflect.Struct:
		d.mapping(n, v, path)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.wrong(n, path, "a list is needed, not %s", kindOf(n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, element := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			if isNull(element) {
				d.wrong(element, at, "an element without a value")
			}
			d.decode(element, v.Index(i), at)
		}
	case reflect.Bool:
		if text, ok := d.scalar(n, path); ok {
			if text != "true" && text != "false" || n.Tag == "!!str" && d.outside[n] == "" {
				d.wrong(n, path, "true or false is needed")
				return
			}
			v.SetBool(text == "true")
		}
	case reflect.String:
		text, ok := d.scalar(n, path)
		switch {
		case !ok:
		case n.Tag != "!!str" && n.Tag != "!!int" && d.outside[n] == "":
			d.wrong(n, path, "a text is needed, not %s: put it into quotes", kindOf(n))
		default:
			v.SetString(text)
		}
	default:
		panic("config: no way to read a " + v.Type().String())
	}
}

// plain refuses what makes one text stand for another.
func (d *decoder) plain(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.wrong(n, path, "aliases are not accepted: write the value out, or put it into quotes if it begins with *")
	case n.Anchor != "":
		d.wrong(n, path, "anchors are not accepted: put the value into quotes if it begins with &")
	case n.Style&yaml.TaggedStyle != 0:
		d.wrong(n, path, "tags are not accepted: put the value into quotes if it begins with !")
	default:
		return true
	}
	return false
}

func (d *decoder) scalar(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.wrong(n, path, "a single value is needed, not %s", kindOf(n))
		return "", false
	}
	return n.Value, true
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.wrong(n, path, "names and values are needed, not %s", kindOf(n))
		return
	}
	s := schemaOf(v.Type())
	d.eachMember(n, path, func(name, value *yaml.Node) {
		member := join(path, name.Value)
		field, known := s.fields[name.Value]
		switch {
		case known:
			if isNull(value) {
				value.Line, value.Column = name.Line, name.Column
			}
			d.decode(value, v.Field(field), member)
		case slices.Contains(s.unserved, name.Value):
			d.wrong(name, member, "this version does not serve it")
		default:
			d.unknown(name, value, path, s.names)
		}
	})
}

// unknown refuses a name. It is shown only when it resembles a known one: what is
// unlike all of them may be half of a secret, as in {secret: ab,cd}.
func (d *decoder) unknown(name, value *yaml.Node, path string, known []string) {
	switch near := nearest.Name(name.Value, known); {
	case near != "":
		d.wrong(name, path, "unknown name %s: did you mean %s?", quote(name.Value), near)
	case isNull(value):
		d.wrong(name, path, "a name without a value: put values that hold a comma into quotes")
	default:
		d.wrong(name, path, "unknown name: there are %s", strings.Join(known, ", "))
	}
}

// eachMember calls f for every member of a mapping, and refuses repeated names.
func (d *decoder) eachMember(n *yaml.Node, path string, f func(name, value *yaml.Node)) {
	first := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		if !d.plain(name, path) {
			continue
		}
		if name.Kind != yaml.ScalarNode {
			d.wrong(name, path, "a name is needed, not %s", kindOf(name))
			continue
		}
		if before := first[name.Value]; before != nil {
			d.wrong(name, path, "%s a second time, first in line %d", quote(name.Value), before.Line)
			continue
		}
		first[name.Value] = name
		f(name, n.Content[i+1])
	}
}

// kindOf names what stands where something else should, never its text.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "names and values"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a time"
	case "!!null":
		return "nothing"
	}
	return "a text"
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// schema is what the tags of a struct say.
type schema struct {
	fields   map[string]int
	names    []string
	unserved []string
}

func schemaOf(t reflect.Type) schema {
	s := schema{fields: make(map[string]int)}
	for i := range t.NumField() {
		f := t.Field(i)
		if names := f.Tag.Get("unserved"); names != "" {
			s.unserved = strings.Split(names, ",")
		}
		if name := f.Tag.Get("yaml"); name != "" && name != "-" {
			s.fields[name] = i
			s.names = append(s.names, name)
		}
	}
	return s
}
