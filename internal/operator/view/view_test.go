package view

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/golden"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/internal/operator/history"
	"mautic-rotation/internal/operator/logline"
	"mautic-rotation/rotation/report"
)

// styles are those that every text is looked at in.
var styles = map[string]Style{
	"pipe":     {},
	"terminal": {Terminal: true, Colour: true, Width: 80},
	"narrow":   {Terminal: true, Width: 60, Zone: time.FixedZone("CET", 3600)},
}

// inEachStyle compares a text, in each style, with testdata.
func inEachStyle(t *testing.T, name string, text func(Style) string) {
	t.Helper()
	for style, s := range styles {
		file := filepath.Join("testdata", name+"."+style+".txt")
		got := text(s)
		golden.Equal(t, file, got)
		if style == "pipe" && strings.ContainsFunc(got, func(r rune) bool { return r > 0x7e || r < ' ' && r != '\n' }) {
			t.Errorf("%s is not ASCII alone", file)
		}
		if name == "log" {
			continue // one line for each line
		}
		for line := range strings.Lines(colour.ReplaceAllString(got, "")) {
			if width := len([]rune(line)) - 1; s.Width > 0 && width > s.Width && strings.Contains(strings.TrimSpace(line), " ") && !strings.Contains(line, Program) && !strings.Contains(line, "KIND") && strings.Count(line, "  ") < 3 {
				t.Errorf("%s has a line of %d columns: %s", file, width, line)
			}
		}
	}
}

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestHowAStackStandsIsSaidInWords(t *testing.T) {
	for name, r := range map[string]report.Report{"steady": steady(), "rollout": rollingOut(), "attention": attention(), "several": several(), "empty": {At: now}} {
		inEachStyle(t, "status-"+name, func(s Style) string { return Status(s, stack, r) })
	}
}

