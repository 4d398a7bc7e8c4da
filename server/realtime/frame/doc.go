// Package frame reads and writes the frames of Ably's realtime protocol (TR1-TR4),
// as JSON text and as msgpack, which is the same maps with the same names. It knows
// no socket and no connection: bytes in, structs out, and back.
//
// The calls you want are [Read], [ReadMessages] for the body of a publish over HTTP,
// and the function of each frame that a server sends, such as [AppendEvent].
//
// # What is believed
//
// Of a message or presence item only what a client may say of it is read: id, name,
// data, encoding, clientId, action, extras without userClaim, and a connectionId for
// the caller to refuse. Its timestamp, serial and userClaim are the server's to give
// and are left where they are.
//
// # Lifetimes
//
// What a Frame holds is a view of the data that was read, good until the data
// changes. Items own their memory and outlive the Frame's next use.
//
// # What is checked, in order
//
// Length; then the map: distinct names, depth of at most 16, types, integers from 0
// to 2^53. All this is an error of Read: the two sides do not speak the same protocol.
// Then its channel, params and items: a fault in them is in Frame.Err, for a frame
// that can be answered. Names that are not known, and their values, are ignored.
package frame
