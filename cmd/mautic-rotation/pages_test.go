package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/creack/pty"

	"mautic-rotation/internal/awscli"
	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/view"
	"mautic-rotation/internal/rig"
	"mautic-rotation/internal/syncbuf"
)

// Whatever the pages tell people to type is typed here, against a running deployment in the
// stand-in for AWS: by `make docs` all of it; without its flag, what the program only looks by.

var all = flag.Bool("pages", false, "run all commands of the pages, by a shell, with the real AWS CLI and the built program")

// looks are the commands of the program that change nothing.
var looks = regexp.MustCompile(`^mautic-rotation (status|preflight|verify|history|logs|explain|completion)\b`)

// inFences is a block of a page, and inSpans a command within a line of text.
var (
	inFences = regexp.MustCompile("(?ms)^ *```[a-z]*\n(.*?)^ *```$")
	inSpans  = regexp.MustCompile("(?s)`((?:aws|mautic-rotation|make|sam) [^`]*)`")
	goesOver = regexp.MustCompile(`\\\n\s*`)
	typed    = regexp.MustCompile(`(?m)^\s*(?:\$ )?(?:build/)?((?:aws|mautic-rotation|make|sam) .*)$`)
	remark   = regexp.MustCompile(`\s+#\s.*$`)
	blanks   = regexp.MustCompile(`\s+`)
)

// commandsOfPages are the commands of README and docs/, each once, with the page that has it first.
func commandsOfPages(t *testing.T) (commands []string, page map[string]string) {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	page = map[string]string{}
	for _, file := range append(files, "../../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		add := func(command string) {
			command = blanks.ReplaceAllString(remark.ReplaceAllString(command, ""), " ")
			if _, seen := page[command]; !seen {
				commands, page[command] = append(commands, command), filepath.Base(file)
			}
		}
		prose := inFences.ReplaceAllStringFunc(string(text), func(block string) string {
			block = inFences.FindStringSubmatch(block)[1]
			for _, m := range typed.FindAllStringSubmatch(goesOver.ReplaceAllString(block, ""), -1) {
				add(m[1])
			}
			return ""
		})
		for _, m := range inSpans.FindAllStringSubmatch(prose, -1) {
			add(m[1])
		}
	}
	return commands, page
}

// named is a command's name in a sentence: nobody types it like that.
var named = regexp.MustCompile(`^aws [a-z0-9]+ [a-z-]+( …)?$|^sam deploy$`)

// notHere are the commands that do not run against the stand-in, and why.
var notHere = []struct{ begin, why string }{
	{"make ", "of the Makefile, whose targets TestEveryTargetInTheDocsIsInTheMakefile looks up and .ci/run runs"},
	{"sam ", "SAM makes a stack in an AWS account"},
	{"aws cloudwatch ", "the stand-in has no CloudWatch"},
	{"aws events ", "the stand-in's EventBridge takes its rules from tests, not by the API"},
	{"aws lambda get-function --function-name mautic-secret-rotation ", "of the function that the runbook made"},
	{"aws lambda delete-function --function-name mautic-secret-rotation", "of the function that the runbook made"},
	{"aws iam create-user ", "the stand-in's IAM makes users for tests, not by the API"},
	{"aws iam put-user-policy ", "as above"},
	{"aws iam attach-role-policy ", "the stand-in's IAM has no roles"},
	{"aws iam create-policy ", "nor policies"},
	{"aws ecs list-clusters ", "the function calls no such operation, so the stand-in has none"},
	{"aws ecs register-task-definition ", "the stand-in takes services from tests; docs/examples reads the file as the CLI does"},
	{"aws cloudformation ", "the stand-in's CloudFormation makes no stack; internal/template makes it of the template"},
	{"aws s3 ", "the stand-in has no S3"},
	{"aws logs tail /aws/ecs/", "the application's log: the stand-in has the function's alone"},
	{"aws secretsmanager list-secrets ", "the function calls no such operation, so the stand-in has none"},
	{"aws configure", "it asks a person for credentials"},
}

