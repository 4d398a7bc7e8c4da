package nearest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestName(t *testing.T) {
	known := []string{"x-ably-capability", "x-ably-clientId", "x-ably-clientType", "x-ably-revocation-key"}
	for name, want := range map[string]string{
		"x-ably-clientid":    "x-ably-clientId",
		"x-ably-capabilitys": "x-ably-capability",
		"x-ably-capabilty":   "x-ably-capability",
		"zzzzzzzz":           "",
		"":                   "",
	} {
		require.Equal(t, want, Name(name, known), name)
	}
}
