package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"portcullis/capability"
	"portcullis/engine"
	"portcullis/internal/config"
)

func newKeys(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, rotate, disable and list API keys",
		Long: "Make, rotate, disable and list API keys. The verbs that change a configuration file leave everything\n" +
			"else in it as it is, comments too, and change nothing when the result would not load. A running server\n" +
			"takes the change over by itself.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return failf(exitUsage, "keys needs one of new, rotate, disable, list")
		},
	}
	cmd.AddCommand(newKeysNew(g), newKeysRotate(g), newKeysDisable(g), newKeysList(g))
	return cmd
}

func newKeysNew(g *globals) *cobra.Command {
	var path, grants string
	var request config.KeyRequest
	cmd := &cobra.Command{
		Use:   "new --app APP -c FILE",
		Short: "Add a key with a random secret to an app, and print it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			source, err := fileSource(cmd, path)
			if err != nil {
				return err
			}
			if request.App == "" {
				return failf(exitUsage, "keys new needs --app APP")
			}
			if grants != "" {
				if request.Capability, err = capability.Parse([]byte(grants)); err != nil {
					return failf(exitUsage, "--capability: %w", err)
				}
			}
			key, err := source.NewKey(request)
			return printNewKey(cmd, g, key, err)
		},
	}
	addConfigFlag(cmd, &path)
	cmd.Flags().StringVar(&request.App, "app", "", "the app's id")
	cmd.Flags().StringVar(&request.ID, "id", "", "the key's id (default: random)")
	cmd.Flags().StringVar(&grants, "capability", "", `what the key grants, as JSON (default: {"*":["*"]})`)
	cmd.Flags().BoolVar(&request.RevocableTokens, "revocable-tokens", false, "tokens can be revoked, and live for at most tokens.revocable_max_ttl")
	return cmd
}

func newKeysRotate(g *globals) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "rotate APP.KEY -c FILE",
		Short: "Add a key like this one, print it, and make this one verify_only",
		Long: "Add a key with the same rights beside the named one, print it, and make the named one verify_only:\n" +
			"tokens that are signed with it go on to verify, the key itself is refused. Once the last of its\n" +
			"tokens has expired, disable it or take it out.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := fileSource(cmd, path)
			if err != nil {
				return err
			}
			key, err := source.RotateKey(args[0])
			return printNewKey(cmd, g, key, err)
		},
	}
	addConfigFlag(cmd, &path)
	return cmd
}

// printNewKey prints a key that was just made: this is the one time that it is
// shown.
func printNewKey(cmd *cobra.Command, g *globals, key engine.Secret, err error) error {
	if err != nil {
		return failEdit(err)
	}
	if g.json {
		printJSON(cmd.OutOrStdout(), map[string]string{"key": string(key)})
		return nil
	}
	fmt.Fprintln(cmd.OutOrStdout(), string(key))
	return nil
}

func newKeysDisable(g *globals) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "disable APP.KEY -c FILE",
		Short: "Disable a key: it and all its tokens are refused",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := fileSource(cmd, path)
			if err != nil {
				return err
			}
			changed, err := source.DisableKey(args[0])
			switch {
			case err != nil:
				return failEdit(err)
			case g.json:
				printJSON(cmd.OutOrStdout(), map[string]any{"keyName": args[0], "state": "disabled", "changed": changed})
			case changed && !g.quiet:
				fmt.Fprintf(cmd.OutOrStdout(), "%s is disabled\n", args[0])
			case !g.quiet:
				fmt.Fprintf(cmd.OutOrStdout(), "%s was disabled already\n", args[0])
			}
			return nil
		},
	}
	addConfigFlag(cmd, &path)
	return cmd
}

// failEdit is the end of a verb that could not change a file.
func failEdit(err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return err
	}
	return fail(exitConfig, err)
}