// asks are the commands that call nothing of AWS's before a person, or a package that was made, is there.
var asks = regexp.MustCompile(`^aws configure|build/package/`)

// devSecret is what the template calls a secret that it makes.
const devSecret = "mautic-secret-rotation-dev-credentials"

// A situation is what a command is for, and takes.
type situation struct {
	command *regexp.Regexp
	before  func(p *pages)
	shows   string // what it then says
	after   func(p *pages)
}

var situations = []situation{
	{regexp.MustCompile(`^mautic-rotation rotate`), nil, "converged", nil},
	{regexp.MustCompile(`^mautic-rotation abandon|"abandon"`), (*pages).stuck, "given up", nil},
	{regexp.MustCompile(`^mautic-rotation roll-back|"roll-back"`), (*pages).rollingOut, "rolled back", (*pages).mend},
	{regexp.MustCompile(`^mautic-rotation release|"release"`), (*pages).rolledBack, "may rotate again", nil},
	{regexp.MustCompile(`^mautic-rotation pause`), nil, "paused", (*pages).resume},
	{regexp.MustCompile(`^mautic-rotation resume`), (*pages).pause, "no longer paused", nil},
	{regexp.MustCompile(`^mautic-rotation history`), nil, "database", nil},
	{regexp.MustCompile(`^mautic-rotation logs|^aws logs tail `), nil, "promoted", nil},
	{regexp.MustCompile(`"status"|^mautic-rotation status`), nil, "database", nil},
	{regexp.MustCompile(`^mautic-rotation preflight`), nil, "no problem", nil},
	{regexp.MustCompile(`^mautic-rotation verify`), nil, "no problem", nil},
	{regexp.MustCompile(`"preflight"|"verify"`), nil, `"checks":[{`, nil},
	{regexp.MustCompile(`^mautic-rotation explain`), nil, "database", nil},
	{regexp.MustCompile(`--version-stage AWSCURRENT --move-to`), (*pages).promoted, "", nil},
	{regexp.MustCompile(`--version-stage AWSPENDING --remove-from`), (*pages).stuck, "", nil},
	{regexp.MustCompile(`cancel-rotate-secret`), nil, "", (*pages).turnOn},
	{regexp.MustCompile(`restore-secret`), (*pages).deleteDev, "", nil},
	{regexp.MustCompile(`untag-resource`), (*pages).pause, "", nil},
	{regexp.MustCompile(` tag-resource`), nil, "", (*pages).resume},
}

// pages runs commands.
type pages struct {
	*deployment
	dir string // of the programs, first in the shell's PATH
}

func TestEveryCommandOfThePagesRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a deployment")
	}
	p := &pages{deployment: deploy(t, rig.Options{Mautic: *all, Application: &rig.Application{Services: []string{"mautic-prod-service"}}})}
	if _, err := p.CreateSecret(t.Context(), devSecret, `{"database_password":"none yet"}`); err != nil {
		t.Fatal(err)
	}
	if *all {
		p.installPrograms()
	}
	commands, page := commandsOfPages(t)
	run, missing := 0, slices.Clone(notHere)
	for _, command := range commands {
		at := slices.IndexFunc(notHere, func(n struct{ begin, why string }) bool { return strings.HasPrefix(command, n.begin) })
		switch {
		case named.MatchString(command):
		case at >= 0:
			missing = slices.DeleteFunc(missing, func(n struct{ begin, why string }) bool { return n == notHere[at] })
			if *all && strings.HasPrefix(command, "aws ") && !asks.MatchString(command) {
				p.understood(page[command], command)
			}
		case !*all && !looks.MatchString(command): // make docs runs it
		default:
			run++
			p.try(page[command], command)
		}
	}
	for _, n := range missing {
		t.Errorf("no page has a command that begins with %q any more", n.begin)
	}
	if want := map[bool]int{false: 12, true: 45}[*all]; run < want {
		t.Errorf("%d commands were run; the pages have more", run)
	}
}

