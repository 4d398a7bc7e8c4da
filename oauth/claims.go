package oauth

import (
	"slices"

	"github.com/segmentio/encoding/json"

	"portcullis/engine"
)

// Claim is a further claim of JWT access tokens.
type Claim struct {
	Name string
	JSON string // its value, as JSON
}

// maxProperties bounds how many properties and further claims a token has.
const maxProperties = 64

// checkClaims says what is wrong with further claims and properties, which stand
// beside each other in a JWT, and in answers to the client.
func (s *Service) checkClaims(claims []Claim, properties []Property) error {
	if len(claims)+len(properties) > maxProperties {
		return memberError("properties and jwtAtClaims: more than 64")
	}
	if len(claims) > 0 && s.config.OpaqueAccessTokens {
		return memberError("jwtAtClaims: the service issues opaque access tokens")
	}
	names := make(map[string]bool, len(claims)+len(properties))
	for _, c := range claims {
		if engine.ReservedClaim(c.Name) || c.Name == "" || names[c.Name] {
			return memberError("jwtAtClaims: a name is empty, reserved or there twice")
		}
		names[c.Name] = true
	}
	keys := make(map[string]bool, len(properties))
	for _, p := range properties {
		switch {
		case p.Key == "" || keys[p.Key]:
			return memberError("properties: a key is empty or there twice")
		case !p.Hidden && (engine.ReservedClaim(p.Key) || names[p.Key]):
			return memberError("properties: a key is reserved, or is that of a further claim")
		}
		keys[p.Key] = true
	}
	return nil
}

// appendMembers appends claims and what is visible of properties as further members
// of a JSON object.
func appendMembers(b []byte, claims []Claim, properties []Property) []byte {
	for _, c := range claims {
		b = append(appendText(append(b, ','), c.Name), ':')
		b = append(b, c.JSON...)
	}
	for _, p := range properties {
		if !p.Hidden {
			b = append(appendText(append(b, ','), p.Key), ':')
			b = appendText(b, p.Value)
		}
	}
	return b
}

func appendText(b []byte, text string) []byte {
	b, _ = json.Append(b, text, 0) // of a string: it cannot fail
	return b
}

// joined returns list with others added, which count where both have a name.
func joined[T any](list, others []T, name func(T) string) []T {
	replaced := make(map[string]bool, len(others))
	for _, o := range others {
		replaced[name(o)] = true
	}
	all := slices.DeleteFunc(slices.Clone(list), func(o T) bool { return replaced[name(o)] })
	return append(all, others...)
}

func (c Claim) name() string    { return c.Name }
func (p Property) name() string { return p.Key }
