package plan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"
	"time"

	"mautic-rotation/rotation/ledger"
)

// reasoned fails the test for an action that does not say why, for an alarm that does not
// say what to do about it, and for a wait that has ended.
func reasoned(t *testing.T, o Observation, actions []Action) {
	t.Helper()
	for _, a := range actions {
		if a.Why == "" {
			t.Errorf("no reason for %+v", a)
		}
		if (a.Do == Alarm) != (a.Remedy != "") {
			t.Errorf("%s (%s) has the remedy %q", a.Do, a.Why, a.Remedy)
		}
		if !a.Until.IsZero() && (a.Do != Wait || !a.Until.After(o.Now)) {
			t.Errorf("%s (%s) at %s has an end at %s", a.Do, a.Why, o.Now, a.Until)
		}
	}
}

// TestEveryAlarmInTheSourceHasARemedy looks at each place that makes an alarm: the tables
// of the other tests need not come by all of them.
func TestEveryAlarmInTheSourceHasARemedy(t *testing.T) {
	t.Parallel()
	packages, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, parser.SkipObjectResolution) //nolint:staticcheck // one directory, without build tags
	if err != nil {
		t.Fatal(err)
	}
	isAlarm := func(e ast.Expr) bool { name, ok := e.(*ast.Ident); return ok && name.Name == "Alarm" }
	found := 0
	for _, file := range packages["plan"].Files {
		remedied := map[ast.Node]bool{} // calls of do within one of remedied
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				name, ok := n.Fun.(*ast.Ident)
				if !ok {
					break
				}
				if name.Name == "remedied" {
					for _, arg := range n.Args {
						remedied[arg] = true
					}
				}
				if name.Name == "do" && isAlarm(n.Args[0]) {
					if found++; !remedied[n] {
						t.Errorf("an alarm without a remedy: %v", n.Args[1])
					}
				}
			case *ast.CompositeLit:
				keys := map[string]ast.Expr{}
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						if key, ok := kv.Key.(*ast.Ident); ok {
							keys[key.Name] = kv.Value
						}
					}
				}
				if do := keys["Do"]; do != nil && isAlarm(do) {
					if found++; keys["Remedy"] == nil {
						t.Errorf("an alarm without a remedy: %v", keys["Why"])
					}
				}
			case *ast.CaseClause:
				alarm, remedy := false, false
				for _, s := range n.Body {
					if a, ok := s.(*ast.AssignStmt); ok {
						for _, value := range a.Rhs {
							alarm = alarm || isAlarm(value)
						}
						for _, to := range a.Lhs {
							field, ok := to.(*ast.SelectorExpr)
							remedy = remedy || ok && field.Sel.Name == "Remedy"
						}
					}
				}
				if alarm {
					if found++; !remedy {
						t.Error("an alarm without a remedy, among the cases")
					}
				}
			}
			return true
		})
	}
	if found != 14 {
		t.Errorf("%d places that make an alarm were found: does one make it in a way that this test does not see?", found)
	}
}

// quarantinedAt is a quarantine that began so long after t0.
func quarantinedAt(d time.Duration) ledger.Entry {
	return ledger.Entry{State: ledger.Quarantined, Count: 2, At: t0.Add(d)}
}

func TestAWaitThatEndsByTheClockSaysWhen(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		o      Observation
		change func(o *Observation, k *Kind)
		kind   string
		want   time.Duration // after t0; 0: it does not end by the clock
	}{
		{"an old value, within the time for observing", quiet(), func(o *Observation, _ *Kind) { o.Now = t0.Add(69 * time.Minute) }, "database", 70 * time.Minute},
		{"an old value, within its own time", quiet(), func(_ *Observation, k *Kind) { k.MinOverlap = 3 * time.Hour }, "database", 190 * time.Minute},
		{"a quarantine that somebody else watches", quiet(), func(_ *Observation, k *Kind) {
			k.Old[0].Mine, k.Old[0].Entry = false, quarantinedAt(2*time.Hour-time.Second)
		}, "database", 2*time.Hour + 29*time.Second},
		{"a quarantine that is too short", quiet(), func(_ *Observation, k *Kind) { k.Old[0].Entry = quarantinedAt(2*time.Hour - 5*time.Second) }, "database", 2*time.Hour + 10*time.Second},
		{"no services are set", open(), func(o *Observation, _ *Kind) { o.Rollout.Services = nil }, "", 24 * time.Hour},
		{"the redeploy is about to begin", open(), func(o *Observation, _ *Kind) {
			o.Now, o.Rollout.Services[0].Deployed = t0.Add(time.Second), false
		}, "", 15 * time.Second},
		{"an old task is left", open(), nil, "", 0},
		{"an old value, and no tick", quiet(), func(o *Observation, _ *Kind) { o.Tick = false }, "database", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.change != nil {
				tc.change(&tc.o, &tc.o.Kinds[0])
			}
			actions := Decide(tc.o)
			reasoned(t, tc.o, actions)
			for _, a := range actions {
				want := time.Time{}
				if tc.want > 0 {
					want = t0.Add(tc.want)
				}
				if a.Kind == tc.kind {
					if a.Do != Wait || !a.Until.Equal(want) {
						t.Errorf("%s (%s) until %s, want %s", a.Do, a.Why, a.Until, want)
					}
					return
				}
			}
			t.Errorf("nothing is decided of %q: %+v", tc.kind, actions)
		})
	}
}
