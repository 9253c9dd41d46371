package main

import (
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

	"mautic-rotation/internal/rig"
)

func TestAnAnswerHasWhatTheLogHasWhateverItsLevel(t *testing.T) {
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
		log.With("decision", "alarm", "why", "held, since something uses it", "kind", "smtp", "of", "v1").Warn("reconcile")
		log.With("decision", "alarm", "why", "service web: gone", "service", "web").Warn("reconcile")
		log.Info("nothing of interest")
		slog.New(c.handler(slog.NewTextHandler(io.Discard, nil))).Info("of another secret", "secret", "b", "audit", "retired")
		got, err := json.Marshal(c.answer.Secrets)
		if err != nil {
			t.Fatal(err)
		}
		const want = `[{"secret":"a","changed":[{"what":"retired","kind":"database","version":"v1","text":"retired: it is refused"}],"notices":["a: complete"],` +
			`"waiting":[{"kind":"api","version":"v1","text":"its use is looked for"}],` +
			`"needs":[{"kind":"smtp","version":"v1","text":"held, since something uses it"},{"service":"web","text":"service web: gone"}]}]`
		if string(got) != want {
			t.Errorf("at level %s\ngot  %s\nwant %s", level, got, want)
		}

		c.begin("a") // a secret that was handled in part is handled once more
		log.Info("swept", "audit", "swept")
		if s := c.answer.Secrets; len(s) != 1 || len(s[0].Changed) != 2 || len(s[0].Waiting)+len(s[0].Needs) != 0 {
			t.Errorf("begun anew: %+v", *s[0])
		}
	}
	if got := strings.Count(written.String(), "\n"); got != 8 { // none at level ERROR, and none of another secret
		t.Errorf("%d lines were written:\n%s", got, &written)
	}
}

// answerTo sends an operator's event, and returns what the function answers.
func (d *deployment) answerTo(action action) (a answer) {
	d.t.Helper()
	result, err := d.AWS.Lambda.Invoke(rig.FunctionName, fmt.Appendf(nil, `{"Action":%q,"SecretId":%q}`, action, d.SecretARN))
	if err != nil || result.FunctionError != "" {
		d.t.Fatalf("%s: %v, %s", action, err, result.Payload)
	}
	if err := json.Unmarshal(result.Payload, &a); err != nil {
		d.t.Fatalf("%s answers %s: %v", action, result.Payload, err)
	}
	if a.Schema != 1 || a.Action != action || len(a.Secrets) != 1 || a.Secrets[0].Secret != d.SecretARN {
		d.t.Fatalf("%s answers %s", action, result.Payload)
	}
	for _, v := range d.secretState().Versions {
		if strings.Contains(string(result.Payload), rig.PasswordIn(v.Value)) {
			d.t.Errorf("the answer to %s holds a password", action)
		}
	}
	return a
}

// changes are the words of what an answer says was done.
func changes(a answer) (words []string) {
	for _, e := range a.Secrets[0].Changed {
		words = append(words, e.What)
	}
	return words
}

func TestEachActionAnswersWhatItDidAndWhatIsLeft(t *testing.T) {
	app := &rig.Application{Literal: true}
	d := deployApplication(t, app, timed(patient))
	idle := d.answerTo(actionAbandon)
	if s := idle.Secrets[0]; len(s.Changed)+len(s.Notices)+len(s.Waiting)+len(s.Needs) != 0 || s.Needs == nil {
		t.Errorf("with nothing to do: %+v", *s)
	}

	d.mustRotate()
	d.mustBeSteady()
	d.AWS.Clock().Advance(pastRollout)
	held := d.answerTo(actionReconcile)
	if !slices.Contains(changes(held), "held") || len(held.Secrets[0].Notices) == 0 {
		t.Errorf("the reconcile that holds answers %+v", *held.Secrets[0])
	}
	again := d.answerTo(actionReconcile)
	if needs := again.Secrets[0].Needs; len(needs) != 1 || needs[0].Kind != "database" || needs[0].Version == "" || !strings.Contains(needs[0].Text, "release") {
		t.Errorf("the one after it answers %+v", *again.Secrets[0])
	}

	app.Literal = false
	released := d.answerTo(actionRelease)
	if words := changes(released); !slices.Contains(words, "released") || !slices.Contains(words, "redeployed") || len(released.Secrets[0].Needs) != 0 {
		t.Errorf("the release answers %+v", *released.Secrets[0])
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
