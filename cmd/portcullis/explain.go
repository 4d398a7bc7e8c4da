package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"portcullis/admission"
	"portcullis/capability"
	"portcullis/engine"
	"portcullis/internal/vectors"
)

func newExplain(g *globals) *cobra.Command {
	var q question
	var key, configPath, at, sample string
	cmd := &cobra.Command{
		Use:   "explain [TOKEN|KEY|@FILE|-]",
		Short: "Show every check of a verdict in order, and the fix",
		Long: "Show every check of a verdict in order, the capability rule that matched or why none did, and the fix.\n" +
			"The checks are those of verification, without its cache.\n\nSamples: " + strings.Join(vectors.SampleNames(), ", "),
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if sample != "" {
				if len(args) > 0 {
					return failf(exitUsage, "give a token or --sample, not both")
				}
				return explainSample(cmd, g, sample)
			}
			if len(args) == 0 {
				return failf(exitUsage, "give a token, or --sample with one of: %s", strings.Join(vectors.SampleNames(), ", "))
			}
			now, err := parseAt(at)
			if err != nil {
				return err
			}
			token, err := readArgument(cmd, args[0])
			if err != nil {
				return err
			}
			v, err := newLocalVerifier(cmd, configPath, key)
			if err != nil {
				return err
			}
			if err := judgeable(v, token); err != nil {
				return err
			}
			return explain(cmd, g, v, token, &q, now)
		},
	}
	q.flags(cmd)
	cmd.Flags().StringVar(&key, "key", "", keyUsage)
	cmd.Flags().StringVarP(&configPath, "config", "c", "", "explain with the keys of this configuration file")
	cmd.Flags().StringVar(&at, "at", "", "the verdict at this time, unix seconds or RFC 3339")
	cmd.Flags().StringVar(&sample, "sample", "", "explain a built-in sample")
	cmd.MarkFlagsMutuallyExclusive("config", "key", "sample")
	return cmd
}

func explainSample(cmd *cobra.Command, g *globals, name string) error {
	s, err := vectors.Sample(name)
	if err != nil {
		return fail(exitUsage, err)
	}
	keys, err := vectors.EngineKeys(s.KeySet())
	if err != nil {
		return fail(exitInternal, err)
	}
	v, err := engine.NewVerifier(engine.Options{Keys: keys, Tokens: engine.TokenRules{AllowWeakSecrets: true}})
	if err != nil {
		return fail(exitInternal, err)
	}
	q := question{channel: s.Channel, op: s.Op, clientID: s.ClientID}
	return explain(cmd, g, v, string(s.Token), &q, engine.UnixMilli(s.Now))
}

func explain(cmd *cobra.Command, g *globals, v *engine.Verifier, token string, q *question, now engine.UnixMilli) error {
	op, err := q.operation()
	if err != nil {
		return err
	}
	var x *engine.Explanation
	if strings.Contains(token, ":") { // which no token holds and every key does
		x = v.ExplainKey([]byte(token), now)
	} else {
		x = v.ExplainToken([]byte(token), now)
	}
	peer := admission.Peer{ClientID: []byte(q.clientID)}
	rules := admission.Explain(x, peer, []byte(q.channel), op)
	if g.json {
		printJSON(cmd.OutOrStdout(), admission.NewReport(x, peer, rules))
	} else {
		printExplanation(cmd.OutOrStdout(), x, rules)
	}
	if x.Err != nil {
		return errRefused
	}
	return nil
}

var marks = [...]string{engine.NotReached: "·", engine.Passed: "✓", engine.Failed: "✗"}

// printExplanation prints the checks for people.
func printExplanation(w io.Writer, x *engine.Explanation, rules []capability.RuleTrace) {
	paint := painter(w)
	if x.Err == nil {
		fmt.Fprintln(w, paint("32", "ADMITTED"))
	} else {
		fmt.Fprintf(w, "%s  %s  (Ably %d, HTTP %d)\n", paint("31", "REFUSED"), x.Err.Reason(), x.Err.Code, x.Err.StatusCode)
	}
	for i, c := range x.Checks {
		color := [...]string{engine.NotReached: "2", engine.Passed: "32", engine.Failed: "31"}[c.Outcome]
		fmt.Fprintf(w, "%3d %s %-16s %s\n", i+1, paint(color, marks[c.Outcome]), c.Step, c.Detail)
	}
	for i, r := range rules {
		mark := marks[engine.NotReached]
		if r.Grants {
			mark = marks[engine.Passed]
		}
		fmt.Fprintf(w, "      %s rule %d  %q %s: %s\n", mark, i+1, r.Resource, r.Ops, r.Why)
	}
	if x.Err != nil {
		fmt.Fprintf(w, "Fix: %s\n", x.Err.Fix())
	}
}

// painter returns a function that colours text, or not where w is not a terminal
// or NO_COLOR is set.
func painter(w io.Writer) func(color, text string) string {
	f, isFile := w.(*os.File)
	if isFile && os.Getenv("NO_COLOR") == "" {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return func(color, text string) string { return "\x1b[" + color + "m" + text + "\x1b[0m" }
		}
	}
	return func(_, text string) string { return text }
}
