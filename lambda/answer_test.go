package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/rig"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/report"
)

func TestAnAnswerHasWhatTheLogSaysWasDoneWhateverItsLevel(t *testing.T) {
	t.Parallel()
	var written strings.Builder
	for _, level := range []slog.Level{slog.LevelInfo, slog.LevelError} {
		var c answers
		log := slog.New(c.handler(slog.NewTextHandler(&written, &slog.HandlerOptions{Level: level}))).With("action", "reconcile", "secret", "a")
		log.Info("before it began", "audit", "retired")
		c.begin("a")
		log.Info("retired: it is refused", "audit", "retired", "kind", "database", "of", "v1")
		log.Info("a: complete", "notice", "retired")
		log.With("decision", "wait", "why", "its use is looked for").Info("reconcile", "kind", "api", "of", "v1")
		log.Info("nothing of interest")
		slog.New(c.handler(slog.NewTextHandler(io.Discard, nil))).Info("of another secret", "secret", "b", "audit", "retired")
		c.end(report.Secret{ARN: "a", Waiting: []report.Entry{{Text: "its use is looked for"}}})
		got, err := json.Marshal(c.report(actionReconcile, time.Time{}, &scrub.Secrets{}).Secrets[0].Changed)
		if err != nil {
			t.Fatal(err)
		}
		if want := `[{"what":"retired","kind":"database","version":"v1","text":"retired: it is refused"}]`; string(got) != want {
			t.Errorf("at level %s\ngot  %s\nwant %s", level, got, want)
		}
		if s := c.secrets[0]; !slices.Equal(s.Notices, []string{"a: complete"}) || len(s.Waiting) != 1 {
			t.Errorf("at level %s: %+v", level, s)
		}

		c.begin("a") // a secret that was handled in part is handled once more
		log.Info("swept", "audit", "swept")
		c.end(report.Secret{ARN: "a"})
		if s := c.secrets; len(s) != 1 || len(s[0].Changed) != 2 || len(s[0].Waiting) != 0 {
			t.Errorf("begun anew: %+v", s)
		}
	}
	if got := strings.Count(written.String(), "\n"); got != 6 { // none at level ERROR, and none of another secret
		t.Errorf("%d lines were written:\n%s", got, &written)
	}
}

func TestAnAnswerHoldsNoSecretValueInAnyOfItsTexts(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 21, 0, 0, 0, time.UTC)
	var secrets scrub.Secrets
	secrets.Add("hunter2-hunter2")
	const text = "it says hunter2-hunter2"
	var c answers
	c.begin("a")
	found := report.Secret{
		ARN: "a", At: at, Error: text, Notices: []string{text},
		Credentials: []report.Credential{{Problem: text, StateSince: &at, Old: []report.Old{{Why: text, Remedy: text}}}},
		Rollout:     &report.Rollout{Ill: text, Services: []report.Service{{Failed: text, Missing: text, Older: []string{text}}}},
		Labels:      []report.Label{{Label: text, Means: text}},
		Checks:      []report.Check{{Text: text}}, Needs: []report.Entry{{Text: text, Remedy: text}},
	}
	c.end(found)
	c.secrets[0].Changed = []report.Entry{{Text: text}}
	answer := c.report(actionReconcile, time.Now(), &secrets)
	got, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(got), "hunter2") || strings.Count(string(got), scrub.Replacement) != 14 {
		t.Errorf("the answer is %s", got)
	}
	if !answer.At.Equal(at) {
		t.Errorf("it is of %s", answer.At)
	}
}

