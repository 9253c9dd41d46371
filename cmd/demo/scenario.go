package main

import (
	"context"
	"strings"
	"time"

	"mautic-rotation/internal/rig"
)

// A scenario is how the application behaves in a rotation, and how that ends.
type scenario struct {
	title string // with %s for the server
	// env are settings of the function that the scenario needs.
	env map[string]string
	// prepare changes the application before it starts.
	prepare func(*rig.Application)
	course  course
	// again is a second rotation, if the scenario has one.
	again *encore
	// expect returns what must hold at the end.
	expect func(ending) []expectation
}

// An encore is a second rotation, after the one that a scenario is about.
type encore struct {
	line    string // printed before it
	prepare func(*rig.Application)
	course  course
}

var scenarios = map[string]scenario{
	"plain": {
		title:  "Rotating Mautic's %s password, administrator password, API client, webhook secret and SMTP credential on this machine",
		course: retireAll,
		expect: retired,
	},
	"slow-rollout": {
		title: "The rollout takes longer than the 15 minutes that a Lambda function may run",
		prepare: func(app *rig.Application) {
			app.StartTime, app.DrainTime = time.Second, time.Second
		},
		course: func(ctx context.Context, d *demo, e *ending) error {
			if err := pause(ctx, d.app.StartTime/2); err != nil {
				return err
			}
			d.moveOn(20*time.Minute, "20 minutes in the middle of the rollout")
			return retireAll(ctx, d, e)
		},
		expect: retired,
	},
	"broken-app": {
		title: "The new tasks cannot start, and the whole rotation is rolled back",
		prepare: func(app *rig.Application) {
			app.CircuitBreaker = true
			app.Broken.Store(true)
		},
		course: func(ctx context.Context, d *demo, _ *ending) error { return d.await(ctx, over) },
		again: &encore{
			line:    "the application is fixed, and the secret is rotated again",
			prepare: func(app *rig.Application) { app.Broken.Store(false) },
			course:  retireAll,
		},
		expect: rolledBack,
	},
	"literal-password": {
		title:   "The new tasks keep using the old database password, and the rotation is held",
		prepare: func(app *rig.Application) { app.Literal = true },
		course: func(ctx context.Context, d *demo, e *ending) error {
			if err := d.showAccepted(ctx, e); err != nil {
				return err
			}
			if err := d.WaitSteady(ctx); err != nil {
				return err
			}
			if err := pause(ctx, 3*time.Second); err != nil {
				return err
			}
			d.moveOn(31*time.Minute, "31 minutes: the rollout's time limit passes")
			return d.await(ctx, databaseAloneIsHeld)
		},
		again: &encore{
			line:    "the secret is rotated again while the old password is still in use",
			prepare: func(*rig.Application) {},
			course:  func(context.Context, *demo, *ending) error { return nil },
		},
		expect: held,
	},
	"drift": {
		title:  "After a rotation someone stores the old document again, and the function rolls it out",
		env:    map[string]string{"OBSERVE_MINUTES": "60"},
		course: storeAgain,
		expect: storedAgain,
	},
	"cron": {
		title:   "The cron jobs keep using the old database password in config/local.php, and the rotation is held until that is fixed",
		env:     map[string]string{"OBSERVE_MINUTES": "60"},
		prepare: func(app *rig.Application) { app.JobsLackVariables.Store(true) },
		course:  cronKeepsOldPassword,
		expect:  heldAndReleased,
	},
	"ci-deploys": {
		title:  "A CI pipeline deploys the services during an overlap, and the overlap still ends on time",
		course: pipelineDeploys,
		expect: func(e ending) []expectation {
			return append(retired(e), expectation{"the function deployed each service once, and nothing is held", e.forced == e.services && !strings.Contains(e.log, `"audit":"held"`)})
		},
	},
}

// storedAgain: the values from before the rotation are current again, and nothing
// else is accepted.
func storedAgain(e ending) []expectation {
	expected := []expectation{
		{"AWSCURRENT is a third version, which holds the old document byte for byte", e.currentID != e.oldID && e.currentID != e.newID && e.current.Raw() == e.old.Raw()},
		{"every running task started with the old password again", len(e.tasksWith) == 1 && e.tasksWith[databasePassword(e.old)] > 0},
		{"the function deployed each service twice", e.forced == 2*e.services},
	}
	for _, k := range kinds {
		text := strings.ReplaceAll(k.rolledBack.text, "was rolled back", "had been promoted")
		expected = append(expected, expectation{text, k.changed(e.old, e.new) && k.rolledBack.kept(e, k)})
	}
	return expected
}

func retired(e ending) []expectation {
	expected := []expectation{
		{"AWSCURRENT is the new version, and AWSPREVIOUS the one before it", e.currentID == e.newID && e.previousID == e.oldID && e.newID != e.oldID},
		{"the rest of the secret is unchanged, byte for byte, except for the added field rotated_at", sameRest(e.old, e.new)},
		{"every running task started with the new password", len(e.tasksWith) == 1 && e.tasksWith[databasePassword(e.new)] > 0},
	}
	for _, k := range kinds {
		expected = append(expected, expectation{k.retired.text, k.changed(e.old, e.new) && k.retired.kept(e, k)})
	}
	return expected
}

func rolledBack(e ending) []expectation {
	expected := []expectation{
		{"AWSCURRENT was the old version again, byte for byte, and the old tasks kept running", e.oldID != e.newID && e.currentID == e.oldID && e.tasksWith[databasePassword(e.new)] == 0 && len(e.tasksWith) == 1},
	}
	for _, k := range kinds {
		expected = append(expected, expectation{k.rolledBack.text, k.changed(e.old, e.new) && k.rolledBack.kept(e, k)})
	}
	again := e.nextErr == nil
	if again {
		for _, one := range retired(*e.next) {
			again = again && one.met
		}
	}
	return append(expected, expectation{"the next rotation, with the application fixed, succeeds, and the old values are retired", again})
}

func held(e ending) []expectation {
	database, api, mail := e.accepts["database"], e.accepts["api"], e.accepts["smtp"]
	return []expectation{
		{"AWSCURRENT is the new version", e.currentID == e.newID},
		{"database: %s accepts the new password, and still accepts the old one, since something uses it", database.new && database.old},
		{"api: both clients get tokens, as during any overlap", api.new && api.old},
		{"smtp: the new key logs in; the old one is retired, since nothing uses it", mail.new && !mail.old && e.delivered},
		{"the log says what the evidence is and what to do", (strings.Contains(e.log, "with its old password within") || strings.Contains(e.log, "the server refused")) && strings.Contains(e.log, "release")},
		{"the next rotation succeeds, and skips the held credentials", e.nextErr == nil && databasePassword(e.next.new) == databasePassword(e.new) && pairIn(e.next.new) == pairIn(e.new)},
	}
}