func TestAFindingNeedsAPersonOrNot(t *testing.T) {
	for name, c := range map[string]struct {
		r    report.Report
		want bool
	}{
		"steady": {steady(), false}, "rollout": {rollingOut(), false}, "attention": {attention(), true}, "several": {several(), true},
		"a problem": {with(func(s *report.Secret) { s.Checks = []report.Check{{Result: report.Problem}} }), true},
		"a warning": {with(func(s *report.Secret) { s.Checks = []report.Check{{Result: report.Warning}} }), false},
		"denied":    {with(func(s *report.Secret) { s.Credentials[0].Accepted = "denied" }), true},
		"accepted":  {with(func(s *report.Secret) { s.Credentials[0].Accepted = "accepted" }), false},
		"unread":    {with(func(s *report.Secret) { s.Credentials[0].Problem = "its field is missing" }), true},
		"held off":  {with(func(s *report.Secret) { s.Schedule.HeldOff = true }), true},
		"held, though nothing is said to need anybody": {with(func(s *report.Secret) { s.Credentials[0].Old = []report.Old{{State: "held"}} }), true},
		"paused":   {with(func(s *report.Secret) { s.Schedule.Paused = true }), false},
		"an error": {with(func(s *report.Secret) { s.Error = "denied" }), true},
	} {
		if got := Attention(c.r); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestWhatAnActionLeavesAndWhatACheckFindsAreLessThanWhatNeedsAPerson(t *testing.T) {
	for name, c := range map[string]struct {
		r                   report.Report
		unfinished, problem bool
	}{
		"steady":    {steady(), false, false},
		"held off":  {with(func(s *report.Secret) { s.Schedule.HeldOff = true }), false, false},
		"held":      {with(func(s *report.Secret) { s.Credentials[0].Old = []report.Old{{State: "held"}} }), true, false},
		"an error":  {with(func(s *report.Secret) { s.Error = "denied" }), true, true},
		"denied":    {with(func(s *report.Secret) { s.Credentials[0].Accepted = "denied" }), true, true},
		"no answer": {with(func(s *report.Secret) { s.Credentials[0].Accepted = "no answer" }), false, false},
		"unread":    {with(func(s *report.Secret) { s.Credentials[0].Problem = "its field is missing" }), true, true},
		"a problem": {with(func(s *report.Secret) { s.Checks = []report.Check{{Result: report.Problem}} }), false, true},
	} {
		if got := Unfinished(c.r); got != c.unfinished {
			t.Errorf("%s is unfinished: %v", name, got)
		}
		if got := Problems(c.r); got != c.problem {
			t.Errorf("%s is a problem: %v", name, got)
		}
	}
}

// with is a steady report with a change.
func with(change func(*report.Secret)) report.Report {
	r := steady()
	change(&r.Secrets[0])
	return r
}

func TestEachStateOfAnOldValueIsSaidInWords(t *testing.T) {
	secret := steady().Secrets[0]
	c := secret.Credentials[0]
	for _, x := range []struct {
		old  report.Old
		want string
	}{
		{report.Old{State: "held", Since: at(-300), Why: "held, since something still uses it: find what, fix it, then release"}, "held since 09:02 UTC because something still uses it"},
		{report.Old{State: "held", Since: at(-300), Why: "nothing is retired before AWSCURRENT's value is proven"}, "held since 09:02 UTC because something still uses it"},
		{report.Old{State: "held", Since: at(-2 * aDay)}, "held since 26 Nov 14:02 UTC because something still uses it"},
		{report.Old{State: "quarantined", Since: at(-10), Until: at(50)}, "quarantined since 13:52 UTC, until 14:52 UTC"},
		{report.Old{State: "old", AcceptedSince: at(-60), Next: "wait", Until: at(3)}, "the old value is still accepted; retired after 14:05 UTC if nothing uses it"},
		{report.Old{State: "old", AcceptedSince: at(-60), Next: "wait", Why: "its quarantine begins with the next tick"}, "the old value is still accepted: its quarantine begins with the next tick"},
		{report.Old{State: "old", AcceptedSince: at(-60), Next: "alarm", Why: "its field is missing"}, "the old value is still accepted: its field is missing"},
		{report.Old{State: "old"}, "steady"},
		{report.Old{State: "failed", Since: at(-60)}, "steady"},
		{report.Old{State: "rolledback", Since: at(-60)}, "rolled back since 13:02 UTC"},
		{report.Old{State: "revoking", Why: "it may have leaked"}, "the old value may have leaked and is being revoked: it may have leaked"},
		{report.Old{State: "released", Since: at(-1)}, "released since 14:01 UTC"},
		{report.Old{State: "givenup"}, "the value of an abandoned rotation is being revoked"},
	} {
		c.Old = []report.Old{x.old}
		if got, _ := (Style{}).state(secret, c, now); got != x.want {
			t.Errorf("%+v is said as %q, not %q", x.old, got, x.want)
		}
	}
}

func TestWhatToTypeFollowsWhatTheFunctionAdvises(t *testing.T) {
	for _, c := range []struct {
		e    report.Entry
		want string
	}{
		{report.Entry{Kind: "smtp", Text: "not rotated: the value may have leaked", Remedy: "start the emergency rotation again; if nothing has leaked, send release"},
			"mautic-rotation rotate --stack prod --region eu-west-1 --only smtp --emergency; mautic-rotation release --stack prod --region eu-west-1"},
		{report.Entry{Text: "it does not come up", Remedy: "let the pending emergency finish, or send abandon"}, "mautic-rotation abandon --stack prod --region eu-west-1"},
		{report.Entry{Text: "it does not come up", Remedy: "correct the application, or move AWSCURRENT back by hand"},
			"aws secretsmanager update-secret-version-stage --secret-id mautic-prod-secrets --version-stage AWSCURRENT --move-to-version-id " + oldVersion + " --remove-from-version-id " + newVersion + " --region eu-west-1"},
		{report.Entry{Kind: "database", Text: "refused", Remedy: "move AWSCURRENT to version 44444444 by hand, or store the right value in the secret"},
			"aws secretsmanager update-secret-version-stage --secret-id mautic-prod-secrets --version-stage AWSCURRENT --move-to-version-id 44444444 --remove-from-version-id " + newVersion + " --region eu-west-1"},
		{report.Entry{Text: "service web: not there", Remedy: "correct the service"}, ""},
	} {
		secret := attention().Secrets[0]
		secret.Possible, secret.Back = nil, []string{oldVersion, "44444444"} // as an earlier release answers, and as this one does
		if got := strings.Join((Stack{Flags: []string{"--stack", "prod", "--region", "eu-west-1"}}).commands(false, secret, c.e), "; "); got != c.want {
			t.Errorf("%s: %s, not %s", c.e.Remedy, got, c.want)
		}
	}
}

func TestNoCommandMovesAWSCURRENTToAVersionThatTheReportDoesNotName(t *testing.T) {
	for _, remedy := range []string{"correct the application, or move AWSCURRENT back by hand", "move AWSCURRENT to version " + oldVersion + " by hand, or store the right value in the secret"} {
		secret := attention().Secrets[0] // whose old version has a value that is held, and one in quarantine
		for _, back := range [][]string{nil, {}, {"44444444"}} {
			secret.Back = back
			if got := strings.Join(stack.commands(false, secret, report.Entry{Remedy: remedy}), "; "); strings.Contains(got, oldVersion+" ") {
				t.Errorf("%s: with %q it prints %s", remedy, back, got)
			}
		}
	}
}

func TestAReleaseOfWhatCannotBeComparedIsAnnounced(t *testing.T) {
	secret := steady().Secrets[0]
	secret.Possible = []string{"release"}
	secret.Credentials[0].Problem = "AWSCURRENT's database value is for another target"
	secret.Credentials[0].Old = []report.Old{
		{Version: oldVersion, State: "held", AcceptedSince: at(-60), Next: "wait", Why: "nothing is retired before AWSCURRENT's value is proven"},
		{Version: "44444444", State: "foreign", Next: "wait"},
	}
	if will := Releases(Style{}, secret, steady()); len(will) != 1 || !strings.Contains(will[0], "database: make the old value (version 11111111…) foreign") {
		t.Errorf("it will %q", will)
	}
}

func TestAPauseAnnouncesWhatFallsIntoIt(t *testing.T) {
	secret := steady().Secrets[0] // of which smtp is due since yesterday, database in 78 days; the next window ends in 18
	for _, c := range []struct {
		end        time.Time
		want, lack []string
	}{
		{time.Time{}, []string{"smtp on 27 Nov 2026", "database on 14 Feb 2027", "the scheduled rotation by 16 Dec 2026 14:02"}, nil},
		{*at(20 * aDay), []string{"smtp on 27 Nov 2026", "the scheduled rotation by 16 Dec 2026 14:02"}, []string{"database"}},
		{*at(2 * aDay), []string{"smtp on"}, []string{"database", "change nothing, nor"}},
	} {
		got := strings.Join(Pauses(Style{}, secret, c.end), "; ")
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("until %s it lacks %q: %s", c.end, want, got)
			}
		}
		for _, lack := range c.lack {
			if strings.Contains(got, lack) {
				t.Errorf("until %s it has %q: %s", c.end, lack, got)
			}
		}
	}
	secret.Credentials = secret.Credentials[:1]
	if got := strings.Join(Pauses(Style{}, secret, *at(2 * aDay)), "; "); !strings.Contains(got, "put nothing off") {
		t.Errorf("where nothing falls into it: %s", got)
	}
}

