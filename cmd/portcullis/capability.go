package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"portcullis/capability"
)

func newCapability(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "capability", Short: "Match, intersect and check capabilities"}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "match CAPABILITY CHANNEL OP",
			Short: "Say whether a capability grants an operation on a channel; exit 0 if it does, 1 if not",
			Args:  cobra.ExactArgs(3),
			RunE:  func(cmd *cobra.Command, args []string) error { return matchCapability(cmd, g, args) },
		},
		&cobra.Command{
			Use:   "intersect CAPABILITY CAPABILITY",
			Short: "Print what two capabilities have in common; exit 1 if nothing",
			Args:  cobra.ExactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error {
				a, err := parseCapability(cmd, args[0])
				if err != nil {
					return err
				}
				b, err := parseCapability(cmd, args[1])
				if err != nil {
					return err
				}
				return printSet(cmd, capability.Intersect(a, b))
			},
		},
		&cobra.Command{
			Use:   "lint CAPABILITY|@FILE|-",
			Short: "Check a capability and print its canonical text",
			Args:  cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				set, err := parseCapability(cmd, args[0])
				if err != nil {
					return err
				}
				return printSet(cmd, set)
			},
		},
	)
	return needsVerb(cmd)
}

// printSet prints canonical text, which is JSON already.
func printSet(cmd *cobra.Command, set *capability.Set) error {
	fmt.Fprintln(cmd.OutOrStdout(), set)
	if set.Len() == 0 {
		return failf(exitNegative, "this grants nothing")
	}
	return nil
}

func parseCapability(cmd *cobra.Command, argument string) (*capability.Set, error) {
	text, err := readArgument(cmd, argument)
	if err != nil {
		return nil, err
	}
	set, err := capability.Parse([]byte(text))
	if err != nil {
		return nil, fail(exitNegative, err)
	}
	return set, nil
}

func matchCapability(cmd *cobra.Command, g *globals, args []string) error {
	set, err := parseCapability(cmd, args[0])
	if err != nil {
		return err
	}
	channel, err := capability.ParseChannel([]byte(args[1]))
	if err != nil {
		return fail(exitUsage, err)
	}
	op, err := parseOp(args[2])
	if err != nil {
		return err
	}
	granted := set.Compile().OpsOn(channel)
	if g.json {
		printJSON(cmd.OutOrStdout(), map[string]any{"granted": granted&op != 0, "operations": granted.String()})
	} else {
		for _, r := range set.Trace(channel, op) {
			mark := "·"
			if r.Grants {
				mark = "✓"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s %q %s: %s\n", mark, r.Resource, r.Ops, r.Why)
		}
	}
	if granted&op == 0 {
		return errRefused
	}
	return nil
}
