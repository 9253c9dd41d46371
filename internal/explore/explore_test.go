package explore

import (
	"go/parser"
	gotoken "go/token"
	"maps"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// What the engine has been answered is kept, so the garbage collector has much to look
// at, and little to free. The ballast, which is never touched and so takes no memory, has it
// look once half a gigabyte has come together, or as much as is kept.
func TestMain(m *testing.M) {
	ballast := make([]byte, 512<<20)
	debug.SetGCPercent(100)
	m.Run()
	runtime.KeepAlive(ballast)
}

// Every history with at most one disturbance, and some with two.
func TestWhatMustAlwaysHoldDoesInEveryHistoryWithOneDisturbance(t *testing.T) {
	t.Parallel()
	turns := make(chan struct{}, runtime.GOMAXPROCS(0)) // the fewer at once, the more each knows from those before it
	for _, s := range Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			turns <- struct{}{}
			defer func() { <-turns }()
			e, err := New(s)
			if err != nil {
				t.Fatal(err)
			}
			defer e.HandOn()
			most := 1
			if testing.Short() || raceEnabled { // there is one goroutine at a time
				most = 0
			}
			e.Complete(most, nil)
			e.Sample(most+1, 3, 1, nil)
			for _, v := range e.Found {
				t.Error(v)
			}
			if e.Stats.Endings == 0 {
				t.Error("no history came to its end")
			}
		})
	}
}

func TestAHistoryIsTheSameHoweverOftenItIsPlayed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"mixed-finishSecret-reconcile", "emergency-finishSecret-reconcile", "two-secrets-reconciles"} {
		s := scenario(t, name)
		script := Script{{3, Switch}, {7, ReplyLost}}
		var first string
		for range 5 { // the order of a map's keys would differ in one of them
			var story strings.Builder
			if _, err := Replay(s, script, &story); err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = story.String()
			}
			if story.String() != first {
				t.Fatalf("two plays of %s differ:\n%s\n\n%s", name, first, story.String())
			}
		}
		if !strings.Contains(first, "stops before") || !strings.Contains(first, "reply-lost") {
			t.Errorf("%s was not disturbed:\n%s", name, first)
		}
	}
}

// Nothing is lost by what is left out: without it, the same states are reached, and the
// same ends.
func TestASearchThatLeavesOutKnownStatesReachesAllOfThem(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int{"two-secrets-reconciles": 2, "mixed-setSecret-again": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := *scenario(t, name)
			if most == 2 { // of what comes from outside, an edit and a deployment alone
				s.Without = []Disturbance{EditValue, MoveBack, OldDocument, MoveToPending, Release, Emergency, TaskStarts, TaskStops, TaskRestarts, ServerRestored, MinutePasses, DayPasses}
			}
			var searches [2]*Explorer
			for i := range searches {
				e, err := New(&s)
				if err != nil {
					t.Fatal(err)
				}
				e.all = i == 1
				e.w.ends.all = e.all
				e.Complete(most, nil)
				searches[i] = e
			}
			few, all := searches[0], searches[1]
			if few.Stats.Calls >= all.Stats.Calls || few.Stats.Pruned == 0 {
				t.Errorf("%d calls and %d: nothing was left out", few.Stats.Calls, all.Stats.Calls)
			}
			if !maps.Equal(few.seen, all.seen) {
				t.Errorf("%d states are reached, and %d without what is left out", len(few.seen), len(all.seen))
			}
			if !maps.Equal(few.w.ends.known, all.w.ends.known) {
				t.Errorf("%d states of ends are reached, and %d without what is left out", len(few.w.ends.known), len(all.w.ends.known))
			}
		})
	}
}

// What another scenario has made known of the engine changes nothing but how often it is run.
func TestAScenarioReachesTheSameInAWorldThatIsHandedOn(t *testing.T) {
	t.Parallel()
	search := func(w *world) *Explorer {
		t.Helper()
		e, err := newExplorer(w)
		if err != nil {
			t.Fatal(err)
		}
		e.Complete(1, nil)
		return e
	}
	w := newWorld(scenario(t, "database-finishSecret-again"))
	search(w)
	for _, name := range []string{"pending-stays", "database-rollout-reconciles"} { // AWSPENDING stays in one of them
		s := scenario(t, name)
		if s.setup() != w.scenario.setup() {
			t.Fatalf("%s sets the engine up otherwise", name)
		}
		w.startOver(s)
		got, want := search(w), search(newWorld(s))
		if got.Stats.Histories != want.Stats.Histories || !maps.Equal(got.seen, want.seen) || !maps.Equal(got.known, want.known) || !maps.Equal(got.w.ends.known, want.w.ends.known) {
			t.Errorf("%s reaches others: %+v, and by itself %+v", name, got.Stats, want.Stats)
		}
		if len(got.Found) != len(want.Found) {
			t.Errorf("%s finds %v, and by itself %v", name, got.Found, want.Found)
		}
		if got.inherited == 0 || got.Stats.Moments >= want.Stats.Moments {
			t.Errorf("%s has nothing from the scenario before it: %d courses of answers, and by itself %d", name, got.Stats.Moments, want.Stats.Moments)
		}
	}
}

