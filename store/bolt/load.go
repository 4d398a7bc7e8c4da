package bolt

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"portcullis/store"
	"portcullis/store/internal/state"
)

// contents is what a file holds.
type contents struct {
	header
	totals  map[string]total
	nonces  state.Nonces
	entries []state.Entry
	changes []state.Change
}

// load reads a whole file. What is wrong with it is in damage; the revocations and
// records that are returned all the same have added up.
func load(f io.ReaderAt, size int64) (c contents, damage error) {
	err := guard(func() error {
		m, damaged, err := readMetas(f)
		if err != nil {
			return err
		}
		p, err := newPages(f, size, m)
		if err != nil {
			return err
		}
		var l loader
		l.read(p)
		c = l.contents
		return errors.Join(damaged, l.settle(&c), p.checkFree())
	})
	return c, err
}

// guard turns a panic or a memory fault of run into an error. A fault would
// otherwise end the process, recovered or not: bbolt reads through a memory map,
// which a file that was cut off or a bad disk makes unreadable.
func guard(run func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errPanic, r)
		}
	}()
	return run()
}

var errPanic = errors.New("the file could not be read")

// loader reads the groups of records, each for itself.
type loader struct {
	contents
	found  map[string]total // what the records add up to
	failed map[string]error // by top-level bucket
	whole  error            // why the list of buckets could not be read
}

const groupNonces = "nonces"

var errMissing = errors.New("missing")

func (l *loader) read(p *pages) {
	l.totals, l.found, l.failed = make(map[string]total), make(map[string]total), make(map[string]error)
	read := map[string]func(*pages, []byte) error{
		string(bucketState):       l.readState,
		string(bucketTotals):      l.readTotals,
		string(bucketNonces):      l.readNonces,
		string(bucketRevocations): l.readRevocations,
	}
	for _, b := range store.Buckets {
		read[string(b)] = func(p *pages, value []byte) error { return l.readRecords(p, b, value) }
	}
	for name := range read {
		l.failed[name] = errMissing
	}
	l.whole = p.tree(p.root, nil, nil, func(isBucket bool, key, value []byte) error {
		group := read[string(key)]
		if group == nil || !isBucket {
			return fmt.Errorf("%q does not belong there", key)
		}
		l.failed[string(key)] = group(p, value)
		return nil
	})
	// A file that an earlier version has begun lacks the buckets that came later.
	// What the totals know nothing of was not lost.
	for _, b := range store.Buckets {
		if l.failed[string(b)] == errMissing && l.failed[string(bucketTotals)] == nil && l.totals[string(b)] == (total{}) {
			l.failed[string(b)] = nil
		}
	}
}

// records visits the records of a bucket that holds no buckets, and adds them up.
func (l *loader) records(p *pages, group string, value []byte, visit func(key, value []byte) error) error {
	var sum total
	err := p.bucket(value, func(isBucket bool, key, value []byte) error {
		if isBucket {
			return errRecord
		}
		sum.add(group, key, value)
		return visit(key, value)
	})
	l.found[group] = sum
	return err
}

func (l *loader) readState(p *pages, value []byte) error {
	seen := 0
	err := p.bucket(value, func(isBucket bool, key, value []byte) error {
		seen++
		if isBucket || string(key) != string(keyState) {
			return errRecord
		}
		return l.header.decode(value)
	})
	if err == nil && seen != 1 {
		return errRecord
	}
	return err
}

func (l *loader) readTotals(p *pages, value []byte) error {
	return p.bucket(value, func(isBucket bool, key, value []byte) (err error) {
		if isBucket {
			return errRecord
		}
		l.totals[string(key)], err = decodeTotal(value)
		return err
	})
}

func (l *loader) readNonces(p *pages, value []byte) error {
	return p.bucket(value, func(isBucket bool, key, value []byte) error {
		if !isBucket || len(key) != 8 {
			return errRecord
		}
		minute := minuteOfName(key)
		return l.records(p, groupNonces+string(key), value, func(_, value []byte) error {
			return eachNonce(value, func(key [16]byte, offset uint16) { l.nonces.Add(key, minute.Time(offset)) })
		})
	})
}

func (l *loader) readRevocations(p *pages, value []byte) error {
	return l.records(p, string(bucketRevocations), value, func(_, value []byte) error {
		e, err := decodeRevocation(value)
		l.entries = append(l.entries, e)
		return err
	})
}

func (l *loader) readRecords(p *pages, b store.Bucket, value []byte) error {
	return l.records(p, string(b), value, func(key, value []byte) error {
		l.changes = append(l.changes, state.Change{Bucket: b, Name: string(key), Value: append([]byte{}, value...)})
		return nil
	})
}

// settle says what does not add up, and takes it out of c.
func (l *loader) settle(c *contents) error {
	groups := maps.Clone(l.found)
	for group := range l.totals {
		groups[group] = l.found[group]
	}
	for group, found := range groups {
		name := group
		if strings.HasPrefix(group, groupNonces) {
			name = groupNonces
		}
		if l.failed[name] == nil && found != l.totals[group] {
			l.failed[name] = errors.New("its records are not those that were written")
		}
	}
	problems := []error{l.whole}
	for _, name := range slices.Sorted(maps.Keys(l.failed)) {
		err := l.failed[name]
		if err == nil {
			continue
		}
		problems = append(problems, fmt.Errorf("%s: %w", name, err))
		switch name {
		case string(bucketState):
			c.header = header{}
		case groupNonces:
			c.nonces = state.Nonces{}
		case string(bucketRevocations):
			c.entries = nil
		default:
			c.changes = slices.DeleteFunc(c.changes, func(r state.Change) bool { return string(r.Bucket) == name })
		}
	}
	return errors.Join(problems...)
}
