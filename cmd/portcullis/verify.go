package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/admission"
	"portcullis/engine"
)

func newVerify(g *globals) *cobra.Command {
	var q question
	var key, configPath, serverURL, at string
	cmd := &cobra.Command{
		Use:   "verify [TOKEN|@FILE|-]",
		Short: "Say whether a token is admitted; exit 0 if it is, 1 if it is not",
		Long: "Say whether a token is admitted, by the keys of a configuration file (-c), by one API key (--key),\n" +
			"or by a running server (--server). \"-\" reads one token a line and gives one verdict a line, in order.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			decide, err := newDecider(cmd, &q, key, configPath, serverURL, at)
			if err != nil {
				return err
			}
			refused := false
			one := func(token string) error {
				d, err := decide(cmd.Context(), token)
				if err != nil {
					return err
				}
				refused = refused || !d.Admitted
				d.print(cmd.OutOrStdout(), g.json)
				return nil
			}
			if len(args) == 0 || args[0] == "-" {
				tellWhoWaits(cmd, "tokens")
				err = eachLine(cmd.InOrStdin(), one)
			} else {
				var token string
				if token, err = readArgument(cmd, args[0]); err == nil {
					err = one(token)
				}
			}
			if err == nil && refused {
				return errRefused
			}
			return err
		},
	}
	q.flags(cmd)
	cmd.Flags().StringVar(&key, "key", "", keyUsage)
	cmd.Flags().StringVarP(&configPath, "config", "c", "", "verify with the keys of this configuration file")
	cmd.Flags().StringVar(&serverURL, "server", "", "ask the server at this URL")
	cmd.Flags().StringVar(&at, "at", "", "the verdict at this time, unix seconds or RFC 3339 (not with --server)")
	cmd.MarkFlagsMutuallyExclusive("config", "server", "key")
	cmd.MarkFlagsMutuallyExclusive("at", "server")
	return cmd
}

type decider func(ctx context.Context, token string) (verdict, error)

func newDecider(cmd *cobra.Command, q *question, key, configPath, serverURL, at string) (decider, error) {
	if _, err := q.operation(); err != nil {
		return nil, err
	}
	if serverURL != "" {
		return newRemoteDecider(q, serverURL)
	}
	now, err := parseAt(at)
	if err != nil {
		return nil, err
	}
	v, err := newLocalVerifier(cmd, configPath, key)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, token string) (verdict, error) {
		if err := judgeable(v, token); err != nil {
			return verdict{}, err
		}
		return decideLocally(v, []byte(token), q, now)
	}, nil
}

// newRemoteDecider asks a running server. The token travels in the Authorization
// header, never in the URL.
func newRemoteDecider(q *question, serverURL string) (decider, error) {
	base, err := url.Parse(serverURL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, failf(exitUsage, "--server %q is not an http:// or https:// URL", serverURL)
	}
	query := url.Values{}
	for name, value := range map[string]string{"channel": q.channel, "op": q.op, "clientId": q.clientID} {
		if value != "" {
			query.Set(name, value)
		}
	}
	target := strings.TrimSuffix(serverURL, "/") + "/v1/admit?" + query.Encode()
	client := &http.Client{Timeout: 10 * time.Second}
	return func(ctx context.Context, token string) (verdict, error) {
		return ask(ctx, client, target, token)
	}, nil
}

// ask makes one admission request.
func ask(ctx context.Context, client *http.Client, target, token string) (verdict, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return verdict{}, fail(exitUsage, err)
	}
	request.Header.Set("Authorization", "Bearer "+base64.StdEncoding.EncodeToString([]byte(token)))
	response, err := client.Do(request)
	if err != nil {
		return verdict{}, fail(exitUnreachable, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return verdict{}, fail(exitUnreachable, err)
	}
	var answer struct {
		admission.Verdict
		Error *struct {
			Code, StatusCode int
			Message          string
		}
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return verdict{}, failf(exitUnreachable, "the server answered HTTP %d with something that is not Portcullis' answer", response.StatusCode)
	}
	switch {
	case response.StatusCode >= 500:
		return verdict{}, failf(exitUnreachable, "the server cannot decide: HTTP %d", response.StatusCode)
	case answer.Error != nil && answer.Error.Message == engine.ErrNotFound.Message:
		return verdict{}, failf(exitUnreachable, "there is no /v1/admit: is --server the base URL of the public listener?")
	case answer.Error != nil:
		return verdict{admission.Verdict{
			Code: answer.Error.Code, StatusCode: answer.Error.StatusCode, Message: answer.Error.Message,
			Reason: reasonFor(answer.Error.Code, answer.Error.Message),
		}}, nil
	case !answer.Admitted:
		return verdict{}, failf(exitUnreachable, "the server answered HTTP %d without a verdict", response.StatusCode)
	}
	return verdict{answer.Verdict}, nil
}
