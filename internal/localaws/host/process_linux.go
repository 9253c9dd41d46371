package host

import (
	"os"
	"syscall"
)

// childAttributes makes a child die with this process, even if that is killed, and keeps the terminal's signals to
// this process: it ends its children itself.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// maxRSS is the most memory that a process had resident, in bytes.
func maxRSS(p *os.ProcessState) int64 {
	if u, ok := p.SysUsage().(*syscall.Rusage); ok {
		return u.Maxrss * 1024
	}
	return 0
}
