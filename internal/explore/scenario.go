package explore

import (
	"fmt"
	"strings"
	"time"

	"mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/rotation"
)

// A Scenario is what a pair of invocations finds, and which two they are.
type Scenario struct {
	Name     string
	Kinds    []string
	Services int // 0: one; NoServices: none
	Secrets  int // 0: one

	Lost    bool          // AWSCURRENT lacks the first kind's value, so that an operator may release what is left of it
	Copied  bool          // the other secret stores the first one's values
	Health  bool          // the application is asked
	Fleet   bool          // services are deleted, or scaled to zero
	Broken  bool          // the application does not start with the values that are bad
	Left    bool          // nobody takes up the rotation that is under way
	Untold  bool          // targets do not tell which value a login used
	Overlap time.Duration // at least, of the API client
	Observe time.Duration

	PendingAfterSuccess secretsmanager.PendingAfterSuccess

	Without []Disturbance // that do not come
	Before  func(w *world)
	Pair    [2]Invocation
}

// NoServices is for a secret that none read.
const NoServices = -1

// An Invocation is one of a pair.
type Invocation struct {
	Name string
	do   act
}

func (s *Scenario) limits() rotation.Limits {
	return rotation.Limits{Rollout: 30 * time.Minute, Observe: s.Observe, Watch: 15 * time.Second, OverlapWithoutServices: 24 * time.Hour}
}

func (s *Scenario) variants() secretsmanager.Variants {
	return secretsmanager.Variants{DeleteUnlabelled: true, PendingAfterSuccess: s.PendingAfterSuccess}
}

// The parts of which scenarios are put together.

// tokenOf is the token of the rotation that a pair is about.
var tokenOf = token("", 77)

// begins has a rotation registered, and taken through steps.
func (w *world) begins(tok string, steps ...rotation.Step) {
	if err := w.register(0, tok); err != nil {
		w.violated("%v", err)
	}
	if len(steps) > 0 {
		if err := w.goThrough(0, tok, steps...); err != nil {
			w.violated("%v", err)
		}
	}
}

var allSteps = []rotation.Step{rotation.CreateSecret, rotation.SetSecret, rotation.TestSecret, rotation.FinishSecret}

// rotated is a secret that was rotated once, long ago, so that it has a ledger.
func (w *world) rotated() {
	w.begins(token("", 1), allSteps...)
	if w.scenario.Copied {
		w.completes(1)
	}
	w.settle(0)
	if what := w.open(); what != "" {
		w.violated("%s", what)
	}
	w.backup = w.copied().accounts // of before the rotation that the pair is about
}

// The sets of kinds.
var (
	withOverlap = []string{"database"}
	mixed       = []string{"database", "admin", "smtp"}
	singleOnly  = []string{"single", "webhook"}
	noRestart   = []string{"api", "admin"}
)

// promoted is a secret that was rotated, and whose services have the redeploy before them.
func (w *world) promoted() {
	w.rotated()
	w.begins(tokenOf, allSteps...)
}

// killedBefore has an invocation be killed when it is about to make a call.
func (w *world) killedBefore(what string, do act) {
	v := &invocation{id: 99, name: do.name}
	w.active = v
	for w.enter(v, do); !v.ended; w.goesOn(v, none) {
		if strings.HasPrefix(v.at.call.what, what) {
			w.kill(v)
			w.active = nil
			return
		}
	}
	w.violated("%s does not make the call %s", do.name, what)
}

// without has somebody take the first kind's field out of the document.
func (w *world) without() {
	current := w.labelled(0, "AWSCURRENT")
	w.put(0, strings.Replace(current.text, fmt.Sprintf(", %q: %q", w.kinds[0].Name(), current.values[0]), "", 1))
	w.excuse(false)
}

// firstEdition has the labels of the first edition, on the version that was promoted over.
func (w *world) firstEdition() {
	current := w.labelled(0, "AWSCURRENT").id
	for _, v := range w.versions(0) {
		for _, label := range v.labels {
			if strings.HasPrefix(label, "rotation;") {
				w.update(label, v.id, "")
			}
		}
	}
	w.update("rotation;old;live=database;next="+current, "", w.labelled(0, "AWSPREVIOUS").id)
	w.given = nil // this engine has set nothing yet
}

