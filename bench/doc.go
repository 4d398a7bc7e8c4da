// Package bench compares Portcullis with other libraries that verify the same
// tokens. It is a module of its own, so that no peer is ever a dependency of
// Portcullis.
//
// The two calls you want are [CheckPeer], which shows what a peer admits and
// refuses before its speed says anything, and [Measure], which takes two
// contestants in turns.
//
// # To add a peer
//
// Write one file, peer_NAME.go, that registers a [Peer] in init. Configure it as
// its own documentation advises; add nothing that its users would not add.
//
// # To add a ratio
//
// Write one file, ratio_NAME.go, that registers a [Ratio] in init.
package bench
