package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const printCanary = "canary-9Wd4kQx7TnVy1RbMfJhZpL5c8Gs2"

// TestSecretsPrintAsRedacted prints whatever of this package holds a secret, in
// every way that a careless line of code might.
func TestSecretsPrintAsRedacted(t *testing.T) {
	key := Key{Name: "appId.keyId", Secret: printCanary}
	seal, err := NewSealSecret(printCanary)
	require.NoError(t, err)
	signer, err := NewSigner("appId.keyId:" + printCanary)
	require.NoError(t, err)
	options := Options{Keys: []Key{key}, Seal: []SealSecret{seal}}
	v := newTestVerifier(t, options)
	type unexported struct {
		seal []SealSecret
		key  *Key
	}
	for name, value := range map[string]any{
		"Secret": Secret(printCanary), "*Secret": &key.Secret, "[]Secret": []Secret{printCanary}, "a map of them": map[string]Secret{"a": printCanary},
		"Key": key, "*Key": &key, "SealSecret": seal, "*SealSecret": &seal, "[]SealSecret": []SealSecret{seal},
		"Options": options, "*Options": &options, "Signer": signer, "Verifier": v, "a field that is not exported": unexported{[]SealSecret{seal}, nil},
		"an error": fmt.Errorf("about %v: %w", key, errors.New("no")),
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "% x", "%10.40s"} {
			requireNoCanary(t, fmt.Sprintf(verb, value), "%s by %s", name, verb)
		}
		requireNoCanary(t, fmt.Sprint(value)+fmt.Sprintln(value), "%s by Print", name)
		var log bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(handler).With("with", value).WithGroup("group").Info("text", "value", value, slog.Any("any", value), slog.Group("g", "v", value))
		}
		requireNoCanary(t, log.String(), "%s by slog", name)
		if name == "Verifier" || name == "a field that is not exported" {
			continue // no encoder sees what is not exported
		}
		text, err := json.Marshal(value)
		require.NoError(t, err, name)
		requireNoCanary(t, string(text), "%s by JSON", name)
		text, err = yaml.Marshal(value)
		require.NoError(t, err, name)
		requireNoCanary(t, string(text), "%s by YAML", name)
	}
	require.Equal(t, "[redacted] [redacted]", fmt.Sprintf("%s %#v", key.Secret, seal))
}

// requireNoCanary looks for the canary as it is and in hexadecimal.
func requireNoCanary(t *testing.T, text, format string, args ...any) {
	t.Helper()
	for _, canary := range []string{printCanary, fmt.Sprintf("%x", printCanary), fmt.Sprintf("%X", printCanary), fmt.Sprintf("% x", printCanary), printCanary[:12]} {
		require.NotContains(t, text, canary, append([]any{format}, args...)...)
	}
}

// A panic with a secret, or with what holds one, shows none either: the runtime
// prints by the same rules, apart from structs, which it does not print.
func TestAPanicShowsNoSecret(t *testing.T) {
	for _, value := range []any{Secret(printCanary), fmt.Errorf("bad %v", Key{Secret: printCanary})} {
		func() {
			defer func() { requireNoCanary(t, fmt.Sprint(recover()), "%T", value) }()
			panic(value)
		}()
	}
}
