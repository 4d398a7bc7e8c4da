package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"portcullis/engine"
	"portcullis/internal/config"
)

// listedKey is what keys list tells about a key. There is no secret in it.
type listedKey struct {
	KeyName         string `json:"keyName"`
	State           string `json:"state,omitempty"`
	Capability      string `json:"capability,omitempty"`
	RevocableTokens *bool  `json:"revocableTokens,omitempty"`
	NotAfter        string `json:"notAfter,omitempty"`
	LastUsed        string `json:"lastUsed,omitempty"`
}

func newKeysList(g *globals) *cobra.Command {
	var path, serverURL, token string
	cmd := &cobra.Command{
		Use:   "list [-c FILE] [--server URL]",
		Short: "List the keys of a configuration file, and when a running server last admitted them",
		Long: "List the keys of a configuration file (-c). With --server, the URL of a running server's admin\n" +
			"listener, also when each was last admitted; without -c only keys that were, and how many keys\n" +
			"there are in each state: that is what a server's metrics tell.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" && serverURL == "" {
				return failf(exitUsage, "keys list needs -c FILE or --server URL")
			}
			var keys []listedKey
			if path != "" {
				source, err := fileSource(cmd, path)
				if err != nil {
					return err
				}
				c, err := source.Load()
				if err != nil {
					return fail(exitConfig, err)
				}
				keys = keysOf(&c)
			}
			var states map[string]float64
			if serverURL != "" {
				bearer, err := readArgument(cmd, token)
				if err != nil {
					return err
				}
				used, counts, err := scrapeKeys(cmd.Context(), serverURL, engine.Secret(bearer))
				if err != nil {
					return err
				}
				if path == "" {
					states = counts
					for _, name := range slices.Sorted(maps.Keys(used)) {
						keys = append(keys, listedKey{KeyName: name})
					}
				}
				for i := range keys {
					if at, ok := used[keys[i].KeyName]; ok {
						keys[i].LastUsed = time.Unix(int64(at), 0).UTC().Format(time.RFC3339)
					}
				}
			}
			printKeys(cmd.OutOrStdout(), g, keys, states)
			return nil
		},
	}
	addConfigFlag(cmd, &path)
	cmd.Flags().StringVar(&serverURL, "server", "", "URL of a server's admin listener, such as http://127.0.0.1:8090")
	cmd.Flags().StringVar(&token, "admin-token", "", "the admin token: @FILE, or - for stdin")
	return cmd
}

func keysOf(c *config.Config) []listedKey {
	var keys []listedKey
	for _, app := range c.Apps {
		for _, k := range app.Keys {
			keys = append(keys, listedKey{
				KeyName: app.ID + "." + k.ID, State: k.State.String(), Capability: k.Capability.String(),
				RevocableTokens: &k.RevocableTokens, NotAfter: k.NotAfter.String(),
			})
		}
	}
	return keys
}

func printKeys(out io.Writer, g *globals, keys []listedKey, states map[string]float64) {
	if g.json {
		for _, k := range keys {
			printJSON(out, k)
		}
		if states != nil {
			printJSON(out, map[string]any{"states": states})
		}
		return
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if states == nil {
		fmt.Fprintln(table, "KEY\tSTATE\tLAST USED\tNOT AFTER\tREVOCABLE\tCAPABILITY")
		for _, k := range keys {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%t\t%s\n", k.KeyName, k.State, dash(k.LastUsed), dash(k.NotAfter), *k.RevocableTokens, k.Capability)
		}
	} else {
		fmt.Fprintln(table, "KEY\tLAST USED")
		for _, k := range keys {
			fmt.Fprintf(table, "%s\t%s\n", k.KeyName, k.LastUsed)
		}
	}
	_ = table.Flush()
	for _, state := range slices.Sorted(maps.Keys(states)) {
		fmt.Fprintf(out, "%v keys are %s\n", states[state], state)
	}
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// scrapeKeys reads what the metrics of an admin listener tell about keys: when
// each was last admitted, and how many there are in each state.
func scrapeKeys(ctx context.Context, serverURL string, token engine.Secret) (used, states map[string]float64, err error) {
	base, err := url.Parse(serverURL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, nil, failf(exitUsage, "--server %q is not an http:// or https:// URL", serverURL)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(serverURL, "/")+"/metrics", nil)
	if err != nil {
		return nil, nil, fail(exitUsage, err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+string(token))
	}
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, fail(exitUnreachable, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	switch {
	case err != nil:
		return nil, nil, fail(exitUnreachable, err)
	case response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden:
		return nil, nil, failf(exitUnreachable, "the server wants its admin token: give --admin-token @FILE")
	case response.StatusCode != http.StatusOK:
		return nil, nil, failf(exitUnreachable, "%s/metrics answered HTTP %d: is it the admin listener?", serverURL, response.StatusCode)
	}
	used, states = make(map[string]float64), make(map[string]float64)
	for line := range strings.Lines(string(body)) {
		if name, value, ok := sample(line, "portcullis_key_last_used_timestamp_seconds", "key_name"); ok {
			used[name] = value
		}
		if state, value, ok := sample(line, "portcullis_keys", "state"); ok {
			states[state] = value
		}
	}
	if len(states) == 0 {
		return nil, nil, failf(exitUnreachable, "%s/metrics has no portcullis_keys: is it Portcullis' admin listener?", serverURL)
	}
	return used, states, nil
}

var labelUnescaper = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")

// sample reads one line of the Prometheus text format, of a metric with a single
// label: name{label="value"} number.
func sample(line, metric, label string) (labelValue string, value float64, ok bool) {
	rest, ok := strings.CutPrefix(line, metric+"{"+label+`="`)
	end := strings.LastIndex(rest, `"} `)
	if !ok || end < 0 {
		return "", 0, false
	}
	if _, err := fmt.Sscan(rest[end+len(`"} `):], &value); err != nil {
		return "", 0, false
	}
	return labelUnescaper.Replace(rest[:end]), value, true
}
