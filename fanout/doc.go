// Package fanout declares what goes between connections: messages and presence of
// a channel, from whoever publishes to everybody who is attached.
//
// Implementations are in packages below this one; fanouttest holds them all to the
// same suite. Nothing here knows a wire format, a capability or a clientId rule:
// what is published has been checked, and what is delivered is still to be written.
//
// # Lifetimes
//
// An Event and all that it holds belong to the Fanout from Publish or Present on.
// Whoever gets it, the publisher included, may read it for ever and must not change
// it.
//
// # Concurrency
//
// A Fanout is safe for concurrent use. Of one channel all subscribers see the same
// events in the same order.
package fanout
