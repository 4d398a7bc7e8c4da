// Package e2e holds tests that build and start the real program, and speak to it
// as strangers do: with tokens minted by libraries that are not ours, over real
// connections, by its command line and its signals.
//
// Nothing of Portcullis is compiled in. What the tests expect, they take from
// Ably's error codes, RFC 7519 and the names that the program promises.
//
// The unmodified Ably SDK runs in Node.js: js/ably.mjs does what a test tells it and
// reports what came of it, and js/realtime.mjs plays scenes of several clients, each
// behind a proxy that records its wire. The servers under ../examples/auth-server are run too.
//
// The Node libraries are installed from js/package-lock.json with `npm ci`, the
// interpreters of samples/ by tools/install.sh; a test that needs them fails when
// they are not there.
//
// PORTCULLIS_LONG=1 gives the tests that are worth more time their full size.
package e2e