func TestEveryTargetInTheDocsIsInTheMakefile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	commands, page := commandsOfPages(t)
	looked := 0
	for _, command := range commands {
		target, ok := strings.CutPrefix(command, "make ")
		if !ok || strings.HasPrefix(target, "-") { // make --version
			continue
		}
		looked++
		if target, _, _ = strings.Cut(target, " "); !regexp.MustCompile(`(?m)^[a-z -]*\b` + regexp.QuoteMeta(target) + `[a-z -]*:`).Match(text) {
			t.Errorf("%s has %s, which the Makefile has not", page[command], command)
		}
	}
	if looked < 20 {
		t.Errorf("%d targets", looked)
	}
}

// try runs one command in its situation, when nothing else is open.
func (p *pages) try(page, command string) {
	p.t.Helper()
	begun := time.Now()
	var of situation
	if at := slices.IndexFunc(situations, func(s situation) bool { return s.command.MatchString(command) }); at >= 0 {
		of = situations[at]
	}
	p.calm()
	if of.before != nil {
		of.before(p)
	}
	as := p.written(command)
	out, err := p.typing(as, of.shows)
	if err != nil && strings.Contains(out, "is held, since something still uses it") {
		said, _ := p.typing("mautic-rotation logs --since 1h", "") // which says what uses it
		out += "\n" + said
	}
	if strings.HasPrefix(command, "mautic-rotation status") && needsAttention(err) {
		err = nil // which is what it says by its exit status
	}
	p.t.Logf("%-14s %s (%s)", page, as, time.Since(begun).Round(time.Millisecond))
	switch {
	case err != nil:
		p.t.Errorf("%s has\n  %s\nwhich fails: %v\n%s", page, as, err, out)
	case strings.Contains(out, "FunctionError"):
		p.t.Errorf("%s has\n  %s\nwhich the function refuses:\n%s", page, as, out)
	case !strings.Contains(out, of.shows):
		p.t.Errorf("%s has\n  %s\nwhich does not say %q:\n%s", page, as, of.shows, out)
	}
	var started struct{ ARN, VersionID string }
	if strings.Contains(command, "rotate-secret") && json.Unmarshal([]byte(out), &started) == nil && started.VersionID != "" {
		if err := p.AWS.SecretsManager.WaitRotation(p.t.Context(), started.ARN, started.VersionID); err != nil {
			p.t.Errorf("%s has\n  %s\nwhich starts a rotation that fails: %v", page, as, err)
		}
	}
	if of.after != nil {
		of.after(p)
	}
}

// needsAttention tells that the program says by its exit status that something needs a person.
func needsAttention(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && exit.ExitCode() == 1
}

// until is a date in a command.
var untilDate = regexp.MustCompile(`20\d\d-\d\d-\d\d`)

// written is a command with what the example stands for: names are the deployment's already.
func (p *pages) written(command string) string {
	p.t.Helper()
	state, err := p.AWS.SecretsManager.State(p.SecretARN)
	if err != nil {
		p.t.Fatal(err)
	}
	current, pending := state.Labelled("AWSCURRENT"), state.Labelled("AWSPENDING")
	ledger := slices.IndexFunc(current.Labels, func(label string) bool { return strings.HasPrefix(label, "rotation;") })
	if ledger < 0 {
		p.t.Fatal("AWSCURRENT has no label of the function's")
	}
	command = strings.NewReplacer(
		"<label or version>", current.ID, "<what>", current.ID, "<label>", current.Labels[ledger], "<shell>", "bash",
		"<old>", state.Labelled("AWSPREVIOUS").ID, "<new>", current.ID, "<the AWSCURRENT version>", current.ID, "<id>", pending.ID,
		"<ARN>", p.SecretARN, "<the secret's ARN>", p.SecretARN, "<the function's ARN>", p.FunctionARN,
		"<ReadPolicy>", "arn:aws:iam::123456789012:policy/read", "<the ids that it lists>", "1", "<the new key>", "key",
	).Replace(command)
	return untilDate.ReplaceAllString(command, p.AWS.Clock().Now().AddDate(0, 1, 0).Format(time.DateOnly))
}

