package config

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"portcullis/internal/nearest"
)

// EnvironmentPrefix begins the names of the environment variables that stand for
// values of the configuration.
const EnvironmentPrefix = "PORTCULLIS_"

// serviceLink matches the variables that Kubernetes and Docker set in every
// container beside a service that is called portcullis. They are not ours.
var serviceLink = regexp.MustCompile(`^PORTCULLIS_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// step is one part of a path: a name, or an index when name is "".
type step struct {
	name  string
	index int
}

// steps takes a path without indexes apart.
func steps(path string) []step {
	var s []step
	for _, name := range strings.Split(path, ".") {
		s = append(s, step{name: name})
	}
	return s
}

type variable struct {
	name, value string
	path        []step
}

// environment puts the variables of environ into the tree of the file. An empty
// variable counts as none.
func (d *decoder) environment(root *yaml.Node, environ []string) {
	var variables []variable
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, EnvironmentPrefix) || value == "" || serviceLink.MatchString(name) {
			continue
		}
		path, wrong := resolve(name)
		if wrong != "" {
			d.problems = append(d.problems, Problem{At: Position{Outside: "environment " + name}, Message: wrong})
			continue
		}
		variables = append(variables, variable{name, value, path})
	}
	// Elements are added in the order of their indexes.
	slices.SortFunc(variables, func(a, b variable) int {
		return slices.CompareFunc(a.path, b.path, func(x, y step) int {
			if x.index != y.index {
				return x.index - y.index
			}
			return strings.Compare(x.name, y.name)
		})
	})
	for _, v := range variables {
		d.put(root, v.path, "environment "+v.name, v.value)
	}
}

// resolve finds what a variable stands for, or says why it stands for nothing.
func resolve(name string) (path []step, wrong string) {
	t := reflect.TypeFor[Config]()
	for _, part := range strings.Split(strings.TrimPrefix(name, EnvironmentPrefix), "__") {
		switch {
		case isLeaf(t):
			return nil, unknownVariable(name)
		case t.Kind() == reflect.Slice:
			n, err := strconv.ParseUint(part, 10, 16)
			if err != nil {
				return nil, "a list: name one of its elements by its index, from 0, after " + strings.TrimSuffix(name, part)
			}
			path, t = append(path, step{index: int(n)}), t.Elem()
		default:
			s, member := schemaOf(t), strings.ToLower(part)
			field, known := s.fields[member]
			switch {
			case slices.Contains(s.unserved, member):
				return nil, "this version does not serve it"
			case !known || part != strings.ToUpper(part):
				return nil, unknownVariable(name)
			}
			path, t = append(path, step{name: member}), t.Field(field).Type
		}
	}
	if !isLeaf(t) {
		var within []string
		variableNames(t, name, &within)
		return nil, "not a single value: there are " + strings.Join(within, ", ")
	}
	return path, ""
}

// isLeaf says whether a value of the type is written as one scalar.
func isLeaf(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	if p.Implements(reflect.TypeFor[nodeDecoder]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	return t.Kind() != reflect.Struct && t.Kind() != reflect.Slice
}

// variableNames lists every variable under prefix, with 0 for each index.
func variableNames(t reflect.Type, prefix string, names *[]string) {
	switch {
	case isLeaf(t):
		*names = append(*names, prefix)
	case t.Kind() == reflect.Slice:
		variableNames(t.Elem(), prefix+"__0", names)
	default:
		s := schemaOf(t)
		for _, name := range s.names {
			variableNames(t.Field(s.fields[name]).Type, prefix+"__"+strings.ToUpper(name), names)
		}
	}
}

func unknownVariable(name string) string {
	var known []string
	s := schemaOf(reflect.TypeFor[Config]())
	for _, member := range s.names {
		variableNames(reflect.TypeFor[Config]().Field(s.fields[member]).Type, EnvironmentPrefix+strings.ToUpper(member), &known)
	}
	// Indexes do not count as differences.
	parts := strings.Split(name, "__")
	indexes := make(map[int]string)
	for i, part := range parts {
		if _, err := strconv.ParseUint(part, 10, 16); err == nil {
			indexes[i], parts[i] = part, "0"
		}
	}
	near := nearest.Name(strings.Join(parts, "__"), known)
	if near == "" {
		return "unknown environment variable"
	}
	parts = strings.Split(near, "__")
	for i := range parts {
		if index, ok := indexes[i]; ok && parts[i] == "0" {
			parts[i] = index
		}
	}
	return "unknown environment variable: did you mean " + strings.Join(parts, "__") + "?"
}

// put sets the value at a path of the tree, making what is missing on the way.
// Where the file has something of another kind it does nothing: decode says so.
func (d *decoder) put(at *yaml.Node, path []step, origin, value string) {
	grow := func(kind yaml.Kind, tag string) {
		if isNull(at) {
			*at = yaml.Node{Kind: kind, Tag: tag, Line: at.Line, Column: at.Column}
		}
	}
	missing := func() *yaml.Node {
		n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
		d.outside[n] = origin
		return n
	}
	for _, s := range path {
		if s.name == "" {
			grow(yaml.SequenceNode, "!!seq")
			if at.Kind != yaml.SequenceNode {
				return
			}
			if s.index > len(at.Content) {
				d.problems = append(d.problems, Problem{Position{Outside: origin}, "",
					fmt.Sprintf("index %d, but the list has %d elements, and elements are added one after the other", s.index, len(at.Content))})
				return
			}
			if s.index == len(at.Content) {
				at.Content = append(at.Content, missing())
			}
			at = at.Content[s.index]
			continue
		}
		grow(yaml.MappingNode, "!!map")
		if at.Kind != yaml.MappingNode {
			return
		}
		var next *yaml.Node
		for i := 0; i+1 < len(at.Content); i += 2 {
			if at.Content[i].Value == s.name {
				next = at.Content[i+1]
			}
		}
		if next == nil {
			name := missing()
			name.Tag, name.Value = "!!str", s.name
			next = missing()
			at.Content = append(at.Content, name, next)
		}
		at = next
	}
	*at = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	d.outside[at] = origin
}
