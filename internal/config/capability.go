package config

import (
	"encoding/json"
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"

	"portcullis/capability"
	"portcullis/internal/nearest"
)

// Capability is a key's capability. It is written as YAML, or as a text that
// holds the JSON.
type Capability struct{ *capability.Set } // nil when none is given

func (c *Capability) decodeNode(d *decoder, n *yaml.Node, path string) {
	text := n.Value
	switch n.Kind {
	case yaml.MappingNode:
		rules, before := make(map[string][]string), len(d.problems)
		d.eachMember(n, path, func(resource, ops *yaml.Node) { c.decodeRule(d, rules, resource, ops, path) })
		if len(d.problems) > before {
			return
		}
		encoded, err := json.Marshal(rules)
		if err != nil {
			d.wrong(n, path, "%v", err)
			return
		}
		text = string(encoded)
	case yaml.ScalarNode:
	default:
		d.wrong(n, path, "resources and their operations are needed, not %s", kindOf(n))
		return
	}
	set, err := capability.Parse([]byte(text))
	if err != nil {
		d.wrong(n, path, "%s", reason(err))
		return
	}
	c.Set = set
}

// decodeRule reads one resource and its operations, so that what is wrong with
// them has a place of its own.
func (c *Capability) decodeRule(d *decoder, rules map[string][]string, resource, ops *yaml.Node, path string) {
	if !d.plain(ops, path) {
		return
	}
	if ops.Kind != yaml.SequenceNode {
		d.wrong(resource, path, "the operations on %s must be a list, such as [subscribe]", quote(resource.Value))
		return
	}
	if _, err := capability.ParseResource([]byte(resource.Value)); err != nil {
		d.wrong(resource, path, "%s: %s", quote(resource.Value), reason(err))
		return
	}
	names, faults := make([]string, 0, len(ops.Content)), 0
	for _, op := range ops.Content {
		switch {
		case !d.plain(op, path):
			faults++
		case op.Kind != yaml.ScalarNode || capability.ParseOp([]byte(op.Value)) == 0:
			faults++
			message := "an operation is needed, not " + kindOf(op)
			if op.Kind == yaml.ScalarNode {
				message = "unknown operation " + quote(op.Value)
				if near := nearest.Name(op.Value, capability.OpNames()); near != "" {
					message += ": did you mean " + near + "?"
				}
			}
			d.wrong(op, path, "%s", message)
		default:
			names = append(names, op.Value)
		}
	}
	if faults > 0 {
		return
	}
	one, err := json.Marshal(map[string][]string{resource.Value: names})
	if err == nil {
		_, err = capability.Parse(one)
	}
	switch {
	case errors.Is(err, capability.ErrOperation):
		d.wrong(ops, path, "%s: * stands alone or not at all", quote(resource.Value))
	case err != nil:
		d.wrong(ops, path, "%s: %s", quote(resource.Value), reason(err))
	default:
		rules[resource.Value] = names
	}
}

// reason is what an error of package capability says; the path says capability
// already.
func reason(err error) string { return strings.TrimPrefix(err.Error(), "capability: ") }

// String returns the canonical text; without one everything is granted.
func (c Capability) String() string {
	if c.Set == nil {
		return `{"*":["*"]}`
	}
	return c.Set.String()
}
