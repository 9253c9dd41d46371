package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"mautic-rotation/internal/golden"
	"mautic-rotation/internal/operator/cloud"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/report"
)

// id is what no two runs have in common.
var id = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

func (s session) String() string {
	known := regexp.MustCompile(`^(00000000|11111111)`)
	text := fmt.Sprintf("%s--- messages\n%s--- exit code %d\n", s.out, s.messages, s.code)
	return id.ReplaceAllStringFunc(text, func(id string) string {
		if known.MatchString(id) {
			return id
		}
		return "<uuid>"
	})
}

func status(secrets ...report.Secret) map[string][]report.Report {
	return map[string][]report.Report{"status": {standing(secrets...)}}
}

func TestStatusShowsWhatNeedsAPersonAndExitsWithIt(t *testing.T) {
	golden.Equal(t, "testdata/status.txt", newFake(t, status(secret())).run("", "status").String())
	golden.Equal(t, "testdata/status-held.txt", newFake(t, status(held())).run("", "status", "--stack", "prod").String())
}

func TestStatusForAProgramIsTheReport(t *testing.T) {
	s := newFake(t, status(held())).run("", "status", "--output", "json")
	var answer report.Report
	if err := json.Unmarshal([]byte(s.out), &answer); err != nil || s.code != fault.Attention || len(answer.Secrets) != 1 || answer.Secrets[0].Needs[0].Kind != "database" {
		t.Errorf("%v, %d: %s", err, s.code, s.out)
	}
}

func TestOfAllStacksThoseThatNeedAPersonComeFirst(t *testing.T) {
	f := newFake(t, nil)
	f.stacks = []cloud.Stack{{Name: "calm", Function: "calm"}, {Name: "denied", Function: "denied"}, {Name: "held", Function: "held"}}
	f.answers = map[string][]report.Report{"calm": {standing(secret())}, "held": {standing(held())}}
	f.faults["denied"] = &fault.Error{Code: fault.Unknown, Text: "AWS denied lambda:InvokeFunction", Denied: "lambda:InvokeFunction"}
	golden.Equal(t, "testdata/status-all.txt", f.run("", "status", "--all").String())
}

func TestWatchingInAPipeShowsChangesUntilItIsInterrupted(t *testing.T) {
	f := newFake(t, map[string][]report.Report{"status": {standing(beingRotated()), standing(beingRotated()), standing(rotated(1, false)), standing(rotated(2, true))}})
	looks := 0
	f.onPause = func(f *fake) {
		if looks++; looks == 4 {
			f.cancel()
		}
	}
	golden.Equal(t, "testdata/watch.txt", f.run("", "status", "--watch").String())
}

func TestAPreflightHasSESsQuotaWhereMailIsRotated(t *testing.T) {
	preflight := report.Report{Schema: report.Schema, Action: "preflight", At: noon, Secrets: []report.Secret{{ARN: secretARN, Name: "mautic-prod-secrets", Checks: []report.Check{
		{Part: "database", What: "the password is accepted", Result: report.OK}, {Part: "smtp", What: "a second access key", Result: report.Problem, Text: "the IAM user has two"},
	}}}}
	f := newFake(t, map[string][]report.Report{"preflight": {preflight}})
	f.faults["statistics"] = &fault.Error{Code: fault.Unknown, Text: "AWS denied ses:GetSendStatistics", Denied: "ses:GetSendStatistics"}
	golden.Equal(t, "testdata/preflight.txt", f.run("", "preflight").String())

	preflight.Secrets[0].Checks = preflight.Secrets[0].Checks[:1]
	f = newFake(t, map[string][]report.Report{"preflight": {preflight}})
	if s := f.run("", "preflight"); s.code != fault.Fine || strings.Contains(s.out, "SES") {
		t.Errorf("without mail: %s", s)
	}
}

func TestARotationIsFollowedUntilEveryTaskIsNew(t *testing.T) {
	f := newFake(t, map[string][]report.Report{"status": {standing(secret()), standing(secret()), standing(beingRotated()), standing(rotated(0, false)), standing(rotated(1, false)), standing(rotated(2, true))}})
	golden.Equal(t, "testdata/rotate.txt", f.run("", "rotate", "--only", "database").String())
	if !strings.HasPrefix(f.token, "only.database.") {
		t.Errorf("its token is %s", f.token)
	}
}

