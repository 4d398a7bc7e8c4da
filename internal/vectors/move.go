package vectors

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// moment finds the seconds of a NumericDate (RFC 7519 §2) of the years in which
// the vectors are set.
var moment = regexp.MustCompile(`\b1[67][0-9]{8}(\.[0-9]+)?\b`)

// move sets a vector in another time: every moment in a claims set, and those that
// are expected, keep their distance from the moment of judgement, which comes to
// lie within the second before to. A credential that stands in the file as a whole
// stays as it is, and so does a signature that was written down.
func (d document) move(to int64) error {
	from := int64(DefaultNow)
	if d.has("now") {
		var err error
		if from, err = strconv.ParseInt(d["now"], 10, 64); err != nil {
			return fmt.Errorf("now: not a number")
		}
	}
	seconds := floorDiv(to-from, 1000)
	d["now"] = strconv.FormatInt(from+seconds*1000, 10)
	for name, value := range d {
		switch {
		case withoutInner(name) == "claims":
			d[name] = moment.ReplaceAllStringFunc(value, func(text string) string { return addSeconds(text, seconds) })
		case name == "expect-issued" || name == "expect-expires":
			at, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return fmt.Errorf("%s: not a number", name)
			}
			d[name] = strconv.FormatInt(at+seconds*1000, 10)
		}
	}
	return nil
}

func addSeconds(text string, seconds int64) string {
	whole, fraction, hasFraction := strings.Cut(text, ".")
	n, _ := strconv.ParseInt(whole, 10, 64) // ten digits
	moved := strconv.FormatInt(n+seconds, 10)
	if hasFraction {
		moved += "." + fraction
	}
	return moved
}

func floorDiv(a, b int64) int64 {
	if q := a / b; a%b >= 0 {
		return q
	}
	return a/b - 1
}
