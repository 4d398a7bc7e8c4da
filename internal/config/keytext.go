package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fields returns the key as names and values in YAML, in the order of the
// documentation.
func (k *Key) fields() []string {
	f := []string{"id: " + scalarText(k.ID), "secret: " + strconv.Quote(string(k.Secret))}
	if k.Capability.Set != nil {
		f = append(f, "capability: "+k.Capability.String())
	}
	if k.RevocableTokens {
		f = append(f, "revocable_tokens: true")
	}
	var restrictions []string
	if len(k.Restrictions.Origins) > 0 {
		restrictions = append(restrictions, "origins: "+quotedList(k.Restrictions.Origins, func(o Origin) string { return string(o) }))
	}
	if len(k.Restrictions.IPs) > 0 {
		restrictions = append(restrictions, "ips: "+quotedList(k.Restrictions.IPs, Prefix.String))
	}
	if restrictions != nil {
		f = append(f, "restrictions: {"+strings.Join(restrictions, ", ")+"}")
	}
	return f
}

func quotedList[T any](list []T, text func(T) string) string {
	var quoted []string
	for _, element := range list {
		quoted = append(quoted, strconv.Quote(text(element)))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// scalarText writes an id, in quotes where it is more than letters, or where it
// would read as a number or a truth value.
func scalarText(id string) string {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(id), &n); err == nil && len(n.Content) == 1 && n.Content[0].Tag == "!!str" &&
		n.Content[0].Value == id && !strings.ContainsFunc(id, func(r rune) bool { return !isLetter(r) }) {
		return id
	}
	return strconv.Quote(id)
}

func (k *Key) flow() string { return "{" + strings.Join(k.fields(), ", ") + "}" }

func (k *Key) block(indent, lineEnd string) string {
	return indent + "- " + strings.Join(k.fields(), lineEnd+indent+"  ")
}
