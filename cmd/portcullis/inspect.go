package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/base64url"
)

func newInspect(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "inspect TOKEN|@FILE|-",
		Short: "Decode a JWT without verifying it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := readArgument(cmd, args[0])
			if err != nil {
				return err
			}
			jwt, err := decodeJWT(token)
			if err != nil {
				return fail(exitNegative, err)
			}
			out := cmd.OutOrStdout()
			if g.json {
				printJSON(out, struct {
					Verified bool `json:"verified"`
					*decoded
				}{false, jwt})
				return nil
			}
			fmt.Fprintln(out, "NOT VERIFIED: anybody may have written this")
			jwt.print(out)
			return nil
		},
	}
}

// decoded is what there is to read of a JWT.
type decoded struct {
	Header  json.RawMessage `json:"header"`
	Claims  json.RawMessage `json:"claims,omitempty"` // none of an encrypted one
	Carries *decoded        `json:"carries,omitempty"`
}

func (d *decoded) print(out io.Writer) {
	fmt.Fprintln(out, "header", indent(d.Header))
	if d.Claims == nil {
		fmt.Fprintln(out, "claims are encrypted")
	} else {
		fmt.Fprintln(out, "claims", indent(d.Claims))
	}
	for _, name := range []string{"iat", "nbf", "exp"} {
		if at, ok := numericDate(d.Claims, name); ok {
			fmt.Fprintf(out, "%s is %s\n", name, at.UTC().Format(time.RFC3339))
		}
	}
	if d.Carries != nil {
		fmt.Fprintln(out, "x-ably-token carries a token, the one that counts:")
		d.Carries.print(out)
	}
}

// decodeJWT decodes a JWT, and the one that it carries, if it does.
func decodeJWT(token string) (*decoded, error) {
	d, err := decodeSegments(token)
	if err != nil {
		return nil, err
	}
	for _, part := range []json.RawMessage{d.Header, d.Claims} {
		var carrier struct {
			Token string `json:"x-ably-token"`
		}
		if d.Carries == nil && json.Unmarshal(part, &carrier) == nil && carrier.Token != "" {
			d.Carries, _ = decodeSegments(carrier.Token) // an opaque one has nothing to read
		}
	}
	return d, nil
}

func decodeSegments(token string) (*decoded, error) {
	segments := strings.Split(token, ".")
	if len(segments) == 2 && !strings.Contains(token, ":") {
		return nil, errors.New("an opaque Ably token: there is nothing in it to read for anybody but the server that issued it")
	}
	readable := []string{"header", "claims"}
	switch len(segments) {
	case 3:
	case 5:
		readable = readable[:1] // a JWE (RFC 7516)
	default:
		return nil, fmt.Errorf("not a JWT: %d segments instead of 3", len(segments))
	}
	parts := [2]json.RawMessage{}
	for i, name := range readable {
		// In any spelling: inspect shows what there is, verify says what is wrong.
		canonical, err := base64url.AppendCanonical(nil, []byte(segments[i]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		text, err := base64url.AppendDecode(nil, canonical)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !json.Valid(text) {
			return nil, errors.New(name + ": not JSON")
		}
		parts[i] = text
	}
	return &decoded{Header: parts[0], Claims: parts[1]}, nil
}

func indent(raw json.RawMessage) string {
	text, err := json.MarshalIndent(raw, "", "  ")
	if err != nil {
		return string(raw)
	}
	return string(text)
}

func numericDate(claims json.RawMessage, name string) (time.Time, bool) {
	var all map[string]json.RawMessage
	var seconds float64
	if json.Unmarshal(claims, &all) != nil || json.Unmarshal(all[name], &seconds) != nil || seconds > 1e11 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(seconds * 1000)), true
}
