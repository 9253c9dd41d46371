package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/secret"
)

// How createSecret makes the pending document, and what it reports about the kinds that it leaves
// out.

// byRhythm reports whether the schedule rotates the secret's kinds only when they are due, even
// if there is just one.
func (r *run) byRhythm() bool { return slices.Contains(r.whenDue, r.event.SecretID) }

// toRotate chooses the kinds that the rotation changes.
func (r *run) toRotate(current secret.Version, seen *sight) (plan.Selection, error) {
	m := seen.m
	present, err := r.present(current.Doc)
	if err != nil {
		return plan.Selection{}, err
	}
	request, err := plan.RequestFor(r.event.Token, m.Labels, names(r.kinds))
	if err != nil {
		return plan.Selection{}, refused{err}
	}
	bad := failedVersions(seen.book)
	schedule := plan.Schedule(m.Schedule)
	chosen := plan.Select(plan.Candidates{
		Request: request, Now: m.At, Scheduled: schedule.Starts(m.At), Interval: schedule.Interval(m.At),
		Present: names(present), Open: seen.open(names(present)), Last: lastRotated(current.Doc, names(present)), Every: r.every, WhenDue: r.byRhythm(),
		Pause:   seen.pause(),
		HeldOff: len(bad) > 0,
	})
	if paused := chosen.Pause; paused.On && !chosen.ByHand() {
		level := slog.LevelInfo
		if paused.Unread != "" {
			level = slog.LevelWarn
		}
		r.log.Log(context.Background(), level, "nothing is rotated: "+paused.Why(), "remedy", paused.Remedy())
		return chosen, nil
	}
	if len(bad) > 0 && !chosen.ByHand() {
		r.log.Error("nothing is rotated by the schedule, since the last rotation was rolled back: fix what kept the application from starting, then rotate by hand, or "+howToRelease, "version", bad[0])
		r.measure(Metric{Name: metricHeldOff, Unit: count, Value: 1})
	}
	return chosen, nil
}

// readyToChange fails if the rotation's effect could not be seen, or its redeploy would fail: the
// application is unhealthy, or a service cannot be redeployed. It runs only before the first
// change, because a target that accepts one value makes the application unhealthy from then on,
// until it is redeployed. An emergency waits for neither.
func (r *run) readyToChange(ctx context.Context, chosen plan.Selection) error {
	if len(chosen.Kinds) == 0 {
		return nil
	}
	if !chosen.Emergency {
		if state, what := r.askHealth(ctx); what != "" {
			return fmt.Errorf("the health check failed (%s: %s), so the rotation's effect could not be seen: fix the application, or unset MAUTIC_URL", state, what)
		}
	}
	if r.services == nil || !r.needsRestart(chosen.Kinds) {
		return nil
	}
	var problems []error
	for _, check := range r.services.Preflight(ctx, r.event.SecretID) {
		if check.Problem == nil {
			continue
		}
		if chosen.Emergency {
			r.log.Error("the services cannot all be redeployed; the emergency continues", "check", check.What, "problem", check.Problem)
		}
		problems = append(problems, fmt.Errorf("%s: %w", check.What, check.Problem))
	}
	if chosen.Emergency || len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("the services could not be redeployed after the promotion, so nothing is changed: %w", errors.Join(problems...))
}

// generate makes the pending document: the current one, with each chosen kind's fields as that
// kind made them from the current one. So no kind sees another's value that no target accepts
// yet. It returns the choice without the kinds that made no value.
//
// Issuers come last, when it is certain that the rotation continues and that the values fit into
// the secret.
func (r *run) generate(ctx context.Context, current secret.Version, chosen plan.Selection) (document.Document, plan.Selection, error) {
	g := &generator{run: r, current: current, chosen: chosen, made: map[string]document.Document{}}
	var others, issuers []credential.Kind
	for _, kind := range r.named(chosen.Kinds) {
		if _, ok := kind.(credential.Issuer); ok {
			issuers = append(issuers, kind)
		} else {
			others = append(others, kind)
		}
	}
	if err := g.make(ctx, others); err != nil {
		return document.Document{}, plan.Selection{}, err
	}
	if err := errors.Join(g.refusal(), g.fits(issuers)); err != nil {
		return document.Document{}, plan.Selection{}, err
	}
	if err := g.make(ctx, issuers); err != nil {
		return document.Document{}, plan.Selection{}, err
	}
	if err := g.refusal(); err != nil {
		return document.Document{}, plan.Selection{}, err
	}
	pending, err := g.document()
	return pending, g.chosen, err
}

// generator asks the chosen kinds for their values.
type generator struct {
	run     *run
	current secret.Version
	chosen  plan.Selection
	made    map[string]document.Document
}

// refusal is why the rotation is given up because of what it would leave out.
func (g *generator) refusal() error {
	if err := g.chosen.Refusal(); err != nil {
		return refused{err}
	}
	return nil
}

