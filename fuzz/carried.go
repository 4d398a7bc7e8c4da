package fuzz

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// carried takes the token out of one that carries it, as a reader would that is
// not strict about anything. It returns nil where there is none.
func carried(token []byte) []byte {
	segments := strings.Split(string(token), ".")
	for _, segment := range segments[:min(2, len(segments))] {
		if inner := carriedIn(segment); inner != nil {
			return inner
		}
	}
	return nil
}

func carriedIn(segment string) []byte {
	text, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return nil
	}
	var members map[string]json.RawMessage
	var inner *string
	if json.Unmarshal(text, &members) != nil || json.Unmarshal(members["x-ably-token"], &inner) != nil || inner == nil {
		return nil
	}
	return []byte(*inner)
}
