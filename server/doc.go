// Package server answers admission over HTTP: it finds the credential in a
// request, asks package admission, and writes the verdict as Ably does.
//
// It holds no policy: what is admitted is decided by packages engine and
// admission, and every refusal is one of the engine's ErrorInfo values, whose
// bodies are encoded once at start.
//
// The two calls you want are [New] and [Server.Serve].
//
// # Concurrency
//
// A Server is safe for concurrent use.
package server
