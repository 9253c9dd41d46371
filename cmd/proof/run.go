package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A runner runs checks and records their results.
type runner struct {
	book *book
	logs string        // the directory for the output of what runs, and of what has failed
	jobs int           // how many run at once
	most time.Duration // no check starts after this time; 0: all do
	ends time.Duration // how long the processes of a check may take to end once they are interrupted
	out  io.Writer
	code func(context.Context) (code, error) // of the files that the checks read

	began  time.Time
	mu     sync.Mutex // for what follows, and for out
	passed int
	failed []string
	stop   error // why no further check starts
}

// run runs the checks that are due. Checks that fail do not stop the others.
func (r *runner) run(ctx context.Context, chosen []check) error {
	at, err := r.code(ctx)
	if err != nil {
		return err
	}
	results, err := readRecord(r.book.record)
	if err != nil {
		return err
	}
	left := due(chosen, results, at)
	r.say("%d of %d checks have passed for this code already; %d are left", len(chosen)-len(left), len(chosen), len(left))
	r.began = time.Now()
	next := make(chan check)
	var workers sync.WaitGroup
	for range min(r.jobs, len(left)) {
		workers.Go(func() {
			for c := range next {
				if err := r.one(ctx, c, at); err != nil {
					r.mu.Lock()
					r.stop = errors.Join(r.stop, err)
					r.mu.Unlock()
				}
			}
		})
	}
	for _, c := range left {
		next <- c // those that are still here when the run is over do not start
	}
	close(next)
	workers.Wait()
	r.say("%d checks passed, %d failed, %d are left", r.passed, len(r.failed), len(left)-r.passed-len(r.failed))
	faults := []error{r.stop}
	if ctx.Err() != nil {
		faults = append(faults, errors.New("interrupted"))
	}
	if len(r.failed) > 0 {
		slices.Sort(r.failed)
		faults = append(faults, fmt.Errorf("failed: %s", strings.Join(r.failed, ", ")))
	}
	return errors.Join(faults...)
}

// over tells whether no further check starts.
func (r *runner) over(ctx context.Context) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop != nil || ctx.Err() != nil || r.most > 0 && time.Since(r.began) >= r.most
}

func (r *runner) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, format+"\n", args...)
}

// one runs a check and records its result. It returns an error when there is no result, and no further check should run.
func (r *runner) one(ctx context.Context, c check, at code) error {
	if r.over(ctx) {
		return nil
	}
	if err := r.same(ctx, at); err != nil {
		return err
	}
	r.say("%s: %s", c.name, c.command)
	file := filepath.Join(r.logs, strings.NewReplacer("/", "-", ":", "-").Replace(c.name)+".log")
	began := time.Now()
	processor, err := runCommand(ctx, c.command, file, r.ends)
	wall := time.Since(began)
	if ctx.Err() != nil {
		os.Remove(file)
		return nil // it was ended, which says nothing about the code
	}
	if err := r.same(ctx, at); err != nil {
		return fmt.Errorf("%s is not recorded: %w", c.name, err)
	}
	output, readErr := os.ReadFile(file)
	if readErr != nil {
		return readErr
	}
	found, countErr := c.of.read(string(output))
	err = errors.Join(err, countErr)
	result := result{
		name: c.name, command: c.command, passed: err == nil, counts: found,
		wall: wall, processor: processor, date: time.Now(), code: at,
	}
	if err := r.book.add(result); err != nil {
		return err
	}
	if err == nil {
		os.Remove(file)
		r.say("%s: passed in %s: %s", c.name, round(wall), found)
	} else {
		r.say("%s: FAILED in %s: %s; its output is in %s", c.name, round(wall), strings.ReplaceAll(err.Error(), "\n", "; "), file)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.passed++
	} else {
		r.failed = append(r.failed, c.name)
	}
	return nil
}

// same fails when the files are not those of the code any more.
func (r *runner) same(ctx context.Context, at code) error {
	now, err := r.code(ctx)
	if err == nil && now != at {
		err = fmt.Errorf("the code has changed meanwhile: it was %s, and is %s", at, now)
	}
	return err
}

// fromOutside are variables with which a check would do something else than its command says: of make, which
// may have started this program, of the Makefile's targets, and of the tests' servers.
var fromOutside = []string{"MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKELEVEL", "MUTATE", "EXPLORE", "REPLAY", "FUZZ", "MYSQLSERVER"}

func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(fromOutside, name)
	})
}

// runCommand runs a shell command with its output in a file, and returns the processor time of all its processes. They are in
// a process group of their own: when the context ends, all of it gets an interrupt, as `go run` and make hand none on.
func runCommand(ctx context.Context, command, file string, ends time.Duration) (processor time.Duration, err error) {
	output, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	defer output.Close()
	cmd := exec.Command("sh", "-c", command)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment(), output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		endGroup(cmd.Process.Pid, ends)
		err = <-ended
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whoever is left
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
}

// endGroup interrupts a process group and waits until all of it has ended, since they remove servers and files that they use.
func endGroup(group int, ends time.Duration) {
	_ = syscall.Kill(-group, syscall.SIGINT)
	for deadline := time.Now().Add(ends); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err := syscall.Kill(-group, 0); errors.Is(err, syscall.ESRCH) {
			return
		}
	}
	_ = syscall.Kill(-group, syscall.SIGKILL)
}

// logDir makes the directory for the output of checks of the module in dir, in the cache directory.
func logDir(cacheDir, dir string) (string, error) {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	logs := filepath.Join(cacheDir, "proof", fmt.Sprintf("%x", sha256.Sum256([]byte(whole)))[:8])
	return logs, os.MkdirAll(logs, 0o700)
}