// A field that the engine depends on and that is no part of the setup would have a scenario go on
// with what another engine does.
func TestEachFieldOfAScenarioIsPartOfItsSetupOrMattersToTheWorldAlone(t *testing.T) {
	t.Parallel()
	world := []string{"Name", "Lost", "Fleet", "Broken", "Left", "PendingAfterSuccess", "Without", "Before", "Pair"}
	for f := range reflect.TypeFor[Scenario]().Fields() {
		_, part := reflect.TypeFor[setup]().FieldByName(strings.ToLower(f.Name))
		if part == slices.Contains(world, f.Name) {
			t.Errorf("%s: if the engine or a kind depends on it, it is to be in setup; if not, here", f.Name)
		}
	}
}

func scenario(t *testing.T, name string) *Scenario {
	t.Helper()
	for _, s := range Scenarios() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no scenario %s", name)
	return nil
}

// What was found once, and what shows that an old fault would be found (see cmd/mutate).
func TestWhatTheSearchHasFoundHoldsNow(t *testing.T) {
	t.Parallel()
	for _, history := range []string{
		"mixed-setSecret-again: 9 abandon",
		"single-setSecret-again: 1 edit-value",
		"no-restart-setSecret-again: 1 move-back",
		"no-restart-finishSecret-again: 9 move-back",
		"emergency-finishSecret-reconcile: 4 edit",
		"held-reconciles: 16 emergency",
		"database-finishSecret-reconcile: 1 move-back, 18 move-back",
		"database-finishSecret-reconcile: 6 task-restarts, 7 old-document",
		"held-release: 2 move-back, 3 emergency",
		"first-rotation-again: 1 move-to-pending, 2 edit",
		"first-rotation-again: 1 abandon, 2 server-restored",
		"database-converged-reconciles: 15 move-back, 17 stale",
		"mixed-setSecret-again: 3 take-pending-off",
		"database-setSecret-again: 1 move-back",
		"database-rollout-reconciles: 1 edit",
		"old-task-stays: undisturbed",
		"mixed-finishSecret-reconcile: 1 day, 26 edit",
		"mixed-finishSecret-reconcile: 8 day, 26 edit",
		"no-restart-finishSecret-reconcile: 6 late-at-the-end, 9 server-restored",
		"no-restart-finishSecret-again: 7 move-back, 20 abandon",
		"api-overlap-ends: 15 emergency, 16 move-back",
		"healthy-reconciles: 1 unhealthy, 14 edit",
		"mixed-finishSecret-again: 6 server-restored, 24 edit-value",
		"database-rollback-reconciles: 9 edit",
		"held-reconciles: 17 edit-value",
		"old-task-stays: 1 server-restored, 10 reply-lost",
		"database-converged-reconciles: 1 old-document",
		"database-converged-reconciles: 1 move-back",
		"database-converged-reconciles: 1 release, 2 move-back",
		"database-converged-reconciles: 11 deployment",
		"mixed-rollback-reconciles: undisturbed",
		"database-rollout-reconciles: 1 server-restored",
		"rotation-of-one: 8 move-back",
		"rotation-left: undisturbed",
		"held-reconciles: 13 killed-after",
		"emergency-setSecret-reconcile: 1 key-deleted, 7 switch",
		"marked-emergency: 4 fails",
		"marked-emergency: 2 release, 5 late-at-its-end",
		"failing-emergency: 12 late-at-the-end, 26 killed-after",
		"failing-emergency-of-one: 12 late-at-its-end, 24 edit",
		"failing-emergency: 12 late-at-its-end",
		"failing-emergency: 15 late-at-its-end",
		"failing-emergency-of-one: 18 late-at-its-end, 19 fails, 20 fails",
		"failing-emergency-of-another: undisturbed",
		"emergency-setSecret-reconcile: 1 key-deleted, 7 abandon",
		"emergency-createSecret-reconcile: 14 key-deleted, 20 abandon",
		"emergency-createSecret-reconcile: 14 key-deleted, 19 late-at-the-end",
		"emergency-createSecret-reconcile: 14 switch, 15 key-deleted",
		"held-reconciles: 12 lock-lost, 13 switch",
		"failing-rollout: 1 edit",
		"given-up-rotation: undisturbed",
		"held-release: 5 switch",
		"lost-release: 7 emergency",
		"lost-release: 7 emergency, 25 day",
		"lost-release: 7 killed-after, 8 move-back",
		"lost-release: 7 release, 8 emergency",
		"lost-release: 1 emergency, 10 killed-after",
		"lost-release: 7 emergency, 24 emergency",
		"single-rollback-reconciles: 10 switch",
		"rollback-of-one: 10 release, 21 release",
		"held-release: 1 move-back, 3 switch",
		"mixed-rollback-reconciles: 1 edit, 11 edit",
		"quarantine-rollback: 1 edit, 10 edit",
		"rollback-rotation: 1 edit, 11 edit",
		"rolled-back-reconciles: 16 switch, 17 emergency",
		"first-edition: 1 server-restored, 7 edit-value",
		"unhealthy-reconciles: 17 killed-after, 18 day, 19 release",
		"emergency-rollback: 4 take-pending-off, 6 reply-lost",
		"emergency-rollback: 8 task-starts, 19 move-back",
		"emergency-rollback: 8 task-starts, 24 move-back",
		"emergency-no-restart: 1 move-back, 5 old-document",
		"emergency-no-restart: 27 old-document, 48 release",
		"old-task-stays: 1 server-restored, 10 late-by-a-call",
		"single-rollout-roll-back: 11 edit-value, 45 move-back",
		"single-rollout-roll-back: 35 late-by-a-call, 36 edit-value",
		"single-rollback-reconciles: 35 late-by-a-call, 36 edit-value",
		"unhealthy-reconciles: 1 fails, 12 killed-after",
		"unhealthy-reconciles: 17 day, 19 release",
		"single-rollback-reconciles: 14 edit-value, 48 move-back",
		"single-testSecret-again: 1 move-back, 4 fails, 13 move-back",
	} {
		t.Run(history, func(t *testing.T) {
			t.Parallel()
			name, text, _ := strings.Cut(history, ":")
			script, err := ParseScript(text)
			if err != nil {
				t.Fatal(err)
			}
			var story strings.Builder
			if broken, err := Replay(scenario(t, name), script, &story); err != nil || broken != "" {
				t.Errorf("%v, %s\n%s", err, broken, story.String())
			}
		})
	}
}

