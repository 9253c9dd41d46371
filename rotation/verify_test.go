package rotation_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/report"
)

// What the preflight and the verification answer, and that they change nothing.

// looked is what an action answers that only looks: it has to write nothing.
func (e *engine) looked(look func() report.Secret) report.Secret {
	e.t.Helper()
	before, asked, redeployed := len(e.aws.Calls()), e.watched(), e.services.times
	found := look()
	wrote := slices.DeleteFunc(slices.Clone(*asked), func(call string) bool { return strings.HasSuffix(call, " probe") })
	if calls := e.written(before); len(calls)+len(wrote) > 0 || e.services.times != redeployed {
		e.t.Errorf("it made the calls %v and %v, and redeployed %d times", calls, wrote, e.services.times-redeployed)
	}
	return found
}

func (e *engine) lookedThrough() report.Secret {
	e.t.Helper()
	return e.looked(func() report.Secret { return e.Preflight(e.t.Context(), e.arn, e.logger(), &scrub.Secrets{}) })
}

func (e *engine) verified() report.Secret {
	e.t.Helper()
	return e.looked(func() report.Secret { return e.Verify(e.t.Context(), e.arn, e.logger(), &scrub.Secrets{}) })
}

// results are an answer's checks that are not ok, in words: "database/problem".
func results(found report.Secret, but ...string) (list []string) {
	for _, c := range found.Checks {
		if !slices.Contains(append(but, report.OK), c.Result) {
			list = append(list, c.Part+"/"+c.Result)
		}
	}
	return list
}

// checkOf is the check of a part whose name has some words.
func checkOf(t tester, found report.Secret, part, words string) report.Check {
	t.Helper()
	for _, c := range found.Checks {
		if c.Part == part && strings.Contains(c.What, words) {
			return c
		}
	}
	t.Fatalf("there is no check %q of %s among %+v", words, part, found.Checks)
	return report.Check{}
}

// closeAll lets everything that a rotation has left open come to its end.
func (e *engine) closeAll() {
	e.t.Helper()
	e.aws.Clock().Advance(8 * day)
	for range 3 {
		e.reconcile()
	}
	e.closed()
}

func TestThePreflightTellsWhetherARotationWouldWorkAndCouldBegin(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		prepare func(e *engine)
		want    []string
		part    string
		says    string
	}{
		{"nothing is wrong", func(*engine) {}, nil, "", ""},
		{"a target is not ready", func(e *engine) { e.admin.cannot(errUnpublished) }, []string{"admin/problem"}, "admin", errUnpublished.Error()},
		{"the services cannot be redeployed", func(e *engine) { e.services.unread = true }, []string{"redeploy/problem"}, "redeploy", "no task reads the secret"},
		{"an overlap is open", func(e *engine) {
			e.mustRotate()
			e.reconcile()
		}, []string{"api/warning"}, "api", "its overlap is still open"},
		{"a rollout is open", func(e *engine) {
			e.services.stale = true
			e.mustRotate()
		}, []string{"rollout/warning", "database/warning", "api/warning", "admin/warning", "webhook/warning"}, "rollout", "no credential is rotated until it has converged"},
		{"a rotation is under way", func(e *engine) {
			e.admin.broken = true
			e.fails(e.rotate("only.admin."+uuid), "it does not work")
		}, []string{"schedule/warning", "admin/warning"}, "schedule", "rotates admin: let it finish, or send abandon"},
		{"the schedule is paused", func(e *engine) { e.tag("until resumed") }, []string{"schedule/warning"}, "schedule", "to resume, remove the tag"},
		{"the last rotation was rolled back", func(e *engine) {
			e.services.failing = true
			e.mustRotate()
			e.reconcile()
			e.services.failing = false
			e.aws.Clock().Advance(8 * day)
			for range 4 {
				e.reconcile()
			}
		}, []string{"schedule/warning"}, "schedule", "rolled back"},
		{"a label has words that no rotation can follow", func(e *engine) { e.label("rotate;only.databse") }, []string{"labels/warning"}, "labels", "removes the label"},
		{"there is no room for labels", func(e *engine) {
			for i := range 16 {
				e.label(fmt.Sprint("somebody's ", i))
			}
		}, []string{"labels/problem"}, "labels", "too many staging labels"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEngine(t)
			e.mustRotate()
			e.closeAll()
			tc.prepare(e)
			found := e.lookedThrough()
			if got := results(found); found.Error != "" || !slices.Equal(got, tc.want) || found.At.IsZero() || len(found.Checks) < 8 {
				t.Errorf("%s\nwant %v\n%+v", got, tc.want, found)
			}
			if tc.says == "" {
				return
			}
			if !slices.ContainsFunc(found.Checks, func(c report.Check) bool {
				return c.Part == tc.part && c.Result != report.OK && strings.Contains(c.Text, tc.says)
			}) {
				t.Errorf("nothing of %s says %q: %+v", tc.part, tc.says, found.Checks)
			}
		})
	}
}

