// Package config reads the configuration: a YAML file, environment variables
// over it, and the flags of serve over both.
//
// The call you want is [Source.Load]. It returns everything that is wrong, not
// only the first fault, each with its place (file:line:column, the environment
// variable or the flag) and its path (apps[0].keys[1].secret). A Config that it
// returns without an error has been checked in full: its keys are accepted by
// the engine, its secret files are read, its certificate is loaded.
//
// [NewKey], [RotateKey] and [DisableKey] change the text of a configuration file
// and leave every byte that they do not mean as it is.
//
// # What is checked, in order
//
// The file's size, encoding and permissions; that it is one YAML document
// without anchors, aliases and tags; every name and value against the types
// below, after environment and flags have been put in; then what concerns several
// values together. Values of no type below are never ignored.
//
// # Concurrency
//
// A Config is not changed after it is returned.
package config
