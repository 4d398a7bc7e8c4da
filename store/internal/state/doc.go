// Package state is what a store remembers, in memory: nonces in minute buckets,
// the floor below which it does not answer for the past, and a book of
// revocations and records with their watches. Stores add the lock of the nonces
// and whatever makes them durable.
package state
