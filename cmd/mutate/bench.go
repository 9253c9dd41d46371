package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench is a copy of the module, in which mutations are tried. The copy itself
// is never changed: each mutation is an overlay of one file, so that several can
// be tried at once, and the packages that none of them concerns are compiled
// once.
type bench struct {
	dir     string // temporary; holds all of what follows
	module  string // the copy
	mutated map[string]string
}

// newBench copies the module that the current directory is the root of, and
// writes the mutated files beside it. It fails when a mutation does not fit the
// source, before anything is tried.
func newBench(chosen []mutation) (b *bench, err error) {
	if _, err := os.Stat("go.mod"); err != nil {
		return nil, fmt.Errorf("run it in the directory of the module: %w", err)
	}
	b = &bench{mutated: map[string]string{}}
	if b.dir, err = os.MkdirTemp("", "mautic-rotation-mutate-"); err != nil {
		return nil, err
	}
	b.module = filepath.Join(b.dir, "module")
	if err := copyModule(b.module); err != nil {
		b.remove()
		return nil, err
	}
	var faults []error
	for _, m := range chosen {
		faults = append(faults, b.prepare(m))
	}
	if err := errors.Join(faults...); err != nil {
		b.remove()
		return nil, err
	}
	return b, nil
}

func (b *bench) remove() { os.RemoveAll(b.dir) }

// prepare writes the mutated file, and the overlay that puts it in the place of
// the original.
func (b *bench) prepare(m mutation) error {
	text, err := m.apply(b.module)
	if err != nil {
		return err
	}
	dir := filepath.Join(b.dir, m.name)
	file := filepath.Join(dir, filepath.Base(m.file))
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(b.module, m.file): file}})
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o600)
	}
	b.mutated[m.name] = filepath.Join(dir, "overlay.json")
	if err == nil {
		err = os.WriteFile(b.mutated[m.name], overlay, 0o600)
	}
	return err
}

// apply returns the file with the mutation in it.
func (m mutation) apply(module string) (string, error) {
	text, err := os.ReadFile(filepath.Join(module, m.file))
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.name, err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("%s: %s has the text to replace %d times, not once: bring the mutation up to date", m.name, m.file, n)
	}
	return strings.Replace(string(text), m.old, m.new, 1), nil
}

// passWithout runs the tests that are to see the mutations, all of a package
// together, and fails unless each of them passes.
func (b *bench) passWithout(ctx context.Context, chosen []mutation) error {
	functions, killers := map[string][]string{}, map[string][]string{}
	for _, m := range chosen {
		functions[m.killer.pkg] = append(functions[m.killer.pkg], m.killer.function())
		killers[m.killer.pkg] = append(killers[m.killer.pkg], m.killer.printed())
	}
	for pkg, tests := range functions {
		slices.Sort(tests)
		tests = slices.Compact(tests)
		binary, err := b.compile(ctx, pkg, filepath.Join(b.dir, filepath.Base(pkg)+".test"), "")
		if err != nil {
			return err
		}
		out, err := b.test(ctx, pkg, binary, "^("+strings.Join(tests, "|")+")$", "-test.v")
		if err != nil {
			return fmt.Errorf("a test of %s fails without a mutation too: %w\n%s", pkg, err, out)
		}
		for _, name := range killers[pkg] {
			if !strings.Contains(out, "--- PASS: "+name) { // of subtests the beginning of the name
				return fmt.Errorf("%s has no test %s that passes: bring the mutations that name it up to date", pkg, name)
			}
		}
	}
	return nil
}

// try has a mutation's test run with the mutation, and returns the first thing
// that the test has found wrong.
func (b *bench) try(ctx context.Context, m mutation) (seen string, err error) {
	overlay := b.mutated[m.name]
	binary, err := b.compile(ctx, m.killer.pkg, filepath.Join(filepath.Dir(overlay), "test"), overlay)
	if err != nil {
		return "", err
	}
	defer os.Remove(binary)
	out, failure := b.test(ctx, m.killer.pkg, binary, m.killer.pattern(), "-test.failfast")
	return verdict(ctx, out, failure)
}

// tryTrials does the same with trials of the crash matrix, which have to pass
// without the mutation first.
func (b *bench) tryTrials(ctx context.Context, m mutation, passed map[string]bool) (seen string, err error) {
	args := m.trials.command()
	if command := strings.Join(args, " "); !passed[command] {
		if out, err := b.run(ctx, b.module, "", "go", args...); err != nil {
			return "", fmt.Errorf("they fail without the mutation too: %w\n%s", err, out)
		}
		passed[command] = true
	}
	out, failure := b.run(ctx, b.module, b.mutated[m.name], "go", args...)
	return verdict(ctx, out, failure)
}

// verdict tells whether a mutation was seen, by what was printed.
func verdict(ctx context.Context, out string, failure error) (seen string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if failure == nil {
		return "", errors.New("all went well with it: extend what is looked at")
	}
	if seen = firstViolation(out); seen == "" {
		return "", fmt.Errorf("what failed is no violation: %w\n%s", failure, out)
	}
	return seen, nil
}

// violation is a line of a failed test, a line of the crash matrix's report, or
// what the matrix says of a scenario without a fault.
var violation = regexp.MustCompile(`(?m)^(?: +\S+_test\.go:\d+: (.*)|  ([^ ].*)|crash: scenario \S+ without any fault: (.*))$`)

func firstViolation(out string) string {
	for _, match := range violation.FindAllStringSubmatch(out, -1) {
		text := match[1] + match[2] + match[3]
		if !strings.HasPrefix(text, "the trial itself failed") {
			first, _, _ := strings.Cut(text, "; ")
			return first
		}
	}
	return ""
}

// compile compiles the tests of a package, with an overlay or "".
func (b *bench) compile(ctx context.Context, pkg, binary, overlay string) (string, error) {
	// What is compiled runs once: to optimise it takes longer than it saves.
	out, err := b.run(ctx, b.module, overlay, "go", "test", "-c", "-gcflags=mautic-rotation/...=-N -l", "-ldflags=-s -w", "-o", binary, "./"+pkg)
	if err != nil {
		return "", fmt.Errorf("%s does not compile: %w\n%s", pkg, err, out)
	}
	return binary, nil
}

// test runs tests of a package in its directory, as `go test` does.
func (b *bench) test(ctx context.Context, pkg, binary, names string, args ...string) (string, error) {
	args = append(args, "-test.run", names, "-test.timeout=5m", "-test.parallel=8") // tests wait more than they work
	return b.run(ctx, filepath.Join(b.module, pkg), "", binary, args...)
}

// run runs a program and returns what it printed.
func (b *bench) run(ctx context.Context, dir, overlay, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	flags := "GOFLAGS=-trimpath" // else nothing that was built in another directory is used again
	if overlay != "" {
		flags += " -overlay=" + overlay // also of the go commands that the program runs
	}
	cmd.Env = append(os.Environ(), flags, "GOGC=800") // memory for time, in the compiler and the linker
	// In a group of its own, since `go run` does not hand on an interrupt.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// copyModule copies the module in the current directory.
func copyModule(dir string) error {
	entries, err := os.ReadDir(".")
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		to := filepath.Join(dir, name)
		switch {
		case strings.HasPrefix(name, "."), name == "build":
		case entry.IsDir():
			err = os.CopyFS(to, os.DirFS(name))
		default:
			var text []byte
			if text, err = os.ReadFile(name); err == nil {
				err = os.WriteFile(to, text, 0o600)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
