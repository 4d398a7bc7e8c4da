package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"portcullis/internal/config"
)

func newConfig(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Write, check and print the configuration",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return failf(exitUsage, "config needs one of init, check, print")
		},
	}
	cmd.AddCommand(newConfigInit(), newConfigCheck(g), newConfigPrint(g))
	return cmd
}

func newConfigInit() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "init [-o FILE]",
		Short: "Write a commented configuration file with a fresh random key",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := config.Starter()
			if path == "" {
				_, err := io.WriteString(cmd.OutOrStdout(), text)
				return err
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if errors.Is(err, os.ErrExist) {
				return failf(exitConfig, "%s is there already, and is left as it is", path)
			}
			if err != nil {
				return fail(exitConfig, err)
			}
			_, err = io.WriteString(f, text)
			if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
				return fail(exitInternal, err)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&path, "output", "o", "", "write to this file, which must not be there yet (default: stdout)")
	return cmd
}

// finding is what config check prints with --json, one object a line.
type finding struct {
	Severity string `json:"severity"` // error or warning
	At       string `json:"at"`       // file:line:column, or the environment variable or flag
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Path     string `json:"path,omitempty"`
	Message  string `json:"message"`
}

func printFinding(w io.Writer, asJSON bool, severity string, p config.Problem) {
	if asJSON {
		printJSON(w, finding{severity, p.At.String(), p.At.File, p.At.Line, p.At.Column, p.Path, p.Message})
		return
	}
	fmt.Fprintf(w, "%s: %v\n", severity, p)
}

func newConfigCheck(g *globals) *cobra.Command {
	var flags configFlags
	var strict bool
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Say everything that is wrong with a configuration; exit 3 if anything is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			source, err := flags.source(cmd)
			if err != nil {
				return err
			}
			c, err := source.Load()
			var problems config.Problems
			if err != nil && !errors.As(err, &problems) {
				return fail(exitConfig, err)
			}
			out := cmd.OutOrStdout()
			for _, p := range problems {
				printFinding(out, g.json, "error", p)
			}
			for _, w := range c.Warnings {
				printFinding(out, g.json, "warning", w)
			}
			if err != nil || strict && len(c.Warnings) > 0 {
				return &exitError{code: exitConfig}
			}
			if !g.json && !g.quiet {
				options, err := c.Options()
				if err != nil {
					return fail(exitConfig, err)
				}
				fmt.Fprintf(out, "%s: good, with %d apps and %d keys\n", source.Path, len(c.Apps), len(options.Keys))
			}
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&strict, "strict", false, "exit 3 for warnings too")
	return cmd
}

// setting is what config print prints with --json, one object a line.
type setting struct {
	Path   string `json:"path"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

func newConfigPrint(g *globals) *cobra.Command {
	var flags configFlags
	var sources bool
	cmd := &cobra.Command{
		Use:   "print -c FILE",
		Short: "Print the configuration as it takes effect, without its secrets",
		Long: "Print the configuration as it takes effect: defaults, file, environment and flags together, secrets\n" +
			"replaced by [redacted].",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, c, err := flags.load(cmd)
			if err != nil {
				return err
			}
			if g.json {
				for _, s := range c.Settings() {
					printJSON(cmd.OutOrStdout(), setting{s.Path, s.Value, s.At.String()})
				}
				return nil
			}
			text, err := c.YAML(sources)
			if err != nil {
				return fail(exitInternal, err)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&sources, "sources", false, "say where each value comes from")
	return cmd
}
