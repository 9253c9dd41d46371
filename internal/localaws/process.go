package localaws

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// startProcess starts the function's executable with a runtime API of its own.
func (e *environment) startProcess() error {
	binary, err := filepath.Abs(e.fn.Binary)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if e.logs, err = newLogPipe(e); err != nil {
		return errors.Join(err, listener.Close())
	}
	began := time.Now()
	api := &http.Server{Handler: e.runtimeAPI(began)}
	cmd := &exec.Cmd{
		Path:        binary,
		Args:        []string{binary},
		Env:         e.variables(listener.Addr().String()),
		Dir:         filepath.Dir(binary),
		Stdout:      e.logs.in,
		Stderr:      e.logs.in,
		SysProcAttr: childAttributes(),
	}
	started := make(chan error, 1)
	spawned := e.lambda.srv.spawn(func() {
		// On Linux a child is killed when the thread that started it ends, see childAttributes. This one stays until
		// the child is gone, or dies with the whole process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		e.pid.Store(int64(cmd.Process.Pid))
		started <- nil
		defer context.AfterFunc(e.ctx, func() { _ = cmd.Process.Kill() })()
		_ = cmd.Wait() // the process's state tells the same
		_ = api.Close()
		e.logs.close()
		e.end(cmd.ProcessState.String(), maxRSS(cmd.ProcessState))
	})
	if !spawned {
		err = ErrClosed
	} else {
		err = <-started
	}
	if err != nil {
		listener.Close()
		e.logs.close()
		return err
	}
	e.lambda.srv.spawn(e.logs.follow)
	e.lambda.srv.spawn(func() { _ = api.Serve(listener) })
	return nil
}
