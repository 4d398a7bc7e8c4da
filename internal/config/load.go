package config

import (
	"os"
	"path/filepath"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// Source is what a configuration is read from. Flags win over the environment,
// and the environment wins over the file.
type Source struct {
	Path    string   // of the file
	Environ []string // NAME=value, as os.Environ returns it; what does not begin with PORTCULLIS_ is not looked at
	Flags   []Flag
}

// Flag is a command-line flag that stands for a value of the configuration.
type Flag struct {
	Name, Path, Value string // --listen, server.listen, 127.0.0.1:8080
}

// Load reads the file at path and the environment of the process.
func Load(path string) (Config, error) {
	return Source{Path: path, Environ: os.Environ()}.Load()
}

// Load reads and checks everything. The error is always a [Problems]. After one
// the Config is not to be used, but for its Files and Warnings.
func (s Source) Load() (Config, error) {
	text, mode, err := readFile(s.Path, 0)
	if err != nil {
		return Config{Files: []string{s.Path}}, Problems{{At: Position{File: s.Path}, Message: err.Error()}}
	}
	return s.load(text, mode)
}

// load reads and checks text as though it were the content of the file.
func (s Source) load(text []byte, mode os.FileMode) (Config, error) {
	c := Default()
	c.Files = []string{s.Path}
	root, problem := parseDocument(s.Path, text)
	if problem != nil {
		return c, Problems{*problem}
	}
	if root == nil {
		root = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1, Column: 1}
	}
	d := &decoder{file: s.Path, outside: make(map[*yaml.Node]string), at: make(map[string]Position)}
	d.environment(root, s.Environ)
	for _, f := range s.Flags {
		d.put(root, steps(f.Path), "flag --"+f.Name, f.Value)
	}
	d.decode(root, reflect.ValueOf(&c).Elem(), "")
	c.at = d.at

	if root.Kind != yaml.MappingNode && !isNull(root) {
		return c, Problems(d.problems)
	}
	check := checker{Config: &c, problems: d.problems, dir: filepath.Dir(s.Path), top: d.position(root), mode: mode}
	check.all()
	c.Warnings = sortProblems(check.warnings)
	if len(check.problems) > 0 {
		return c, Problems(sortProblems(check.problems))
	}
	return c, nil
}
