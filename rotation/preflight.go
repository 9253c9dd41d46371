package rotation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/scrub"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/report"
	"mautic-rotation/rotation/secret"
)

// Preflight checks whether a rotation would work, and whether one could begin now. It logs in at
// the targets, and changes nothing: it is not a rotation, makes no version, and does not touch
// the schedule.
func (r *Rotator) Preflight(ctx context.Context, secretARN string, log *slog.Logger, secrets *scrub.Secrets) report.Secret {
	run := r.toLook(asking, secretARN, log, secrets)
	found := nothingFound(secretARN)
	m, err := run.read.Describe(ctx)
	if err == nil {
		found.At = m.At
		err = run.examine(ctx)
		run.mayBegin(ctx, m)
	}
	if err != nil {
		found.Error = err.Error()
	}
	found.Checks = run.found.checks()
	return found
}

// A finding is the result of one check.
type finding struct {
	report.Check
	problem error  // nil: none
	before  string // the kind that cannot be reached, so this check was skipped
}

// checks are the findings so far.
func (f *findings) checks() []report.Check {
	list := []report.Check{}
	for _, one := range f.checked {
		list = append(list, one.Check)
	}
	return list
}

// checked records and logs a finding.
func (r *run) checked(f finding) {
	r.found.checked = append(r.found.checked, f)
	log, message := r.log.With("part", f.Part), cmp.Or(r.checks, "preflight")
	switch {
	case f.before != "":
		log.Warn(message, "result", f.Result, "before", f.before)
	case f.Result == report.Problem:
		log.Error(message, "check", f.What, "problem", f.Text)
	case f.Result == report.Warning:
		log.Warn(message, "check", f.What, "warning", f.Text)
	default:
		log.Info(message, "check", f.What, "result", f.Result)
	}
}

// takeUp is checked for the findings of a kind, or of a service.
func (r *run) takeUp(part string, checks ...credential.Check) {
	for _, c := range checks {
		f := finding{Check: report.Check{Part: part, What: c.What, Result: report.OK}, problem: c.Problem}
		switch {
		case c.Problem != nil:
			f.Result, f.Text = report.Problem, c.Problem.Error()
		case c.Warning != nil:
			f.Result, f.Text = report.Warning, c.Warning.Error()
		}
		r.checked(f)
	}
}

// notReached reports whether a part depends on a kind that cannot be reached; if so, it records
// the part as not looked at, since its check would only find the same.
func (r *run) notReached(part string, of any, lost []string) bool {
	d, ok := of.(credential.Dependent)
	if ok = ok && slices.Contains(lost, d.Needs()); ok {
		r.checked(finding{Check: report.Check{Part: part, Result: report.Skipped, Text: d.Needs() + " cannot be reached"}, before: d.Needs()})
	}
	return ok
}

// preflight checks what a rotation needs, and reports every fault at once.
func (r *run) preflight(ctx context.Context) error {
	if err := r.examine(ctx); err != nil {
		return err
	}
	var problems []error
	for _, f := range r.found.checked {
		if f.problem != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", f.Part, f.What, f.problem))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("preflight: a rotation would fail, and nothing was changed: %w", errors.Join(problems...))
	}
	return nil
}

// examine checks whether a rotation would work. It fails if the secret cannot be read.
func (r *run) examine(ctx context.Context) error {
	current, err := r.read.Current(ctx, "")
	if err != nil {
		return err
	}
	kinds, err := r.present(current.Doc)
	if err != nil {
		return err
	}
	var lost []string
	for _, kind := range neededFirst(kinds) {
		if r.notReached(kind.Name(), kind, lost) {
			continue
		}
		checks := kind.Preflight(ctx, current.Doc)
		r.takeUp(kind.Name(), checks...)
		if copied, err := r.checkCopies(kind, current.Doc); err == nil { // otherwise the kind's own checks have reported why
			r.takeUp(kind.Name(), copied...)
		}
		if !credential.Reached(checks) {
			lost = append(lost, kind.Name())
		}
	}
	if r.services != nil && r.needsRestart(names(kinds)) {
		r.takeUp("redeploy", r.services.Preflight(ctx, r.event.SecretID)...)
		r.takeUp("redeploy", r.services.Others(ctx, r.event.SecretID)...)
	}
	if r.health != nil && !r.notReached("health", r.health, lost) {
		check := credential.Check{What: "the application is healthy"}
		if _, what := r.askHealth(ctx); what != "" {
			check.Problem = errors.New(what)
		}
		r.takeUp("health", check)
	}
	return nil
}

