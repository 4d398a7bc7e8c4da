package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"portcullis/engine"
)

func newIssue(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "issue", Short: "Mint credentials"}
	cmd.AddCommand(newIssueJWT(g), newIssueRequest())
	return needsVerb(cmd)
}

func newIssueJWT(g *globals) *cobra.Command {
	var key string
	var p engine.TokenParams
	var tokenOnly bool
	cmd := &cobra.Command{
		Use:   "jwt",
		Short: "Mint an Ably JWT and print it",
		Long:  "Mint an Ably JWT and print it. Nothing is minted that a server would refuse whatever its keys.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signer, err := readSigner(cmd, key)
			if err != nil {
				return err
			}
			if p.TTL <= 0 {
				return failf(exitUsage, "--ttl %s: a token lives for at least a second", p.TTL)
			}
			p.Issued = engine.Now()
			token, err := signer.AppendJWT(nil, &p)
			if err != nil {
				return fail(exitUsage, err)
			}
			expires := p.Issued - p.Issued%1000
			if expires += engine.UnixMilli(p.TTL.Milliseconds()); p.TTL == 0 {
				expires = expires.Add(engine.DefaultTTL)
			}
			if g.json && !tokenOnly {
				printJSON(cmd.OutOrStdout(), map[string]any{"token": string(token), "keyName": signer.KeyName(), "expires": expires})
				return nil
			}
			fmt.Fprintln(cmd.OutOrStdout(), string(token))
			if !tokenOnly && !g.quiet {
				fmt.Fprintf(cmd.ErrOrStderr(), "signed with %s, good until %s\n", signer.KeyName(), expires.Time().Format(time.RFC3339))
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&key, "key", "", keyUsage)
	f.StringVar(&p.ClientID, "client-id", "", "the client's identity; * for any")
	f.StringVar(&p.Capability, "capability", "", `what the token grants, such as {"chat:*":["publish","subscribe"]} (default: all that the key has)`)
	f.DurationVar(&p.TTL, "ttl", engine.DefaultTTL, "lifetime, whole seconds up to 24h")
	f.StringVar(&p.RevocationKey, "revocation-key", "", "a name to revoke tokens by")
	f.BoolVar(&tokenOnly, "token-only", false, "print the token and nothing else")
	return cmd
}
