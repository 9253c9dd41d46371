package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"mautic-rotation/internal/rig"
)

// A scenario is how the application takes a rotation, and how that ends.
type scenario struct {
	title string // with %s for the server
	// prepare changes the application before it starts.
	prepare func(*rig.Application)
	// meanwhile happens once the new version is current; it may be nil.
	meanwhile func(context.Context, *demo) error
	// ended tells by the journal whether it is over.
	ended func(journal string) bool
	// expect is what has to hold at the end.
	expect func(ending) []expectation
}

var scenarios = map[string]scenario{
	"plain": {
		title:  "Mautic's %s password is rotated, on this machine",
		ended:  func(journal string) bool { return journal == "" },
		expect: func(e ending) []expectation { return append(promoted(e), retired(e)...) },
	},
	"slow-rollout": {
		title: "The rollout takes longer than the 15 minutes that a Lambda function may run",
		prepare: func(app *rig.Application) {
			app.StartTime, app.DrainTime = time.Second, time.Second
		},
		meanwhile: func(_ context.Context, d *demo) error {
			d.screen.line("the clock of AWS is moved on by 20 minutes, in the middle of the rollout")
			d.AWS.Clock().Advance(20 * time.Minute)
			return nil
		},
		ended:  func(journal string) bool { return journal == "" },
		expect: func(e ending) []expectation { return append(promoted(e), retired(e)...) },
	},
	"broken-app": {
		title: "The new tasks cannot start, and the rotation is rolled back",
		prepare: func(app *rig.Application) {
			app.CircuitBreaker = true
			app.Broken.Store(true)
		},
		ended:  func(journal string) bool { return journal == "" },
		expect: rolledBack,
	},
	"literal-password": {
		title:   "The new tasks go on using the old password, and the rotation is held",
		prepare: func(app *rig.Application) { app.Literal = true },
		meanwhile: func(ctx context.Context, d *demo) error {
			if err := d.WaitSteady(ctx); err != nil {
				return err
			}
			if err := pause(ctx, 3*time.Second); err != nil {
				return err
			}
			d.screen.line("the clock of AWS is moved on by 31 minutes: the time for the rollout is over")
			d.AWS.Clock().Advance(31 * time.Minute)
			return nil
		},
		ended:  func(journal string) bool { return strings.HasPrefix(journal, "rotation;held;") },
		expect: held,
	},
}

// ending is how things are when a scenario is over.
type ending struct {
	server                   string // what the texts call it
	oldID, newID             string // of the versions rotated from and to
	currentID, previousID    string // of those labelled so at the end
	oldPassword, newPassword string
	acceptsOld, acceptsNew   bool
	sameRest                 bool // but for the password, the new value has the old one's bytes
	tasksWith                map[string]int
	nextRotation             error // of one more rotation, where there was one
	next                     string
	log                      string
}

func promoted(e ending) []expectation {
	return []expectation{
		{"AWSCURRENT is the new version, AWSPREVIOUS the one before", e.currentID == e.newID && e.previousID == e.oldID && e.oldPassword != e.newPassword},
		{"the rest of the secret is the same, to the byte", e.sameRest},
		{"every task that runs was started with the new password", len(e.tasksWith) == 1 && e.tasksWith[e.newPassword] > 0},
	}
}

func retired(e ending) []expectation {
	return []expectation{
		{e.server + " accepts the new password", e.acceptsNew},
		{e.server + " refuses the old password: it is retired", !e.acceptsOld},
	}
}

func rolledBack(e ending) []expectation {
	return []expectation{
		{"AWSCURRENT was the old version again, and the tasks ran on", e.oldID != e.newID && e.tasksWith[e.newPassword] == 0},
		{e.server + " refuses the password that was rolled back", !e.acceptsNew},
		{"a rotation after that, with an application that starts, succeeds and is retired", e.nextRotation == nil && e.next != "" && e.next != e.oldPassword && !e.acceptsOld},
	}
}

func held(e ending) []expectation {
	return []expectation{
		{"AWSCURRENT is the new version", e.currentID == e.newID},
		{e.server + " accepts the new password", e.acceptsNew},
		{e.server + " accepts the old password still, since it is in use", e.acceptsOld},
		{"the log says what was seen and what to do", (strings.Contains(e.log, "by its old password within") || strings.Contains(e.log, "the server refused")) && strings.Contains(e.log, "release")},
		{"a rotation after that succeeds, and changes nothing", e.nextRotation == nil && e.next == e.newPassword},
	}
}

// awaitEnd waits until the scenario is over.
func (d *demo) awaitEnd(ctx context.Context, ended func(journal string) bool) error {
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		labels, err := d.Journal()
		if err != nil {
			return err
		}
		journal := strings.Join(labels, " ")
		if ended(journal) {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), fmt.Errorf("it did not come to its end; the journal says: %s", journal))
		}
	}
}
