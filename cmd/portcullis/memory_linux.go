package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// guardMemory keeps what is in the memory of this process, secrets among it, out of
// core files, and out of reach for other processes of the same user: none may
// attach to it or read /proc/PID/mem. It comes before the first secret is read.
func guardMemory() error {
	// The hard limit too, so that nothing in the process can raise it again.
	limit := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	if limit != nil {
		limit = fmt.Errorf("core files cannot be forbidden: %w", limit)
	}
	// The limit alone does not count where the kernel pipes core files to a program.
	attach := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
	if attach != nil {
		attach = fmt.Errorf("other processes cannot be kept from reading the memory: %w", attach)
	}
	return errors.Join(limit, attach)
}