func TestARotationThatIsGivenUpShowsWhyAndFails(t *testing.T) {
	f := newFake(t, map[string][]report.Report{"status": {standing(secret()), standing(beingRotated()), standing(secret())}})
	f.onPause = func(f *fake) {
		f.lines = []cloud.Line{
			{ID: "1", At: noon, Text: `{"level":"ERROR","message":"createSecret failed","version":"` + f.token + `","error":"nothing can be rotated now: database: cannot be reached"}`},
			{ID: "2", At: noon, Text: `{"level":"ERROR","message":"of another rotation","version":"other"}`},
		}
	}
	golden.Equal(t, "testdata/rotate-given-up.txt", f.run("", "rotate").String())
}

func TestARotationThatIsRefusedAtOnceEndsWithTheReason(t *testing.T) {
	f := newFake(t, status(secret()))
	f.onPause = func(f *fake) {
		f.lines = []cloud.Line{{ID: "1", At: noon, Text: `{"level":"ERROR","message":"createSecret failed","version":"` + f.token + `","error":"a rollout is open"}`}}
	}
	s := f.run("", "rotate")
	if s.code != fault.Attention || f.now.Sub(noon) != pollTime || strings.Count(s.out, "a rollout is open") != 1 {
		t.Errorf("after %s: %s", f.now.Sub(noon), s)
	}
}

func TestAReasonThatTheLogHasLateIsShownAtTheEnd(t *testing.T) {
	f := newFake(t, map[string][]report.Report{"status": {standing(secret()), standing(beingRotated()), standing(secret())}})
	f.onAsk = func(f *fake) {
		if len(f.answers["status"]) == 1 {
			f.lines = []cloud.Line{{ID: "1", At: noon, Text: `{"level":"ERROR","message":"setSecret failed","version":"` + f.token + `","error":"timeout"}`}}
		}
	}
	if s := f.run("", "rotate"); s.code != fault.Attention || !strings.Contains(s.out, "setSecret failed: timeout\n12:00:10 UTC  abandoned before its promotion") {
		t.Errorf("%s", s)
	}
}

func TestAnInterruptionLeavesTheRotationRunningAndSaysHowToReturn(t *testing.T) {
	f := newFake(t, map[string][]report.Report{"status": {standing(secret()), standing(beingRotated())}})
	f.onPause = func(f *fake) {
		if f.now.Sub(noon) > 12*time.Second {
			f.cancel()
		}
	}
	golden.Equal(t, "testdata/rotate-interrupted.txt", f.run("", "rotate", "--stack", "prod").String())
}

func TestAnEmergencyAsksBefore(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		args         []string
	}{
		{"emergency-no", "n", []string{"rotate", "--emergency"}},
		{"emergency-nobody", "", []string{"rotate", "--emergency"}},
		{"emergency-yes", "y", []string{"rotate", "--emergency", "--no-wait"}},
	} {
		f := newFake(t, status(held()))
		golden.Equal(t, "testdata/"+c.name+".txt", f.run(c.answer, c.args...).String())
		if rotated := f.token != ""; rotated != (c.answer == "y") {
			t.Errorf("%s: a rotation was started: %v", c.name, rotated)
		}
	}
}

