package oauth

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// parameters are those of a client's request, decoded. None is empty: a parameter
// without a value counts as left out (RFC 6749 §3.1).
type parameters map[string]string

// maxParameters bounds how many parameters a request has.
const maxParameters = 100

// parseParameters reads a query string or form body as the client has sent it, and
// says whether it is one: decoded UTF-8 without control characters, and nothing
// twice (RFC 6749 §3.1, §3.2).
func parseParameters(text string) (parameters, bool) {
	p := make(parameters)
	seen := make(map[string]bool)
	for rest := text; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, nameOK := decodeForm(name)
		value, valueOK := decodeForm(value)
		if !nameOK || !valueOK || name == "" || seen[name] || len(seen) == maxParameters {
			return nil, false
		}
		seen[name] = true
		if value != "" {
			p[name] = value
		}
	}
	return p, true
}

// decodeForm decodes application/x-www-form-urlencoded text.
func decodeForm(text string) (string, bool) {
	decoded, err := url.QueryUnescape(text)
	return decoded, err == nil && utf8.ValidString(decoded) && !hasControl(decoded)
}

// first returns the first of names that p has, "" when it has none.
func (p parameters) first(names ...string) string {
	for _, name := range names {
		if _, ok := p[name]; ok {
			return name
		}
	}
	return ""
}

// scopes returns the scope parameter as a list without repetitions, and whether it
// is one. Without the parameter the list is nil.
func (p parameters) scopes() (list []string, ok bool) {
	text, given := p["scope"]
	if !given {
		return nil, true
	}
	seen := make(map[string]bool)
	for _, scope := range strings.Split(text, " ") {
		switch {
		case !validScope(scope):
			return nil, false
		case !seen[scope]:
			seen[scope] = true
			list = append(list, scope)
		}
	}
	return list, true
}
