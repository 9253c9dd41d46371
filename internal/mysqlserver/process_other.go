//go:build !linux

package mysqlserver

import (
	"os/exec"
	"slices"
	"syscall"
)

// startTied starts the command by lifelineScript: no other kernel kills a process when its parent dies.
func (p *process) startTied() error {
	if p.lifeline == nil {
		out := p.cmd.Stdout
		p.cmd = exec.Command("/bin/sh", slices.Concat([]string{"-c", lifelineScript, "sh"}, p.cmd.Args)...)
		p.cmd.Stdout = out
		p.cmd.Stderr = out
		stdin, err := p.cmd.StdinPipe()
		if err != nil {
			return err
		}
		p.lifeline = stdin
	}
	// Its own group, so that Ctrl-C in a terminal reaches only the program, which then closes the server in its own order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := p.cmd.Start()
	if err != nil {
		return err
	}
	go p.wait()
	return nil
}
