package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/ledger"
)

// A course is what happens from a promotion to the end of the rotation.
type course func(context.Context, *demo, *ending) error

// retireAll lets every overlap of a rotation come to its end: those that end
// with the rollout, and then those that last.
func retireAll(ctx context.Context, d *demo, e *ending) error {
	if err := d.showAccepted(ctx, e); err != nil {
		return err
	}
	if err := d.await(ctx, onlyLasting); err != nil {
		return err
	}
	return d.endLasting(ctx, apiOverlap)
}

// endLasting lets the overlap of the API client come to its end, of which so much
// is left.
func (d *demo) endLasting(ctx context.Context, left time.Duration) error {
	if err := d.callers.takeUp(ctx); err != nil {
		return err
	}
	d.screen.line("the integrations take up the new API client, as somebody would give it to them within " + inDays(apiOverlap))
	if err := pause(ctx, time.Second); err != nil { // some calls with it
		return err
	}
	d.moveOn(left, inDays(left)+": the time for that is over")
	return d.await(ctx, over)
}

// pipelineDeploys deploys every service on the second day of the API client's
// overlap, as a CI pipeline does.
func pipelineDeploys(ctx context.Context, d *demo, e *ending) error {
	if err := d.showAccepted(ctx, e); err != nil {
		return err
	}
	if err := d.await(ctx, onlyLasting); err != nil {
		return err
	}
	const passed = 48 * time.Hour
	d.moveOn(passed, inDays(passed)+", of the "+inDays(apiOverlap)+" for which the old API client is accepted")
	client := awsecs.NewFromConfig(d.AWS.Config())
	for _, name := range d.app.Services {
		d.screen.command("aws ecs update-service --cluster " + rig.ClusterName + " --service " + name + " --force-new-deployment")
		in := &awsecs.UpdateServiceInput{Cluster: aws.String(rig.ClusterName), Service: &name, ForceNewDeployment: true}
		if _, err := client.UpdateService(ctx, in); err != nil {
			return err
		}
	}
	if err := d.WaitSteady(ctx); err != nil {
		return err
	}
	return d.endLasting(ctx, apiOverlap-passed)
}

// storeAgain stores the document from before the rotation when every task is new.
// The old values are accepted then, since their use is still looked for.
func storeAgain(ctx context.Context, d *demo, e *ending) error {
	if err := d.showAccepted(ctx, e); err != nil {
		return err
	}
	if err := d.WaitSteady(ctx); err != nil {
		return err
	}
	if err := d.await(ctx, converged); err != nil {
		return err
	}
	d.screen.command("aws secretsmanager put-secret-value --secret-id " + d.SecretName + " --secret-string file://the-document-from-before.json")
	before := d.AWS.Clock().Now()
	if _, err := d.Secrets.PutSecretValue(ctx, &sm.PutSecretValueInput{SecretId: &d.SecretARN, SecretString: aws.String(e.old.Raw())}); err != nil {
		return err
	}
	err := d.await(ctx, func(b ledger.Book) bool { return b.Rollout().Since.After(before) && converged(b) })
	if err != nil {
		return err
	}
	if err := d.WaitSteady(ctx); err != nil {
		return err
	}
	d.moveOn(observation, "an hour, in which the use of the other values is looked for")
	if err := d.await(ctx, onlyLasting); err != nil {
		return err
	}
	d.moveOn(apiOverlap, inDays(apiOverlap)+": the time of the API client that had been promoted is over")
	return d.await(ctx, over)
}

// observation is a little more than OBSERVE_MINUTES.
const observation = 61 * time.Minute

// showAccepted tries the old and the new credentials, and tells what works.
func (d *demo) showAccepted(ctx context.Context, e *ending) (err error) {
	if e.promoted, err = d.tryAll(ctx, e.old, e.new); err != nil {
		return err
	}
	text := "what works now:"
	for _, k := range kinds {
		text += below + fmt.Sprintf("%-9s %s", k.name, k.works(e.promoted[k.name], d.AWS.Clock().Now()))
	}
	d.screen.line(text)
	return nil
}

// works says what of a kind is accepted at a time soon after the promotion.
func (k kind) works(a acceptance, now time.Time) string {
	switch {
	case a.new && a.old && k.lasts > 0:
		return fmt.Sprintf("%s, for %s: until %s by AWS's clock", k.both, inDays(k.lasts), now.Add(k.lasts).Format("2 January 15:04"))
	case a.new && a.old:
		return k.both
	case a.new:
		return "the new one alone"
	case a.old:
		return "the old one alone"
	default:
		return "neither the new one nor the old one"
	}
}

func inDays(d time.Duration) string { return fmt.Sprintf("%d days", d/(24*time.Hour)) }

// moveOn moves AWS's clock, which Mautic goes by too, while no call is under
// way.
func (d *demo) moveOn(by time.Duration, inWords string) {
	d.callers.clock.Lock()
	defer d.callers.clock.Unlock()
	d.screen.line("the clock of AWS is moved on by " + inWords)
	d.AWS.Clock().Advance(by)
}

// Ends of what is waited for, by the ledger.

// over: nothing follows any more.
func over(b ledger.Book) bool { return !b.Rollout().Open() && len(unfinished(b)) == 0 }

// converged: every task is new, whatever is accepted still.
func converged(b ledger.Book) bool { return !b.Rollout().Since.IsZero() && !b.Rollout().Open() }

// isHeld: the old database password waits for an operator.
func isHeld(b ledger.Book) bool { return unfinished(b)["database"] == ledger.Held }

// onlyLasting: the overlaps that end with the rollout are closed.
func onlyLasting(b ledger.Book) bool {
	left := unfinished(b)
	return !b.Rollout().Open() && len(left) > 0 && !slices.ContainsFunc(kinds, func(k kind) bool {
		return k.lasts == 0 && left[k.name] != ""
	})
}

// unfinished are the kinds of which a value is live that is not wanted, with what
// has become of it.
func unfinished(b ledger.Book) map[string]ledger.State {
	left := map[string]ledger.State{}
	for _, page := range b.Pages {
		for kind, entry := range page.Entries {
			switch entry.State {
			case ledger.Proven, ledger.Failed, ledger.Foreign: // nothing follows
			default:
				left[kind] = entry.State
			}
		}
	}
	return left
}

// await waits until the scenario has come so far.
func (d *demo) await(ctx context.Context, reached func(ledger.Book) bool) error {
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
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
		select {
		case <-poll.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), fmt.Errorf("it did not come to its end; the labels are %q", labels))
		}
	}
}

// pause lets the application run for a while: what it shows is the logins that
// go on meanwhile.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
