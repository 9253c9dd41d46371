package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// With this variable the test program is the command, in a directory of fake checks.
const asCommand = "PROOF_TEST_DIRECTORY"

func TestMain(m *testing.M) {
	dir := os.Getenv(asCommand)
	if dir == "" {
		os.Exit(m.Run())
	}
	ctx, stop := interrupts()
	err := fake(dir, os.Stdout).run(ctx, fakeChecks(dir))
	stop()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// fakeChecks: one passes, one fails until there is a file "mended", one goes on until there is a file "enough", one passes.
func fakeChecks(dir string) (checks []check) {
	for _, c := range []struct{ name, script string }{
		{"first", "echo 2 trials: 0 violations"},
		{"failing", "[ -e mended ] && echo 3 trials: 0 violations || { echo 3 trials: 1 violations; exit 1; }"},
		{"long", "echo $$ >pid; [ -e enough ] || { (while :; do echo >>alive; sleep 0.02; done) & sleep 60; }; echo 4 trials: 0 violations"},
		{"last", "echo 5 trials: 0 violations"},
	} {
		command := fmt.Sprintf("cd '%s' && echo run >>%s.runs && { %s; }", dir, c.name, c.script)
		checks = append(checks, check{"crash/mysql/" + c.name, command, &crashMySQL})
	}
	return checks
}

// The shell has its background processes ignore interrupts: of the long check one has to be killed.
func fake(dir string, out *os.File) *runner {
	return &runner{
		book: &book{record: filepath.Join(dir, "proof.tsv"), page: filepath.Join(dir, "proof.md"), checks: fakeChecks(dir)},
		logs: dir, jobs: 1, ends: time.Second, out: out,
		code: func(context.Context) (code, error) { return thisCode, nil },
	}
}

func fakeDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "proof.md"), "before\n"+tableBegins+tableEnds+"\nafter\n")
	return dir
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start starts the command, and waits until its long check runs, in the process group that is returned.
func start(t *testing.T, dir string) (cmd *exec.Cmd, output *bytes.Buffer, group int) {
	t.Helper()
	cmd, output = exec.Command(os.Args[0]), &bytes.Buffer{}
	cmd.Env = append(os.Environ(), asCommand+"="+dir)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(filepath.Join(dir, "pid"))
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if alive, _ := os.ReadFile(filepath.Join(dir, "alive")); err == nil && len(alive) > 0 {
			t.Cleanup(func() { syscall.Kill(-pid, syscall.SIGKILL) })
			return cmd, output, pid
		}
		if time.Since(began) > time.Minute {
			cmd.Process.Kill()
			t.Fatalf("the long check does not start: %v", cmd.Wait())
		}
	}
}

// wantRuns compares how often each of the fake checks has been started, in their order.
func wantRuns(t *testing.T, dir, when, want string) {
	t.Helper()
	var got []string
	for _, c := range fakeChecks(dir) {
		text, _ := os.ReadFile(filepath.Join(dir, c.short()+".runs"))
		got = append(got, strconv.Itoa(bytes.Count(text, []byte("\n"))))
	}
	if got := strings.Join(got, " "); got != want {
		t.Errorf("%s: the checks have been started %s times instead of %s", when, got, want)
	}
}

// wantStates compares the record.
func wantStates(t *testing.T, dir, when string, want ...string) {
	t.Helper()
	results, err := readRecord(filepath.Join(dir, "proof.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range fakeChecks(dir) {
		if got := stateOf(c, results, thisCode); got != want[i] {
			t.Errorf("%s: %s is %q instead of %q", when, c.name, got, want[i])
		}
	}
}

func TestARunThatWasKilledGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	dir := fakeDir(t)
	cmd, _, group := start(t, dir)
	cmd.Process.Kill()
	cmd.Wait()
	syscall.Kill(-group, syscall.SIGKILL) // nobody else ends it
	wantRuns(t, dir, "killed", "1 1 1 0")
	wantStates(t, dir, "killed", hasPassed, hasFailed, notRun, notRun)

	write(t, filepath.Join(dir, "enough"), "")
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	err = fake(dir, out).run(t.Context(), fakeChecks(dir))
	if err == nil || !strings.Contains(err.Error(), "failed: crash/mysql/failing") {
		t.Errorf("with a check that fails: %v", err)
	}
	wantRuns(t, dir, "again", "1 2 2 1")
	wantStates(t, dir, "again", hasPassed, hasFailed, hasPassed, hasPassed)
	log := filepath.Join(dir, "crash-mysql-failing.log")
	if text := read(t, log); !strings.Contains(text, "3 trials: 1 violations") || !strings.Contains(read(t, out.Name()), log) {
		t.Errorf("the output of what failed is %q, and is told by %s", text, read(t, out.Name()))
	}
	if page := read(t, filepath.Join(dir, "proof.md")); !strings.HasPrefix(page, "before\n"+tableBegins) || !strings.HasSuffix(page, tableEnds+"\nafter\n") ||
		!strings.Contains(page, "| 3 of 4 | 11 trials, 0 violations |") || !strings.Contains(page, "failed: `failing`") {
		t.Errorf("the page is\n%s", page)
	}

	write(t, filepath.Join(dir, "mended"), "")
	for _, when := range []string{"mended", "complete"} {
		if err := fake(dir, out).run(t.Context(), fakeChecks(dir)); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		wantRuns(t, dir, when, "1 3 2 1")
		wantStates(t, dir, when, hasPassed, hasPassed, hasPassed, hasPassed)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.log")); err != nil || len(left) > 0 {
		t.Errorf("%v, and there are outputs of what has passed: %q", err, left)
	}
}

