package rotation_test

import (
	"strings"
	"testing"

	"mautic-rotation/internal/localaws/wire"
	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/report"
)

// A rollback that an operator asks for.

func (e *engine) rollBackAsked() (report.Secret, error) {
	return e.RollBack(e.t.Context(), e.arn, e.logger(), &scrub.Secrets{})
}

func TestAnOperatorRollsBackWhileTheRolloutIsOpenAndEditsStay(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.services.stale = true
	e.mustEndOverlaps()
	e.mustRotate()
	bad := e.version("AWSCURRENT").ID
	e.store(strings.Replace(e.version("AWSCURRENT").Value, `"mautic"`, `"edited"`, 1))
	found, err := e.rollBackAsked()
	if err != nil {
		t.Fatal(err)
	}
	e.currentHolds("database-1", "admin-1")
	if !strings.Contains(e.version("AWSCURRENT").Value, `"edited"`) {
		t.Errorf("the edit is lost: %s", e.version("AWSCURRENT").Value)
	}
	if !e.database.takes("database-1") || !e.admin.takes("admin-1") {
		t.Errorf("AWSCURRENT's values are refused: %s; %s", e.database.accepts(), e.admin.accepts())
	}
	if found.Rollout == nil || found.Rollout.Converged != nil || !found.Rollout.RolledBack {
		t.Errorf("it answers %+v", found.Rollout)
	}
	e.logSays("rolled back: the old values are AWSCURRENT again")
	if e.version("AWSCURRENT").ID == bad {
		t.Error("AWSCURRENT was not moved")
	}

	// Once more is refused, as it is a rollback already.
	_, err = e.rollBackAsked()
	e.fails(err, "it is a rollback already")

	// The values that were rolled back are taken away, and hold the schedule off.
	e.services.stale = false
	e.aws.Clock().Advance(8 * day)
	for range 4 {
		e.reconcile()
	}
	if e.database.accepts() != "database-1" || e.admin.accepts() != "admin-1" {
		t.Errorf("accepted are %s; %s", e.database.accepts(), e.admin.accepts())
	}
	if s := e.status(); !s.Schedule.HeldOff {
		t.Error("the schedule is not held off")
	}
}

// mustEndOverlaps lets what is open come to its end, with a task that is left at the next
// rollout.
func (e *engine) mustEndOverlaps() {
	e.t.Helper()
	e.services.stale = false
	e.closeAll()
	e.services.stale = true
}

func TestARollbackThatAnEditOvertakesGoesOn(t *testing.T) {
	e := newEngine(t)
	e.mustRotate()
	e.mustEndOverlaps()
	e.mustRotateWith("only.database." + uuid)
	e.beforeCall("UpdateSecretVersionStage", "rolledback", func() wire.Fault {
		e.store(strings.Replace(e.version("AWSCURRENT").Value, `"site": "mautic"`, `"site": "edited"`, 1))
		return wire.Fault{}
	})
	if _, err := e.rollBackAsked(); err != nil {
		t.Fatal(err)
	}
	value := e.version("AWSCURRENT").Value
	if e.current(&e.database.target) != "database-1" || !strings.Contains(value, `"site": "edited"`) {
		t.Errorf("AWSCURRENT is %s", value)
	}
}

func TestWhatCannotBeRolledBackIsRefusedAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		prepare func(e *engine)
		says    []string
	}{
		{"nothing was promoted", func(*engine) {}, []string{"nothing has been promoted yet"}},
		{"the rollout has converged", func(e *engine) {
			e.mustRotate()
			e.reconcile()
		}, []string{"the rollout has converged", "move AWSCURRENT back by hand"}},
		{"nothing is open any more", func(e *engine) {
			e.mustRotate()
			e.closeAll()
		}, []string{"the rollout has converged"}},
		{"an emergency", func(e *engine) {
			e.mustRotate()
			e.mustEndOverlaps()
			e.mustRotateWith("emergency." + uuid)
		}, []string{"an emergency is never rolled back", "fix the application"}},
		{"every old value is refused", func(e *engine) {
			e.mustRotate()
			e.mustEndOverlaps()
			e.mustRotateWith("only.database." + uuid)
			e.database.accept("database-2")
		}, []string{"every old value is refused"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEngine(t)
			tc.prepare(e)
			before, id := len(e.aws.Calls()), e.version("AWSCURRENT").ID
			_, err := e.rollBackAsked()
			for _, text := range append(tc.says, "roll back: ") {
				e.fails(err, text)
			}
			if calls := e.written(before); len(calls) > 0 || e.version("AWSCURRENT").ID != id {
				t.Errorf("it made the calls %v", calls)
			}
		})
	}
}

// TestAReleaseDoesNotEndTheRolloutOfAValueThatIsRolledBack: tasks run with that value until
// the rollout of the old one, which has not begun, and it would be taken away.
func TestAReleaseDoesNotEndTheRolloutOfAValueThatIsRolledBack(t *testing.T) {
	t.Parallel()
	for moment, text := range map[string]string{"once it is marked": promotion, "once AWSCURRENT has moved": "rolledback,"} {
		t.Run(moment, func(t *testing.T) {
			e := newEngine(t)
			e.mustRotate()
			e.mustEndOverlaps()
			e.mustRotateWith("only.database." + uuid)
			e.services.stale = false
			e.aws.Clock().Advance(day) // its time is over, and nobody has looked
			cut := false
			e.aws.Intercept(func(c wire.Call) (f wire.Fault) {
				moves := strings.Contains(c.Detail, promotion)
				if c.Operation == "UpdateSecretVersionStage" && (cut || moves && text == promotion) {
					cut = true
					f.Error = &wire.Error{Code: "AccessDeniedException", Message: "cut off", Status: 400}
				}
				cut = cut || moves
				return f
			})
			_, err := e.rollBackAsked()
			e.fails(err, "cut off")
			e.aws.Intercept(nil)
			e.services.stale = true // what runs has the value that is rolled back
			if err := e.release(); err != nil {
				t.Fatal(err)
			}
			if !e.database.takes("database-2") || !e.database.takes("database-1") {
				t.Errorf("accepted are %s", e.database.accepts())
			}
			e.currentHolds("database-1", "admin-1")
			if journal := strings.Join(e.journal(), " "); !strings.Contains(journal, "rollout") {
				t.Errorf("no rollout is open: %s", journal)
			}
		})
	}
}
