package vectors

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// directives are all that a file may have besides repeat and what makes a token.
var directives = []string{
	"comment", "source", "keys", "now", "key",
	"client-id", "channel", "op",
	"expect", "expect-key-name", "expect-client-id", "expect-client-kind", "expect-capability",
	"expect-issued", "expect-expires",
}

// operations are those that a capability can name.
var operations = []string{
	"annotation-publish", "annotation-subscribe", "channel-metadata", "history",
	"message-delete-any", "message-delete-own", "message-update-any", "message-update-own",
	"object-publish", "object-subscribe", "presence", "privileged-headers", "publish",
	"push-admin", "push-subscribe", "stats", "subscribe",
}

// document is a file as written: what each directive says.
type document map[string]string

// has tells whether any of the directives is in the file.
func (d document) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, present := d[name]
		return present
	})
}

// hasAny tells whether a directive of that sort is in the file.
func (d document) hasAny(sort func(name string) bool) bool {
	for name := range d {
		if sort(name) {
			return true
		}
	}
	return false
}

// parse reads one file into a vector that lacks only its name.
func parse(file, text string) (Vector, error) { return parseAt(file, text, 0) }

// parseAt is parse for a vector that is moved to the moment now, Unix milliseconds;
// 0 leaves it where it is.
func parseAt(file, text string, now int64) (Vector, error) {
	d, err := read(file, text)
	if err != nil {
		return Vector{}, err
	}
	if now != 0 {
		if err := d.move(now); err != nil {
			return Vector{}, fmt.Errorf("%s: %w", file, err)
		}
	}
	v, err := d.vector()
	if err != nil {
		return Vector{}, fmt.Errorf("%s: %w", file, err)
	}
	return v, nil
}

// read takes the lines apart and puts in what repeat stands for.
func read(file, text string) (document, error) {
	d := document{}
	var repeats []repeat
	for i, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fail := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", file, i+1, fmt.Sprintf(format, args...))
		}
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fail("not of the form directive: value")
		}
		if strings.HasPrefix(value, `"`) {
			unquoted, err := strconv.Unquote(value)
			if err != nil {
				return nil, fail("%s: bad string literal", name)
			}
			value = unquoted
		} else if strings.TrimSpace(value) != value || value == "" {
			return nil, fail("%s: a value with white space around it, or none, must be quoted", name)
		}
		if name == "repeat" {
			r, err := parseRepeat(value)
			if err != nil {
				return nil, fail("%v", err)
			}
			repeats = append(repeats, r)
			continue
		}
		if !known(name) {
			return nil, fail("unknown directive %q", name)
		}
		if d.has(name) {
			return nil, fail("%s appears twice", name)
		}
		d[name] = value
	}
	for _, r := range repeats {
		if !d.replace(r.mark, r.text) {
			return nil, fmt.Errorf("%s: repeat: %s occurs nowhere", file, r.mark)
		}
	}
	return d, nil
}

// repeat stands for a long run of the same text.
type repeat struct{ mark, text string }

func parseRepeat(value string) (repeat, error) {
	fields := strings.SplitN(value, " ", 3)
	if len(fields) != 3 || fields[2] == "" {
		return repeat{}, errors.New("repeat: want MARK COUNT TEXT")
	}
	count, err := strconv.Atoi(fields[1])
	if err != nil || count < 1 || count > 1<<17 {
		return repeat{}, errors.New("repeat: bad count")
	}
	return repeat{fields[0], strings.Repeat(fields[2], count)}, nil
}

// vector turns the directives into a vector, refusing combinations that could not
// all have an effect.
func (d document) vector() (Vector, error) {
	v := Vector{
		Comment: d["comment"], Source: d["source"], KeySetName: d["keys"], Now: DefaultNow,
		ClientID: d["client-id"], Channel: d["channel"], Op: d["op"],
	}
	if v.Comment == "" {
		return v, errors.New("comment missing")
	}
	if d.has("keys") && v.KeySetName != weakKeys {
		return v, fmt.Errorf("keys: unknown set %q", v.KeySetName)
	}
	var err error
	if d.has("now") {
		if v.Now, err = strconv.ParseInt(d["now"], 10, 64); err != nil {
			return v, errors.New("now: not a number")
		}
	}
	if d.has("op") != d.has("channel") {
		return v, errors.New("op and channel go together")
	}
	if d.has("op") && !slices.Contains(operations, v.Op) {
		return v, fmt.Errorf("op: unknown operation %q", v.Op)
	}
	switch {
	case !d.has("key"):
		v.Token, err = d.token(v.KeySet())
	case d.hasAny(makesToken):
		err = errors.New("one of token, key, or parts of a token")
	default:
		v.Key = []byte(d["key"])
	}
	if err != nil {
		return v, err
	}
	v.Want, err = d.want()
	return v, err
}

var refusal = regexp.MustCompile(`^([0-9]{5})/([0-9]{3}) ([a-z0-9_]+)$`)

// want reads what is expected.
func (d document) want() (Want, error) {
	details := []string{"expect-key-name", "expect-client-id", "expect-client-kind", "expect-capability", "expect-issued", "expect-expires"}
	if d["expect"] != "admitted" {
		match := refusal.FindStringSubmatch(d["expect"])
		if match == nil {
			return Want{}, errors.New("expect: want admitted, or CODE/STATUS reason")
		}
		if d.has(details...) {
			return Want{}, errors.New("a refusal grants nothing to expect")
		}
		code, _ := strconv.Atoi(match[1]) // five digits
		status, _ := strconv.Atoi(match[2])
		return Want{Code: code, Status: status, Reason: match[3]}, nil
	}
	for _, name := range details {
		if value, present := d[name]; present && value == "" {
			return Want{}, fmt.Errorf("%s: empty", name)
		}
	}
	w := Want{
		Admitted: true, KeyName: d["expect-key-name"], ClientID: d["expect-client-id"],
		ClientKind: d["expect-client-kind"], Capability: d["expect-capability"],
	}
	if w.ClientKind != "" && !slices.Contains([]string{Identified, Wildcard, Anonymous}, w.ClientKind) {
		return w, fmt.Errorf("expect-client-kind: unknown kind %q", w.ClientKind)
	}
	if w.ClientID != "" && w.ClientKind == "" {
		w.ClientKind = Identified // nobody else has one
	}
	if (w.ClientID != "") != (w.ClientKind == Identified) {
		return w, errors.New("expect-client-id goes with expect-client-kind: identified")
	}
	var err error
	if d.has("expect-issued") {
		if w.Issued, err = strconv.ParseInt(d["expect-issued"], 10, 64); err != nil {
			return w, errors.New("expect-issued: not a number")
		}
	}
	if d.has("expect-expires") {
		if w.Expires, err = strconv.ParseInt(d["expect-expires"], 10, 64); err != nil {
			return w, errors.New("expect-expires: not a number")
		}
	}
	return w, nil
}
