package vectors

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// DefaultNow is the moment of judgement, in Unix milliseconds, of a vector that
// names no other.
const DefaultNow = 1700000100000

// Kinds of identity, as they stand in Want.ClientKind.
const (
	Identified = "identified"
	Wildcard   = "wildcard"
	Anonymous  = "anonymous"
)

// Vector is one credential and the answer that it must get.
type Vector struct {
	Name    string // directory and file, as in token/alg-none
	Comment string // why the case exists
	Source  string // where the case comes from; may be empty

	KeySetName string // which fixture keys to judge by: "" or "weak"
	Token      []byte // the credential: either this one
	Key        []byte // or this one is not nil
	Now        int64  // Unix milliseconds

	// What is asked of an admitted credential; all empty in a vector that is only
	// about verification.
	ClientID string
	Channel  string
	Op       string // "" when no operation is tried

	Want Want
}

// Want is the answer. A refusal has Code, Status and Reason; an admitted vector
// has the rest, of which empty fields are not to be compared.
type Want struct {
	Admitted bool
	Code     int
	Status   int
	Reason   string

	KeyName    string
	ClientID   string // only when ClientKind is Identified
	ClientKind string // Identified, Wildcard or Anonymous
	Capability string // canonical text
	Issued     int64  // Unix milliseconds
	Expires    int64  // Unix milliseconds
}

// KeySet returns the fixture keys by which v is to be judged.
func (v Vector) KeySet() []Key {
	if v.KeySetName == weakKeys {
		return WeakKeys()
	}
	return Keys()
}

//go:embed testdata
var files embed.FS

// All returns every vector, in the order of their names.
func All() ([]Vector, error) { return AllAt(0) }

// AllAt returns every vector as All does, moved in time to be judged at now, Unix
// milliseconds: for servers whose clock cannot be set. Where a credential holds a
// moment that cannot be moved, such as under a signature that stands in the file,
// what is expected of it need not hold at now; whoever uses these vectors asks a
// Verifier first. 0 moves nothing.
func AllAt(now int64) ([]Vector, error) {
	var all []Vector
	err := fs.WalkDir(files, "testdata", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, isVector := strings.CutSuffix(strings.TrimPrefix(file, "testdata/"), ".vector")
		if !isVector {
			return fmt.Errorf("%s: not a .vector file", file)
		}
		text, err := files.ReadFile(file)
		if err != nil {
			return err
		}
		v, err := parseAt(file, string(text), now)
		if err != nil {
			return err
		}
		v.Name = name
		if err := checkPlace(v, path.Dir(name)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, v)
		return nil
	})
	return all, err
}

// checkPlace holds a vector against the directory it is in, so that whoever runs
// one directory knows what it meets there.
func checkPlace(v Vector, dir string) error {
	admission := v.ClientID != "" || v.Op != ""
	switch dir {
	case "token":
		if v.Token == nil || admission {
			return fmt.Errorf("a vector in token/ has a token and asks nothing of it")
		}
	case "key":
		if v.Key == nil || admission {
			return fmt.Errorf("a vector in key/ has a key and asks nothing of it")
		}
	case "admit", "sample": // samples are what the command line explains to newcomers
	default:
		return fmt.Errorf("unknown directory %q", dir)
	}
	return nil
}
