package vectors

import (
	"fmt"

	"portcullis/capability"
	"portcullis/engine"
)

// EngineKeys returns keys in the form that a Verifier is made from.
func EngineKeys(keys []Key) ([]engine.Key, error) {
	converted := make([]engine.Key, len(keys))
	for i, k := range keys {
		state, ok := engine.ParseKeyState(k.State)
		if !ok {
			return nil, fmt.Errorf("key %s: unknown state %q", k.Name, k.State)
		}
		converted[i] = engine.Key{
			Name: k.Name, Secret: engine.Secret(k.Secret), RevocableTokens: k.RevocableTokens,
			State: state, NotAfter: engine.UnixMilli(k.NotAfter),
		}
		if k.Capability != "" {
			set, err := capability.Parse([]byte(k.Capability))
			if err != nil {
				return nil, fmt.Errorf("key %s: %w", k.Name, err)
			}
			converted[i].Capability = set
		}
	}
	return converted, nil
}
