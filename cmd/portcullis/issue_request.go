package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"portcullis/engine"
)

func newIssueRequest() *cobra.Command {
	var key string
	var p engine.TokenRequestParams
	cmd := &cobra.Command{
		Use:   "request",
		Short: "Sign an Ably TokenRequest and print it as JSON",
		Long: "Sign an Ably TokenRequest and print it as JSON, for POST /keys/{keyName}/requestToken. It is good for two\n" +
			"minutes and for one token. Nothing is signed that a server would refuse whatever its keys.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signer, err := readSigner(cmd, key)
			if err != nil {
				return err
			}
			p.Timestamp = engine.Now()
			request, err := signer.AppendTokenRequest(nil, &p)
			if err != nil {
				return fail(exitUsage, err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), string(request))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&key, "key", "", keyUsage)
	f.StringVar(&p.ClientID, "client-id", "", "the clientId to ask for; * for any")
	f.StringVar(&p.Capability, "capability", "", `what to ask for, such as {"chat:*":["publish","subscribe"]} (default: all that the key has)`)
	f.DurationVar(&p.TTL, "ttl", 0, "the lifetime to ask for, whole milliseconds up to 24h (default: the server's, 1h)")
	return cmd
}
