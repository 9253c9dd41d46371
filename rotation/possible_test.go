package rotation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/ledger"
)

func TestAnAnswerSaysWhichActionsAreOfUseNow(t *testing.T) {
	for _, tc := range []struct {
		name    string
		prepare func(e *engine)
		want    []string
	}{
		{"before any rotation", func(*engine) {}, []string{}},
		{"while tasks are replaced", func(e *engine) { e.services.stale = true; e.mustRotate() }, []string{"roll-back"}},
		{"once it has converged", func(e *engine) { e.mustRotate(); e.closeAll() }, []string{}},
		{"when the rollout cannot converge", func(e *engine) {
			e.mustRotate()
			e.mustEndOverlaps()
			e.mustRotateWith("only.database." + uuid)
			e.services.stale = true
			e.aws.Clock().Advance(day)
		}, []string{"release", "roll-back"}},
		{"after a rollback", func(e *engine) { e.rollBack() }, []string{"release"}},
		{"before its promotion", func(e *engine) {
			on := e.refuseMoves(promotion)
			e.fails(e.rotate(uuid), "refused on purpose")
			on.Store(false)
		}, []string{"abandon"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEngine(t)
			tc.prepare(e)
			if got := e.status().Possible; got == nil || !slices.Equal(got, tc.want) {
				t.Errorf("it says %q, not %q", got, tc.want)
			}
			// What it does not name does nothing.
			for action, do := range map[string]func() error{
				"release":   e.release,
				"abandon":   e.abandon,
				"roll-back": func() error { _, err := e.rollBackAsked(); return err },
			} {
				if slices.Contains(tc.want, action) {
					continue
				}
				before := e.log.String()
				err := do()
				if done := strings.TrimPrefix(e.log.String(), before); strings.Contains(done, "audit=released") || strings.Contains(done, "audit=abandoned") || strings.Contains(done, "audit=rolled-back") {
					t.Errorf("%s, which it does not name, does something: %v\n%s", action, err, done)
				}
			}
		})
	}
}

func TestARollbackWhoseRedeployFailsAnswersWithWhatItHasDone(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.mustEndOverlaps()
	e.mustRotateWith("only.database." + uuid)
	e.services.refusal = errors.New("ECS is throttled")
	found, err := e.RollBack(t.Context(), e.arn, e.logger(), &scrub.Secrets{})
	e.fails(err, "redeploy service web: ECS is throttled")
	e.currentHolds("database-1", "admin-1")
	database := credentialOf(t, found, "database")
	if database.Version != e.version("AWSCURRENT").ID || len(database.Old) != 1 || database.Old[0].State != "rolledback" {
		t.Errorf("it answers %+v", database)
	}
	e.services.refusal = nil
	if found, err = e.Reconcile(t.Context(), e.arn, e.logger(), &scrub.Secrets{}); err != nil || found.Rollout == nil {
		t.Errorf("the next reconcile: %v", err)
	}
}

func TestAnAnswerKnowsItsOwnLabelsFromOthers(t *testing.T) {
	e := newEngine(t)
	e.services.stale = true
	e.mustRotate()
	e.label("of the team")
	own, others := 0, 0
	for _, label := range e.status().Labels {
		switch {
		case strings.HasPrefix(label.Label, "AWS"), strings.HasPrefix(label.Label, "rotation;2;"):
			own++
			if !label.Own {
				t.Errorf("%s counts as somebody else's", label.Label)
			}
		default:
			others++
			if label.Own {
				t.Errorf("%s counts as the function's", label.Label)
			}
		}
	}
	if own < 4 || others != 1 {
		t.Errorf("there are %d labels of its own, and %d of others", own, others)
	}
}

