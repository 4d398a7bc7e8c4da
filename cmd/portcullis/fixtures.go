package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portcullis/internal/conformance"
	"portcullis/internal/vectors"
)

func newFixtures(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "fixtures", Short: "Hold a server against good and bad credentials with known answers"}
	cmd.AddCommand(newFixturesRun(g), newFixturesConfig(g))
	return needsVerb(cmd)
}

// deviation is what fixtures run prints without --json about an answer that
// differs.
func deviation(r conformance.Result) string {
	show := func(a conformance.Answer) string {
		if a.Code == 0 {
			return fmt.Sprintf("HTTP %d", a.Status)
		}
		return fmt.Sprintf("%d/%d", a.Code, a.Status)
	}
	return fmt.Sprintf("DEVIATES  %s  want %s, got %s  (%s)", r.Name, show(r.Want), show(r.Got), r.Comment)
}

func newFixturesRun(g *globals) *cobra.Command {
	var serverURL, surface string
	cmd := &cobra.Command{
		Use:   "run --server URL",
		Short: "Present good and bad credentials to a server; exit 0 if every answer is right, 1 if one is not",
		Long: "Present good and bad API keys and tokens to a server that speaks Ably's REST protocol, and compare status\n" +
			"and error code with those that each must get. Only answers that differ are printed; with --json, all.\n\n" +
			"The server must know the fixture keys, which fixtures config prints, accept API keys over the URL's\n" +
			"transport, answer GET /time, and not limit how often a token is refused. The credentials are made for\n" +
			"the time that the server tells.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			base, err := url.Parse(serverURL)
			if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
				return failf(exitUsage, "--server %q is not an http:// or https:// URL", serverURL)
			}
			where := conformance.Surface(surface)
			if where != conformance.Ably && where != conformance.Admit {
				return failf(exitUsage, "--surface %q: there are ably and admit", surface)
			}
			client := &http.Client{
				Timeout:       10 * time.Second,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			}
			defer client.CloseIdleConnections()
			out := cmd.OutOrStdout()
			report, err := conformance.Run(cmd.Context(), conformance.Options{
				Client: client, Server: strings.TrimSuffix(serverURL, "/"), Surface: where,
			}, func(r conformance.Result) {
				switch {
				case g.json:
					printJSON(out, r)
				case !r.OK:
					fmt.Fprintln(out, deviation(r))
				}
			})
			switch {
			case errors.Is(err, conformance.ErrUnreachable):
				return fail(exitUnreachable, err)
			case err != nil:
				return fail(exitInternal, err)
			}
			if !g.quiet {
				fmt.Fprintf(cmd.ErrOrStderr(), "%d sent, %d deviations; not sent: %d that need a moment of their own, %d that this surface cannot ask, %d too long for a request\n",
					report.Sent, report.Deviations, report.Unsent["moment"], report.Unsent["surface"], report.Unsent["head"])
			}
			if report.Deviations > 0 {
				return errRefused
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&serverURL, "server", "", "base URL of the server's public listener")
	cmd.Flags().StringVar(&surface, "surface", string(conformance.Ably), "ably: the REST endpoints of every Ably-compatible server; admit: Portcullis' /v1/admit, which answers for more operations")
	_ = cmd.MarkFlagRequired("server")
	return cmd
}

// fixtureKey is what fixtures config prints with --json, one object a line. The
// secrets are published, so they are shown.
type fixtureKey struct {
	Name            string `json:"keyName"`
	Secret          string `json:"secret"`
	Capability      string `json:"capability"`
	RevocableTokens bool   `json:"revocableTokens"`
	State           string `json:"state"`
	NotAfter        int64  `json:"notAfter,omitempty"` // Unix milliseconds
}

func newFixturesConfig(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the configuration that a server needs for fixtures run",
		Long: "Print the configuration with which portcullis serve knows the fixture keys; with --json, the keys alone,\n" +
			"one a line, for a server of another kind.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !g.json {
				_, err := cmd.OutOrStdout().Write(conformance.Configuration())
				return err
			}
			for _, k := range vectors.Keys() {
				if k.Capability == "" {
					k.Capability = `{"*":["*"]}`
				}
				printJSON(cmd.OutOrStdout(), fixtureKey(k))
			}
			return nil
		},
	}
}
