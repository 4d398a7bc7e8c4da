// Command errdoc writes the error tables of the documentation from the one table
// that the program itself uses: all of docs/errors.md, and the part of README.md
// between its markers; and docs/oauth-results.md from that of the authorization service.
//
//	go run ./internal/errdoc
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "root of the repository")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "errdoc:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	documents, err := render(root)
	if err != nil {
		return err
	}
	for _, d := range documents {
		have, err := os.ReadFile(d.path)
		if err == nil && bytes.Equal(have, d.text) {
			continue
		}
		if err := os.WriteFile(d.path, d.text, 0o644); err != nil {
			return err
		}
		fmt.Println("wrote", d.path)
	}
	return nil
}

// document is a file as it should be.
type document struct {
	path string
	text []byte
}

// render returns every generated document.
func render(root string) ([]document, error) {
	readme := filepath.Join(root, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		return nil, err
	}
	text, err = between(text, readmeTable())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", readme, err)
	}
	return []document{
		{readme, text},
		{filepath.Join(root, "docs", "errors.md"), errorsPage()},
		{filepath.Join(root, "docs", "oauth-results.md"), resultsPage()},
	}, nil
}
