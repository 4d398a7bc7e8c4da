package config

import "portcullis/engine"

// Spelling says how the segments of a token may be spelt.
type Spelling engine.Spelling

var spellingNames = []string{engine.StrictSpelling: "strict", engine.DocumentedSpelling: "documented"}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Spelling) UnmarshalText(text []byte) error { return choice(s, text, spellingNames) }

// String returns the spelling's name.
func (s Spelling) String() string { return spellingNames[s] }
