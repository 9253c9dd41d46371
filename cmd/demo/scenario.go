package main

import (
	"context"
	"strings"
	"time"

	"mautic-rotation/internal/rig"
)

// A scenario is how the application takes a rotation, and how that ends.
type scenario struct {
	title string // with %s for the server
	// env are settings of the function's that the scenario takes.
	env map[string]string
	// prepare changes the application before it starts.
	prepare func(*rig.Application)
	course  course
	// again is one more rotation, after an end that calls for one.
	again *encore
	// expect is what has to hold at the end.
	expect func(ending) []expectation
}

// An encore is a rotation after the one that a scenario is about.
type encore struct {
	line    string // what is said of it
	prepare func(*rig.Application)
	course  course
}

var scenarios = map[string]scenario{
	"plain": {
		title:  "Mautic's %s password, administrator, API client, webhook secret and SMTP credential are rotated, on this machine",
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
			d.moveOn(20*time.Minute, "20 minutes, in the middle of the rollout")
			return retireAll(ctx, d, e)
		},
		expect: retired,
	},
	"broken-app": {
		title: "The new tasks cannot start, and all that was rotated is rolled back",
		prepare: func(app *rig.Application) {
			app.CircuitBreaker = true
			app.Broken.Store(true)
		},
		course: func(ctx context.Context, d *demo, _ *ending) error { return d.await(ctx, over) },
		again: &encore{
			line:    "the application is mended, and the secret is rotated once more",
			prepare: func(app *rig.Application) { app.Broken.Store(false) },
			course:  retireAll,
		},
		expect: rolledBack,
	},
	"literal-password": {
		title:   "The new tasks go on using the old database password, and the rotation is held",
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
			d.moveOn(31*time.Minute, "31 minutes: the time for the rollout is over")
			return d.await(ctx, databaseAloneIsHeld)
		},
		again: &encore{
			line:    "the secret is rotated once more, while the old password is in use",
			prepare: func(*rig.Application) {},
			course:  func(context.Context, *demo, *ending) error { return nil },
		},
		expect: held,
	},
	"drift": {
		title:  "After a rotation somebody stores the document from before again, and that is rolled out",
		env:    map[string]string{"OBSERVE_MINUTES": "60"},
		course: storeAgain,
		expect: storedAgain,
	},
	"cron": {
		title:   "The cron jobs go on using the old database password, which config/local.php holds; the rotation is held, until that is corrected",
		env:     map[string]string{"OBSERVE_MINUTES": "60"},
		prepare: func(app *rig.Application) { app.JobsLackVariables.Store(true) },
		course:  cronKeepsOldPassword,
		expect:  heldAndReleased,
	},
	"ci-deploys": {
		title:  "A CI pipeline deploys the services within an overlap, and the overlap ends by its time",
		course: pipelineDeploys,
		expect: func(e ending) []expectation {
			return append(retired(e), expectation{"the function has deployed each service once, and nothing is held", e.forced == e.services && !strings.Contains(e.log, `"audit":"held"`)})
		},
	},
}

// storedAgain: what was current before the rotation is so again, and accepted
// alone.
func storedAgain(e ending) []expectation {
	expected := []expectation{
		{"AWSCURRENT is a third version, with the document from before, to the byte", e.currentID != e.oldID && e.currentID != e.newID && e.current.Raw() == e.old.Raw()},
		{"every task that runs was started with the old password again", len(e.tasksWith) == 1 && e.tasksWith[databasePassword(e.old)] > 0},
		{"the function has deployed each service twice", e.forced == 2*e.services},
	}
	for _, k := range kinds {
		text := strings.ReplaceAll(k.rolledBack.text, "was rolled back", "had been promoted")
		expected = append(expected, expectation{text, k.changed(e.old, e.new) && k.rolledBack.kept(e, k)})
	}
	return expected
}

func retired(e ending) []expectation {
	expected := []expectation{
		{"AWSCURRENT is the new version, AWSPREVIOUS the one before", e.currentID == e.newID && e.previousID == e.oldID && e.newID != e.oldID},
		{"the rest of the secret is the same, to the byte, but for the block rotated_at, which says when", sameRest(e.old, e.new)},
		{"every task that runs was started with the new password", len(e.tasksWith) == 1 && e.tasksWith[databasePassword(e.new)] > 0},
	}
	for _, k := range kinds {
		expected = append(expected, expectation{k.retired.text, k.changed(e.old, e.new) && k.retired.kept(e, k)})
	}
	return expected
}

func rolledBack(e ending) []expectation {
	expected := []expectation{
		{"AWSCURRENT was the old version again, to the byte, and the tasks ran on", e.oldID != e.newID && e.currentID == e.oldID && e.tasksWith[databasePassword(e.new)] == 0 && len(e.tasksWith) == 1},
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
	return append(expected, expectation{"a rotation after that, with an application that starts, succeeds, and the old values are retired", again})
}

func held(e ending) []expectation {
	database, api, mail := e.accepts["database"], e.accepts["api"], e.accepts["smtp"]
	return []expectation{
		{"AWSCURRENT is the new version", e.currentID == e.newID},
		{"database: %s accepts the new password; it accepts the old one still, since it is in use", database.new && database.old},
		{"api: both clients get tokens, as within any overlap", api.new && api.old},
		{"smtp: the new key logs in; the old one is retired, for nothing uses that", mail.new && !mail.old && e.delivered},
		{"the log says what was seen and what to do", (strings.Contains(e.log, "by its old password within") || strings.Contains(e.log, "the server refused")) && strings.Contains(e.log, "release")},
		{"a rotation after that succeeds, and leaves alone what is held", e.nextErr == nil && databasePassword(e.next.new) == databasePassword(e.new) && pairIn(e.next.new) == pairIn(e.new)},
	}
}
