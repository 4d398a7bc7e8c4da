//go:build unix && !linux

package main

import (
	"fmt"
	"syscall"
)

// guardMemory keeps what is in the memory of this process, secrets among it, out of
// core files. It comes before the first secret is read.
func guardMemory() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("core files cannot be forbidden: %w", err)
	}
	return nil
}
