package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mautic-rotation/internal/contract"
	"mautic-rotation/internal/contract/function"
	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/wire"
)

// What makes the test program the program, and the function.
const (
	programVariable  = "CONTRACT_TEST_PROGRAM"
	functionVariable = "CONTRACT_TEST_FUNCTION"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(functionVariable) != "":
		function.Serve()
		os.Exit(1) // not reached
	case os.Getenv(programVariable) != "":
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// account is a stand-in that the program takes for AWS.
type account struct {
	*localaws.Server
	t       *testing.T
	archive string
}

func start(t *testing.T) *account {
	t.Helper()
	srv, err := localaws.Start(localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error("Close:", err)
		}
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := contract.Pack(fmt.Appendf(nil, "#!/bin/sh\n%s=yes exec '%s'\n", functionVariable, self), runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	a := &account{srv, t, filepath.Join(t.TempDir(), "function.zip")}
	if err := os.WriteFile(a.archive, packed.Zip, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// session is a run of the program.
type session struct {
	output string
	status int
}

// command is the program with arguments, in AWS.
func (a *account) command(ctx context.Context, stdin string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	a.t.Helper()
	self, err := os.Executable()
	if err != nil {
		a.t.Fatal(err)
	}
	c := exec.CommandContext(ctx, self, append([]string{"-aws", "-archive", a.archive, "-arch", runtime.GOARCH}, args...)...)
	c.Env = append(a.Env(), programVariable+"=yes", "PATH="+os.Getenv("PATH"), "HOME="+a.t.TempDir())
	c.Stdin = strings.NewReader(stdin)
	out := &bytes.Buffer{}
	c.Stdout, c.Stderr = out, out
	return c, out
}

func (a *account) run(stdin string, args ...string) session {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 2*time.Minute)
	defer cancel()
	c, out := a.command(ctx, stdin, args...)
	_ = c.Run() // its status tells
	return session{out.String(), c.ProcessState.ExitCode()}
}

func (s session) check(t *testing.T, status int, texts ...string) {
	t.Helper()
	if s.status != status {
		t.Errorf("status %d, want %d", s.status, status)
	}
	for _, text := range texts {
		if !strings.Contains(s.output, text) {
			t.Errorf("it does not say %q", text)
		}
	}
	if t.Failed() {
		t.Log(s.output)
	}
}

func (a *account) called(operation string) bool {
	return slices.ContainsFunc(a.Calls(), func(c wire.Call) bool { return c.Operation == operation })
}

// isEmpty checks that nothing is there.
func (a *account) isEmpty() {
	a.t.Helper()
	if len(a.SecretsManager.Tags())+len(a.Lambda.Tags())+len(a.IAM.Roles())+len(a.Logs.Tags()) > 0 {
		a.t.Errorf("left: %v %v %v %v", a.SecretsManager.Tags(), a.Lambda.Tags(), a.IAM.Roles(), a.Logs.Tags())
	}
}

// quick is a fact that is asked of AWS without a wait.
const quick = "^How does an error come"

func TestNothingIsMadeUnlessSomebodySaysYes(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"no": "no\n", "y": "y\n", "nothing": "\n", "nobody": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.run(answer).check(t, exitDeclined, "AWS, account 123456789012, region us-east-1", "at most 35 secrets, a function",
				"It costs at most 5 US cents", "It takes up to 35m.", "Type yes: ", "Nothing was created.")
			for _, operation := range []string{"CreateRole", "CreateSecret", "CreateFunction", "CreateLogGroup"} {
				if a.called(operation) {
					t.Error(operation, "was called")
				}
			}
		})
	}
}

func TestARunOnAWSAsksTellsWritesAndRemoves(t *testing.T) {
	t.Parallel()
	a := start(t)
	table := filepath.Join(t.TempDir(), "seen.md")
	a.run("yes\n", "-only", quick, "-out", table).check(t, 0,
		"✓ How does an error come that the function returns?", "observed: FunctionError Unhandled, with errorMessage",
		"AWS, account 123456789012, region us-east-1: 1 facts agree, 0 differ, 0 were not asked.", "Everything that was created has been removed.")
	a.isEmpty()
	if !a.called("Invoke") {
		t.Error("nothing was asked")
	}
	text, err := os.ReadFile(table)
	if err != nil || !strings.Contains(string(text), "| How does an error come that the function returns? | FunctionError Unhandled, with errorMessage | FunctionError Unhandled, with errorMessage | agrees | internal/operator/cloud/function.go") {
		t.Errorf("%s %v", text, err)
	}
}