func TestThePreflightOfASecretThatIsNotRotatedSaysSo(t *testing.T) {
	e := newEngine(t)
	found := e.lookedThrough()
	if c := checkOf(t, found, "schedule", "this function rotates"); c.Result != report.Problem || !strings.Contains(c.Text, "rotation is not enabled") {
		t.Errorf("it says %+v", c)
	}
	e.store(`{"site": "mautic"}`)
	if found = e.lookedThrough(); !strings.Contains(found.Error, "no credential that this function rotates") {
		t.Errorf("of a secret without a credential: %+v", found)
	}
}

func TestVerifyTellsWhetherAllIsAsItShouldBe(t *testing.T) {
	t.Parallel()
	ill := &health{}
	ill.sick.Store(true)
	for _, tc := range []struct {
		name    string
		prepare func(e *engine)
		want    []string // besides what is not looked at: health, and old values
		part    string
		says    string
	}{
		{"all is well", func(*engine) {}, nil, "database", "its overlap is over"},
		{"an overlap is open", func(e *engine) {
			e.mustRotate()
			e.reconcile()
		}, nil, "api", "accepted, since its overlap is open (old)"},
		{"a target of one value remembers the old one", func(e *engine) {
			e.services.stale = true
			e.mustRotate()
		}, []string{"tasks/warning"}, "admin", "its overlap is over"},
		{"the target refuses the current value", func(e *engine) { e.database.accept("another") }, []string{"database/problem"}, "database", "denied"},
		{"the target does not answer", func(e *engine) {
			e.api.fault = func(func() error) error { return errors.New("no route to the host") }
		}, []string{"api/problem"}, "api", "no route to the host"},
		{"a task from before is left", func(e *engine) { e.services.stale = true }, []string{"tasks/problem"}, "tasks", "old tasks are left"},
		{"too few tasks", func(e *engine) { e.services.fewer = true }, []string{"tasks/problem"}, "tasks", "it runs 0 of 1 new tasks"},
		{"a service does not exist", func(e *engine) { e.services.missing = "it does not exist" }, []string{"tasks/problem"}, "tasks", "it does not exist"},
		{"the secret was edited", func(e *engine) { e.store(strings.Replace(e.version("AWSCURRENT").Value, "mautic", "other", 1)) }, nil, "database", "unchanged"},
		{"the application is ill", func(e *engine) { e.watchHealth(ill) }, []string{"health/problem"}, "health", "it answers 500"},
		{"a value is in quarantine", func(e *engine) {
			e.mustRotate()
			e.database.use = func(o credential.Overlap) (string, error) {
				if o.Quarantined {
					return "", errors.New("cut off")
				}
				return "", nil
			}
			e.fails(e.reconcileWith(t.Context()), "cut off")
		}, nil, "database", "in quarantine"},
		{"a rotation has given a target of one value the next one", func(e *engine) {
			e.admin.broken, e.admin.fault = true, nil
			e.beforeStep(rotation.TestSecret, func() error { return errors.New("stopped") })
			e.fails(e.rotate("only.admin."+uuid), "stopped")
		}, []string{"admin/warning"}, "admin", "given its target the pending value"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEngine(t)
			e.mustRotate()
			e.closeAll()
			tc.prepare(e)
			found := e.verified()
			got := slices.DeleteFunc(results(found), func(r string) bool { return strings.HasSuffix(r, "/"+report.Skipped) })
			if found.Error != "" || !slices.Equal(got, tc.want) {
				t.Errorf("%s\nwant %v\n%+v", got, tc.want, found.Checks)
			}
			if !slices.ContainsFunc(found.Checks, func(c report.Check) bool { return c.Part == tc.part && strings.Contains(c.Text, tc.says) }) {
				t.Errorf("nothing of %s says %q: %+v", tc.part, tc.says, found.Checks)
			}
			for _, c := range found.Credentials {
				if want := map[bool]string{true: "accepted", false: c.Accepted}[!slices.Contains(tc.want, c.Kind+"/problem") && !slices.Contains(tc.want, c.Kind+"/warning")]; c.Accepted != want || c.Accepted == "" {
					t.Errorf("%s: its target says %q", c.Kind, c.Accepted)
				}
			}
		})
	}
}

// TestVerifyTriesNoOldValue: a refused login may lock an account, and a watch would take it
// for use of the value that it watches.
func TestVerifyTriesNoOldValue(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.reconcile()
	asked := e.watched()
	found := e.Verify(t.Context(), e.arn, e.logger(), &scrub.Secrets{})
	slices.Sort(*asked)
	// The overlap of the API client alone is open.
	if want := []string{"admin probe", "api probe", "database probe", "webhook probe"}; !slices.Equal(*asked, want) {
		t.Errorf("asked was %v, want %v: %+v", *asked, want, found.Checks)
	}
}
