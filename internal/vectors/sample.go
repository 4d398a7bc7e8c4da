package vectors

import (
	"fmt"
	"strings"
)

const sampleDir = "sample/"

// SampleNames returns the names of the samples, sorted.
func SampleNames() (names []string) {
	entries, err := files.ReadDir("testdata/sample")
	if err != nil {
		panic(err) // the files are part of the program
	}
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".vector"))
	}
	return names
}

// Sample returns the sample of that name, one of SampleNames.
func Sample(name string) (Vector, error) {
	all, err := All()
	if err != nil {
		return Vector{}, err
	}
	for _, v := range all {
		if v.Name == sampleDir+name {
			return v, nil
		}
	}
	return Vector{}, fmt.Errorf("no sample %q; there are: %s", name, strings.Join(SampleNames(), ", "))
}