// goesOn are the commands that end by Ctrl-C alone.
var goesOn = regexp.MustCompile(` (-f|--follow|--watch|-w)\b`)

// typing types a command, answers its question with yes, and ends one that goes on and on by Ctrl-C.
func (p *pages) typing(command, shows string) (string, error) {
	if *all {
		return p.shell(command, shows, os.Getenv("AWS_ENDPOINT_URL"))
	}
	ctx, end := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer end()
	p.onPause = func(n int) {
		if n == 2 && goesOn.MatchString(command) {
			end()
		}
	}
	defer func() { p.onPause = nil }()
	var out bytes.Buffer
	if code := p.mainIn(ctx, &out, &out, view.Style{}, words(strings.TrimPrefix(command, "mautic-rotation "))...); code != fault.Fine {
		return out.String(), fmt.Errorf("exit code %d", code)
	}
	return out.String(), nil
}

// words splits a command as a shell does where it has no more than quotation marks.
func words(command string) (list []string) {
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(command, -1) {
		list = append(list, cmp.Or(m[1], m[2]))
	}
	return list
}

// shell has bash run a command, in a terminal for the program, which asks there. One that goes on and
// on is ended by Ctrl-C, once it has shown what it is to show.
func (p *pages) shell(command, shows, endpoint string) (string, error) {
	ctx, end := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer end()
	goesOn := goesOn.MatchString(command)
	if goesOn {
		command = "exec " + command
	}
	bash := exec.CommandContext(ctx, "bash", "-c", command)
	bash.Dir = "../.."                                                                                             // where a reader has the repository
	bash.Env = append(slices.DeleteFunc(os.Environ(), func(entry string) bool { return entry == "AWS_PROFILE=" }), // which the CLI takes for a name
		"PATH="+p.dir+":"+os.Getenv("PATH"), "ENDPOINT="+endpoint, "AWS_PAGER=", "NO_COLOR=1")
	var out syncbuf.Buffer
	beside, stop := context.WithCancel(ctx)
	defer stop()
	meanwhile := func() {
		for pause(beside, 200*time.Millisecond) == nil {
			switch {
			case goesOn && strings.Contains(out.String(), shows):
				_ = bash.Process.Signal(os.Interrupt)
				return
			case strings.Contains(command, "mautic-rotation rotate"):
				_ = p.Reconcile() // as the schedule does
			}
		}
	}
	var err error
	if strings.Contains(command, "mautic-rotation ") {
		var tty *os.File
		if tty, err = pty.StartWithSize(bash, &pty.Winsize{Rows: 50, Cols: 400}); err != nil {
			return "", err
		}
		defer tty.Close()
		if _, err := io.WriteString(tty, "yes\n"); err != nil {
			return "", err
		}
		go meanwhile()
		_, _ = io.Copy(&out, tty) // which ends with an error when the program has ended
	} else {
		bash.Stdout, bash.Stderr = &out, &out
		if err = bash.Start(); err != nil {
			return "", err
		}
		go meanwhile()
	}
	if err = bash.Wait(); goesOn && !strings.Contains(command, "mautic-rotation ") && ctx.Err() == nil {
		err = nil // it has ended by Ctrl-C
	}
	return out.String(), err
}

// unreached is what the CLI says where nothing answers.
const unreached = "Could not connect to the endpoint URL"

// itsFile is a file that a command reads, and an earlier one of the page has made.
var itsFile = regexp.MustCompile(`(?:file://|\b)(/tmp/\S+|web\.json|build/package/\S+)`)

