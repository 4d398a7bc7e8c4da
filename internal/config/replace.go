package config

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// replaceFile puts text in the place of the file's content, which must still be
// old, so that whoever reads the file sees the old or the new one, never a part.
// Mode and owner stay, and a symbolic link stays a link.
func replaceFile(path string, old, text []byte) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	dir := filepath.Dir(target)
	temporary := filepath.Join(dir, "."+filepath.Base(target)+"."+rand.Text()[:8])
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(temporary) // is gone after the rename
	err = errors.Join(keepOwner(f, info), f.Chmod(info.Mode().Perm()))
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if now, err := os.ReadFile(target); err != nil || !bytes.Equal(now, old) {
		return errors.Join(err, fmt.Errorf("%s was changed by somebody else meanwhile: nothing changed", path))
	}
	if err := os.Rename(temporary, target); err != nil {
		return err
	}
	return syncDir(dir)
}
