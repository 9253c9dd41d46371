package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/creack/pty"

	"mautic-rotation/internal/golden"
	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/operator/cli"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/view"
	"mautic-rotation/internal/rig"
)

// A deployment is what an operator has: the function, its services, and this program.
type deployment struct {
	*rig.Rig
	t       testing.TB
	app     *rig.Application
	onPause func(n int) // of the n-th pause of a command
	nobody  bool        // there is no person to answer questions
}

// deploy makes a deployment in which nothing is observed for long.
func deploy(t testing.TB, o rig.Options) *deployment {
	binary, err := function()
	if err != nil {
		t.Fatal(err)
	}
	d := &deployment{t: t, app: &rig.Application{Services: []string{"mautic-web"}, Tasks: 2, Interval: 50 * time.Millisecond}}
	if o.Application != nil {
		d.app.Literal = o.Application.Literal
		if o.Application.Services != nil {
			d.app.Services = o.Application.Services
		}
	}
	o.MySQL, o.Binary, o.Application, o.AWS = mysqltest.Shared(t), binary, d.app, localaws.Options{RotationRetries: -1}
	if d.Rig, err = rig.New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	for _, pair := range append(d.AWS.Env(), "AWS_PROFILE=", "AWS_CONFIG_FILE="+t.TempDir()+"/none", "AWS_SHARED_CREDENTIALS_FILE="+t.TempDir()+"/none", "TZ=UTC", "MAUTIC_ROTATION_STACK=") {
		key, value, _ := strings.Cut(pair, "=")
		t.Setenv(key, value)
	}
	d.prepareRotation()
	return d
}

