package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
	"mautic-rotation/rotation/ledger"
	"mautic-rotation/rotation/plan"
	"mautic-rotation/rotation/secret"
)

// Which values of a kind the labelled versions store, and which of them is wanted.

// lookAtKind compares AWSCURRENT's value of a kind with those of the labelled versions. found
// reports whether a label names the kind.
func (r *run) lookAtKind(ctx context.Context, s *sight, kind credential.Kind) (k plan.Kind, found bool, err error) {
	name := kind.Name()
	named := func(p ledger.Page) bool { _, ok := p.Entries[name]; return ok }
	if !slices.ContainsFunc(s.book.Pages, named) {
		return plan.Kind{}, false, nil
	}
	k = plan.Kind{Name: name, Restarts: kind.NeedsRestart(), Wanted: plan.Value{Version: s.current, SetFailed: r.found.unset[name]}}
	retirer, overlaps := kind.(credential.Retirer)
	if k.Overlaps = overlaps; overlaps {
		k.MinOverlap = retirer.MinOverlap()
	}
	current, err := r.valueIn(ctx, kind, s.current)
	if errors.Is(err, errNoValue) && foreignAlone(s.book, name) {
		return plan.Kind{}, false, nil
	}
	if err != nil {
		if !errors.Is(err, errNoValue) {
			return plan.Kind{}, false, err
		}
		k.Lost = "AWSCURRENT: " + err.Error()
	}
	var values []credential.Value // which differ, and are few
	var noted []plan.Value        // what the labels tell of each
	for _, page := range s.book.Pages {
		e, ok := page.Entries[name]
		if !ok {
			continue
		}
		v, err := r.valueIn(ctx, kind, page.Version)
		switch {
		case errors.Is(err, errNoValue) && (page.Version == s.pending || e.State == ledger.Foreign):
			continue
		case errors.Is(err, errNoValue):
			k.Lost = fmt.Sprintf("version %s: %v", page.Version, err)
			continue
		case err != nil:
			return plan.Kind{}, false, err
		}
		if page.Version == s.pending && e.State == ledger.Pending && k.Lost == "" && v == current {
			continue // a rotation that publishes a value, and keeps the current one, is in progress
		}
		at := slices.Index(values, v)
		if at < 0 {
			at, values, noted = len(values), append(values, v), append(noted, plan.Value{})
		}
		r.add(s, name, &noted[at], page.Version, e)
	}
	for i, v := range values {
		at := &noted[i]
		at.Elsewhere = r.elsewhere(kind, v)
		switch {
		case k.Lost == "" && v == current:
			at.SetFailed = k.Wanted.SetFailed
			k.Wanted = *at
		case k.Lost == "" && v.Target != current.Target && at.Entry.State != ledger.Failed && at.Entry.State != ledger.Foreign:
			k.Lost = fmt.Sprintf("AWSCURRENT's %s value is for another target than that of version %s", name, at.Version)
			k.Old = append(k.Old, *at)
		default:
			k.Old = append(k.Old, *at)
		}
	}
	r.firstEdition(s, &k)
	if k.Unnoted, err = r.unnoted(ctx, s, kind, k, current, values); err != nil {
		return plan.Kind{}, false, err
	}
	k.Swaps = r.swaps(ctx, s, kind, k)
	r.addAnswers(s, kind, &k)
	replaced(&k, s.plan.Rollout)
	return k, true, nil
}

// addAnswers adds what targets have answered so far, and what has been seen of the values' use.
func (r *run) addAnswers(s *sight, kind credential.Kind, k *plan.Kind) {
	name := kind.Name()
	if k.Route = r.found.routes[name]; k.Route == plan.NotAsked && !isRouter(kind) {
		k.Route = plan.Accepted
	}
	k.Wanted.Probe = r.found.probes[place{name, k.Wanted.Version}]
	for i := range k.Old {
		old := &k.Old[i]
		at := place{name, old.Version}
		old.Pending = old.Version == s.pending
		old.Left = slices.Contains(s.m.Labels[old.Version], secret.Previous)
		old.Shared = r.shared(s.book.Page(old.Version), name)
		old.Probe = r.found.probes[at]
		if w := r.found.use[at]; w.state == old.Entry.State {
			old.Use = w.use // it was seen in another state
		}
		old.Mine = r.found.mine[at]
	}
}

// replaced applies to a kind, whose values tasks read at start, what the rollout implies without
// a label entry: a value that was proven before the rollout began, and is not the rollout's, has
// been old since then.
func replaced(k *plan.Kind, of plan.Rollout) {
	if !k.Restarts {
		return
	}
	about := func(v plan.Value) bool { return v.Version == of.On || slices.Contains(v.Also, of.On) }
	for i := range k.Old {
		if e := &k.Old[i].Entry; e.State == ledger.Proven && of.Since.After(e.At) && !about(k.Old[i]) {
			e.State, e.At = ledger.Old, of.Since
		}
	}
	if k.Wanted.Entry.State == ledger.Proven && !of.Here && slices.ContainsFunc(k.Old, about) {
		k.Wanted.Entry.State = ledger.Old // and is wanted again
	}
}