func TestAnInterruptEndsEveryProcessAndRecordsNothing(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			dir := fakeDir(t)
			cmd, output, group := start(t, dir)
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 || !strings.Contains(output.String(), "interrupted") {
				t.Errorf("it ended with %v:\n%s", err, output)
			}
			// A process that has ended stays in its group until it is reaped, which may take init a moment.
			for ended := time.Now(); syscall.Kill(-group, 0) == nil; time.Sleep(10 * time.Millisecond) {
				if time.Since(ended) > time.Minute {
					t.Fatal("a process of the check goes on")
				}
			}
			wantRuns(t, dir, "interrupted", "1 1 1 0")
			wantStates(t, dir, "interrupted", hasPassed, hasFailed, notRun, notRun)
		})
	}
}

func TestNothingIsRecordedOfCodeThatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	dir := fakeDir(t)
	r := fake(dir, os.Stdout)
	r.code = func(context.Context) (code, error) {
		if _, err := os.Stat(filepath.Join(dir, "first.runs")); err == nil {
			return otherCode, nil
		}
		return thisCode, nil
	}
	err := r.run(t.Context(), fakeChecks(dir))
	if err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("the error is %v", err)
	}
	wantRuns(t, dir, "changed", "1 0 0 0")
	wantStates(t, dir, "changed", notRun, notRun, notRun, notRun)
}

func TestNoCheckStartsAfterTheTime(t *testing.T) {
	t.Parallel()
	dir := fakeDir(t)
	r := fake(dir, os.Stdout)
	r.most = 1
	if err := r.run(t.Context(), fakeChecks(dir)); err != nil {
		t.Error(err)
	}
	wantRuns(t, dir, "no time", "0 0 0 0")
}

func TestChecksRunAtOnce(t *testing.T) {
	t.Parallel()
	dir := fakeDir(t)
	r := fake(dir, os.Stdout)
	r.jobs = 2
	var both []check
	for me, other := range map[string]string{"one": "two", "two": "one"} {
		both = append(both, check{"crash/mysql/" + me, fmt.Sprintf("cd '%s'; touch %s; for i in $(seq 600); do [ -e %s ] && echo 1 trials, 0 violations && exit 0; sleep 0.1; done; exit 1", dir, me, other), &crashMySQL})
	}
	r.book.checks = both
	if err := r.run(t.Context(), both); err != nil {
		t.Error(err)
	}
	if page := read(t, filepath.Join(dir, "proof.md")); !strings.Contains(page, "| **2 of 2** | 2 trials, 0 violations |") {
		t.Errorf("the page is\n%s", page)
	}
}

func TestOnlyCommittedCodeIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("without git the command refuses to run any check: ", err)
	}
	dir := t.TempDir()
	in := func(args ...string) {
		t.Helper()
		args = append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"}, args...)
		if _, err := git(t.Context(), dir, args...); err != nil {
			t.Fatal(err)
		}
	}
	in("init", "-q")
	for _, tree := range []string{"rotation", "lambda", "internal", "docs"} {
		if err := os.Mkdir(filepath.Join(dir, tree), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, tree, "file"), tree)
	}
	write(t, filepath.Join(dir, "go.mod"), "module x\n")
	in("add", ".")
	in("commit", "-q", "-m", "all")
	before, err := cleanCode(t.Context(), dir)
	if err != nil || len(before[0]) != hashDigits || before[0] == before[1] {
		t.Fatalf("the code is %v, %v", before, err)
	}
	for _, step := range []struct {
		file           string
		refused, other bool
	}{{"docs/file", false, false}, {"rotation/file", true, true}, {"internal/new.go", true, true}, {"go.mod", true, true}} {
		write(t, filepath.Join(dir, step.file), "changed")
		if _, err := cleanCode(t.Context(), dir); (err != nil) != step.refused || err != nil && !strings.Contains(err.Error(), step.file) {
			t.Errorf("%s is changed: %v", step.file, err)
		}
		in("add", ".")
		in("commit", "-q", "-m", step.file)
		after, err := cleanCode(t.Context(), dir)
		if err != nil || (after != before) != step.other {
			t.Errorf("%s is committed: the code was %v and is %v, %v", step.file, before, after, err)
		}
		before = after
	}
}
