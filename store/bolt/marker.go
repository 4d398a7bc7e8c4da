package bolt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"portcullis/engine"
)

// marker is the file beside the state that says that there is, or was, a state.
// Whoever deletes both says that the keys were never used here.
type marker struct {
	there   bool
	created engine.UnixMilli // 0 when it cannot be read
}

func markerPath(path string) string { return path + ".marker" }

// readMarker looks for the marker. That it is there is what counts.
func readMarker(path string) (marker, error) {
	f, err := os.Open(markerPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return marker{}, nil
	}
	if err != nil {
		return marker{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return marker{}, err
	}
	created, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || created < 0 {
		created = 0
	}
	return marker{true, engine.UnixMilli(created)}, nil
}

// writeMarker makes the marker, durably. It comes after the state file, so that a
// first start that is cut short is a first start again.
func writeMarker(path string, created engine.UnixMilli) error {
	temporary := markerPath(path) + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, int64(created))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temporary, markerPath(path)); err != nil {
		return err
	}
	return syncDirectory(path)
}
