// Package store declares what Portcullis keeps: nonces that are spent,
// revocations, and records such as sandbox apps, sealing secrets and devices.
//
// Implementations are in packages below this one; storetest holds them all to
// the same suite. A verdict on a token never asks a store: what verdicts need is
// pushed into memory by the watches.
package store

import (
	"context"
	"errors"
	"time"

	"portcullis/engine"
)

// Store is shared state. It is safe for concurrent use.
//
// An error of a writing method that is not one of this package's means that the
// write may have happened or not, and that it may be tried again.
type Store interface {
	engine.Spender

	// AppendRevocations keeps revocations of one key's tokens. When it returns nil
	// they are durable, and the watch of this process has been told.
	AppendRevocations(ctx context.Context, keyName string, revocations []engine.Revocation) error
	// WatchRevocations calls told with every revocation that is kept, and returns;
	// from then on it calls told with every new one, until the store is closed.
	// Order and repetition mean nothing: revocations are a set. There is one watch
	// (a second is ErrWatched). told must not call the store.
	WatchRevocations(told func(keyName string, r engine.Revocation)) error

	// Put keeps a record under a name of its bucket: a new one only when create,
	// else ErrExists; otherwise in place of the present one, if any.
	Put(ctx context.Context, b Bucket, name string, value []byte, create bool) error
	// Get returns a record, or ErrNotFound.
	Get(ctx context.Context, b Bucket, name string) ([]byte, error)
	// Delete forgets a record; there need not be one.
	Delete(ctx context.Context, b Bucket, name string) error
	// Watch calls told with every record of the bucket, and returns; from then on
	// it calls told with every change, in order, the value nil when the record was
	// deleted, until the store is closed. There is one watch of a bucket (a second
	// is ErrWatched). told must not call the store.
	Watch(b Bucket, told func(name string, value []byte)) error

	// Status says how the store is.
	Status() Status
	// Close waits for writes that have begun. Using a closed store is an error.
	Close() error
}

// Bucket is a kind of record.
type Bucket string

// The buckets.
const (
	Apps        Bucket = "apps"         // sandbox apps, by app id
	SealSecrets Bucket = "seal_secrets" // what issued tokens are sealed with, by secret id
	Devices     Bucket = "devices"      // registrations and subscriptions for push messages; package push names them
	Aliases     Bucket = "aliases"      // of the clients of authorization services, present and retired
)

// Buckets are all the buckets.
var Buckets = []Bucket{Apps, SealSecrets, Devices, Aliases}

// Limits on records and revocations.
const (
	MaxNameBytes  = 256
	MaxValueBytes = 64 << 10
)

// Errors of a Store.
var (
	ErrExists   = errors.New("store: the record exists")
	ErrNotFound = errors.New("store: no such record")
	ErrClosed   = errors.New("store: closed")
	ErrTooLarge = errors.New("store: the name is longer than 256 bytes or the value than 64 KiB")
	ErrInvalid  = errors.New("store: an empty name, a bucket that is not there or a target that is none")
	ErrWatched  = errors.New("store: there is a watch already")
	ErrBusy     = errors.New("store: too much waits to be written; nothing was done")
)

// Status is how a store is.
type Status struct {
	Err    error // why it is not well; nil when it is
	Nonces int   // remembered
	// Floor, when it is not 0, is a time to come: until then Spend answers Unknown
	// to everything that something older than the floor's cause was made with.
	Floor      engine.UnixMilli
	FloorCause string // why there is a floor
}

// RetentionOfRevocations is how long a revocation is kept after it has come into
// force: no token that it refuses lives longer than an hour (Ably's limit for
// revocable tokens); the rest is for clocks.
const RetentionOfRevocations = time.Hour + RetentionAfterExpiry

// RetentionAfterExpiry is how long a revocation is kept after the last token that it
// refuses has expired, for clocks that differ. A revocation of a service's tokens
// says itself when that is: in IssuedBefore.
const RetentionAfterExpiry = 5 * time.Minute

// FutureWindow is how far ahead of the clock a TokenRequest may be stamped.
const FutureWindow = 2 * time.Minute
