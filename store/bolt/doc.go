// Package bolt is the store of a single node: one file, written by bbolt, and
// every answer from memory. Open reads the file once; after that it is only
// written.
//
// # Durability
//
// One goroutine writes. Whatever was asked while it was busy goes into its next
// transaction, and is answered when that is on the disk (two fdatasyncs). A nonce
// that waits for the disk has been spent already: whoever comes second waits for
// the first one's outcome and is told Replayed, or Unknown.
//
// After the first write or sync that fails nothing is acknowledged any more, and
// nothing of the file is believed: what a failed sync has left in the page cache
// need not be what is on the disk. A new file is written from memory and takes the
// old one's place as soon as the disk can hold it.
//
// # Damage
//
// bbolt has checksums on two pages only. So every group of records has its count
// and the sum of its records' hashes, written in the same transaction, and Open
// reads the pages itself (pages.go), trusting none: bbolt's own reader can be
// led out of the file, or round in circles, by one flipped bit. A file that does
// not add up is kept as PATH.damaged-MILLISECONDS and a new one begun, with those
// of the revocations and records that did add up.
//
// # Floor
//
// A new file holds no nonces. So when it takes the place of one that is damaged,
// failed or missing beside its marker (PATH.marker), a floor is raised: TokenRequests
// stamped before that moment and store.FutureWindow are not decided (Unknown). They
// cannot be redeemed twice, because they are not redeemed at all.
package bolt