func TestAPasswordThatIsAPartOfANameDamagesNoAnswer(t *testing.T) {
	t.Parallel()
	const (
		arn     = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf"
		version = "only.database.3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"
	)
	const own = "rotation;2;df431427;database=held.4@20261120T140200Z"
	var secrets scrub.Secrets
	secrets.Add("prod", "database", "held", "AWS", "3f2a", "web") // of people who choose badly
	var c answers
	log := slog.New(scrub.Handler(c.handler(slog.DiscardHandler), &secrets, identifiers...)).With("secret", arn)
	c.begin(arn)
	log.Info("held: prod", "audit", "held", "kind", "database", "of", version)
	log.Info("redeployed", "audit", "redeployed", "service", "mautic-web")
	log.Info("mautic-prod-secrets: held", "notice", "held")
	c.end(report.Secret{
		ARN: arn, Name: "mautic-prod-secrets", Error: "prod",
		Credentials: []report.Credential{{Kind: "database", Version: version, Old: []report.Old{{Version: version, State: "held", Next: "wait", Why: "prod"}}}},
		Labels:      []report.Label{{Version: version, Label: "AWSCURRENT", Own: true}, {Version: version, Label: own, Own: true}, {Version: version, Label: "of prod"}, {Version: version, Label: "rotation;prod"}},
	})
	answer := c.report(actionRelease, time.Now(), &secrets)
	got, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	s := answer.Secrets[0]
	for what, same := range map[string]bool{
		"the ARN":      s.ARN == arn && s.Name == "mautic-prod-secrets",
		"a version":    s.Credentials[0].Version == version && s.Credentials[0].Old[0].Version == version && s.Changed[0].Version == version,
		"a word":       s.Credentials[0].Kind == "database" && s.Credentials[0].Old[0].State == "held" && slices.Equal(answer.Told, []string{"held"}) && s.Changed[0].What == "held",
		"a service":    s.Changed[1].Service == "mautic-web",
		"its labels":   s.Labels[0].Label == "AWSCURRENT" && s.Labels[1].Label == own,
		"other labels": s.Labels[2].Label == "of "+scrub.Replacement && s.Labels[3].Label == "rotation;"+scrub.Replacement,
		"texts":        s.Error == scrub.Replacement && s.Credentials[0].Old[0].Why == scrub.Replacement && !strings.Contains(s.Changed[0].Text+s.Notices[0]+answer.Notice, "prod"),
	} {
		if !same {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// answerTo sends an operator's event, and returns what the function answers.
func (d *deployment) answerTo(action action) report.Report {
	d.t.Helper()
	r := d.answer(fmt.Appendf(nil, `{"Action":%q,"SecretId":%q}`, action, d.SecretARN))
	if r.Action != string(action) || len(r.Secrets) != 1 || r.Secrets[0].ARN != d.SecretARN {
		d.t.Fatalf("%s answers %+v", action, r)
	}
	return r
}

// answer is what the function answers to an event. It has to be of the form that package
// report has: no other field, none that is null and ought to be empty, no password.
func (d *deployment) answer(event []byte) (r report.Report) {
	d.t.Helper()
	result, err := d.AWS.Lambda.Invoke(rig.FunctionName, event)
	if err != nil || result.FunctionError != "" {
		d.t.Fatalf("%s: %v, %s", event, err, result.Payload)
	}
	decoder := json.NewDecoder(bytes.NewReader(result.Payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		d.t.Fatalf("%s answers %s: %v", event, result.Payload, err)
	}
	if r.Schema != report.Schema || r.At.IsZero() {
		d.t.Errorf("%s answers %s", event, result.Payload)
	}
	for _, s := range r.Secrets {
		if s.Credentials == nil || s.Labels == nil || s.Checks == nil || s.Changed == nil || s.Notices == nil || s.Waiting == nil || s.Needs == nil ||
			s.Name != rotation.SecretName(s.ARN) {
			d.t.Errorf("%s answers %s", event, result.Payload)
		}
	}
	for _, v := range d.secretState().Versions {
		if strings.Contains(string(result.Payload), rig.PasswordIn(v.Value)) {
			d.t.Errorf("the answer to %s holds a password", event)
		}
	}
	return r
}

// changes are the words of what an answer says was done.
func changes(r report.Report) (words []string) {
	for _, e := range r.Secrets[0].Changed {
		words = append(words, e.What)
	}
	return words
}

func TestEachActionAnswersWhatItDidAndWhatIsLeft(t *testing.T) {
	app := &rig.Application{Literal: true}
	d := deployApplication(t, app, timed(patient))
	idle := d.answerTo(actionAbandon)
	if s := idle.Secrets[0]; len(s.Changed)+len(s.Notices)+len(s.Waiting)+len(s.Needs)+len(s.Credentials) != 0 {
		t.Errorf("with nothing to do: %+v", s)
	}

	d.mustRotate()
	d.mustBeSteady()
	d.AWS.Clock().Advance(pastRollout)
	held := d.answerTo(actionReconcile)
	if !slices.Contains(changes(held), "held") || len(held.Secrets[0].Notices) == 0 {
		t.Errorf("the reconcile that holds answers %+v", held.Secrets[0])
	}
	again := d.answerTo(actionReconcile)
	if needs := again.Secrets[0].Needs; len(needs) != 1 || needs[0].Kind != "database" || needs[0].Version == "" || !strings.Contains(needs[0].Text, "release") || needs[0].Remedy == "" {
		t.Errorf("the one after it answers %+v", again.Secrets[0])
	}

	if c := again.Secrets[0].Credentials; len(c) != 1 || c[0].Kind != "database" || c[0].State != "proven" || c[0].From != "rotated_at" ||
		len(c[0].Old) != 1 || c[0].Old[0].State != "held" || c[0].Old[0].Next != "alarm" || c[0].Old[0].AcceptedSince == nil {
		t.Errorf("its credentials are %+v", c)
	}
	if s := again.Secrets[0]; s.Rollout == nil || s.Rollout.Converged == nil || s.Schedule == nil || !s.Schedule.Enabled || s.Rotation != nil || len(s.Labels) < 4 {
		t.Errorf("it has %+v, %+v, %+v, %+v", s.Rollout, s.Schedule, s.Rotation, s.Labels)
	}

	app.Literal = false
	released := d.answerTo(actionRelease)
	if words := changes(released); !slices.Contains(words, "released") || !slices.Contains(words, "redeployed") || len(released.Secrets[0].Needs) != 0 {
		t.Errorf("the release answers %+v", released.Secrets[0])
	}
}

// TestTheDocumentationHasEveryAuditWord: an answer's "changed" and the log's "audit" are
// read by programs, by the table in docs/operate.md.
func TestTheDocumentationHasEveryAuditWord(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "\n| audit |")
	table, _, _ = strings.Cut(table, "\n\n")
	constant := regexp.MustCompile("\\t(did[A-Z]\\w*) += \"([a-z-]+)\"")
	use := regexp.MustCompile("\\baudit\"?, (?:(did[A-Z]\\w*)|\"([a-z-]+)\")")
	words, found := map[string]string{}, map[string]bool{}
	err = filepath.WalkDir("../rotation", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range constant.FindAllStringSubmatch(string(source), -1) {
			words[m[1]] = m[2]
		}
		for _, m := range use.FindAllStringSubmatch(string(source), -1) {
			found[m[1]+m[2]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 || len(words) < 10 {
		t.Errorf("found %v and %v alone", found, words)
	}
	for w := range found {
		if named, ok := words[w]; ok {
			w = named
		}
		if !strings.Contains(table, "`"+w+"`") {
			t.Errorf("docs/operate.md lacks %s", w)
		}
	}
}

func TestAnAnswerWithNoticesHasThemInOneLineWithWhatComesNext(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		found  report.Secret
		notice string // of the log
		want   report.Report
	}{
		{"none", report.Secret{Needs: []report.Entry{{Text: "held", Remedy: "find it"}}}, "", report.Report{}},
		{"complete", report.Secret{}, "retired", report.Report{Notice: "a: it 'is'.", Next: "Nothing: it is complete.", Told: []string{"retired"}}},
		{"it goes on", report.Secret{Waiting: []report.Entry{{Text: "its use is looked for"}}}, "promoted", report.Report{Notice: "a: it 'is'.", Next: "Nothing: it continues by itself.", Told: []string{"promoted"}}},
		{"somebody is needed", report.Secret{Needs: []report.Entry{{Text: "held", Remedy: "find it, then release"}}}, "held",
			report.Report{Notice: "a: it 'is'.", Next: "find it, then release. mautic-rotation status shows more.", Told: []string{"held"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var c answers
			c.begin("a")
			if tc.notice != "" {
				slog.New(c.handler(slog.DiscardHandler)).With("secret", "a").Info(`a: it "is"`, "notice", tc.notice)
			}
			tc.found.ARN = "a"
			c.end(tc.found)
			got := c.report(actionReconcile, time.Time{}, &scrub.Secrets{})
			if got.Notice != tc.want.Notice || got.Next != tc.want.Next || !slices.Equal(got.Told, tc.want.Told) {
				t.Errorf("got %q, %q, %q\nwant %q, %q, %q", got.Notice, got.Next, got.Told, tc.want.Notice, tc.want.Next, tc.want.Told)
			}
		})
	}
}
