//go:build planted

package fuzz

import "os"

// planted is the defect that is planted.
var planted = os.Getenv("PLANTED_DEFECT")
