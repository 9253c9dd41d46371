package host

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"syscall"
)

// logPipe carries a process's output to its owner, line by line.
type logPipe struct {
	line func([]byte)
	in   *os.File // for the process to write to
	out  *os.File
	raw  syscall.RawConn // of out

	mu   sync.Mutex // held from reading a piece until it is passed on
	part []byte     // the beginning of a line that has not ended
}

func newLogPipe(line func([]byte)) (*logPipe, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	raw, err := out.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, in.Close(), out.Close())
	}
	return &logPipe{line: line, in: in, out: out, raw: raw}, nil
}

// follow passes the output on as it comes, until the pipe is closed.
func (p *logPipe) follow() {
	_ = p.raw.Read(p.pass) // fails when the pipe is closed, which is its end
}

// drain passes on what has been written.
func (p *logPipe) drain() {
	_ = p.raw.Control(func(fd uintptr) { p.pass(fd) })
}

// pass reads all there is and passes it on. It reports whether that was the end.
func (p *logPipe) pass(fd uintptr) (ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var piece [4096]byte
	for {
		n, err := syscall.Read(int(fd), piece[:])
		switch {
		case n > 0:
			p.split(piece[:n])
		case errors.Is(err, syscall.EINTR):
		default:
			return !errors.Is(err, syscall.EAGAIN)
		}
	}
}

func (p *logPipe) split(piece []byte) {
	p.part = append(p.part, piece...)
	for {
		line, rest, ended := bytes.Cut(p.part, []byte("\n"))
		if !ended {
			return
		}
		p.line(line)
		p.part = rest
	}
}

// close passes on what the process wrote last, whether or not that ends with a newline.
func (p *logPipe) close() {
	p.drain()
	p.mu.Lock()
	if len(p.part) > 0 {
		p.line(p.part)
		p.part = nil
	}
	p.mu.Unlock() // closing waits for pass
	p.in.Close()
	p.out.Close()
}
