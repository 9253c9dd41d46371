package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A course plays a scenario from the promotion to the end of the rotation.
type course func(context.Context, *demo, *ending) error

// retireAll waits for every overlap of a rotation to end: first those that end with
// the rollout, then those that end after a fixed time.
func retireAll(ctx context.Context, d *demo, e *ending) error {
	if err := d.showAccepted(ctx, e); err != nil {
		return err
	}
	if err := d.await(ctx, onlyLasting); err != nil {
		return err
	}
	return d.endLasting(ctx, apiOverlap)
}

// endLasting ends the API client's overlap, of which the given time is left.
func (d *demo) endLasting(ctx context.Context, left time.Duration) error {
	if err := d.callers.takeUp(ctx); err != nil {
		return err
	}
	d.screen.line("the integrations switch to the new API client (in production, you have " + inDays(apiOverlap) + " to give it to them)")
	if err := pause(ctx, time.Second); err != nil { // some calls with it
		return err
	}
	d.moveOn(left, inDays(left)+": the API client's overlap ends")
	return d.await(ctx, over)
}

// showAccepted tries the old and the new credentials, and prints which are accepted.
func (d *demo) showAccepted(ctx context.Context, e *ending) (err error) {
	if e.promoted, err = d.tryAll(ctx, e.old, e.new); err != nil {
		return err
	}
	text := "accepted now:"
	for _, k := range kinds {
		text += below + fmt.Sprintf("%-9s %s", k.name, k.works(e.promoted[k.name], d.AWS.Clock().Now()))
	}
	d.screen.line(text)
	return nil
}

// works says which values of a kind are accepted soon after the promotion.
func (k kind) works(a acceptance, now time.Time) string {
	switch {
	case a.new && a.old && k.lasts > 0:
		return fmt.Sprintf("%s, for %s (until %s by AWS's clock)", k.both, inDays(k.lasts), now.Add(k.lasts).Format("2 January 15:04"))
	case a.new && a.old:
		return k.both
	case a.new:
		return "only the new one"
	case a.old:
		return "only the old one"
	default:
		return "neither the new nor the old one"
	}
}

func inDays(d time.Duration) string { return fmt.Sprintf("%d days", d/(24*time.Hour)) }

// moveOn moves AWS's clock, which Mautic uses too, forward while no API call is in
// flight.
func (d *demo) moveOn(by time.Duration, inWords string) {
	d.callers.clock.Lock()
	defer d.callers.clock.Unlock()
	d.screen.line("AWS's clock is moved forward by " + inWords)
	d.AWS.Clock().Advance(by)
}

// Conditions to wait for, on the ledger's open entries, such as "database=old".

func over(open []string) bool { return len(open) == 0 }

func isHeld(open []string) bool {
	return slices.ContainsFunc(open, func(entry string) bool { return strings.HasSuffix(entry, "=held") })
}

// databaseAloneIsHeld: the hold of one kind does not stop another from being retired.
func databaseAloneIsHeld(open []string) bool {
	return isHeld(open) && !slices.ContainsFunc(open, func(entry string) bool { return strings.HasPrefix(entry, "smtp=") })
}

// allNoted: the ledger has every value that is no longer wanted, and the observation of
// their use has begun. Values that tasks read at start were proven to work earlier.
func allNoted(open []string) bool {
	return slices.Equal(open, []string{"api=old", "database=proven", "smtp=proven"})
}

// onlyLasting: the overlaps that end with the rollout are closed.
func onlyLasting(open []string) bool {
	return len(open) > 0 && !slices.ContainsFunc(open, func(entry string) bool {
		name, state, _ := strings.Cut(entry, "=")
		return state != "old" || slices.ContainsFunc(kinds, func(k kind) bool { return k.lasts == 0 && k.name == name })
	})
}

// await waits until the ledger's open entries satisfy reached.
func (d *demo) await(ctx context.Context, reached func(open []string) bool) error {
	return d.AwaitJournal(ctx, reached)
}

// pause lets the application run for a while, so that its logins are counted.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