// understood tries that the real CLI takes a command's words, where nothing answers it.
func (p *pages) understood(page, command string) {
	p.t.Helper()
	if m := itsFile.FindStringSubmatch(command); m != nil {
		file := filepath.Join(p.dir, filepath.Base(m[1]))
		if err := os.WriteFile(file, []byte(`{"family":"web","containerDefinitions":[]}`), 0o600); err != nil {
			p.t.Fatal(err)
		}
		command = strings.ReplaceAll(command, m[1], file)
	}
	examples, err := filepath.Abs("../../docs/examples")
	if err != nil {
		p.t.Fatal(err)
	}
	command = strings.ReplaceAll(command, " docs/examples/", " "+examples+"/")
	as := p.written(command)
	out, err := p.shell("env AWS_MAX_ATTEMPTS=1 "+as, unreached, "http://127.0.0.1:9")
	if !strings.Contains(out, unreached) {
		p.t.Errorf("%s has\n  %s\nwhich the AWS CLI does not send: %v\n%s", page, as, err, out)
	}
}

// installPrograms puts the built program and the real AWS CLI where the shell finds them.
func (p *pages) installPrograms() {
	p.t.Helper()
	file, err := program()
	if err != nil {
		p.t.Fatal(err)
	}
	p.dir = filepath.Dir(file)
	cli, err := awscli.Script(p.t.Context(), func(text string) { fmt.Println(text) })
	if err != nil {
		p.t.Fatal(err)
	}
	for name, script := range map[string]string{
		// Older releases of version 2 do not read AWS_ENDPOINT_URL.
		"aws":     strings.Replace(cli, ` "$@"`, ` --endpoint-url "$ENDPOINT" "$@"`, 1),
		"uuidgen": "#!/bin/sh\ncat /proc/sys/kernel/random/uuid\n",
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(script), 0o700); err != nil {
			p.t.Fatal(err)
		}
	}
}

// calm lets everything end but the overlap of the API client, which lasts for days.
func (p *pages) calm() {
	p.t.Helper()
	err := p.SettleUntil(p.t.Context(), func(journal []string) bool {
		return !slices.ContainsFunc(journal, func(entry string) bool { return !strings.HasPrefix(entry, "api=") })
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// promoted makes a rotation whose old value is still accepted.
func (p *pages) promoted() {
	p.t.Helper()
	if _, err := p.Rotate(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	if err := p.WaitSteady(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// stuck makes a rotation that does not come to its promotion.
func (p *pages) stuck() {
	p.t.Helper()
	p.AWS.Intercept(func(c wire.Call) (f wire.Fault) {
		if c.Operation == "UpdateSecretVersionStage" && strings.Contains(c.Detail, "AWSCURRENT") {
			f.Error = &wire.Error{Code: "AccessDeniedException", Message: "not now"}
		}
		return f
	})
	defer p.AWS.Intercept(nil)
	if _, err := p.Rotate(p.t.Context()); err == nil {
		p.t.Fatal("the rotation was promoted")
	}
}

// rollingOut makes a rotation whose tasks do not come up.
func (p *pages) rollingOut() {
	p.t.Helper()
	p.app.Slow.Store(true)
	if _, err := p.Rotate(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pages) mend() { p.app.Slow.Store(false) }

// rolledBack makes a rotation that was rolled back, so that the schedule is held off.
func (p *pages) rolledBack() {
	p.t.Helper()
	p.rollingOut()
	if err := p.Invoke([]byte(`{"Action":"roll-back","SecretId":"` + p.SecretARN + `"}`)); err != nil {
		p.t.Fatal(err)
	}
	p.mend()
	p.calm()
}

func (p *pages) pause() { _, _ = p.typing("mautic-rotation pause", "") }

func (p *pages) resume() {
	p.t.Helper()
	if out, err := p.typing("mautic-rotation resume", ""); err != nil {
		p.t.Errorf("%v: %s", err, out)
	}
}

// turnOn has Secrets Manager rotate the secret again.
func (p *pages) turnOn() {
	p.t.Helper()
	if _, err := p.Rotate(p.t.Context()); err != nil {
		p.t.Error(err)
	}
}

func (p *pages) deleteDev() {
	p.t.Helper()
	if _, err := p.Secrets.DeleteSecret(p.t.Context(), &sm.DeleteSecretInput{SecretId: aws.String(devSecret)}); err != nil {
		p.t.Fatal(err)
	}
}
