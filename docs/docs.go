//go:build generate

// Package docs is the documentation. It is a package only for "go generate
// ./docs", which writes the generated parts; no build sees it.
package docs

//go:generate go run portcullis/internal/errdoc -root ..
