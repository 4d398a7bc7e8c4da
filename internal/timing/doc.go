// Package timing tells whether two inputs can be told apart by how long something
// takes with them, as dudect does (Reparaz, Balasch, Verbauwhede: "Dude, is my code
// constant time?", 2017).
//
// The call you want is [Compare]: it measures both classes in an order drawn by
// lot, and tests the null hypothesis that they take the same time with Welch's t
// test. Beyond [Limit] they can be told apart.
//
// The long run is "make timing"; what it said last is in docs/results/timing.txt. A
// planted comparison that stops at the first difference shows that the test would
// see one.
package timing