func TestAnAnswerNamesTheVersionsThatAWSCURRENTCanBeMovedBackTo(t *testing.T) {
	e := newEngine(t)
	e.api.restart = true
	first := e.version("AWSCURRENT").ID
	if back := e.status().Back; back == nil || len(back) > 0 {
		t.Errorf("before any rotation it names %q", back)
	}
	e.database.use = func(credential.Overlap) (string, error) { return "a cron job", nil }
	e.mustRotateOnly("database")
	if back := e.status().Back; !slices.Equal(back, []string{first}) {
		t.Errorf("after a rotation it names %q, not %q", back, first)
	}
	e.aws.Clock().Advance(day)
	for range 4 {
		e.reconcile()
	}
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "database=held") {
		t.Fatalf("the journal says %s", journal)
	}
	e.mustRotateWith("only.api." + strings.Replace(uuid, "3", "4", 1))
	e.reconcile()
	if back := e.status().Back; len(back) != 2 || back[1] != first {
		t.Errorf("while both old values are accepted it names %q", back)
	}
	e.aws.Clock().Advance(9 * day) // the first API client is refused now, and its version is held for the database alone
	for range 4 {
		e.reconcile()
	}
	if back := e.status().Back; len(back) > 0 {
		t.Errorf("it names %q, whose API client is refused", back)
	}
	second := e.version("AWSCURRENT").ID
	e.api.accept("api-1", "api-9")
	e.store(strings.Replace(e.version("AWSCURRENT").Value, `"api-1"`, `"api-9"`, 1)) // by hand
	e.services.failing = true
	e.reconcile()
	e.reconcile()
	found := e.status()
	if !slices.Equal(found.Back, []string{second}) {
		t.Errorf("after an edit by hand it names %q, not %q", found.Back, second)
	}
	e.moveCurrent(second, e.version("AWSCURRENT").ID)
	e.services.failing = false
	e.reconcile()
	e.currentHolds("database-1", "admin-0")
	if e.current(&e.api.target) != "api-1" || !strings.Contains(e.api.accepts(), "api-1") {
		t.Errorf("AWSCURRENT has %s after the move, and Mautic accepts %s", e.current(&e.api.target), e.api.accepts())
	}
}

func TestOfTwoOpenPromotionsStatusNamesTheRollbackOfTheLastOne(t *testing.T) {
	e := newEngine(t)
	e.services.stale = true
	e.api.restart = true
	other := e.besides(`{"api": "api-0", "admin": "admin-0"}`)
	e.mustRotateOnly("database")
	e.aws.Clock().Advance(time.Minute)
	e.of(other, func() { e.mustRotateOnly("api") })
	if got := e.status().Possible; slices.Contains(got, "roll-back") {
		t.Errorf("of the earlier one it names %q", got)
	}
	_, err := e.rollBackAsked()
	e.fails(err, "came later: roll that one back first")
	e.of(other, func() {
		if got := e.status().Possible; !slices.Contains(got, "roll-back") {
			t.Errorf("of the later one it names %q", got)
		}
	})
}

func TestAReleaseLeavesAloneWhatWaitsThoughAnotherSecretStoresIt(t *testing.T) {
	for name, stale := range map[string]bool{"while tasks are replaced": true, "while its use is looked for": false} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.services.stale = stale
			e.besides(`{"database": "database-0"}`)
			e.mustRotateOnly("database")
			if got := e.status().Possible; slices.Contains(got, "release") {
				t.Errorf("it names %q", got)
			}
			if err := e.release(); err != nil {
				t.Fatal(err)
			}
			if journal := strings.Join(e.journal(), " "); strings.Contains(journal, string(ledger.Foreign)) {
				t.Errorf("the journal says %s", journal)
			}
		})
	}
}

func TestAReleaseIsNamedWhereAnotherSecretKeepsAValue(t *testing.T) {
	e := newEngine(t)
	e.besides(`{"database": "database-0"}`)
	e.mustRotateOnly("database")
	e.reconcile()
	e.aws.Clock().Advance(day)
	found := e.status()
	if !slices.Contains(found.Possible, "release") || len(found.Needs) != 1 || !strings.Contains(found.Needs[0].Text, "stores it, so it is not retired") {
		t.Errorf("it names %q, and needs %+v", found.Possible, found.Needs)
	}
	if err := e.release(); err != nil {
		t.Fatal(err)
	}
	if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "database=foreign") {
		t.Errorf("the journal says %s", journal)
	}
}