func TestWhatTheFunctionCallsImpossibleIsNotAdvised(t *testing.T) {
	secret := attention().Secrets[0]
	pending := report.Entry{Text: "it does not come up", Remedy: "let the pending emergency finish, or send abandon"}
	if got := stack.commands(false, secret, pending); len(got) > 0 {
		t.Errorf("nothing is pending, and it advises %q", got)
	}
	if secret.Possible = append(secret.Possible, "abandon"); len(stack.commands(false, secret, pending)) != 1 {
		t.Error("it does not advise to abandon what is pending")
	}
	secret.Possible = []string{}
	if will := Releases(Style{}, secret, attention()); len(will) > 0 {
		t.Errorf("a release that does nothing will %q", will)
	}
	open := rollingOut().Secrets[0]
	if open.Possible = []string{}; len(RollsBack(Style{}, open, rollingOut())) > 0 {
		t.Error("a rollback that is refused is announced")
	}
}

func TestARotationSaysThatItTurnsOnWhatIsOff(t *testing.T) {
	if will := TurnsOn(steady().Secrets[0]); len(will) > 0 {
		t.Errorf("rotation is on, and it will %q", will)
	}
	off := several().Secrets[1]
	if will := TurnsOn(off); len(will) != 1 || !strings.Contains(will[0], "(rate(30 days))") {
		t.Errorf("rotation is off, and it will %q", will)
	}
}

