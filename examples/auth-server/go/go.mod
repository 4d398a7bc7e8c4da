module portcullis/examples/auth-server

go 1.26.4

require portcullis v0.0.0

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/dgraph-io/ristretto/v2 v2.4.2 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	golang.org/x/crypto v0.57.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
)

// The module path of Portcullis has no dot, so it is found beside this one.
replace portcullis => ../../..
