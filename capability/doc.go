// Package capability parses, canonicalises, compiles, matches and intersects
// Ably capabilities: which operations a client may use on which channels,
// queues and metachannels.
//
// A capability is a JSON object from resource to operations, such as
// {"chat:*":["publish","subscribe"]}. [Parse] reads one into a [Set], and
// [Set.Compile] turns that into a [Matcher], which answers for a resource
// without allocating:
//
//	set, err := capability.Parse([]byte(`{"chat:*":["publish"]}`))
//	set.Compile().Allows([]byte("chat:room1"), capability.Publish) // true
//
// # What a resource is
//
// An optional qualifier, exactly [meta], [queue] or [*], and a path of segments
// joined by colons. A segment that is * is a wildcard: as the last segment it
// stands for any number of segments, none included, elsewhere for exactly one.
// A * inside a longer segment is an ordinary character. Without a qualifier a
// resource is a channel; [*] stands for all kinds.
//
// # Lifetimes
//
// A Set and a Matcher own their memory: the text they were made from may be
// reused at once. What they return is a view unless its name begins with
// Append.
//
// # Concurrency
//
// A Set that is no longer parsed into and a Matcher are immutable and safe for
// concurrent use. A [Parser] serves one goroutine at a time.
//
// # Source of the rules
//
// Ably's documentation of capabilities and of canonical capability text in
// TokenRequests, and the behaviour that Ably's SDKs test. That "foo:*" also
// grants "foo" follows Ably's own test server; its documentation is silent.
package capability
