package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"portcullis/engine"
	"portcullis/store/internal/state"
)

// MaxClockLag is how far the clock may be behind the newest record of the file:
// behind that, nonces would be good again that were forgotten.
const MaxClockLag = 5 * time.Minute

// DefaultMaxNonces bounds the memory of the nonces: some 400 MiB.
const DefaultMaxNonces = 10_000_000

// Options are how a Store is opened.
type Options struct {
	Path      string                  // the file; PATH.marker, PATH.new and PATH.damaged-* stand beside it
	Now       func() engine.UnixMilli // the clock; nil means the wall clock
	Log       *slog.Logger            // for what an operator should know; nil means none
	MaxNonces int                     // beyond this many, Spend is Unknown; 0 means DefaultMaxNonces

	openFile openFile // for tests; nil means os.OpenFile
	writing  func()   // for tests: called before every transaction
}

// Open opens the store at a path, and makes it if nothing was ever there.
func Open(o Options) (*Store, error) {
	if o.Path == "" {
		return nil, errors.New("store: bolt: the path is empty")
	}
	if o.Now == nil {
		o.Now = engine.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxNonces <= 0 {
		o.MaxNonces = DefaultMaxNonces
	}
	if o.openFile == nil {
		o.openFile = os.OpenFile
	}
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	o.Path = path
	s, err := open(&o)
	if err != nil {
		return nil, fmt.Errorf("store: %s: %w", path, err)
	}
	go s.run()
	return s, nil
}

func open(o *Options) (*Store, error) {
	now := o.Now()
	marked, err := readMarker(o.Path)
	if err != nil {
		return nil, err
	}
	f, c, err := openExisting(o.Path, o.openFile)
	cause := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if marked.there {
			cause = "the state file is missing beside its marker"
		} else {
			o.Log.Info("store: first start: there is neither state nor marker", "path", o.Path)
		}
	case errors.Is(err, errDamage) && !marked.there:
		// Somebody's own file, most likely: a state file has had its marker since it
		// was made.
		if f != nil {
			f.close()
		}
		return nil, fmt.Errorf("this is not a state file, or a damaged one without its marker; nothing was touched: %w", err)
	case errors.Is(err, errDamage):
		cause = "the state file was damaged: " + oneLine(err)
	case err != nil:
		return nil, err
	}
	newest := max(c.latest, marked.created)
	if now < newest.Add(-MaxClockLag) {
		if f != nil {
			f.close()
		}
		return nil, fmt.Errorf("the clock shows %s, more than %s before the newest record, %s: set the clock",
			now.Time().Format(time.RFC3339), MaxClockLag, newest.Time().Format(time.RFC3339))
	}
	if err != nil {
		f, err = replace(o, f, &c, cause, now)
		if err != nil {
			return nil, err
		}
	}
	if !marked.there {
		if err := writeMarker(o.Path, c.created); err != nil {
			f.close()
			return nil, err
		}
	}
	return newStore(o, f, &c), nil
}

// replace begins a new file, with what there is, and keeps the one that it takes
// the place of.
func replace(o *Options, old *file, c *contents, cause string, now engine.UnixMilli) (_ *file, fault error) {
	c.nonces = state.Nonces{}
	if c.created == 0 {
		c.created = now
	}
	if cause != "" {
		c.floor.Raise(now, cause)
		c.nonces.Forget(c.forgotten)
	}
	if old != nil {
		// The damaged file keeps its name, and its lock, until the new one has it.
		defer old.close()
		aside, linked, err := keep(o.Path, now)
		if err != nil {
			return nil, fmt.Errorf("it is damaged and cannot be kept: %w", err)
		}
		defer func() {
			if fault != nil && linked { // or every attempt would leave another name
				os.Remove(aside)
			}
		}()
		o.Log.Error("store: the state file is damaged and was moved aside", "path", o.Path, "moved", aside, "damage", cause,
			"revocations_kept", len(c.entries), "records_kept", len(c.changes))
	}
	if cause != "" {
		o.Log.Error("store: history may be missing; older TokenRequests are refused for a while", "until", c.floor.At.Time(), "cause", cause)
	}
	c.latest = now
	return begin(o.Path, o.openFile, &change{header: c.header, add: c.entries, records: c.changes})
}

// keep gives a damaged file another name, beside its own where the file system
// knows links.
func keep(path string, now engine.UnixMilli) (aside string, linked bool, err error) {
	for at := now; ; at++ {
		aside = path + ".damaged-" + strconv.FormatInt(int64(at), 10)
		err = os.Link(path, aside)
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err == nil {
		return aside, true, nil
	}
	return aside, false, os.Rename(path, aside)
}

// oneLine makes one line of an error that joins several.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