// make asks each kind for a new value. A kind that cannot be rotated now is left out, so that the
// others do not have to wait. A fault that may pass gets a few seconds to do so. make fails only
// if the invocation's time runs out, or if this rotation may not go on.
func (g *generator) make(ctx context.Context, kinds []credential.Kind) error {
	pause := g.run.pauses.Generate
	for attempt := 1; len(kinds) > 0; attempt++ {
		var again []credential.Kind
		for i, kind := range kinds {
			share, err := shareOfTime(ctx, len(kinds)-i)
			if err != nil {
				return err
			}
			next, err := g.ask(ctx, kind, share)
			early, tooEarly := errors.AsType[*credential.TooEarly](err)
			switch {
			case ctx.Err() != nil:
				return fmt.Errorf("make a new %s credential: %w", kind.Name(), errors.Join(err, ctx.Err()))
			case err == nil:
				g.made[kind.Name()] = next
			case tooEarly:
				g.chosen.Skip(kind.Name(), early.Error())
			case attempt < generateAttempts && mayPass(err) && !isShort(ctx):
				g.run.log.Warn("no new value yet: trying again", "kind", kind.Name(), "error", err)
				again = append(again, kind)
			case isUnconfirmed(err):
				return err
			default:
				g.chosen.LeaveOut(kind.Name(), err.Error())
			}
		}
		if kinds = again; len(kinds) == 0 {
			break
		}
		if err := g.run.clock.Wait(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
	return nil
}

const (
	// generateAttempts is how often a kind is asked while its fault may pass.
	generateAttempts = 3

	// A kind gets half of the time that is left, so that one whose target hangs leaves enough for
	// the others. It gets no more than any kind needs whose target answers, and enough to answer
	// at all.
	longestShare  = time.Minute
	shortestShare = time.Second
)

// shareOfTime is how much of the invocation's time one kind may take, if waiting kinds, including
// this one, are still to be asked.
func shareOfTime(ctx context.Context, waiting int) (time.Duration, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return longestShare, nil
	}
	// A little more than what must be left when all have been asked.
	left := time.Until(deadline) - timeToChange - time.Second
	share := min(longestShare, left/time.Duration(min(waiting, 2)))
	if share < shortestShare {
		return 0, fmt.Errorf("too little of the invocation's time is left (%s) to ask for new values: raise the function's timeout", time.Until(deadline).Round(100*time.Millisecond))
	}
	return share, nil
}

// isShort reports whether there may be no time for another attempt at any kind.
func isShort(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < 2*timeToChange
}

// errNoAnswer says that a kind has used up its share of the time.
var errNoAnswer = errors.New("its target does not answer in time")

// ask asks a kind for a new value.
func (g *generator) ask(ctx context.Context, kind credential.Kind, share time.Duration) (document.Document, error) {
	limited, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	next, err := kind.Generate(limited, credential.Generation{
		Current: g.current.Doc, Now: g.chosen.Now, Last: g.lastOf(kind.Name()), Emergency: g.chosen.Emergency, Ownership: g.run.ownership(kind),
		Confirm: func(ctx context.Context) error {
			if err := g.run.confirm(ctx, g.current.ID); err != nil {
				return unconfirmed{err}
			}
			return nil
		},
	})
	switch {
	case err != nil && limited.Err() != nil:
		return document.Document{}, fmt.Errorf("%w (%s): %w", errNoAnswer, share.Round(time.Second), err)
	case err == nil && next.Raw() == g.current.Doc.Raw():
		return document.Document{}, errors.New("it made no new value")
	}
	return next, err
}

// unconfirmed is an error of Generation.Confirm. It is about the rotation, not about a kind.
type unconfirmed struct{ error }

func (e unconfirmed) Unwrap() error { return e.error }

func isUnconfirmed(err error) bool {
	_, ok := errors.AsType[unconfirmed](err)
	return ok
}

// mayPass reports whether a kind may succeed in some seconds: its target has not answered, or AWS
// throttled the call.
func mayPass(err error) bool {
	return !errors.Is(err, errNoAnswer) &&
		(credential.MayPass(err) || awsretry.IsErrorRetryables(awsretry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary)
}

// lastOf returns when a kind was last rotated. If the document cannot record that, it is when the
// current version was stored, at the latest.
func (g *generator) lastOf(kind string) time.Time {
	if !hasRoomForNotes(g.current.Doc) {
		return g.current.Created
	}
	return g.chosen.Last[kind]
}

// document is the pending document. Fields are added in the order of the kinds, as in
// editedMeanwhile.
func (g *generator) document(more ...credential.Kind) (document.Document, error) {
	pending, err := g.withFields(more)
	if err != nil || g.run.leaveCopies {
		return pending, err
	}
	for _, kind := range g.run.named(g.chosen.Kinds) {
		if next, made := g.made[kind.Name()]; made {
			if pending, err = follow(pending, g.current.Doc, next, []credential.Kind{kind}); err != nil {
				return document.Document{}, err
			}
		}
	}
	return pending, nil
}

// withFields is document without the copies in other fields.
func (g *generator) withFields(more []credential.Kind) (document.Document, error) {
	pending, err := g.current.Doc, error(nil)
	var noted []string
	for _, kind := range g.run.named(g.chosen.Kinds) {
		next, made := g.made[kind.Name()]
		if made {
			if pending, err = putFields(pending, next, kind); err != nil {
				return document.Document{}, err
			}
		}
		if made || slices.Contains(names(more), kind.Name()) {
			noted = append(noted, kind.Name())
		}
	}
	if len(noted) > 0 && !hasRoomForNotes(g.current.Doc) {
		g.run.log.Warn("the secret does not record when a credential was rotated, since its field rotated_at is not this function's: each is taken to be as old as its version")
		return pending, nil
	}
	return noteRotated(pending, noted, g.chosen.Now)
}

// fits fails if the pending document may not fit into the secret, with the values that were made
// and those that the issuers are about to make.
func (g *generator) fits(issuers []credential.Kind) error {
	pending, err := g.document(issuers...)
	if err != nil {
		return refused{err}
	}
	size := len(pending.Raw())
	for _, kind := range issuers {
		fields, err := kind.Fields(g.current.Doc)
		if err != nil {
			return err
		}
		for _, field := range fields {
			text, err := g.current.Doc.Text(field)
			if err != nil {
				return err
			}
			size += max(0, credential.MaxIssued-len(text))
		}
		copied, err := copiesOf(kind, g.current.Doc)
		if err != nil {
			return err
		}
		size += len(copied) * 2 * longestEscape * credential.MaxIssued // a name and a secret
	}
	if size > document.MaxBytes {
		return refused{fmt.Errorf("the secret has no room for the new values: it might have %d bytes, and Secrets Manager stores at most %d; remove %d bytes of something else, and rotate again", size, document.MaxBytes, size-document.MaxBytes)}
	}
	return nil
}

// longestEscape is the longest that a character can become in a copy: %%2F.
const longestEscape = 4

// named returns the kinds with these names, in the order in which they are set.
func (r *Rotator) named(list []string) []credential.Kind {
	return slices.DeleteFunc(slices.Clone(r.kinds), func(k credential.Kind) bool { return !slices.Contains(list, k.Name()) })
}

// tellLeftOut reports why kinds are not rotated. If a kind cannot be rotated, an operator has to
// know: nobody asked for it by name, so nobody waits for an answer.
func (r *run) tellLeftOut(c plan.Selection) {
	for _, name := range slices.Sorted(maps.Keys(c.Why)) {
		why := c.Why[name]
		switch {
		case slices.Contains(c.LeftOut, name):
			r.log.Error("left out of this rotation, since it cannot be rotated now: "+why, "kind", name)
		case c.Open[name] != "":
			r.log.Warn("not rotated: "+why, "kind", name)
		default:
			r.log.Info("not rotated: "+why, "kind", name, "remedy", "to have it rotated all the same, "+plan.HowToRequest)
		}
	}
	if len(c.LeftOut) == 0 {
		return
	}
	accepted := ""
	if c.Emergency {
		accepted = ", and what may have leaked of it is still accepted"
	}
	r.notice(didLeaveOut, "%s left out of this rotation, since it cannot be rotated now%s: %s. When that is fixed, rotate it by its name",
		inWords(c.LeftOut), accepted, c.Reasons(c.LeftOut))
	r.measure(Metric{Name: metricLeftOut, Unit: count, Value: float64(len(c.LeftOut))})
}

// refuse gives the rotation up if no other attempt at it can succeed, so that it does not block
// the next one. Its error tells whoever asked for it why. A label that asked for it has been
// answered with that.
func (r *run) refuse(ctx context.Context, m secret.Metadata, err error) error {
	if _, final := errors.AsType[refused](err); !final {
		return err
	}
	err = fmt.Errorf("%w. This rotation is given up: start another one, with a new token, once that is fixed", err)
	return r.giveUp(ctx, m, errors.Join(err, r.forgetRequest(ctx, m)))
}

// refused is an error that no other attempt at the same rotation can fix, so the rotation is
// given up.
type refused struct{ error }

func (e refused) Unwrap() error { return e.error }

// forgetRequest removes the label whose words this rotation has followed.
func (r *run) forgetRequest(ctx context.Context, m secret.Metadata) error {
	label, id := plan.RequestLabel(m.Labels)
	if request, err := plan.RequestInToken(r.event.Token, names(r.kinds)); label == "" || err != nil || !request.None() {
		return nil //nolint:nilerr // the words are in the token: the label is for another rotation
	}
	return r.write.MoveLabel(ctx, label, "", id)
}

// forgetUnreadableRequests removes labels with words that no rotation can follow.
func (r *run) forgetUnreadableRequests(ctx context.Context, m secret.Metadata) error {
	unreadable := plan.UnreadableRequests(m.Labels, names(r.kinds))
	for _, id := range slices.Sorted(maps.Keys(unreadable)) {
		for _, label := range unreadable[id] {
			if err := r.write.MoveLabel(ctx, label, "", id); err != nil {
				return err
			}
			r.log.Warn("removed a label with words that no rotation can follow", "label", label, "version", id)
		}
	}
	return nil
}