// newRotation has another rotation begin, with words, and go through steps.
func (w *world) newRotation(words string, steps ...rotation.Step) {
	w.begins(token(words, 78), steps...)
}

// breaks has the application not start with the values of the rotation.
func (w *world) breaks() {
	w.rotated()
	w.breaksWith(tokenOf)
}

func (w *world) breaksWith(tok string) {
	w.begins(tok, allSteps[:3]...)
	w.bad = []string{w.labelled(0, "AWSPENDING").values[0]}
	w.mustGo(tok, rotation.FinishSecret)
	w.rollOut()
}

func (w *world) mustGo(tok string, steps ...rotation.Step) {
	if err := w.goThrough(0, tok, steps...); err != nil {
		w.violated("%v", err)
	}
}

func (w *world) mustRotate(secret int, tok string) {
	if err := w.rotate(secret, tok); err != nil {
		w.violated("%v", err)
	}
}

// ticks has reconciles run now, with time in between.
func (w *world) ticks(n int) {
	for range n {
		w.mustRun("reconcile", reconcile(0))
		w.now = w.now.Add(time.Minute)
	}
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// Scenarios are all of them.
func Scenarios() (all []*Scenario) {
	add := func(name string, s Scenario, before func(*world), a, b Invocation) {
		s.Name, s.Before, s.Pair = name, before, [2]Invocation{a, b}
		if s.Services == 0 {
			s.Services = 1
		}
		all = append(all, &s)
	}
	tick, event := Invocation{"reconcile", reconcile(0)}, Invocation{"reconcile on an event", reconcileOnEvent(0)}
	again := Invocation{"another reconcile", reconcile(0)}
	abandoning, releasing := Invocation{"abandon", abandon()}, Invocation{"release", release(0)}
	of := func(s rotation.Step, tok string) Invocation { return Invocation{string(s), step(0, s, tok)} }
	repeated := func(s rotation.Step, tok string) Invocation {
		return Invocation{string(s) + " again", step(0, s, tok)}
	}
	sets := []struct {
		name  string
		kinds []string
	}{{"database", withOverlap}, {"mixed", mixed}, {"single", singleOnly}, {"no-restart", noRestart}}

	for _, set := range sets {
		for i, s := range allSteps {
			before := func(w *world) {
				w.rotated()
				w.begins(tokenOf, allSteps[:i]...)
			}
			with := Scenario{Kinds: set.kinds}
			add(set.name+"-"+string(s)+"-again", with, before, of(s, tokenOf), repeated(s, tokenOf))
			add(set.name+"-"+string(s)+"-reconcile", with, before, of(s, tokenOf), tick)
			if set.name == "mixed" && i > 0 {
				add(set.name+"-"+string(s)+"-abandon", with, before, of(s, tokenOf), abandoning)
			}
		}
	}
	with := Scenario{Kinds: mixed}
	add("first-rotation-again", with, func(w *world) { w.begins(tokenOf, allSteps[:3]...) }, of(rotation.FinishSecret, tokenOf), repeated(rotation.FinishSecret, tokenOf))
	add("finishSecret-event", with, func(w *world) {
		w.rotated()
		w.begins(tokenOf, allSteps[:3]...)
	}, of(rotation.FinishSecret, tokenOf), event)
	add("pending-stays", Scenario{Kinds: withOverlap, PendingAfterSuccess: secretsmanager.PendingStays}, (*world).promoted, tick, again)

	// What follows a promotion.
	for _, set := range sets[:3] {
		with := Scenario{Kinds: set.kinds}
		add(set.name+"-rollout-reconciles", with, (*world).promoted, tick, again)
		add(set.name+"-converged-reconciles", with, func(w *world) {
			w.promoted()
			w.rollOut()
		}, tick, again)
	}
	// A rollback that an operator asks for, while tasks are replaced, and when they are.
	goingBack := Invocation{rollBackAsked, rollBack()}
	for _, set := range sets[:3] {
		with := Scenario{Kinds: set.kinds}
		add(set.name+"-rollout-roll-back", with, (*world).promoted, goingBack, tick)
		add(set.name+"-converged-roll-back", with, func(w *world) {
			w.promoted()
			w.rollOut()
		}, goingBack, tick)
	}
	add("roll-back-again", Scenario{Kinds: mixed}, (*world).promoted, goingBack, goingBack)
	add("roll-back-release", Scenario{Kinds: withOverlap}, (*world).promoted, goingBack, releasing)
	add("broken-roll-back", Scenario{Kinds: withOverlap, Broken: true}, (*world).breaks, goingBack, tick)

	add("two-services-rollout", Scenario{Kinds: withOverlap, Services: 2}, (*world).promoted, tick, again)
	add("two-services-finish", Scenario{Kinds: withOverlap, Services: 2}, func(w *world) {
		w.rotated()
		w.begins(tokenOf, allSteps[:3]...)
	}, of(rotation.FinishSecret, tokenOf), tick)
	add("observed-reconciles", Scenario{Kinds: withOverlap, Observe: time.Hour, Health: true}, func(w *world) {
		w.promoted()
		w.rollOut()
		w.ticks(2)
		w.pass(2 * time.Hour)
	}, tick, again)
	add("untold-reconciles", Scenario{Kinds: withOverlap, Untold: true, Observe: time.Hour}, func(w *world) {
		w.promoted()
		w.rollOut()
		w.ticks(2)
		w.pass(2 * time.Hour)
		w.ticks(1)
		w.pass(time.Hour)
	}, tick, again)
	add("api-overlap-ends", Scenario{Kinds: noRestart, Overlap: 7 * 24 * time.Hour}, func(w *world) {
		w.promoted()
		w.ticks(1)
		w.pass(8 * 24 * time.Hour)
	}, tick, again)
	add("healthy-reconciles", Scenario{Kinds: withOverlap, Health: true}, func(w *world) {
		w.promoted()
		w.rollOut()
	}, tick, again)
	add("unhealthy-reconciles", Scenario{Kinds: withOverlap, Health: true}, func(w *world) {
		w.promoted()
		w.rollOut()
		w.ill = unhealthy
		w.ticks(1)
		w.pass(6 * time.Minute)
	}, tick, again)

	add("no-services-reconciles", Scenario{Kinds: withOverlap, Services: NoServices}, func(w *world) {
		w.promoted()
		w.pass(25 * time.Hour)
	}, tick, again)
	add("no-services-finish", Scenario{Kinds: withOverlap, Services: NoServices}, func(w *world) {
		w.rotated()
		w.begins(tokenOf, allSteps[:3]...)
	}, of(rotation.FinishSecret, tokenOf), tick)
	add("old-task-stays", Scenario{Kinds: withOverlap}, func(w *world) {
		w.promoted()
		w.taskStarts(0)
		w.pass(31 * time.Minute)
	}, tick, releasing)
	add("fleet-rollout", Scenario{Kinds: withOverlap, Services: 2, Fleet: true}, (*world).promoted, tick, again)
	add("fleet-release", Scenario{Kinds: withOverlap, Fleet: true}, func(w *world) {
		w.promoted()
		w.scale(0, 0)
	}, releasing, tick)

	// Going back.
	for _, set := range []struct {
		name  string
		kinds []string
	}{{"database", withOverlap}, {"mixed", mixed}, {"single", singleOnly}} {
		with := Scenario{Kinds: set.kinds, Broken: true}
		add(set.name+"-rollback-reconciles", with, (*world).breaks, tick, again)
	}
	add("rollback-of-one", Scenario{Kinds: mixed, Broken: true}, func(w *world) {
		w.rotated()
		w.breaksWith(token("only.database.", 77))
	}, tick, again)
	add("emergency-rollback", Scenario{Kinds: withOverlap, Broken: true}, func(w *world) {
		w.breaks()
		w.leak()
		w.newRotation("emergency.", allSteps[:3]...)
	}, of(rotation.FinishSecret, token("emergency.", 78)), tick)
	add("rollback-rotation", Scenario{Kinds: mixed, Broken: true}, func(w *world) {
		w.breaks()
		w.newRotation("")
	}, tick, of(rotation.CreateSecret, token("", 78)))
	add("rolled-back-rotation", Scenario{Kinds: mixed, Broken: true}, func(w *world) {
		w.breaks()
		w.ticks(1)
		w.rollOut()
		w.newRotation("")
	}, of(rotation.CreateSecret, token("", 78)), tick)
	add("rolled-back-reconciles", Scenario{Kinds: mixed, Broken: true}, func(w *world) {
		w.breaks()
		w.ticks(1)
		w.rollOut()
	}, tick, again)
	add("rollback-release", Scenario{Kinds: withOverlap, Broken: true}, func(w *world) {
		w.breaks()
		w.ticks(1)
	}, releasing, tick)
	add("moved-back-reconciles", with, func(w *world) {
		w.promoted()
		w.rollOut()
		w.do(MoveBack)
	}, tick, Invocation{"reconcile after a move", reconcileOnMove(move{0, began.Add(20 * 24 * time.Hour)})})

	// An emergency while a promotion fails.
	add("failing-emergency", Scenario{Kinds: mixed, Broken: true}, func(w *world) {
		w.breaks()
		w.leak()
		w.newRotation("emergency.")
	}, of(rotation.CreateSecret, token("emergency.", 78)), tick)
	add("failing-emergency-of-one", Scenario{Kinds: mixed, Broken: true}, func(w *world) {
		w.breaks()
		w.leak()
		w.newRotation("only.smtp.emergency.")
	}, of(rotation.CreateSecret, token("only.smtp.emergency.", 78)), tick)
	add("failing-emergency-of-another", Scenario{Kinds: mixed, Broken: true}, func(w *world) {
		w.rotated()
		w.breaksWith(token("only.database.", 77))
		w.leak()
		w.newRotation("only.smtp.emergency.")
	}, of(rotation.CreateSecret, token("only.smtp.emergency.", 78)), tick)
	add("marked-emergency", Scenario{Kinds: mixed, Broken: true}, func(w *world) {
		w.breaks()
		w.killedBefore("UpdateSecretVersionStage AWSCURRENT", reconcile(0))
		w.leak()
		w.newRotation("emergency.")
	}, of(rotation.CreateSecret, token("emergency.", 78)), tick)

	// Held, and released.
	held := func(w *world) {
		w.rotated()
		w.lagging = w.labelled(0, "AWSCURRENT").values[0]
		w.begins(tokenOf, allSteps...)
		w.rollOut()
		w.ticks(2)
	}
	add("held-release", Scenario{Kinds: withOverlap}, func(w *world) {
		held(w)
		w.lagging = ""
	}, releasing, tick)
	add("held-reconciles", Scenario{Kinds: withOverlap, Untold: true}, func(w *world) {
		w.rotated()
		w.lagging = w.labelled(0, "AWSCURRENT").values[0]
		w.begins(tokenOf, allSteps...)
		w.rollOut()
	}, tick, again)

	// Emergencies.
	emergency := token("emergency.", 78)
	leaked := func(steps ...rotation.Step) func(*world) {
		return func(w *world) {
			w.promoted()
			w.leak()
			w.newRotation("emergency.", steps...)
		}
	}
	for i, s := range allSteps {
		if s == rotation.TestSecret {
			continue
		}
		add("emergency-"+string(s)+"-reconcile", with, leaked(allSteps[:i]...), of(s, emergency), tick)
	}
	add("emergency-finishSecret-again", with, leaked(allSteps[:3]...), of(rotation.FinishSecret, emergency), repeated(rotation.FinishSecret, emergency))
	add("emergency-abandon", with, leaked(allSteps[:3]...), of(rotation.FinishSecret, emergency), abandoning)
	add("emergency-no-restart", Scenario{Kinds: noRestart, Overlap: 7 * 24 * time.Hour}, leaked(allSteps[:3]...), of(rotation.FinishSecret, emergency), tick)
	add("emergency-given-up", with, func(w *world) {
		leaked(allSteps[:3]...)(w)
		w.mustRun("abandon", abandon())
	}, releasing, tick)

	// Rotations that are given up.
	add("abandon-reconcile", with, func(w *world) {
		w.rotated()
		w.begins(tokenOf, allSteps[:2]...)
	}, abandoning, tick)
	add("given-up-rotation", Scenario{Kinds: singleOnly}, func(w *world) {
		w.rotated()
		w.begins(tokenOf, allSteps[:2]...)
		w.do(TakePendingOff)
		w.newRotation("")
	}, of(rotation.CreateSecret, token("", 78)), tick)
	add("edited-rotation", with, func(w *world) {
		w.rotated()
		w.begins(tokenOf, allSteps[:2]...)
		w.do(Edit)
	}, of(rotation.FinishSecret, tokenOf), tick)
	add("late-rotation", with, func(w *world) {
		w.rotated()
		w.begins(tokenOf, allSteps[:2]...)
		w.pass(25 * time.Hour)
	}, tick, of(rotation.TestSecret, tokenOf))

	add("emergency-given-up-late", with, func(w *world) {
		leaked(allSteps[:3]...)(w)
		w.killedBefore("UpdateSecretVersionStage AWSCURRENT", step(0, rotation.FinishSecret, emergency))
		w.mustRun("abandon", abandon())
	}, tick, again)
	add("emergency-over-failing", Scenario{Kinds: withOverlap, Broken: true}, func(w *world) {
		w.rotated()
		w.begins(tokenOf, allSteps[:3]...)
		w.bad = []string{w.labelled(0, "AWSPENDING").values[0]}
		w.mustGo(tokenOf, rotation.FinishSecret)
		w.leak()
		w.newRotation("emergency.", allSteps[:3]...)
		w.rollOut()
	}, of(rotation.FinishSecret, emergency), tick)

	// What is rare.
	add("held-released", Scenario{Kinds: withOverlap, Health: true}, func(w *world) {
		held(w)
		w.lagging = ""
		w.mustRun("release", release(0))
		w.ticks(1)
		w.rollOut()
	}, tick, again)
	add("quarantine-rollback", Scenario{Kinds: []string{"database", "api"}, Broken: true}, (*world).breaks, tick, again)
	add("refused-rollback", Scenario{Kinds: withOverlap, Broken: true}, func(w *world) {
		w.breaks()
		w.accounts[0].set(w.now, w.labelled(0, "AWSCURRENT").values[0])
		w.excuse(false)
	}, tick, again)
	lost := Scenario{Kinds: []string{"database", "admin"}, Lost: true, Without: []Disturbance{EditValue}}
	add("lost-release", lost, func(w *world) {
		w.promoted()
		w.rollOut()
		w.without()
	}, releasing, tick)
	add("released-as-foreign", lost, func(w *world) {
		w.promoted()
		w.rollOut()
		w.without()
		w.mustRun("release", release(0))
	}, tick, again)
	add("first-edition", Scenario{Kinds: withOverlap}, func(w *world) {
		w.promoted()
		w.rollOut()
		w.firstEdition()
	}, tick, again)

	admin := token("only.admin.", 78)
	ofAdmin := func(steps ...rotation.Step) func(*world) {
		return func(w *world) {
			w.promoted()
			w.rollOut()
			w.newRotation("only.admin.", steps...)
		}
	}
	add("rotation-of-one", with, ofAdmin(rotation.CreateSecret), of(rotation.SetSecret, admin), tick)
	add("rotation-left", Scenario{Kinds: mixed, Left: true}, ofAdmin(allSteps[:2]...), tick, again)
	add("failing-rollout", Scenario{Kinds: withOverlap, Broken: true}, func(w *world) {
		w.rotated()
		w.begins(tokenOf, allSteps[:3]...)
		w.bad = []string{w.labelled(0, "AWSPENDING").values[0]}
		w.mustGo(tokenOf, rotation.FinishSecret)
	}, tick, again)

	// Two secrets that share services.
	other := Invocation{"reconcile of the other", reconcile(1)}
	add("two-secrets-rolled-out", Scenario{Kinds: withOverlap, Secrets: 2}, func(w *world) {
		w.promoted()
		w.rollOut()
	}, tick, other)
	add("two-secrets-untold", Scenario{Kinds: withOverlap, Secrets: 2, Untold: true, Observe: time.Hour}, func(w *world) {
		w.promoted()
		w.rollOut()
		w.ticks(2)
		w.pass(2 * time.Hour)
		w.ticks(1)
		w.pass(time.Hour)
	}, tick, again)
	add("two-secrets-rollback", Scenario{Kinds: withOverlap, Secrets: 2, Broken: true}, func(w *world) {
		w.promoted()
		w.pass(time.Minute)
		w.mustRotate(1, token("", 79))
		w.bad = []string{w.labelled(1, "AWSCURRENT").values[0]}
		w.rollOut()
	}, tick, other)
	add("two-secrets-copied", Scenario{Kinds: withOverlap, Secrets: 2, Copied: true}, func(w *world) {
		w.promoted()
		w.rollOut()
	}, tick, again)
	add("two-secrets-reconciles", Scenario{Kinds: withOverlap, Secrets: 2}, (*world).promoted, tick, other)
	return all
}
