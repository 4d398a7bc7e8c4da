// Package realtime speaks Ably's realtime protocol over WebSockets: it moves frames
// between clients, admission.Session, which decides, and a fanout, which delivers.
//
// The two calls you want are [New] and [Hub.Accept], for each request that
// [Upgradable] says asks for a WebSocket. The request has been judged by then; a
// refusal is told in a frame, never by failing the upgrade, which SDKs would take
// for trouble with the network.
//
// # Lifetimes
//
// A connection outlives its WebSocket by [StateTTL]: a client that comes back with
// its connection key finds the same connectionId, its channels and its place in
// them. What was published meanwhile is replayed from a short log of each channel,
// and where that does not reach far enough ATTACHED comes without RESUMED.
// Nothing else is kept: there is no history, and a restart forgets everything.
//
// # Concurrency
//
// A Hub is safe for concurrent use. Of one connection, operations (frames, timers,
// coming and going) exclude each other; deliveries and revocations happen beside
// them. A connection's lock is never held while the fanout is called, whose
// channels call back. Locks are taken in this order: the ops and the mu of one
// connection, then any of a channel's log, an outbox or a rendering, then none.
//
// Nothing ever waits for a client to read: what it is sent waits in an outbox, which
// is bounded, and a client that has asked for much is not read before it has taken
// that. Only the goroutine that reads a WebSocket closes it.
//
// # What a client may make the server keep
//
// Every limit is a constant: of frames and their rate in hub.go, of what waits to be
// written in outbox.go, of what is kept for who comes back in log.go and away.go, of
// members in presence.go.
package realtime
