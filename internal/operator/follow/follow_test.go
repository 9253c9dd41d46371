package follow

import (
	"slices"
	"testing"
	"time"

	"mautic-rotation/rotation/report"
)

const token = "only.database.3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"

var start = time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)

func at(minutes int) *time.Time { t := start.Add(time.Duration(minutes) * time.Minute); return &t }

// current has the version as AWSCURRENT, with an old value where state is not "".
func current(version, state string, rollout *report.Rollout) report.Secret {
	c := report.Credential{Kind: "database", Version: version, State: "proven"}
	if state != "" {
		c.Old = []report.Old{{Version: "before", State: state, AcceptedSince: at(1)}}
	}
	return report.Secret{Credentials: []report.Credential{c}, Rollout: rollout, Labels: []report.Label{{Version: version, Label: "AWSCURRENT"}}}
}

func rolling(fresh int) *report.Rollout {
	return &report.Rollout{Since: start, Promoted: true, Services: []report.Service{{Name: "web", Desired: 2, Fresh: fresh}}}
}

func done() *report.Rollout { r := rolling(2); r.Converged = at(5); return r }

func pending(kinds ...string) report.Secret {
	s := current("before", "", nil)
	s.Rotation = &report.Rotation{Version: token, Kinds: kinds}
	return s
}

func rolledBack() report.Secret {
	s := current("before", "", &report.Rollout{Since: *at(6), RolledBack: true})
	s.Credentials[0].Old = []report.Old{{Version: token, State: "rolledback", AcceptedSince: at(1)}}
	return s
}

func TestARotationIsFollowedChangeByChangeToItsEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		until Until
		looks []report.Secret
		lines []string
		well  bool
		end   string // "": it goes on
	}{
		{"converged", UntilConverged,
			[]report.Secret{current("before", "", nil), pending(), pending("database"), pending("database"), current(token, "proven", rolling(0)), current(token, "old", rolling(1)), current(token, "old", done())},
			[]string{"the rotation has begun", "creating new values for database", "promoted: the new values are AWSCURRENT", "web: 0 of 2 tasks are new", "database: the old value is still accepted",
				"web: 1 of 2 tasks are new"},
			true, "converged: every task runs with the new values. The old values of database will be retired once nothing uses them"},
		{"retired", UntilRetired,
			[]report.Secret{current(token, "old", done()), current(token, "quarantined", done()), current(token, "", done())},
			[]string{"promoted: the new values are AWSCURRENT", "converged: every task has the new values", "database: the old value is still accepted",
				"database: the old value is quarantined: refused, but restorable", "database: the old value is refused"},
			true, "retired. No old value is accepted any more"},
		{"held", UntilRetired,
			[]report.Secret{current(token, "held", done())},
			[]string{"promoted: the new values are AWSCURRENT", "converged: every task has the new values", "database: the old value is held, because something still uses it"},
			false, "held: something still uses the old value of database, so both are accepted"},
		{"nothing that tasks read at start", UntilConverged,
			[]report.Secret{pending("admin"), current(token, "", nil), current(token, "", nil)},
			[]string{"creating new values for admin", "promoted: the new values are AWSCURRENT"},
			true, "converged: every task runs with the new values. No old value is accepted any more"},
		{"held before", UntilConverged,
			[]report.Secret{current("before", "held", nil), current(token, "held", nil), current(token, "held", nil)},
			[]string{"database: the old value is held, because something still uses it", "promoted: the new values are AWSCURRENT"},
			true, "converged: every task runs with the new values. The old values of database will be retired once nothing uses them"},
		{"rolled back", UntilConverged,
			[]report.Secret{current(token, "old", rolling(0)), rolledBack()},
			[]string{"promoted: the new values are AWSCURRENT", "web: 0 of 2 tasks are new", "database: the old value is still accepted",
				"rolled back: the old values are AWSCURRENT again", "database: the new value is being retired, because the rotation was rolled back"},
			false, "rolled back: the application did not come up with the new values, and the old ones are current again"},
		{"given up", UntilConverged,
			[]report.Secret{pending("database"), current("before", "", nil)},
			[]string{"creating new values for database"},
			false, "abandoned before its promotion: AWSCURRENT has the same values as before"},
		{"rolled back, and forgotten", UntilConverged,
			[]report.Secret{current(token, "", rolling(0)), current("before", "", &report.Rollout{Since: *at(6), RolledBack: true})},
			[]string{"promoted: the new values are AWSCURRENT", "web: 0 of 2 tasks are new", "rolled back: the old values are AWSCURRENT again"},
			false, "rolled back: the application did not come up with the new values, and the old ones are current again"},
		{"one before was rolled back", UntilConverged,
			[]report.Secret{current("other", "rolledback", nil), pending("database"), withOld(current(token, "old", done()), "earlier", "failed", nil)},
			[]string{"creating new values for database", "promoted: the new values are AWSCURRENT", "database: the old value is still accepted"},
			true, "converged: every task runs with the new values. The old values of database will be retired once nothing uses them"},
		{"not to be seen", UntilConverged,
			[]report.Secret{{Error: "throttled"}, {Error: "throttled"}},
			[]string{"could not be examined: throttled"}, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := New(token, c.until)
			var lines []string
			var end *End
			for i, look := range c.looks {
				if end != nil {
					t.Fatalf("it ended before look %d: %+v", i, *end)
				}
				var more []string
				more, end = f.See(look, start.Add(time.Duration(i)*time.Second))
				lines = append(lines, more...)
			}
			if !slices.Equal(lines, c.lines) {
				t.Errorf("it told\n%q, not\n%q", lines, c.lines)
			}
			switch {
			case (end == nil) != (c.end == ""):
				t.Errorf("the end is %+v", end)
			case end != nil && (end.Text != c.end || end.Well != c.well):
				t.Errorf("the end is %+v", *end)
			}
		})
	}
}

