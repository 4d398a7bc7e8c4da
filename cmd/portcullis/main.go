// Command portcullis decides whether a client may connect and what it may then
// do: as a server, and on the command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
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
		fmt.Fprintln(root.ErrOrStderr(), "portcullis:", exit.err)
		if exit.code == exitUsage {
			fmt.Fprintln(root.ErrOrStderr(), "Run 'portcullis --help' for usage.")
		}
	}
	return exit.code
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
	}
	root.PersistentFlags().BoolVar(&g.json, "json", false, "print one JSON object a line")
	root.PersistentFlags().BoolVar(&g.quiet, "quiet", false, "print results only, no progress")
	root.AddCommand(newDev(&g), newServe(&g), newIssue(&g), newVerify(&g), newInspect(&g), newExplain(&g), newCapability(&g), newRevoke(&g),
		newConfig(&g), newKeys(&g), newCompletion(), newMan(), newVersion(&g))
	return root
}