func TestWhatCannotBeRotatedIsNotStarted(t *testing.T) {
	pending := beingRotated()
	pending.Rotation.Version = "22222222"
	for _, c := range []struct {
		secrets []report.Secret
		args    []string
		code    fault.Code
		says    string
	}{
		{[]report.Secret{pending}, []string{"rotate"}, fault.Attention, "mautic-rotation abandon"},
		{[]report.Secret{secret()}, []string{"rotate", "--only", "smtp"}, fault.Usage, "RotateKinds"},
		{[]report.Secret{secret()}, []string{"rotate", "--only", "mail"}, fault.Usage, "unknown credential"},
		{[]report.Secret{secret(), with(func(s *report.Secret) { s.Name = "other" })}, []string{"rotate"}, fault.Usage, "mautic-prod-secrets, other"},
		{[]report.Secret{secret()}, []string{"rotate", "--secret", "other"}, fault.Usage, "it has mautic-prod-secrets"},
		{nil, []string{"rotate"}, fault.Unknown, "has no secret to rotate"},
		{[]report.Secret{secret()}, []string{"rotate", "database"}, fault.Usage, "mautic-rotation rotate --only database"},
		{[]report.Secret{secret()}, []string{"rotate", "all"}, fault.Usage, "--help"},
	} {
		f := newFake(t, status(c.secrets...))
		if s := f.run("", c.args...); s.code != c.code || !strings.Contains(s.messages, c.says) || f.token != "" {
			t.Errorf("%s: %s", c.args, s)
		}
	}
}

func TestAReleaseShowsWhatItDoesAsksAndShowsWhatItDid(t *testing.T) {
	released := standing(secret())
	released.Action = "release"
	released.Secrets[0].Changed = []report.Entry{{What: "released", Kind: "database", Text: "what was held is released"}}
	f := newFake(t, map[string][]report.Report{"status": {standing(held())}, "release": {released}})
	golden.Equal(t, "testdata/release.txt", f.run("yes", "release").String())
	if !slices.Contains(f.asked, "release "+secretARN) {
		t.Errorf("it was asked for %q", f.asked)
	}
	f = newFake(t, status(secret()))
	f.faults["roll-back"] = fault.New(fault.Attention, "the rollout has converged: go back by hand", "")
	if s := f.run("", "roll-back"); s.code != fault.Attention || !strings.Contains(s.messages, "go back by hand") {
		t.Errorf("where the function says what to do instead: %s", s)
	}
	for _, command := range []string{"release", "abandon"} {
		f = newFake(t, status(secret()))
		if s := f.run("", command); s.code != fault.Fine || !strings.Contains(s.out, "nothing to "+command) || len(f.asked) != 1 {
			t.Errorf("with nothing open: %s, asked for %q", s, f.asked)
		}
		f = newFake(t, status(with(func(s *report.Secret) {
			*s = held()
			s.Rotation = &report.Rotation{Version: "22222222"}
		})))
		if s := f.run("no", command); s.code != fault.Usage || len(f.asked) != 1 {
			t.Errorf("%s, answered with no: %s, asked for %q", command, s, f.asked)
		}
	}
}

func TestAnActionThatDidWhatWasAskedExitsWithNought(t *testing.T) {
	heldOff := standing(with(func(s *report.Secret) { s.Schedule.HeldOff = true }))
	f := newFake(t, map[string][]report.Report{"status": {standing(rotated(1, false))}, "roll-back": {heldOff}, "release": {standing(held())}})
	if s := f.run("", "roll-back", "--yes"); s.code != fault.Fine {
		t.Errorf("a rollback: %s", s)
	}
	if s := f.run("", "release", "--yes"); s.code != fault.Attention {
		t.Errorf("a release that leaves a value held: %s", s)
	}
	f = newFake(t, map[string][]report.Report{"status": {heldOff}, "verify": {standing(held())}})
	if s := f.run("", "verify"); s.code != fault.Fine || !strings.Contains(s.out, "no problem") {
		t.Errorf("verify, of values that are accepted: %s", s)
	}
	f.answers["verify"] = []report.Report{standing(with(func(s *report.Secret) { s.Credentials[0].Problem = "its field is missing" }))}
	if s := f.run("", "verify"); s.code != fault.Attention || !strings.Contains(s.out, "FAIL database: its field is missing\n\n1 problem") {
		t.Errorf("verify, of one that cannot be read: %s", s)
	}
}

// What a terminal would take for a command, and what turns the reading direction.
const hostile = "\x1b]0;x\a\x7f\u009b2J\u202e\u2066"

