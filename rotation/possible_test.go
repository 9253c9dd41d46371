package rotation_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/scrub"
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
