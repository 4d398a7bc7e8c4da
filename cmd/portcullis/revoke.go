package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/engine"
)

func newRevoke(g *globals) *cobra.Command {
	var key, serverURL, issuedBefore string
	var margin bool
	cmd := &cobra.Command{
		Use:   "revoke TARGET...",
		Short: "Revoke tokens of an API key on a running server; exit 1 if a target is refused",
		Long: "Revoke tokens of an API key on a running server. A target is clientId:VALUE, revocationKey:VALUE or\n" +
			"channel:VALUE; \"-\" reads one a line. What is reported as revoked is kept, and refused at once.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "-" {
				args = nil
				if err := eachLine(cmd.InOrStdin(), func(line string) error {
					if line != "" {
						args = append(args, line)
					}
					return nil
				}); err != nil {
					return err
				}
			}
			secret, err := readKey(cmd, key)
			if err != nil {
				return err
			}
			body := map[string]any{"targets": args, "allowReauthMargin": margin}
			if issuedBefore != "" {
				at, err := parseAt(issuedBefore)
				if err != nil {
					return err
				}
				body["issuedBefore"] = at
			}
			results, err := revoke(cmd.Context(), serverURL, secret, body)
			if err != nil {
				return err
			}
			return printRevocations(cmd.OutOrStdout(), g, results)
		},
	}
	f := cmd.Flags()
	f.StringVar(&key, "key", "", keyUsage)
	f.StringVar(&serverURL, "server", "http://127.0.0.1:8080", "the server's URL")
	f.BoolVar(&margin, "margin", false, "give connected clients 30 s to present another token")
	f.StringVar(&issuedBefore, "issued-before", "", "revoke tokens issued before this time of the last hour, unix seconds or RFC 3339 (default: now)")
	return cmd
}

// revocationResult is what became of one target.
type revocationResult struct {
	Target       string           `json:"target"`
	IssuedBefore engine.UnixMilli `json:"issuedBefore,omitempty"`
	AppliesAt    engine.UnixMilli `json:"appliesAt,omitempty"`
	Error        *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// revoke asks a server to revoke. The key travels in the Authorization header.
func revoke(ctx context.Context, serverURL string, key engine.Secret, body any) ([]revocationResult, error) {
	if base, err := url.Parse(serverURL); err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, failf(exitUsage, "--server %q is not an http:// or https:// URL", serverURL)
	}
	name, secret, found := strings.Cut(string(key), ":")
	if !found {
		return nil, failf(exitUsage, "the API key is not of the form appId.keyId:secret")
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fail(exitInternal, err)
	}
	target := strings.TrimSuffix(serverURL, "/") + "/keys/" + url.PathEscape(name) + "/revokeTokens"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(text))
	if err != nil {
		return nil, fail(exitUsage, err)
	}
	request.SetBasicAuth(name, secret)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Ably-Version", "3")
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return nil, fail(exitUnreachable, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, fail(exitUnreachable, err)
	}
	var read struct {
		Results []revocationResult
		Error   *struct {
			Code    int
			Message string
		}
	}
	switch err := json.Unmarshal(answer, &read); {
	case err != nil:
		return nil, failf(exitUnreachable, "the server answered HTTP %d with something that is not Ably's answer", response.StatusCode)
	case response.StatusCode >= 500:
		return nil, failf(exitUnreachable, "the server cannot keep it now: HTTP %d; try again", response.StatusCode)
	case read.Error != nil:
		return nil, failf(exitNegative, "refused: %s (Ably %d, HTTP %d)", read.Error.Message, read.Error.Code, response.StatusCode)
	}
	return read.Results, nil
}

func printRevocations(w io.Writer, g *globals, results []revocationResult) error {
	refused := false
	for _, r := range results {
		refused = refused || r.Error != nil
		switch {
		case g.json:
			printJSON(w, r)
		case r.Error != nil:
			fmt.Fprintf(w, "REFUSED  %s: %s (Ably %d)\n", r.Target, r.Error.Message, r.Error.Code)
		default:
			fmt.Fprintf(w, "REVOKED  %s, tokens issued before %s, from %s on\n", r.Target,
				r.IssuedBefore.Time().Format(time.RFC3339Nano), r.AppliesAt.Time().Format(time.RFC3339Nano))
		}
	}
	if refused {
		return errRefused
	}
	return nil
}
