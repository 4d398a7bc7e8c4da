//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package bolt

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lockPatience is how long to wait for a process that is about to end.
const lockPatience = 500 * time.Millisecond

// lock takes the same lock that bbolt will take, before the file is read for the
// first time. That it has it already does not trouble bbolt.
func lock(f *os.File) error {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockPatience / 20) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		if time.Now().After(deadline) {
			return errInUse
		}
	}
}
