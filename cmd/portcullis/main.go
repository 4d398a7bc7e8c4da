// Command portcullis decides whether a client may connect and what it may then
// do: as a server, and on the command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"portcullis/internal/nearest"
)

// Exit codes, a contract with scripts.
const (
	exitNegative    = 1 // refused
	exitUsage       = 2
	exitConfig      = 3
	exitUnreachable = 4 // cannot reach or bind
	exitInternal    = 5
)

// exitError is an error that ends the program with a code.
type exitError struct {
	code int
	err  error // nil: nothing to print, the verdict says it all
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "refused"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func fail(code int, err error) error { return &exitError{code, err} }

func failf(code int, format string, args ...any) error {
	return fail(code, fmt.Errorf(format, args...))
}

// errRefused ends the program for a negative verdict that is already printed.
var errRefused = &exitError{code: exitNegative}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{exitUsage, err} // cobra's own errors are all of usage
	}
	if exit.err != nil {
		fmt.Fprintln(root.ErrOrStderr(), "portcullis:", withoutSecrets(exit.err.Error()))
		if exit.code == exitUsage {
			fmt.Fprintln(root.ErrOrStderr(), "Run 'portcullis help VERB' for usage.")
		}
	}
	return exit.code
}

// keyText finds what looks like an API key, appId.keyId:secret.
var keyText = regexp.MustCompile(`([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+):[A-Za-z0-9_+=-]{12,}`)

// withoutSecrets keeps an API key that was given in a wrong place from being
// printed, and so from ending up in the logs of whoever ran the command.
func withoutSecrets(message string) string { return keyText.ReplaceAllString(message, "$1:[redacted]") }

// needsVerb makes a command that has only further verbs refuse to run without a
// known one.
func needsVerb(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		var verbs []string
		for _, c := range cmd.Commands() {
			verbs = append(verbs, c.Name())
		}
		if len(args) == 0 {
			return failf(exitUsage, "%s needs one of: %s", cmd.CommandPath(), strings.Join(verbs, ", "))
		}
		if near := nearest.Name(args[0], verbs); near != "" {
			return failf(exitUsage, "%s has no verb %q: did you mean %s?", cmd.CommandPath(), args[0], near)
		}
		return failf(exitUsage, "%s has no verb %q; there are: %s", cmd.CommandPath(), args[0], strings.Join(verbs, ", "))
	}
	cmd.RunE = func(*cobra.Command, []string) error { return nil } // never reached: Args always refuses
	return cmd
}

// globals are the flags of every verb.
type globals struct {
	json  bool
	quiet bool
}

func newRoot() *cobra.Command {
	var g globals
	root := &cobra.Command{
		Use:           "portcullis",
		Short:         "Decide whether a client may connect and what it may then do",
		SilenceErrors: true,
		SilenceUsage:  true,
		// A flag that is given and empty is most often a variable that was not set;
		// taken for "not given" it could mint a token with all that a key has.
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) (err error) {
			cmd.Flags().Visit(func(f *pflag.Flag) {
				if f.Value.String() == "" && err == nil {
					err = failf(exitUsage, "--%s is empty: leave it out, or give a value", f.Name)
				}
			})
			return err
		},
	}
	root.PersistentFlags().BoolVar(&g.json, "json", false, "print one JSON object a line")
	root.PersistentFlags().BoolVar(&g.quiet, "quiet", false, "print results only, no progress")
	root.AddCommand(newDev(&g), newServe(&g), newIssue(&g), newVerify(&g), newInspect(&g), newExplain(&g), newCapability(&g), newRevoke(&g), newFixtures(&g),
		newConfig(&g), newKeys(&g), newCompletion(), newMan(), newVersion(&g))
	return root
}