func TestNoTextHasControlCharacters(t *testing.T) {
	s := with(func(s *report.Secret) {
		s.Name += hostile
		s.Error = hostile + "denied"
		s.Labels = []report.Label{{Version: s.Credentials[0].Version, Label: "x" + hostile}}
	})
	answers := map[string][]report.Report{}
	for _, action := range []string{"status", "preflight", "verify", "reconcile", "release", "abandon"} {
		answers[action] = []report.Report{standing(s)}
	}
	for _, line := range []string{
		"status", "status --all", "status --output json", "preflight", "verify", "verify --output json", "reconcile", "release", "release --output json", "abandon", "pause --yes", "resume", "rotate --emergency --yes --no-wait",
		"history", "history --output csv", "history --output json", "history --all", "history --all --output csv", "logs", "logs --output json", "explain 11111111", "status --secret " + hostile, "explain " + hostile + "12345678", hostile,
	} {
		f := newFake(t, answers)
		f.stacks[0].Name += hostile
		f.by["only.database.v1"] = "Operators/" + hostile
		f.lines = []cloud.Line{log("11:50:00", `"message":"made\u001b[2J`+"\u202e\u009b"+`","step":"createSecret","version":"only.database.v1","audit":"stored","kinds":["database\u202e"]`)}
		got := f.run("", strings.Split(line, " ")...)
		if i := strings.IndexFunc(got.out+got.messages, func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) }); i >= 0 || got.out+got.messages == "" {
			t.Errorf("%q has one at %d: %q", line, i, got.out+got.messages)
		}
	}
	f := newFake(t, answers)
	answer := report.Report{}
	if err := json.Unmarshal([]byte(f.run("", "status", "--output", "json").out), &answer); err != nil || answer.Secrets[0].Name != s.Name {
		t.Errorf("JSON has another name than %q: %v, %+v", s.Name, err, answer.Secrets)
	}
}

func TestAPauseIsATagAndAResumeTakesItAway(t *testing.T) {
	second := with(func(s *report.Secret) { s.Name, s.ARN = "second", "arn:second" })
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"pause", "--yes"}, []string{"tag " + secretARN + " mautic-rotation:paused-until=until resumed", "tag arn:second mautic-rotation:paused-until=until resumed"}},
		{[]string{"pause", "--yes", "--until", "2026-12-24", "--secret", "second"}, []string{"tag arn:second mautic-rotation:paused-until=2026-12-24T00:00:00Z"}},
		{[]string{"pause", "--yes", "--until", "14d", "--secret", secretARN}, []string{"tag " + secretARN + " mautic-rotation:paused-until=2026-12-12T12:00:00Z"}},
		{[]string{"resume"}, []string{"untag " + secretARN + " mautic-rotation:paused-until", "untag arn:second mautic-rotation:paused-until"}},
	} {
		f := newFake(t, status(secret(), second))
		if s := f.run("", c.args...); s.code != fault.Fine || !slices.Equal(f.asked[1:], c.want) {
			t.Errorf("%s: %q\n%s", c.args, f.asked, s)
		}
	}
	golden.Equal(t, "testdata/pause.txt", newFake(t, status(secret())).run("y", "pause", "--until", "2026-12-24 18:00").String())
	if s := newFake(t, status(secret())).run("", "pause", "--yes", "--until=2020-01-01"); s.messages != "mautic-rotation: 2020-01-01 is in the past\n" {
		t.Errorf("until a time that is over: %s", s)
	}
	for _, until := range []string{"yesterday", "2025-01-01", "0d", "-3h"} {
		if s := newFake(t, status(secret())).run("", "pause", "--yes", "--until="+until); s.code != fault.Usage {
			t.Errorf("until %s: %s", until, s)
		}
	}
}

func log(at, rest string) cloud.Line {
	told, err := time.Parse(time.TimeOnly, at)
	if err != nil {
		panic(err)
	}
	day := noon.Truncate(24 * time.Hour)
	return cloud.Line{ID: at, At: day.Add(told.Sub(told.Truncate(24 * time.Hour))), Text: `{"timestamp":"2026-11-28T` + at + `Z","level":"INFO","secret":"` + secretARN + `",` + rest + `}`}
}

