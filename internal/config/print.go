package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"portcullis/engine"
)

// Setting is one value of the effective configuration.
type Setting struct {
	Path, Value string   // a secret's Value is [redacted]
	At          Position // IsDefault when it was not given
}

// Settings returns every value of the effective configuration.
func (c *Config) Settings() []Setting {
	p := printer{config: c}
	p.tree()
	return p.settings
}

// YAML returns the effective configuration as a file, secrets redacted, with
// comments that tell where each value comes from if sources is true.
func (c *Config) YAML(sources bool) ([]byte, error) {
	p := printer{config: c, sources: sources}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(p.tree()); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return out.Bytes(), nil
}

// printer makes YAML of a Config.
type printer struct {
	config   *Config
	sources  bool
	reveal   bool // secrets as they are, to compare two Configs
	settings []Setting
}

func (p *printer) tree() *yaml.Node {
	effective := *p.config
	basic := effective.InsecureBasic()
	effective.Server.AllowInsecureBasic = &basic
	return p.node(reflect.ValueOf(effective), "")
}

// node returns the node of a value, nil for one that is neither given nor has a
// default.
func (p *printer) node(v reflect.Value, path string) *yaml.Node {
	switch value := v.Interface().(type) {
	case engine.Secret:
		switch {
		case value == "":
			return nil
		case p.reveal:
			return p.scalar(path, "!!str", string(value))
		}
		return p.scalar(path, "!!str", value.String())
	case time.Duration:
		return p.scalar(path, "", duration(value))
	case fmt.Stringer:
		if text := value.String(); text != "" {
			return p.scalar(path, "", text)
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return p.node(v.Elem(), path)
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		s := schemaOf(v.Type())
		for _, name := range s.names {
			member := join(path, name)
			if file, ok := s.fields[name+"_file"]; ok && v.Field(file).String() != "" && !p.reveal {
				continue // it was read from there
			}
			if value := p.node(v.Field(s.fields[name]), member); value != nil {
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, value)
			}
		}
		if len(n.Content) == 0 {
			return nil
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, p.node(v.Index(i), fmt.Sprintf("%s[%d]", path, i)))
		}
		if len(n.Content) == 0 {
			return nil
		}
		return n
	case reflect.Bool:
		return p.scalar(path, "", fmt.Sprint(v.Bool()))
	case reflect.String:
		if v.String() == "" {
			return nil
		}
		return p.scalar(path, "!!str", v.String())
	}
	return p.scalar(path, "", fmt.Sprint(v.Interface()))
}

// scalar notes a value and returns its node. A text of a tag is quoted where it
// would read as something else.
func (p *printer) scalar(path, tag, text string) *yaml.Node {
	at := p.config.At(path)
	p.settings = append(p.settings, Setting{path, text, at})
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
	if p.sources {
		n.LineComment = at.String()
	}
	return n
}

// duration is the shortest text of a duration.
func duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
