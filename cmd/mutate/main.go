// Command mutate breaks the engine on purpose, in one way after another, and
// shows that the crash matrix, or a test, sees each. It works on a copy of the
// source tree in a temporary directory. What is to see a mutation has to pass
// without it first. The exit status is 1 when a mutation goes unseen.
//
//	go run ./cmd/mutate                          all of mutations.go
//	go run ./cmd/mutate -only redeploy-once      one of them
//
// It runs in the directory of the module, as `make mutate` does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	only := flag.String("only", "", "one mutation, by its name")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	chosen := slices.DeleteFunc(slices.Clone(mutations), func(m mutation) bool { return only != "" && m.name != only })
	if len(chosen) == 0 {
		return fmt.Errorf("no mutation is named %q", only)
	}
	dir, err := os.MkdirTemp("", "mautic-rotation-mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := copyModule(dir); err != nil {
		return err
	}
	var faults []error
	passed := map[string]bool{}
	for _, m := range chosen {
		killer := strings.Join(m.killer, " ")
		fmt.Printf("\n%s: %s\n  go %s\n", m.name, m.what, killer)
		if !passed[killer] {
			began := time.Now()
			if out, err := goCommand(ctx, dir, m.killer...); err != nil {
				return fmt.Errorf("%s: it fails without the mutation too: %w\n%s", m.name, err, out)
			}
			passed[killer] = true
			fmt.Printf("  passes without the mutation (%s)\n", time.Since(began).Round(time.Second))
		}
		began := time.Now()
		seen, err := m.try(ctx, dir)
		if err != nil {
			fmt.Println("  NOT SEEN:", err)
			faults = append(faults, fmt.Errorf("%s: %w", m.name, err))
			continue
		}
		fmt.Printf("  seen (%s): %s\n", time.Since(began).Round(time.Second), seen)
	}
	fmt.Printf("\n%d of %d mutations seen\n", len(chosen)-len(faults), len(chosen))
	return errors.Join(faults...)
}

// try applies the mutation to the copy in dir for as long as its killer runs,
// and returns the first violation.
func (m mutation) try(ctx context.Context, dir string) (seen string, err error) {
	path := filepath.Join(dir, m.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", fmt.Errorf("%s has the text to replace %d times, not once: bring the mutation up to date", m.file, n)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, text, 0o600)) }()
	if out, err := goCommand(ctx, dir, "build", "./..."); err != nil {
		return "", fmt.Errorf("what it makes does not compile: %w\n%s", err, out)
	}
	out, failure := goCommand(ctx, dir, m.killer...)
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if failure == nil {
		return "", errors.New("all went well with it: extend what the checks look at")
	}
	if seen = firstViolation(out); seen == "" {
		return "", fmt.Errorf("what failed is no violation: %w\n%s", failure, out)
	}
	return seen, nil
}

// violation is a line of the crash matrix's report, what the matrix says of a
// scenario without a fault, or a line of a failed test.
var violation = regexp.MustCompile(`(?m)^(?:  ([^ ].*)|crash: scenario \S+ without any fault: (.*)| +\S+_test\.go:\d+: (.*))$`)

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

// goCommand runs the go command in dir and returns what it printed.
func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-trimpath") // else nothing that was built in another directory is used again
	// In a group of its own, since `go run` does not hand on an interrupt.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// copyModule copies the module that the current directory is the root of.
func copyModule(dir string) error {
	if _, err := os.Stat("go.mod"); err != nil {
		return fmt.Errorf("run it in the directory of the module: %w", err)
	}
	entries, err := os.ReadDir(".")
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
