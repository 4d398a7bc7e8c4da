// Package msgpackscan reads one msgpack map strictly and without allocating, member
// by member, as package jsonscan reads a JSON object.
//
// The map's own names are strings of UTF-8, and none is repeated: of two equal names
// one reader takes the first and another the last. What is nested deeper than
// [MaxDepth] is refused before it is followed, for a reader that follows every array
// in an array ends the process.
package msgpackscan