// The checker sees each thing that must hold, when it does not.
func TestTheCheckerSeesWhatDoesNotHold(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		spoil func(*world)
		want  string
	}{
		{"nothing", func(*world) {}, ""},
		{"AWSCURRENT is refused", func(w *world) { w.accounts[0].set(w.now, w.labelled(0, "AWSPREVIOUS").values[0]) }, "the value of AWSCURRENT"},
		{"a task's value is refused", func(w *world) { w.tasks[0].values[0] = mark + "gone" }, "a running task was started with"},
		{"a value has no label", func(w *world) {
			w.accounts[0].values = append(w.accounts[0].values, held{text: mark + "stray", on: true})
		}, "no labelled version stores it"},
		{"a single value has no label", func(w *world) { w.accounts[1].set(w.now, mark+"stray") }, "no labelled version stores it"},
		{"an edit is lost", func(w *world) { w.sites[0] = "mautic-7" }, "an edit is lost"},
		{"a value is said to be refused", func(w *world) {
			w.claimed("retired: the target was seen to refuse the old value", "database", w.labelled(0, "AWSCURRENT").id)
		}, "it is said of database"},
		{"a value is said to be accepted", func(w *world) {
			w.claimed("the target accepts AWSCURRENT's value again", "admin", w.labelled(0, "AWSPREVIOUS").id)
		}, "it is said of admin"},
		{"a secret is shown", func(w *world) { w.heard("the password is " + mark + "x") }, "a secret value is shown"},
	} {
		e, err := New(scenario(t, "mixed-rollout-reconciles"))
		if err != nil {
			t.Fatal(err)
		}
		tc.spoil(e.w)
		if got := e.w.violation(); got == "" != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q", tc.name, got)
		}
	}
}

