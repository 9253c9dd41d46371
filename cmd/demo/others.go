package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/ledger"
)

// Courses in which someone else acts after a promotion.

// pipelineDeploys deploys every service two days into the API client's overlap, as a
// CI pipeline does.
func pipelineDeploys(ctx context.Context, d *demo, e *ending) error {
	if err := d.showAccepted(ctx, e); err != nil {
		return err
	}
	if err := d.await(ctx, onlyLasting); err != nil {
		return err
	}
	const passed = 48 * time.Hour
	d.moveOn(passed, inDays(passed)+", out of the "+inDays(apiOverlap)+" for which the old API client is accepted")
	for _, name := range d.app.Services {
		d.screen.command("aws ecs update-service --cluster " + rig.ClusterName + " --service " + name + " --force-new-deployment")
		if err := d.Deploy(ctx, name); err != nil {
			return err
		}
	}
	if err := d.WaitSteady(ctx); err != nil {
		return err
	}
	return d.endLasting(ctx, apiOverlap-passed)
}

// storeAgain stores the document from before the rotation once every task is new. The
// old values are still accepted then, since the observation has not ended.
func storeAgain(ctx context.Context, d *demo, e *ending) error {
	if err := d.showAccepted(ctx, e); err != nil {
		return err
	}
	if err := d.WaitSteady(ctx); err != nil {
		return err
	}
	first, err := d.converged(ctx, time.Time{})
	if err != nil {
		return err
	}
	d.screen.command("aws secretsmanager put-secret-value --secret-id " + d.SecretName + " --secret-string file://the-document-from-before.json")
	if _, err := d.Secrets.PutSecretValue(ctx, &sm.PutSecretValueInput{SecretId: &d.SecretARN, SecretString: aws.String(e.old.Raw())}); err != nil {
		return err
	}
	if _, err := d.converged(ctx, first); err != nil {
		return err
	}
	if err := d.await(ctx, allNoted); err != nil {
		return err
	}
	d.moveOn(observation, "an hour, during which the function looks for use of the other values")
	if err := d.awaitQuarantine(ctx, "database", "smtp"); err != nil {
		return err
	}
	d.moveOn(observation, "an hour, during which they are quarantined (refused, but restorable): neither MySQL nor IAM shows who logs in with them")
	if err := d.await(ctx, onlyLasting); err != nil {
		return err
	}
	d.moveOn(apiOverlap, inDays(apiOverlap)+": the overlap of the API client that had been promoted ends")
	return d.await(ctx, over)
}

// observation is a little more than OBSERVE_MINUTES.
const observation = 61 * time.Minute

// converged waits for the end of the first rollout that began after a time, and
// returns when that one began.
func (d *demo) converged(ctx context.Context, after time.Time) (since time.Time, err error) {
	err = d.awaitBook(ctx, func(book ledger.Book) bool {
		since = book.Rollout().Since
		return since.After(after) && !book.Rollout().Open()
	})
	return since, err
}

// awaitQuarantine waits until the targets refuse an old value of each of the kinds. Until
// then the label has no time, and the hour of watching has not begun.
func (d *demo) awaitQuarantine(ctx context.Context, kinds ...string) error {
	return d.awaitBook(ctx, func(book ledger.Book) bool {
		begun := map[string]bool{}
		for _, page := range book.Pages {
			for kind, e := range page.Entries {
				begun[kind] = begun[kind] || e.State == ledger.Quarantined && !e.At.IsZero()
			}
		}
		return !slices.ContainsFunc(kinds, func(kind string) bool { return !begun[kind] })
	})
}

// awaitBook waits until the ledger satisfies reached.
func (d *demo) awaitBook(ctx context.Context, reached func(ledger.Book) bool) error {
	for {
		state, err := d.AWS.SecretsManager.State(d.SecretARN)
		if err != nil {
			return err
		}
		labels := map[string][]string{}
		for _, v := range state.Versions {
			labels[v.ID] = v.Labels
		}
		book, err := ledger.Read(labels)
		if err != nil {
			return err
		}
		if reached(book) {
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for the ledger: %w; the labels are %q", err, labels)
		}
	}
}