// foreignAlone reports whether the labels name a kind only for values that are never touched.
func foreignAlone(book ledger.Book, kind string) bool {
	return !slices.ContainsFunc(book.Pages, func(p ledger.Page) bool {
		e, ok := p.Entries[kind]
		return ok && e.State != ledger.Foreign && e.State != ledger.Failed
	})
}

// swaps reports whether a kind that usually accepts two values accepts only one for this change.
func (r *run) swaps(ctx context.Context, s *sight, kind credential.Kind, k plan.Kind) bool {
	other := k.Unnoted.Version
	if len(k.Old) > 0 {
		other = k.Old[0].Version
	}
	if !k.Overlaps || other == "" || k.Lost != "" {
		return false
	}
	current, old, err := r.both(ctx, s, other)
	swaps := false
	if err == nil {
		swaps, err = r.acceptsOne(ctx, kind, current, old)
	}
	if err != nil {
		r.log.Warn("cannot tell whether the target accepts two values", "kind", k.Name, "error", err)
	}
	return swaps
}

// acceptsOne asks a kind, once, whether its target accepts one value at a time.
func (r *run) acceptsOne(ctx context.Context, kind credential.Kind, current, old document.Document) (one bool, err error) {
	name := kind.Name()
	if one, known := r.found.swaps[name]; known {
		return one, nil
	}
	if swapper, ok := kind.(credential.Swapper); ok && !r.silent { // if it is not asked, it counts as accepting two
		one, err = swapper.Swaps(ctx, credential.Overlap{Current: current, Old: old, Now: r.aws.Told(), Log: r.log.With("kind", name)})
	} else if _, overlaps := kind.(credential.Retirer); !overlaps {
		one = true
	}
	if err == nil {
		r.found.swaps[name] = one
	}
	return one, err
}

// unnoted is a value that AWSCURRENT's has replaced without a label: someone moved AWSCURRENT to
// the pending version by hand before the step labelled the old one. Its version has AWSPREVIOUS.
func (r *run) unnoted(ctx context.Context, s *sight, kind credential.Kind, k plan.Kind, current credential.Value, labelled []credential.Value) (plan.Value, error) {
	previous := s.m.Labels.Version(secret.Previous)
	if k.Lost != "" || !k.Wanted.Current || k.Wanted.Entry.State != ledger.Pending || previous == "" {
		return plan.Value{}, nil
	}
	v, err := r.valueIn(ctx, kind, previous)
	switch {
	case errors.Is(err, errNoValue) || err == nil && (v.Target != current.Target || slices.Contains(labelled, v)):
		return plan.Value{}, nil
	case err != nil:
		return plan.Value{}, err
	}
	return plan.Value{Version: previous, Probe: r.found.probes[place{k.Name, previous}]}, nil
}

// shared reports whether a label also names another kind whose target accepts two values.
func (r *run) shared(page ledger.Page, kind string) bool {
	for name, e := range page.Entries {
		if _, overlaps := r.retirer(name); overlaps && name != kind && e.State.Live() {
			return true
		}
	}
	return false
}

// add records that a labelled version stores a value. If several do, AWSCURRENT's entry counts,
// or otherwise the newest. A mark, such as that of a rollback, keeps its entry's time: within one
// second the entry that was written more often is the newer one.
func (r *run) add(s *sight, kind string, v *plan.Value, version string, e ledger.Entry) {
	before := v.Version
	switch {
	case before == "", version == s.current, !v.Current && isNewer(e, v.Entry):
		v.Version, v.Entry, v.Current = version, e, version == s.current
	}
	if before != "" {
		other := before
		if v.Version == before {
			other = version
		}
		v.Also = append(v.Also, other)
	}
	stores := s.stores[place{kind, before}]
	delete(s.stores, place{kind, before})
	s.stores[place{kind, v.Version}] = append(stores, version)
}

func isNewer(e, than ledger.Entry) bool {
	return e.At.After(than.At) || e.At.Equal(than.At) && e.Count > than.Count
}

// firstEdition applies what a label of the first edition says about AWSCURRENT, which it names by
// the end of its id: it was promoted and, if a redeploy is known to have begun, proven.
func (r *run) firstEdition(s *sight, k *plan.Kind) {
	if k.Wanted.Entry.State != "" {
		return
	}
	for _, old := range k.Old {
		page := s.book.Page(old.Version)
		begun := !page.Rollout.Since.IsZero()
		if !page.ReplacedBy(s.current) || old.Entry.State == ledger.RolledBack && !begun {
			continue
		}
		k.Wanted.Entry.State = ledger.Pending
		if begun {
			k.Wanted.Entry.State = ledger.Proven
		}
		k.Wanted.Current = k.Wanted.Entry.State == ledger.Pending
	}
}
