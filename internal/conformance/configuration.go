package conformance

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"portcullis/internal/vectors"
)

// Configuration returns the configuration with which Portcullis knows the fixture
// keys. A server of another kind must know the same keys, with the
// same state and capability, and must not limit how often a token is refused.
func Configuration() []byte {
	var b bytes.Buffer
	b.WriteString(`# The fixture keys of "portcullis fixtures run". Their secrets are published: for tests only.
server:
  allow_insecure_basic: true   # the API keys among the fixtures travel over plain HTTP
store: "memory:"
limits: {refusals_per_token: 0}   # many fixtures present the same token
`)
	b.WriteString("apps:\n")
	app := ""
	for _, k := range vectors.Keys() {
		id, keyID, _ := strings.Cut(k.Name, ".")
		if id != app {
			app = id
			fmt.Fprintf(&b, "  - id: %q\n    keys:\n", app)
		}
		fmt.Fprintf(&b, "      - id: %q\n        secret: %q\n", keyID, k.Secret)
		if k.Capability != "" {
			fmt.Fprintf(&b, "        capability: %q\n", k.Capability)
		}
		if k.RevocableTokens {
			b.WriteString("        revocable_tokens: true\n")
		}
		if k.State != "active" {
			fmt.Fprintf(&b, "        state: %s\n", k.State)
		}
		if k.NotAfter != 0 {
			fmt.Fprintf(&b, "        not_after: %s\n", time.UnixMilli(k.NotAfter).UTC().Format(time.RFC3339))
		}
	}
	return b.Bytes()
}
