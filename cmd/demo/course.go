package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
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

// Ends of what is waited for, by what the ledger has open: "database=old".

func over(open []string) bool { return len(open) == 0 }

func isHeld(open []string) bool {
	return slices.ContainsFunc(open, func(entry string) bool { return strings.HasSuffix(entry, "=held") })
}

// databaseAloneIsHeld: each kind goes its own way.
func databaseAloneIsHeld(open []string) bool {
	return isHeld(open) && !slices.ContainsFunc(open, func(entry string) bool { return strings.HasPrefix(entry, "smtp=") })
}

// allNoted: what is not wanted any more is noted, and the time for observing it goes on.
// What tasks read at start was proven before, and is old since the rollout.
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

// await waits until the scenario has come so far.
func (d *demo) await(ctx context.Context, reached func(open []string) bool) error {
	return d.AwaitJournal(ctx, reached)
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