func TestADifferenceIsToldWithWhatDependsOnIt(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation == "RotateSecret" {
			return wire.Fault{Error: &wire.Error{Code: "OtherException", Message: "no"}}
		}
		return wire.Fault{}
	})
	table := filepath.Join(t.TempDir(), "seen.json")
	a.run("", "-yes", "-only", "no function", "-out", table).check(t, exitFound,
		"✗ What becomes of RotateSecret of a secret that has no function?", "believed: refused: InvalidRequestException",
		"observed: refused: OtherException", "depends on it: internal/operator/cloud/secrets.go", "0 facts agree, 1 differ",
		"Everything that was created has been removed.")
	a.isEmpty()
	var seen struct {
		Facts []struct{ Outcome, Observed, DependsOn string }
	}
	text, err := os.ReadFile(table)
	if err == nil {
		err = json.Unmarshal(text, &seen)
	}
	if err != nil || len(seen.Facts) != 1 || seen.Facts[0].Outcome != "differs" || seen.Facts[0].Observed != "refused: OtherException" || seen.Facts[0].DependsOn == "" {
		t.Errorf("%s %v", text, err)
	}
}

// interrupted runs the program, and sends it a signal at the first call of each operation. The second one is to end it: the
// call waits for that.
func (a *account) interrupted(signal syscall.Signal, operations ...string) session {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 2*time.Minute)
	defer cancel()
	c, out := a.command(ctx, "", "-yes", "-only", "no function|error come")
	send, started, ended := map[string]func(){}, make(chan struct{}), make(chan struct{})
	for i, operation := range operations {
		send[operation] = sync.OnceFunc(func() {
			<-started
			if err := c.Process.Signal(signal); err != nil {
				a.t.Error(err)
			}
			if i == 1 {
				<-ended
			}
		})
	}
	a.Intercept(func(call wire.Call) wire.Fault { return wire.Fault{Before: send[call.Operation]} })
	if err := c.Start(); err != nil {
		a.t.Fatal(err)
	}
	close(started)
	_ = c.Wait() // its status tells
	close(ended)
	for _, operation := range operations {
		if !a.called(operation) {
			a.t.Errorf("%s was not called", operation)
		}
	}
	return session{out.String(), c.ProcessState.ExitCode()}
}

func TestAnInterruptRemovesWhatWasMade(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			a := start(t)
			a.interrupted(signal, "CreateSecret").check(t, exitFound,
				"Interrupted. Removing what was created", "not asked: interrupted", "Everything that was created has been removed.")
			a.isEmpty()
		})
	}
}

func TestASecondInterruptLeavesWhatIsLeftToTheNextRun(t *testing.T) {
	t.Parallel()
	a := start(t)
	s := a.interrupted(syscall.SIGINT, "CreateSecret", "DeleteFunction")
	s.check(t, -1, "interrupt again to leave that to the next run") // ended by the signal
	if strings.Contains(s.output, "has been removed") || len(a.IAM.Roles()) != 1 {
		t.Errorf("the role was removed: %s", s.output)
	}
}

func TestWhatAKilledRunHasLeftIsNamedBeforeItIsRemoved(t *testing.T) {
	t.Parallel()
	a := start(t)
	place := contract.StandIn(a.Server)
	place.Now = func() time.Time { return time.Now().Add(-2 * time.Hour) }
	killed, err := contract.Open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(a.archive)
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Deploy(t.Context(), contract.Archive{Zip: packed, Architecture: "arm64"}); err != nil {
		t.Fatal(err)
	}
	name := contract.Prefix + killed.Run()
	names := []string{"An earlier run was killed", "function " + name, "role " + name, "log group /aws/lambda/" + name}
	a.run("no\n", "-only", quick).check(t, exitDeclined, names...)
	if a.called("DeleteFunction") || a.called("DeleteRole") || a.called("DeleteLogGroup") {
		t.Error("it was removed though nobody said yes")
	}
	a.run("yes\n", "-only", quick).check(t, 0, names...)
	a.isEmpty()
}

func TestOnTheStandInItBuildsTheFunctionAndAsksNobody(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	status := run([]string{"-only", quick}, strings.NewReader(""), &out, &errs)
	session{out.String() + errs.String(), status}.check(t, 0, "the stand-in: 1 facts agree, 0 differ", "Everything that was created has been removed.")
	if strings.Contains(out.String(), "yes") {
		t.Error("it asked:", out.String())
	}
}

func TestArgumentsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-only", "no such fact"}, {"-only", "("}, {"aws"}, {"-no-such-flag"}, {"-patience", "long"}} {
		var out, errs bytes.Buffer
		if status := run(args, strings.NewReader(""), &out, &errs); status != exitUsage || errs.Len() == 0 || out.Len() > 0 {
			t.Errorf("%q: %d %s %s", args, status, out.String(), errs.String())
		}
	}
}

func TestAListSaysWhatIsBelievedAndWhy(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	status := run([]string{"-list"}, strings.NewReader(""), &out, &errs)
	session{out.String(), status}.check(t, 0, "takes up to 1h20m on AWS", "not asked: it takes a rule of EventBridge's")
	for _, f := range contract.Facts() {
		if !strings.Contains(out.String(), f.Name+"\n    "+strings.Join(f.Believed, ", or ")+"\n") || !strings.Contains(out.String(), "depends on it: "+f.DependsOn+"\n") {
			t.Errorf("it leaves out %s", f.Name)
		}
	}
}
