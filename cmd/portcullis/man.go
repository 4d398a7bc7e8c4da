package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "man [VERB]",
		Short: "Print a manual page, or write all of them to a directory",
		Long:  "Print the manual page of the program, or of one of its verbs. With -o, write the pages of all of them.",
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			if dir == "" {
				page, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return failf(exitUsage, "there is no verb %q", strings.Join(args, " "))
				}
				text, err := manPage(page)
				if err != nil {
					return fail(exitInternal, err)
				}
				_, err = cmd.OutOrStdout().Write(text)
				return err
			}
			if len(args) > 0 {
				return failf(exitUsage, "-o writes every page, so it goes with no verb")
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fail(exitUsage, err)
			}
			return writeManPages(root, dir)
		},
	}
	cmd.Flags().StringVarP(&dir, "output", "o", "", "write every page to this directory")
	return cmd
}

func writeManPages(cmd *cobra.Command, dir string) error {
	text, err := manPage(cmd)
	if err != nil {
		return fail(exitInternal, err)
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
		return fail(exitUsage, err)
	}
	var failed error
	for _, child := range cmd.Commands() {
		if child.IsAvailableCommand() && !child.IsAdditionalHelpTopicCommand() {
			failed = errors.Join(failed, writeManPages(child, dir))
		}
	}
	return failed
}

// manPage returns the page of a command. It bears no date, so that the same
// version always has the same pages.
func manPage(cmd *cobra.Command) ([]byte, error) {
	cmd.InitDefaultHelpFlag()
	cmd.DisableAutoGenTag = true
	var noDate time.Time
	var page bytes.Buffer
	header := &doc.GenManHeader{Title: strings.ToUpper(strings.ReplaceAll(cmd.CommandPath(), " ", "-")), Section: "1", Source: "Portcullis", Date: &noDate}
	if err := doc.GenMan(cmd, header, &page); err != nil {
		return nil, err
	}
	return bytes.Replace(page.Bytes(), []byte(`"`+noDate.Format("Jan 2006")+`"`), []byte(`""`), 1), nil
}
