package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	errInUse  = errors.New("in use by another process")
	errDamage = errors.New("damaged")
)

// openFile opens files as os.OpenFile does.
type openFile func(name string, flag int, perm fs.FileMode) (*os.File, error)

// file is an open file: bbolt, which writes it, and what its groups add up to.
type file struct {
	db       *bbolt.DB
	handle   *os.File // bbolt's
	totals   map[string]total
	panicked bool // bbolt may hold its locks for ever
}

// openExisting opens the file at path, locks it, reads it and hands it to bbolt.
// When the error is errDamage, what could be read is returned, and the file stays
// locked until the handle is closed.
func openExisting(path string, open openFile) (*file, contents, error) {
	var (
		c      contents
		damage error
		f      = new(file)
	)
	err := guard(func() (err error) {
		f.db, err = bbolt.Open(path, 0o600, options(func(name string, flag int, perm fs.FileMode) (*os.File, error) {
			handle, err := open(name, flag&^os.O_CREATE, perm)
			if err != nil {
				return nil, err
			}
			f.handle = handle
			info, err := handle.Stat()
			switch {
			case err != nil:
				return nil, err
			case !info.Mode().IsRegular():
				return nil, errors.New("not a regular file")
			}
			if err := errors.Join(lock(handle), stillThere(path, info)); err != nil {
				return nil, err
			}
			if info.Mode().Perm() != 0o600 { // it holds secrets
				if err := handle.Chmod(0o600); err != nil {
					return nil, err
				}
			}
			if info, err = handle.Stat(); err != nil { // again: it may have grown before it was ours
				return nil, err
			}
			if c, damage = load(handle, info.Size()); damage != nil {
				return nil, errDamage
			}
			return handle, nil
		}))
		return err
	})
	switch {
	case err == nil:
		f.totals = c.totals
		return f, c, nil
	case errors.Is(err, errDamage):
		return f, c, fmt.Errorf("%w: %w", errDamage, damage)
	case errors.Is(err, errPanic), errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return f, c, fmt.Errorf("%w: %w", errDamage, err)
	}
	if f.handle != nil {
		f.handle.Close()
	}
	if errors.Is(err, bolterrors.ErrTimeout) {
		err = errInUse
	}
	return nil, c, err
}

// stillThere says whether path still names the file that was locked: its owner may
// have put another in its place meanwhile.
func stillThere(path string, locked fs.FileInfo) error {
	now, err := os.Stat(path)
	if err == nil && !os.SameFile(now, locked) {
		return errInUse
	}
	return err
}

func options(open openFile) *bbolt.Options {
	return &bbolt.Options{
		Timeout:        lockPatience,
		FreelistType:   bbolt.FreelistArrayType, // sorted as it is written, which every transaction does
		NoFreelistSync: false,                   // without it bbolt reads the file in a goroutine whose faults nobody can catch
		OpenFile:       open,
	}
}

// begin writes a new file and puts it in the place of whatever is at path, when it
// is on the disk and not before.
func begin(path string, open openFile, c *change) (*file, error) {
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f := &file{totals: make(map[string]total)}
	err := guard(func() (err error) {
		f.db, err = bbolt.Open(temporary, 0o600, options(func(name string, flag int, perm fs.FileMode) (*os.File, error) {
			handle, err := open(name, flag, perm)
			f.handle = handle
			return handle, err
		}))
		return err
	})
	if err == nil {
		err = f.write(c, true)
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err == nil {
		err = syncDirectory(path)
	}
	if err != nil {
		f.panicked = f.panicked || errors.Is(err, errPanic)
		f.close()
		os.Remove(temporary)
		return nil, err
	}
	return f, nil
}

// syncDirectory makes the names beside path durable.
func syncDirectory(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// close gives the file up.
func (f *file) close() error {
	switch {
	case f.db != nil && !f.panicked:
		return f.db.Close()
	case f.handle != nil:
		return f.handle.Close()
	}
	return nil
}