// mayBegin checks whether a rotation could begin now, and which kinds it would leave out. What
// ends by itself, or is intended, is a warning.
func (r *run) mayBegin(ctx context.Context, m secret.Metadata) {
	on := credential.Check{What: "this function rotates the secret"}
	pending := m.Labels.Version(secret.Pending)
	if state := (plan.Rotation{
		Token: pending, Labelled: true, Pending: pending != "", Current: m.Labels.Version(secret.Current), Enabled: m.RotationEnabled, Owner: m.OwningService,
	}); !state.Enabled || state.Owner != "" {
		on.Problem = plan.Guard(state)
	}
	r.takeUp("schedule", on)
	s, err := r.sightOf(ctx, m)
	readable := credential.Check{What: "they can be understood", Problem: err}
	if secret.IsDenied(err) {
		return // the secret cannot be read, which was reported already
	}
	unreadable := plan.UnreadableRequests(m.Labels, names(r.kinds))
	for _, id := range slices.Sorted(maps.Keys(unreadable)) {
		readable.Warning = fmt.Errorf("no rotation can follow the words of %s, on version %s: the next rotation fails, is given up, and removes the label", strings.Join(unreadable[id], " and "), id)
	}
	r.takeUp("labels", readable)
	if err != nil {
		return
	}
	r.takeUp("labels", credential.Check{What: "there is room for a rotation's labels", Problem: s.hasRoomForLabels()})
	r.takeUp("schedule", r.beginsBySchedule(s)...)
	converged := credential.Check{What: "it has converged"}
	if of := s.rollout(); of.Open() {
		converged.Warning = fmt.Errorf("it began at %s, and no credential is rotated until it has converged", of.Since.Format(time.RFC3339))
	}
	r.takeUp("rollout", converged)
	current, read := r.read.Seen(s.current)
	if !read {
		return
	}
	present, err := r.present(current.Doc)
	if err != nil {
		return // examine has reported it
	}
	open := s.open(names(present))
	for _, name := range names(present) {
		check := credential.Check{What: "it can be rotated now"}
		if why := open[name]; why != "" {
			check.Warning = errors.New(why)
		}
		r.takeUp(name, check)
	}
}

// beginsBySchedule checks for what keeps all rotations, or those of the schedule, from changing
// anything.
func (r *run) beginsBySchedule(s *sight) []credential.Check {
	free := credential.Check{What: "no rotation is in progress"}
	if under := r.rotationFound(s); under != nil {
		what := "has made no value yet"
		if len(under.Kinds) > 0 {
			what = "rotates " + inWords(under.Kinds)
		}
		free.Warning = fmt.Errorf("the one to version %s is, which %s: let it finish, or send abandon", under.Version, what)
	}
	running := credential.Check{What: "it is not paused"}
	if p := s.pause(); p.On {
		running.Warning = fmt.Errorf("%s: %s", p.Why(), p.Remedy())
	}
	held := credential.Check{What: "it is not held off"}
	if s.heldOff() {
		held.Warning = errors.New("the last rotation was rolled back: fix what kept the application from starting, then rotate by hand, or send release")
	}
	return []credential.Check{free, running, held}
}

// neededFirst puts kinds that need no other kind before the rest.
func neededFirst(kinds []credential.Kind) []credential.Kind {
	ordered := slices.Clone(kinds)
	slices.SortStableFunc(ordered, func(a, b credential.Kind) int { return cmp.Compare(rank(a), rank(b)) })
	return ordered
}

func rank(k credential.Kind) int {
	if d, ok := k.(credential.Dependent); ok && d.Needs() != "" {
		return 1
	}
	return 0
}
