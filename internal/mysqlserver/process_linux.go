package mysqlserver

import (
	"runtime"
	"syscall"
)

// startTied starts the command so that the kernel kills it when this process dies.
func (p *process) startTied() error {
	p.cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		// Its own group, so that Ctrl-C in a terminal reaches only the program, which then closes the server in its own order.
		Setpgid: true,
	}

	// "Parent" means the thread that forked (prctl(2), PR_SET_PDEATHSIG), and Go ends threads as it pleases. So the goroutine
	// keeps its thread, and outlives the server.
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.wait()
		}
	}()
	return <-started
}
