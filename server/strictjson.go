package server

import "portcullis/internal/jsonscan"

// Bodies are read strictly, as credentials are: names letter for letter, none of
// them twice, sixteen levels at most. A reader that matched "CLIENTID" too, or
// took the last of two, would let a check look at one value and its use at
// another; one without a limit on depth ends the process.

// readStrings reads an object of strings into the places of the names that are
// known. An unknown name, a repeated one or another type is no such object.
func readStrings(text []byte, known map[string]*string) bool {
	var s jsonscan.Scanner
	for s.Reset(text, len(known)); s.Next(); {
		place, v := known[string(s.Name())], s.Value()
		if place == nil || v.Kind != jsonscan.String {
			return false
		}
		*place = string(v.Unescaped())
	}
	return s.Err() == nil
}
