package host

import (
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Command is an executable to run as a child process.
type Command struct {
	Path string
	Env  []string // all of its environment

	// Line gets what the process writes to standard output and error, line by line and not concurrently.
	Line func(line []byte)

	// Exited is called when the process has ended and all its lines have been passed on.
	Exited func(Exit)
}

// Exit tells how a process ended.
type Exit struct {
	PID    int
	Status string // "exit status 0", "signal: killed"
	MaxRSS int64  // the most memory that it had resident, in bytes; 0 where unknown
}

// Process is a child process.
type Process struct {
	PID  int
	logs *logPipe
}

// DrainLogs passes on what the process has written so far. What it sends another way would overtake its lines.
func (p *Process) DrainLogs() { p.logs.drain() }

// StartProcess starts a child process, which is killed when the context ends. It dies with this process on Linux, even if
// that is killed.
func (h *Host) StartProcess(ctx context.Context, c Command) (*Process, error) {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, err
	}
	logs, err := newLogPipe(c.Line)
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path:        path,
		Args:        []string{path},
		Env:         c.Env,
		Dir:         filepath.Dir(path),
		Stdout:      logs.in,
		Stderr:      logs.in,
		SysProcAttr: childAttributes(),
	}
	started := make(chan error, 1)
	spawned := h.Spawn(func() {
		// On Linux a child is killed when the thread that started it ends, see childAttributes. This one stays until
		// the child has ended, or dies with the whole process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
		_ = cmd.Wait() // the process's state tells the same
		logs.close()
		c.Exited(Exit{cmd.ProcessState.Pid(), cmd.ProcessState.String(), maxRSS(cmd.ProcessState)})
	})
	if !spawned {
		err = ErrClosed
	} else {
		err = <-started
	}
	if err != nil {
		logs.close()
		return nil, err
	}
	h.Spawn(logs.follow)
	return &Process{PID: cmd.Process.Pid, logs: logs}, nil
}
