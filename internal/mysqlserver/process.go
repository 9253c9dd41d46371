package mysqlserver

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// A process is a server's process, tied to the life of this one.
type process struct {
	cmd *exec.Cmd

	// lifeline is the standard input of a command that runs by lifelineScript: it ends when the pipe is closed. Nil for others.
	lifeline io.Closer

	done chan struct{} // closed when the process has ended, and err is set
	err  error         // how it ended
}

// lifelineScript runs its arguments as a command, in the same process, and kills it when standard input ends: because the other
// side of the pipe was closed, or because the process that held it is gone, however it went.
const lifelineScript = `exec 3<&0; (cat <&3 >/dev/null; kill -KILL $$) & exec "$@" 3<&- </dev/null`

// start starts the command, with its output going to a log file. It ends when this process does, even by SIGKILL.
func (p *process) start(log string) error {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	p.cmd.Stdout = out
	p.cmd.Stderr = out
	p.done = make(chan struct{})

	err = p.startTied()
	if err != nil {
		return fmt.Errorf("running %s: %w", p.cmd.Path, err)
	}
	return nil
}

// wait waits for the command and records how it ended.
func (p *process) wait() {
	p.err = p.cmd.Wait()
	close(p.done)
}

// exited tells whether the process has ended.
func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process and waits until it is gone.
func (p *process) kill() {
	if p.lifeline != nil {
		// The process may be only the client of a container, which ends after it has removed the container.
		p.lifeline.Close()
		select {
		case <-p.done:
			return
		case <-time.After(10 * time.Second):
		}
	}
	_ = p.cmd.Process.Kill() // it fails when the process is gone, which is what is wanted
	<-p.done
}
