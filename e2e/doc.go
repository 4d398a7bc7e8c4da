// Package e2e holds tests that build and start the real program, and speak to it
// as strangers do: with tokens minted by libraries that are not ours, over real
// connections, by its command line and its signals.
//
// Nothing of Portcullis is compiled in. What the tests expect, they take from
// Ably's error codes, RFC 7519, RFC 6749 and the names that the program promises.
//
// The unmodified Ably SDK runs in Node.js: js/ably.mjs does what a test tells it and
// reports what came of it, and js/realtime.mjs plays scenes of several clients, each
// behind a proxy that records its wire. The servers under ../examples are run too:
// those that hand out Ably tokens, and the OAuth authorization server, which
// golang.org/x/oauth2 and oauth4webapi go through. Authlete's SDK calls the
// authorization service itself.
//
// The Node libraries are installed from js/package-lock.json with `npm ci`, the
// interpreters of samples/ by tools/install.sh; a test that needs them fails when
// they are not there.
//
// PORTCULLIS_LONG=1 gives the tests that are worth more time their full size.
package e2e