func TestChecksAreATable(t *testing.T) {
	inEachStyle(t, "preflight", func(s Style) string { return Checks(s, stack, preflight()) })
	inEachStyle(t, "verify", func(s Style) string { return Checks(s, stack, verified()) })
}

func TestWhatAnActionDidIsShownWithWhatIsLeft(t *testing.T) {
	inEachStyle(t, "released", func(s Style) string { return Changes(s, stack, released()) })
}

func TestWhatAnActionWillDoIsShownBefore(t *testing.T) {
	secret, r := attention().Secrets[0], attention()
	inEachStyle(t, "will", func(s Style) string {
		return Will(s, "x", "Release", Releases(s, secret, r)) + Will(s, "x", "Roll back", RollsBack(s, rollingOut().Secrets[0], r)) +
			Will(s, "x", "Abandon", Abandons(s, several().Secrets[1], r)) + Will(s, "x", "An emergency rotation", Emergency(s, secret, nil)) +
			Will(s, "x", "An emergency rotation", Emergency(s, secret, []string{"database"})) + Will(s, "x", "Pause", Pauses(s, secret, time.Time{}))
	})
	calm := steady().Secrets[0]
	if got := [][]string{Releases(Style{}, calm, r), Abandons(Style{}, calm, r), RollsBack(Style{}, calm, r)}; len(got[0])+len(got[1])+len(got[2]) > 0 {
		t.Errorf("with nothing open there is %q to do", got)
	}
}

func TestAVersionIsExplainedByItsLabelsAndValues(t *testing.T) {
	inEachStyle(t, "explain", func(s Style) string {
		text := ""
		for _, version := range Versions(attention().Secrets[0], "11111111") {
			text += Explained(s, version, Version(s, attention().Secrets[0], version, now))
		}
		return text
	})
}

func TestHistoryIsATable(t *testing.T) {
	rows := []history.Rotation{
		{At: now.Add(-48 * time.Hour), Secret: secretARN, What: "rotated", Credential: "database", By: "Operators/jane", Ended: "retired", EndedAt: at(-2800), Refused: at(-2800)},
		{At: now, Secret: secretARN, What: "emergency", Credential: "smtp", By: "the schedule", Ended: "not promoted"},
	}
	inEachStyle(t, "history", func(s Style) string { return Rotations(s, rows) + Rotations(s, nil) })
	all := []history.Row{
		{At: now.Add(-48 * time.Hour), Secret: secretARN, What: "stored", Credential: "database", By: "Operators/jane", Text: "made the pending version"},
		{At: now, Secret: secretARN, What: "held", Credential: "smtp", By: "the function", Text: "held: the target accepts both the old and the new value, since something still uses the old one"},
	}
	inEachStyle(t, "history-all", func(s Style) string { return History(s, all) + History(s, nil) })
}

func TestALineOfTheLogIsOnOneLine(t *testing.T) {
	e := logline.Entry{At: now, Level: "ERROR", Text: "createSecret failed", Secret: secretARN, Step: "createSecret", Error: "two\nlines \x1b[31mred\x07"}
	inEachStyle(t, "log", func(s Style) string { return LogLine(s, e, now) + "\n" + Line(s, now, "started\x1b[2J") + "\n" })
}

func TestAnErrorIsShownWithItsRemedy(t *testing.T) {
	inEachStyle(t, "fault", func(s Style) string {
		return Fault(s, fault.New(fault.Unknown, "there are no AWS credentials", "log in")) + Fault(s, fault.New(fault.Fine, "a remark", "")) + Unseen(s, stack, "denied")
	})
}
