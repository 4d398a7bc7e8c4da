// Package storetest holds every store to the contract of package store: Run is
// the suite, Bench measures spends. It is imported by the tests of stores only.
package storetest