func TestHistoryNamesWhoAndHowItEnded(t *testing.T) {
	f := newFake(t, status(secret()))
	f.lines = []cloud.Line{
		log("01:00:00", `"message":"made the pending version","step":"createSecret","version":"only.database.v1","audit":"stored","kinds":["database"]`),
		log("01:00:08", `"message":"promoted the pending version","step":"finishSecret","version":"only.database.v1","audit":"promoted","from":"v0"`),
		log("01:00:09", `"message":"mautic-prod-secrets: promoted","step":"finishSecret","version":"only.database.v1","notice":"promoted"`),
		log("02:10:00", `"message":"retired","action":"reconcile","kind":"database","of":"v0","audit":"retired"`),
		{ID: "x", Text: "no line of the function's"},
	}
	f.by["only.database.v1"] = "Operators/jane"
	golden.Equal(t, "testdata/history.txt", f.run("", "history").String())
	golden.Equal(t, "testdata/history-csv.txt", f.run("", "history", "--output", "csv").String())
	golden.Equal(t, "testdata/history-all.txt", f.run("", "history", "--all").String()+f.run("", "history", "--all", "--output", "csv").String())
	f.faults["trail"] = &fault.Error{Code: fault.Unknown, Text: "AWS denied cloudtrail:LookupEvents", Denied: "cloudtrail:LookupEvents"}
	golden.Equal(t, "testdata/history-denied.txt", f.run("", "history", "--since", "7d").String())
	f.faults["lines"] = fault.New(fault.Unknown, "AWS denied logs:StartQuery", "")
	if s := f.run("", "history"); s.code != fault.Unknown {
		t.Errorf("without the log: %s", s)
	}
}

func TestTheLogIsFollowedLineByLine(t *testing.T) {
	f := newFake(t, status(secret()))
	f.lines = []cloud.Line{log("11:30:00", `"message":"reconcile succeeded","action":"reconcile"`), {ID: "y", Text: "START"}}
	f.onPause = func(f *fake) {
		switch len(f.lines) {
		case 2:
			f.lines = append(f.lines, log("12:00:03", `"message":"the target accepts it","step":"setSecret","kind":"database","error":"none"`))
		default:
			f.cancel()
		}
	}
	golden.Equal(t, "testdata/logs.txt", f.run("", "logs", "-f").String())
}

func TestALabelAndAVersionAreExplained(t *testing.T) {
	golden.Equal(t, "testdata/explain-label.txt", newFake(t, nil).run("", "explain", "rotation;2;df431427;api=old.2@20261122T210409Z").String())
	s := with(func(s *report.Secret) {
		s.Labels = []report.Label{{Version: s.Credentials[0].Version, Label: "AWSCURRENT"}}
	})
	golden.Equal(t, "testdata/explain-version.txt", newFake(t, status(s)).run("", "explain", "11111111").String())
	s.Credentials[0].Old = []report.Old{{Version: "only.admin.22222222-5f6d-4c1b-9d1e-2f3a4b5c6d7e", State: "failed"}, {Version: "only.api.22222222-6f6d-4c1b-9d1e-2f3a4b5c6d7e", State: "failed"}}
	for what, code := range map[string]fault.Code{
		"99999999-none": fault.Attention, "short": fault.Usage,
		"22222222": fault.Usage, "22222222-5": fault.Fine, "22222222-5f6d-4c1b-9d1e-2f3a4b5c6d7e": fault.Fine, "only.admin.22222222…": fault.Fine, "11111111...": fault.Fine,
	} {
		if got := newFake(t, status(s)).run("", "explain", what); got.code != code {
			t.Errorf("%s: %s", what, got)
		}
	}
	other := with(func(s *report.Secret) {
		s.Name, s.Credentials[0].Version = "other", "only.admin.11111111-6f6d-4c1b-9d1e-2f3a4b5c6d7e"
	})
	for what, code := range map[string]fault.Code{"11111111": fault.Usage, "11111111-6": fault.Fine, "only.admin.11111111": fault.Fine, "1111111": fault.Usage, "33333333": fault.Usage} {
		got := newFake(t, status(s, other)).run("", "status", "--secret", what)
		if got.code != code || (code == fault.Fine) != strings.Contains(got.out, "\nother\n") || strings.Contains(got.out, s.Name) {
			t.Errorf("of the secret with %s: %s", what, got)
		}
	}
}

