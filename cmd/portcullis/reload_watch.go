package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Changes come in bursts: an editor writes, renames and deletes. A burst is over
// after watchQuiet without an event, and is cut off after watchLimit.
const (
	watchQuiet = 100 * time.Millisecond
	watchLimit = 2 * time.Second
)

// fileWatch says when files change. It watches their directories, since editors,
// and systems that mount configurations through symbolic links, replace files
// instead of writing them.
type fileWatch struct {
	notify *fsnotify.Watcher

	mu     sync.Mutex
	dirs   map[string]bool
	stamps map[string]os.FileInfo // of each file when it was last looked at; nil when it is not there
}

func newFileWatch(files []string) (*fileWatch, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &fileWatch{notify: notify, dirs: make(map[string]bool), stamps: make(map[string]os.FileInfo)}
	w.set(files)
	return w, nil
}

// set says which files are watched from now on. A directory that cannot be
// watched, because it is not there, is tried again at the next set.
func (w *fileWatch) set(files []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	dirs, stamps := make(map[string]bool), make(map[string]os.FileInfo)
	for _, file := range files {
		dirs[filepath.Dir(file)] = true
		if target, err := filepath.EvalSymlinks(file); err == nil {
			dirs[filepath.Dir(target)] = true
		}
		stamp, known := w.stamps[file]
		if !known {
			stamp = stampOf(file)
		}
		stamps[file] = stamp
	}
	for dir := range dirs {
		if !w.dirs[dir] && w.notify.Add(dir) != nil {
			delete(dirs, dir)
		}
	}
	for dir := range w.dirs {
		if !dirs[dir] {
			_ = w.notify.Remove(dir) // it may be gone already
		}
	}
	w.dirs, w.stamps = dirs, stamps
}

// changed says whether any file is another one than when it was last looked at.
func (w *fileWatch) changed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	any := false
	for file, old := range w.stamps {
		now := stampOf(file)
		if !sameStamp(old, now) {
			w.stamps[file], any = now, true
		}
	}
	return any
}

func stampOf(file string) os.FileInfo {
	info, err := os.Stat(file)
	if err != nil {
		return nil
	}
	return info
}

func sameStamp(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// run calls fire after every burst of events in which a file changed, until ctx
// ends.
func (w *fileWatch) run(ctx context.Context, fire func()) {
	defer w.notify.Close()
	events := make(chan struct{})
	go func() {
		defer close(events)
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-w.notify.Events:
				if !open {
					return
				}
			case _, open := <-w.notify.Errors: // events were lost: look at every file
				if !open {
					return
				}
			}
			select {
			case events <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	debounce(events, func() {
		if w.changed() {
			fire()
		}
	})
}

// debounce calls fire once for each burst of events, until events is closed.
func debounce(events <-chan struct{}, fire func()) {
	for range events {
		quiet, limit := time.NewTimer(watchQuiet), time.NewTimer(watchLimit)
		for open := true; open; {
			select {
			case _, more := <-events:
				if !more {
					return
				}
				quiet.Reset(watchQuiet)
				continue
			case <-quiet.C:
			case <-limit.C:
			}
			open = false
		}
		quiet.Stop()
		limit.Stop()
		fire()
	}
}