// withOld has one more value beside AWSCURRENT's.
func withOld(s report.Secret, version, state string, accepted *time.Time) report.Secret {
	s.Credentials[0].Old = append(s.Credentials[0].Old, report.Old{Version: version, State: state, AcceptedSince: accepted})
	return s
}

func TestARotationThatIsRefusedEndsWithTheReasonAtOnce(t *testing.T) {
	f := New(token, UntilConverged)
	f.Failed("setSecret failed: timeout")
	if _, end := f.See(pending("database"), start); end != nil {
		t.Errorf("while it is tried again it ended: %+v", end)
	}
	f = New(token, UntilConverged)
	f.Failed("createSecret failed: a rollout is open")
	_, end := f.See(current("before", "", nil), start)
	if end == nil || end.Well || end.Text != "nothing was rotated, and AWSCURRENT has the same values as before: createSecret failed: a rollout is open" {
		t.Errorf("its end is %+v", end)
	}
}

func TestARollbackThatIsWatchedSaysWhichValueIsRefused(t *testing.T) {
	f := New("", "")
	var lines []string
	for i, look := range []report.Secret{
		withOld(current("v1", "", nil), "v0", "failed", nil),
		withOld(current("v1", "", nil), "v2", "rolledback", at(1)), withOld(current("v1", "", nil), "v2", "failed", nil),
		withOld(current("v1", "", nil), "v3", "rolledback", at(1)), current("v1", "", nil),
		withOld(current("v1", "", nil), "v0", "old", at(1)), current("v1", "", nil),
	} {
		more, _ := f.See(look, start.Add(time.Duration(i)*time.Second))
		lines = append(lines, more...)
	}
	want := []string{
		"database: the new value is being retired, because the rotation was rolled back", "database: the new value is refused, because the rotation was rolled back",
		"database: the new value is being retired, because the rotation was rolled back", "database: the new value is refused",
		"database: the old value is still accepted", "database: the old value is refused",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("it told\n%q, not\n%q", lines, want)
	}
}

func TestARotationThatDoesNotBeginEnds(t *testing.T) {
	f := New(token, UntilConverged)
	if _, end := f.See(current("before", "", nil), start); end != nil {
		t.Errorf("it ended at once: %+v", end)
	}
	if _, end := f.See(current("before", "", nil), start.Add(30*time.Second)); end == nil || end.Well {
		t.Errorf("it has not begun, and its end is %+v", end)
	}
}
