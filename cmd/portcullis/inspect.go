package main

import (
	"encoding/json"
	"errors"
	"fmt"
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
			header, claims, err := decodeJWT(token)
			if err != nil {
				return fail(exitNegative, err)
			}
			out := cmd.OutOrStdout()
			if g.json {
				printJSON(out, map[string]any{"verified": false, "header": header, "claims": claims})
				return nil
			}
			fmt.Fprintln(out, "NOT VERIFIED: anybody may have written this")
			fmt.Fprintln(out, "header", indent(header))
			fmt.Fprintln(out, "claims", indent(claims))
			for _, name := range []string{"iat", "nbf", "exp"} {
				if at, ok := numericDate(claims, name); ok {
					fmt.Fprintf(out, "%s is %s\n", name, at.UTC().Format(time.RFC3339))
				}
			}
			return nil
		},
	}
}

func decodeJWT(token string) (header, claims json.RawMessage, err error) {
	segments := strings.Split(token, ".")
	if len(segments) == 2 && !strings.Contains(token, ":") {
		return nil, nil, errors.New("an opaque Ably token: there is nothing in it to read for anybody but the server that issued it")
	}
	if len(segments) != 3 {
		return nil, nil, fmt.Errorf("not a JWT: %d segments instead of 3", len(segments))
	}
	parts := [2]json.RawMessage{}
	for i, name := range []string{"header", "claims"} {
		// In any spelling: inspect shows what there is, verify says what is wrong.
		canonical, err := base64url.AppendCanonical(nil, []byte(segments[i]))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		text, err := base64url.AppendDecode(nil, canonical)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		if !json.Valid(text) {
			return nil, nil, errors.New(name + ": not JSON")
		}
		parts[i] = text
	}
	return parts[0], parts[1], nil
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