func TestAnOpenLedgerIsNoEnd(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"mixed-rollout-reconciles":    "left in the ledger",
		"held-release":                "left in the ledger",
		"database-createSecret-again": "",
		"rollback-release":            "the rollout has not converged",
	} {
		e, err := New(scenario(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := e.w.open(); got == "" != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestAScriptReadsAsItIsWritten(t *testing.T) {
	t.Parallel()
	script := Script{{3, Switch}, {7, KilledAfter}, {9, ServerRestored}}
	again, err := ParseScript(script.String())
	if err != nil || again.String() != script.String() {
		t.Errorf("%s reads as %s, %v", script, again, err)
	}
	if none, err := ParseScript(Script(nil).String()); err != nil || len(none) != 0 {
		t.Errorf("got %s, %v", none, err)
	}
	for _, wrong := range []string{"switch", "3 turn", "x switch", "3 switch 4", "7 switch, 3 edit"} {
		if _, err := ParseScript(wrong); err == nil {
			t.Errorf("%q is taken for a script", wrong)
		}
	}
}

func TestAScriptWhoseStepIsNotReachedIsAnError(t *testing.T) {
	t.Parallel()
	var story strings.Builder
	if _, err := Replay(scenario(t, "pending-stays"), Script{{999, Switch}}, &story); err == nil {
		t.Error("no error")
	}
}

// The checker shares no code with the engine.
func TestTheCheckerImportsNothingOfTheEngine(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(gotoken.NewFileSet(), "check.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range file.Imports {
		if strings.Contains(i.Path.Value, "mautic-rotation") {
			t.Errorf("check.go imports %s", i.Path.Value)
		}
	}
}

// What the function is to do by itself, no alarm makes up for.
func TestTheEndSeesWhatTheFunctionHasNotMended(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		spoil func(*world)
		want  string
	}{
		{"nothing", func(*world) {}, ""},
		{"a restored server", func(w *world) {
			w.unset = []string{w.labelled(0, "AWSCURRENT").values[0]}
			w.accounts[0].set(w.now, w.labelled(0, "AWSPREVIOUS").values[0])
		}, "neither was it set again"},
		{"a server that was restored, and has AWSCURRENT's value", func(w *world) { w.unset = []string{w.labelled(0, "AWSCURRENT").values[0]} }, ""},
		{"a bad value", func(w *world) { w.bad = []string{w.labelled(0, "AWSCURRENT").values[0]} }, "is not rolled back"},
		{"a bad value that was made current by hand", func(w *world) { w.bad, w.byHand = []string{w.labelled(0, "AWSCURRENT").values[0]}, true }, ""},
		{"a value in use", func(w *world) { w.lagging = w.labelled(0, "AWSPREVIOUS").values[0] }, ""},
		{"a value in use, and refused", func(w *world) { w.lagging = mark + "gone" }, "a program uses"},
	} {
		e, err := New(scenario(t, "mixed-rollout-reconciles"))
		if err != nil {
			t.Fatal(err)
		}
		tc.spoil(e.w)
		if got := e.w.notMended(); got == "" != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: got %q", tc.name, got)
		}
	}
}

func TestTheCheckerJudgesWhatAnInvocationWrites(t *testing.T) {
	t.Parallel()
	e, err := New(scenario(t, "rotation-of-one"))
	if err != nil {
		t.Fatal(err)
	}
	w := e.w
	current, pending := w.labelled(0, "AWSCURRENT"), w.labelled(0, "AWSPENDING")
	w.active = &invocation{id: 1, at: &moment{act: act{version: pending.id}}, told: w.places(0)}

	held := "rotation;2;00000000;database=held.3@20260303T130632Z"
	if got := w.holdsWithoutUse(1, held, current.id); got != "database" {
		t.Errorf("a value that is held though no use of it was seen: got %q", got)
	}
	w.active.used = true
	if got := w.holdsWithoutUse(1, held, current.id); got != "" {
		t.Errorf("a value that is held since something uses it: got %q", got)
	}

	if got := w.changesOthers(1, "AWSCURRENT", current.id, pending.id); got != "" {
		t.Errorf("a rotation that changes what it was made for: got %q", got)
	}
	w.moveTo(current, w.labelled(0, "AWSPREVIOUS"))
	if got := w.changesOthers(1, "AWSCURRENT", w.labelled(0, "AWSCURRENT").id, pending.id); got != "database" {
		t.Errorf("a rotation that changes another kind: got %q", got)
	}

	const admin = 1
	w.gives(1, admin, 0, mark+"other") // the labels have moved since they were read
	w.active.told = w.places(0)
	w.gives(1, admin, 0, w.labelled(0, "AWSCURRENT").values[admin])
	w.gives(1, admin, 0, w.labelled(0, "AWSPENDING").values[admin])
	if w.broken != "" {
		t.Errorf("what a target may be given is a violation: %s", w.broken)
	}
	if w.gives(1, admin, 0, mark+"other"); !strings.Contains(w.broken, "the target of admin is given other") {
		t.Errorf("what no target may be given: %q", w.broken)
	}
}