// prepareRotation has Secrets Manager know the function, as the template does, without a rotation.
func (d *deployment) prepareRotation() {
	if _, err := d.Rotate(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	if d.app.Literal {
		return // it does not settle
	}
	if d.Mautic != nil {
		return // an API client's overlap lasts for days
	}
	if err := d.Settle(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

// A session is what one command showed, and its exit code.
type session struct {
	out, messages string
	code          fault.Code
}

// run runs a command in this process, through a pipe, and answers its questions with yes. It
// waits a thousandth of what the program waits, and lets the function look meanwhile, as its schedule
// does.
func (d *deployment) run(args ...string) session {
	d.t.Helper()
	var out, messages bytes.Buffer
	code := d.main(&out, &messages, view.Style{}, args...)
	return session{out.String(), messages.String(), code}
}

func (d *deployment) main(out, messages io.Writer, style view.Style, args ...string) fault.Code {
	ctx, cancel := context.WithTimeout(d.t.Context(), 2*time.Minute)
	defer cancel()
	return d.mainIn(ctx, out, messages, style, args...)
}

func (d *deployment) mainIn(ctx context.Context, out, messages io.Writer, style view.Style, args ...string) fault.Code {
	var pauses atomic.Int32
	wait := func(ctx context.Context, _ time.Duration) error {
		if d.onPause != nil {
			d.onPause(int(pauses.Add(1)))
		}
		return pause(ctx, 50*time.Millisecond)
	}
	return cli.Main(ctx, &cli.Env{
		Args: args, Getenv: os.Getenv, In: strings.NewReader("yes\n"), Out: out, Messages: messages, Asks: !d.nobody, Style: style, Version: "test",
		Now: time.Now, Pause: wait, Connect: cli.Connect(wait),
	})
}

// terminal runs a command as in a terminal of 100 columns.
func (d *deployment) terminal(args ...string) string {
	d.t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		d.t.Fatal(err)
	}
	defer master.Close()
	if err := pty.Setsize(tty, &pty.Winsize{Rows: 40, Cols: 100}); err != nil {
		d.t.Fatal(err)
	}
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(master) // which ends with an error when the other side is closed
		text <- string(all)
	}()
	s := style(tty)
	if !s.Terminal || !s.Colour || s.Width != 100 {
		d.t.Errorf("the terminal is taken for %+v", s)
	}
	s.Zone = time.UTC
	d.main(tty, tty, s, args...)
	tty.Close()
	return strings.ReplaceAll(<-text, "\r\n", "\n")
}

// What differs from run to run.
var (
	uuids  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	shorts = regexp.MustCompile(`[0-9a-f]{8}(\.\.\.|…)`)
	dates  = regexp.MustCompile(`\d{1,2} [A-Z][a-z]{2} \d{4}( \d\d:\d\d( UTC)?)?|\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?|\d{1,2} [A-Z][a-z]{2} \d\d:\d\d`)
	clocks = regexp.MustCompile(`\b\d\d:\d\d(:\d\d)?\b`)
	spans  = regexp.MustCompile(`\b\d+ (s|min|h)\b`)
	spaces = regexp.MustCompile(` {2,}`)
	hosts  = regexp.MustCompile(`127\.0\.0\.1(:\d+)?`)
	tasks  = regexp.MustCompile(`task [0-9a-f]{8,}`)
	users  = regexp.MustCompile(`mautic_[0-9a-z]{10}`)
)

func normal(text string) string {
	for _, r := range []struct {
		what *regexp.Regexp
		with string
	}{{uuids, "<uuid>"}, {shorts, "<id>"}, {dates, "<date>"}, {clocks, "<time>"}, {spans, "<span>"}, {hosts, "<host>"}, {tasks, "task <id>"}, {users, "<user>"}, {spaces, "  "}} {
		text = r.what.ReplaceAllString(text, r.with)
	}
	return text
}

func (s session) String() string {
	return normal(fmt.Sprintf("%s--- messages\n%s--- exit code %d\n", s.out, s.messages, s.code))
}

// tells fails unless a text has lines with each of the words, in their order.
func tells(t *testing.T, text string, words ...string) {
	t.Helper()
	rest := text
	for _, word := range words {
		_, after, ok := strings.Cut(rest, word)
		if !ok {
			t.Fatalf("it does not tell of %q, at its place, in\n%s", word, text)
		}
		rest = after
	}
}

func TestASessionOfStatusRotateAndHistory(t *testing.T) {
	d := deploy(t, rig.Options{})
	golden.Equal(t, "testdata/status.txt", d.run("status").String())
	golden.Equal(t, "testdata/status-terminal.txt", normal(d.terminal("status")))

	d.onPause = func(n int) {
		if n%2 == 0 {
			if err := d.Reconcile(); err != nil {
				t.Errorf("reconcile: %v", err)
			}
		}
	}
	followed := d.run("rotate", "--only", "database", "--wait", "retired", "--stack", rig.StackName)
	tells(t, followed.out, "started: version only.database.", "promoted: the new values are AWSCURRENT", "converged: every task has the new values", "retired. No old value is accepted any more")
	if followed.code != fault.Fine || followed.messages != "" {
		t.Errorf("%s", followed)
	}
	current, err := d.PasswordLabelled("AWSCURRENT")
	if err != nil || current == d.Password || strings.Contains(followed.out, current) {
		t.Errorf("the password: %v", err)
	}

	all := d.run("status", "--all")
	tells(t, all.out, rig.StackName, "database", "steady")
	if all.code != fault.Fine {
		t.Errorf("%s", all)
	}
	history := d.run("history")
	golden.Equal(t, "testdata/history.txt", history.String())
	tells(t, d.run("history", "--all").out, "stored", "database", "promoted", "redeployed", "retired")
	logs := d.run("logs")
	tells(t, logs.out, "createSecret succeeded", "promoted the pending version", "retired")
	if all := followed.out + history.out + logs.out; strings.Contains(all, current) || strings.Contains(all, d.Password) {
		t.Error("a password was shown")
	}
	version := uuids.FindString(followed.out)
	tells(t, d.run("explain", version).out, "AWSCURRENT: ", "database: current")
}

// The program as it is handed on: what the other sessions have of it but main.
func TestTheBuiltProgramShowsTheSameAndLeavesARotationRunningWhenInterrupted(t *testing.T) {
	d := deploy(t, rig.Options{})
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(file, "status").Output()
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	if want := d.run("status").out; normal(string(out)) != normal(want) {
		t.Errorf("it shows\n%s, not\n%s", out, want)
	}
	tty, err := pty.StartWithSize(exec.Command(file, "status"), &pty.Winsize{Rows: 40, Cols: 100})
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	shown, _ := io.ReadAll(tty) // which ends with an error when the program has ended
	if want := d.terminal("status"); normal(strings.ReplaceAll(string(shown), "\r\n", "\n")) != normal(want) {
		t.Errorf("in a terminal it shows\n%q, not\n%q", shown, want)
	}

	command := exec.Command(file, "rotate", "--stack", rig.StackName)
	pipe, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(pipe)
	lines.Scan()
	token := "all." + uuids.FindString(lines.Text())
	tells(t, lines.Text(), "started: version "+token)
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	lines.Scan()
	tells(t, lines.Text(), "the rotation continues; to follow it: mautic-rotation status --stack "+rig.StackName+" --watch")
	_ = command.Wait()
	if code := command.ProcessState.ExitCode(); code != int(fault.Unknown) {
		t.Errorf("it ended with %d", code)
	}
	if err := d.AWS.SecretsManager.WaitRotation(t.Context(), d.SecretARN, token); err != nil {
		t.Errorf("the rotation did not go on: %v", err)
	}
}

func TestASessionOfAHeldOverlap(t *testing.T) {
	d := deploy(t, rig.Options{Application: &rig.Application{Literal: true}})
	for range 20 {
		if err := d.WaitSteady(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = d.Reconcile()
		if journal, err := d.Journal(); err != nil {
			t.Fatal(err)
		} else if slices.Contains(journal, "database=held") {
			break
		}
	}
	held := d.run("status")
	tells(t, held.out, "held since", "because", "logins of '"+d.User+"'", "Needs you", "mautic-rotation release")
	if held.code != fault.Attention {
		t.Errorf("%s", held)
	}
	old := regexp.MustCompile(`rotation;2;\S*=held\S*`)
	for _, version := range labels(t, d) {
		for _, label := range version {
			if old.MatchString(label) {
				tells(t, d.run("explain", label).out, "database: held", "something still uses it")
			}
		}
	}

	d.app.Literal = false // somebody corrects the configuration
	released := d.run("release", "--yes")
	tells(t, released.out, "done: database: what was held is released")
	tells(t, released.messages, "redeploy the services once more")
	if err := d.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := d.run("status"); s.code != fault.Fine {
		t.Errorf("after the release: %s", s)
	}
}

// labels are those of the secret's versions.
func labels(t *testing.T, d *deployment) (all [][]string) {
	state, err := d.AWS.SecretsManager.State(d.SecretARN)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range state.Versions {
		all = append(all, version.Labels)
	}
	return all
}

func TestASessionOfARollback(t *testing.T) {
	d := deploy(t, rig.Options{})
	before, err := d.PasswordLabelled("AWSCURRENT")
	if err != nil {
		t.Fatal(err)
	}
	refused := d.run("roll-back")
	tells(t, refused.messages, "the rollout has converged")
	if refused.code != fault.Attention {
		t.Errorf("with nothing to roll back: %s", refused)
	}
	d.app.Slow.Store(true) // so that the rollout stays open
	defer d.app.Slow.Store(false)
	if s := d.run("rotate", "--no-wait"); s.code != fault.Fine {
		t.Fatalf("%s", s)
	}
	if err := d.until(func() bool {
		current, err := d.PasswordLabelled("AWSCURRENT")
		return err == nil && current != before
	}); err != nil {
		t.Fatal(err)
	}
	d.AWS.Intercept(func(c wire.Call) (f wire.Fault) {
		if c.Operation == "UpdateService" {
			f.Error = &wire.Error{Code: "AccessDeniedException", Message: "not authorized to perform ecs:UpdateService", Status: 400}
		}
		return f
	})
	rolled := d.run("roll-back")
	d.AWS.Intercept(nil)
	tells(t, rolled.out, "FAIL", "redeploy service mautic-web", "ecs:UpdateService", "done: rolled back: the old values are AWSCURRENT again") // both of what it did and of what failed
	tells(t, rolled.messages, "Roll back will:", "current again", "redeploy the services", "hold the schedule off")
	if current, err := d.PasswordLabelled("AWSCURRENT"); err != nil || current != before {
		t.Errorf("the old password is not AWSCURRENT: %v\n%s", err, rolled)
	}
	if rolled.code != fault.Attention {
		t.Errorf("a rollback that was done in part: %s", rolled)
	}
	d.AWS.Clock().Advance(30 * time.Second) // a redeploy that was tried is waited for
	if s := d.run("reconcile"); s.code != fault.Fine || !strings.Contains(s.out, "the redeploy has begun") {
		t.Errorf("what was left of it: %s", s)
	}
	if s := d.run("history"); !strings.Contains(s.out, "rolled back ") {
		t.Errorf("its history: %s", s)
	}
}

// until waits for something that goes on beside.
func (d *deployment) until(holds func() bool) error {
	ctx, cancel := context.WithTimeout(d.t.Context(), 30*time.Second)
	defer cancel()
	for !holds() {
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func TestASessionOfAnEmergency(t *testing.T) {
	d := deploy(t, rig.Options{})
	before, err := d.PasswordLabelled("AWSCURRENT")
	if err != nil {
		t.Fatal(err)
	}
	d.onPause = func(int) { _ = d.Reconcile() }
	s := d.run("rotate", "--emergency", "--only", "database", "--wait", "retired")
	tells(t, s.messages, "every connection opened with it is closed", "make running tasks fail", "Rotate now? [y/N]")
	tells(t, s.out, "started: version only.database.emergency.", "promoted", "retired. No old value is accepted any more")
	if s.code != fault.Fine {
		t.Errorf("%s", s)
	}
	if err := d.Login(t.Context(), before); err == nil {
		t.Error("the leaked password is accepted")
	}
}

func TestASessionOfAPreflight(t *testing.T) {
	d := deploy(t, rig.Options{SES: &rig.SES{}})
	ready := d.run("preflight")
	tells(t, ready.out, "ok", "database", "SES's sending quota", "no problem")
	if ready.code != fault.Fine {
		t.Errorf("%s", ready)
	}
	verified := d.run("verify")
	tells(t, verified.out, "ok", "database")
	if verified.code != fault.Fine {
		t.Errorf("%s", verified)
	}
	if _, err := d.MySQL.Admin().ExecContext(t.Context(), "REVOKE APPLICATION_PASSWORD_ADMIN ON *.* FROM '"+d.User+"'@'%'"); err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "testdata/preflight.txt", d.run("preflight").String())
	golden.Equal(t, "testdata/preflight-terminal.txt", normal(d.terminal("preflight")))
	if s := d.run("rotate", "--only", "database"); s.code != fault.Attention || !strings.Contains(s.out, "GRANT APPLICATION_PASSWORD_ADMIN") {
		t.Errorf("a rotation that the preflight warned of: %s", s)
	}
}

func TestASessionOfARotationThatTurnsRotationOn(t *testing.T) {
	d := deploy(t, rig.Options{})
	if _, err := d.Secrets.CancelRotateSecret(t.Context(), &sm.CancelRotateSecretInput{SecretId: &d.SecretARN}); err != nil {
		t.Fatal(err)
	}
	d.nobody = true
	if s := d.run("rotate"); s.code != fault.Usage || !strings.Contains(s.messages, "turn automatic rotation on again (someone turned it off with cancel-rotate-secret)") {
		t.Errorf("without --yes: %s", s)
	}
	tells(t, d.run("status").out, "rotation is off")
	if s := d.run("rotate", "--yes", "--no-wait"); s.code != fault.Fine {
		t.Errorf("with --yes: %s", s)
	}
	if s := d.run("status"); strings.Contains(s.out, "rotation is off") {
		t.Errorf("%s", s)
	}
}

// AWS's clock may not be this machine's: that of a laptop that slept, or of the local run, whose clock can
// be moved on.
func TestASessionByAWSsClock(t *testing.T) {
	d := deploy(t, rig.Options{})
	d.AWS.Clock().Advance(200 * 24 * time.Hour)
	if _, err := d.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	month := d.AWS.Clock().Now().UTC().Format("2006-01")
	tells(t, d.run("history", "--since", "1d").out, month, "database")
	tells(t, d.run("logs").out, "promoted the pending version")
	if s := d.run("pause", "--until", time.Now().AddDate(0, 0, 30).Format(time.DateOnly)); s.code != fault.Usage || !strings.Contains(s.messages, "is in the past") {
		t.Errorf("a pause until a day that is over by AWS's clock: %s", s)
	}
}

func TestASessionOfAPause(t *testing.T) {
	d := deploy(t, rig.Options{})
	paused := d.run("pause", "--until", "14d")
	tells(t, paused.out, "paused until", "mautic-rotation resume")
	status := d.run("status")
	tells(t, status.out, "paused", "until", "mautic-rotation resume")
	if paused.code != fault.Fine || status.code != fault.Fine {
		t.Errorf("%s%s", paused, status)
	}
	if s := d.run("resume"); s.code != fault.Fine {
		t.Errorf("%s", s)
	}
	if s := d.run("status"); strings.Contains(s.out, "paused") {
		t.Errorf("after it was resumed: %s", s)
	}
}
