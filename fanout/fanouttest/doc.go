// Package fanouttest holds every fan-out to the contract of package fanout: Run is
// the suite. It is imported by the tests of fan-outs only.
package fanouttest