func TestExitCodesTellUsageFromWhatCouldNotBeFoundOut(t *testing.T) {
	for _, c := range []struct {
		args []string
		code fault.Code
	}{
		{[]string{"--help"}, fault.Fine}, {[]string{"--version"}, fault.Fine}, {nil, fault.Fine},
		{[]string{"nonsense"}, fault.Usage}, {[]string{"status", "--nonsense"}, fault.Usage}, {[]string{"status", "--output", "xml"}, fault.Usage},
		{[]string{"status", "--output", "csv"}, fault.Usage}, {[]string{"status", "--all", "--watch"}, fault.Usage}, {[]string{"rotate", "--wait", "never"}, fault.Usage},
		{[]string{"logs", "--since", "long ago"}, fault.Usage},
		{[]string{"status"}, fault.Unknown}, {[]string{"rotate"}, fault.Unknown}, {[]string{"pause", "--yes"}, fault.Unknown}, {[]string{"status", "--all"}, fault.Unknown},
	} {
		f := newFake(t, nil)
		f.faults["connect"] = fault.New(fault.Unknown, "no AWS credentials found", "log in")
		if s := f.run("", c.args...); s.code != c.code {
			t.Errorf("%s: %s", c.args, s)
		}
	}
}

func TestMakesTargetsAreCommands(t *testing.T) {
	text, err := os.ReadFile("../../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^([a-z ]+): which-stack\n\t@\$\(GO\) run ./cmd/mautic-rotation \$@ --region \$\(.*\) --stack \$\(.*\) \$\(ARGS\)$`).FindStringSubmatch(string(text))
	if m == nil {
		t.Fatal("the Makefile runs no command")
	}
	for _, target := range strings.Fields(m[1]) {
		f := newFake(t, nil)
		f.faults["connect"] = fault.New(fault.Attention, "it was understood", "")
		args := []string{target, "--region", "eu-west-1", "--stack", "prod"}
		if target == "logs" {
			args = append(args, "--follow")
		}
		if s := f.run("", args...); s.code != fault.Attention {
			t.Errorf("%s: %s", args, s)
		}
	}
}

func TestAPauseIsWhatTheFunctionTakesForOne(t *testing.T) {
	if pauseTag != plan.PauseTag || untilResumed != plan.UntilResumed {
		t.Errorf("the function reads the tag %s, and %q", plan.PauseTag, plan.UntilResumed)
	}
}

func TestTheReferenceIsThatOfTheProgram(t *testing.T) {
	golden.Equal(t, "../../../docs/reference.md", newFake(t, nil).run("", "reference").out)
}

func TestBashCompletesCommandsFlagsAndChoices(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal("bash is needed, as it is for make")
	}
	script := newFake(t, nil).run("", "completion", "bash").out
	for _, c := range []struct{ line, want string }{
		{"mautic-rotation sta", "status"}, {"mautic-rotation roll", "roll-back"}, {"mautic-rotation status --wa", "--watch"}, {"mautic-rotation rotate --only da", "database"},
		{"mautic-rotation rotate --wait re", "retired"}, {"mautic-rotation --output j", "json"}, {"mautic-rotation completion z", "zsh"}, {"mautic-rotation --stack x rot", "rotate"},
		{"mautic-rotation ref", ""},
	} {
		words := strings.Fields(c.line)
		out, err := exec.Command(shell, "-c", script+"\nCOMP_WORDS=("+c.line+"); COMP_CWORD="+fmt.Sprint(len(words)-1)+"; _mautic_rotation; echo \"${COMPREPLY[*]}\"").CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
			t.Errorf("%s is completed to %q, not %q: %v", c.line, got, c.want, err)
		}
	}
	for _, other := range []string{"zsh", "fish"} {
		for _, command := range []string{"status", "roll-back", "database", "retired"} {
			if !strings.Contains(newFake(t, nil).run("", "completion", other).out, command) {
				t.Errorf("%s does not complete %s", other, command)
			}
		}
	}
}
