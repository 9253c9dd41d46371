package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/mauticserver"
	"mautic-rotation/internal/rig"
)

// The application's services, one for each role of Mautic's official image.
const (
	webService    = "mautic-prod-web"
	workerService = "mautic-prod-worker"
	cronService   = "mautic-prod-cron"
)

// jobInterval is the time between two cron jobs. Real ones are minutes apart.
const jobInterval = time.Second

// application is what runs in ECS.
func application() *rig.Application {
	return &rig.Application{
		Services: []string{webService, workerService, cronService},
		Roles:    map[string]mauticserver.Role{webService: mauticserver.Web, workerService: mauticserver.Worker, cronService: mauticserver.Cron},
		Tasks:    2, Interval: 20 * time.Millisecond, CronInterval: jobInterval, MailInterval: 500 * time.Millisecond,
		StartTime: 400 * time.Millisecond, DrainTime: 400 * time.Millisecond,
	}
}

// cronKeepsOldPassword has cron jobs keep using the password in config/local.php until
// the rotation is held because of it. Then it fixes the task definition and releases.
func cronKeepsOldPassword(ctx context.Context, d *demo, e *ending) error {
	if err := d.showAccepted(ctx, e); err != nil {
		return err
	}
	if err := d.WaitSteady(ctx); err != nil {
		return err
	}
	if _, err := d.converged(ctx, time.Time{}); err != nil {
		return err
	}
	if err := pause(ctx, 3*jobInterval); err != nil { // jobs run
		return err
	}
	d.moveOn(observation, "an hour, during which the function looks for use of the old values")
	if err := d.await(ctx, databaseIsHeld); err != nil {
		return err
	}
	if err := pause(ctx, 3*jobInterval); err != nil { // jobs keep running
		return err
	}

	d.screen.line("the task definition of " + cronService + " is fixed: its entry point passes the container's environment to the jobs, as docs/deploy.md shows")
	d.screen.command("aws ecs update-service --cluster " + rig.ClusterName + " --service " + cronService + " --task-definition " + cronService + " --force-new-deployment")
	d.app.JobsLackVariables.Store(false)
	if err := d.Deploy(ctx, cronService); err != nil {
		return err
	}
	if err := d.WaitSteady(ctx); err != nil {
		return err
	}
	release := fmt.Sprintf(`{"Action":"release","SecretId":%q}`, d.SecretARN)
	d.screen.command("aws lambda invoke --function-name " + rig.FunctionName + " --cli-binary-format raw-in-base64-out --payload '" + release + "' /dev/stdout")
	if err := d.Invoke([]byte(release)); err != nil {
		return err
	}
	for {
		open, err := d.Journal()
		if err != nil {
			return err
		}
		if onlyLasting(open) {
			return d.endLasting(ctx, apiOverlap)
		}
		d.moveOn(observation, "an hour, during which the function looks for use of the old values")
		before := open
		if err := d.await(ctx, func(open []string) bool { return onlyLasting(open) || !slices.Equal(open, before) }); err != nil {
			return err
		}
	}
}

// databaseIsHeld: the other kinds may be retired meanwhile.
func databaseIsHeld(open []string) bool { return slices.Contains(open, "database=held") }

// heldAndReleased: the jobs kept running, and the old password is retired after the release.
func heldAndReleased(e ending) []expectation {
	return append(retired(e),
		expectation{"the log says that the old database password is in use, what the evidence is, and what to do", tellsOfUse(e.log)},
		expectation{"the function deployed each service twice: after the promotion and after the release", e.forced == 2*e.services},
	)
}

// tellsOfUse: a line of the log reports the hold with its evidence and the remedy.
func tellsOfUse(log string) bool {
	for line := range strings.SplitSeq(log, "\n") {
		var entry struct{ Audit, Kind, Evidence, Message string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Audit == "held" && entry.Kind == "database" {
			return entry.Evidence != "" && strings.Contains(entry.Message, "release")
		}
	}
	return false
}

// jobsFailedWhileTried returns how long the old database password was refused before the
// function saw that it was in use, and whether only cron jobs failed, and only then. Where
// the server does not log which password a login used, use of the old one shows only when
// it is refused.
func (d *demo) jobsFailedWhileTried(log string) (span time.Duration, only bool) {
	var from, until time.Time
	for line := range strings.SplitSeq(log, "\n") {
		var entry struct {
			Audit, Kind string
			Timestamp   time.Time
		}
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Kind != "database" {
			continue
		}
		switch {
		case entry.Audit == "quarantined" && from.IsZero():
			from = entry.Timestamp
		case entry.Audit == "held" && until.IsZero():
			until = entry.Timestamp
		}
	}
	only = !from.IsZero() && until.After(from)
	for _, t := range d.app.Records() {
		// The log line is written after the password was removed from the account.
		if t.Failures > 0 && (t.Service != cronService || t.LastFailed.Before(from.Add(-time.Second)) || t.FirstFailed.After(until)) {
			only = false
		}
	}
	return until.Sub(from), only
}
