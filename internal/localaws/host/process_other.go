//go:build !linux

package host

import (
	"os"
	"syscall"
)

// childAttributes: there is no way here to make a child die with this process if that is killed.
func childAttributes() *syscall.SysProcAttr { return nil }

// maxRSS is not told in the same unit by every system.
func maxRSS(*os.ProcessState) int64 { return 0 }
