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

// rollBack makes the old values of kinds current again. Its order makes every crash harmless:
// once the mark is written, finishRollBack continues. No target is written to before AWSCURRENT
// has moved. Targets with an overlap accept the old values; the others get theirs by later
// decisions, each kind by itself.
func (r *run) rollBack(ctx context.Context, s *sight, kinds []string) error {
	if err := enoughTime(ctx); err != nil {
		return err
	}
	page := s.page()
	page.Rollout = s.rollout()
	for _, name := range kinds {
		page = page.With(name, ledger.RolledBack, s.m.At)
	}
	if err := r.writePage(ctx, page); err != nil {
		return err
	}
	again, err := r.look(ctx, s.plan.Tick)
	if err != nil {
		return err
	}
	if again.current != s.current {
		return fmt.Errorf("AWSCURRENT was moved during a rollback: %w", errAnew)
	}
	if !again.plan.RollingBack() { // a release has ended the rollout at the same time, and old values may be retired
		return fmt.Errorf("the rollout has ended during a rollback: %w", errAnew)
	}
	return r.finishRollBack(ctx, again)
}

// finishRollBack moves AWSCURRENT away from a version that is marked as rolled
// back.
func (r *run) finishRollBack(ctx context.Context, s *sight) error {
	if s.plan.EmergencyPending {
		if err := r.unmark(ctx, s); err != nil {
			return err
		}
		return fmt.Errorf("an emergency has begun during a rollback: %w", errAnew)
	}
	target, kinds, err := r.goBackTo(ctx, s)
	if err != nil {
		return err
	}
	if len(kinds) == 0 {
		r.log.Error("a rollback was interrupted, and no version has a value to go back to: AWSCURRENT stays", "version", s.current)
		return r.unmark(ctx, s)
	}
	if slices.Contains(s.m.Labels[s.current], secret.Pending) {
		// Left there it would block every later rotation, and have this one tried again.
		if err := r.write.MoveLabel(ctx, secret.Pending, "", s.current); err != nil {
			return err
		}
	}
	moved, err := r.write.MoveCurrent(ctx, s.current, target)
	if err != nil {
		return err
	}
	if !moved {
		return nil // another invocation has, and reports it
	}
	r.found.moved = true
	r.log.Error("rolled back: the old values are AWSCURRENT again", audit, didRollBack, "from", s.current, "to", target, "kinds", kinds)
	r.notice(didRollBack, "the rotation of %s was rolled back: version %s is AWSCURRENT, with the old values. The values of version %s are retired when no task uses them. See the tasks' logs for what the application reported, and the services' events for what ECS did. The schedule does not rotate again until a manual rotation has converged, or you %s", inWords(kinds), target, s.current, howToRelease)
	r.measure(Metric{Name: metricRolledBack, Unit: count, Value: 1})
	return nil
}

// unmark takes back the mark of a rollback that is not to be finished.
func (r *run) unmark(ctx context.Context, s *sight) error {
	page := s.page()
	for _, name := range page.Kinds() {
		if page.Entries[name].State == ledger.RolledBack {
			page = page.With(name, ledger.Proven, s.m.At)
		}
	}
	return r.writePage(ctx, page)
}

// goBackTo chooses the version to go back to for the marked kinds: the one with the old values,
// if the rest of its document is the present one. Otherwise it stores the present document with
// the old values, so that edits survive.
func (r *run) goBackTo(ctx context.Context, s *sight) (target string, back []string, err error) {
	current, err := r.document(ctx, s.current)
	if err != nil {
		return "", nil, err
	}
	doc := current
	var versions []string
	page := ledger.Page{}
	for name, e := range s.page().Entries { // what stays as it is is noted there too
		if e.State != ledger.RolledBack && !s.isOld(name, s.current) {
			page = page.With(name, e.State, e.At)
		}
	}
	for _, k := range s.plan.Kinds {
		if s.page().Entries[k.Name].State != ledger.RolledBack {
			continue
		}
		old, ok := k.PromotedOver(s.rollout())
		if !ok {
			continue
		}
		from, err := r.document(ctx, old.Version)
		if err != nil {
			return "", nil, err
		}
		kind, _ := r.kind(k.Name)
		if doc, err = withKind(doc, from, kind); err != nil {
			return "", nil, err
		}
		back = append(back, k.Name)
		if !slices.Contains(versions, old.Version) {
			versions = append(versions, old.Version)
		}
		page = page.With(k.Name, ledger.Proven, old.Entry.At)
	}
	if doc, err = r.restUnchanged(ctx, s, doc, versions, back); err != nil {
		return "", nil, err
	}
	if len(versions) == 1 {
		if only, err := r.document(ctx, versions[0]); err != nil || only.Raw() == doc.Raw() {
			return versions[0], back, err
		}
	}
	if len(back) == 0 {
		return "", nil, nil
	}
	page.Version = derived("rollback", append([]string{s.current}, versions...)...)
	if err := r.store(ctx, doc, page); err != nil {
		return "", nil, err
	}
	return page.Version, back, nil
}

// restUnchanged restores what the rotation changed for kinds whose value is the same in the old
// version, such as a webhook's published next secret.
func (r *run) restUnchanged(ctx context.Context, s *sight, doc document.Document, versions, back []string) (document.Document, error) {
	for _, version := range versions {
		from, err := r.document(ctx, version)
		if err != nil {
			return document.Document{}, err
		}
		for _, name := range s.page().Kinds() {
			kind, ok := r.kind(name)
			if !ok || slices.Contains(back, name) {
				continue
			}
			before, had, errBefore := kind.Value(from)
			now, has, errNow := kind.Value(doc)
			if errBefore != nil || errNow != nil || !had || !has || before != now {
				continue
			}
			if doc, err = withKind(doc, from, kind); err != nil {
				return document.Document{}, err
			}
		}
	}
	return doc, nil
}

// isOld reports whether a version's value of a kind is not wanted.
func (s *sight) isOld(kind, version string) bool {
	for _, k := range s.plan.Kinds {
		if k.Name != kind {
			continue
		}
		for _, old := range k.Old {
			if slices.Contains(s.stores[place{kind, old.Version}], version) {
				return true
			}
		}
	}
	return false
}

// isRouter reports whether a kind's target is written to by other means than a login with the
// value.
func isRouter(kind credential.Kind) bool { _, ok := kind.(credential.Router); return ok }

// askRoute checks whether a target could be given the old value.
func (r *run) askRoute(ctx context.Context, s *sight, a plan.Action) error {
	kind, _ := r.kind(a.Kind)
	current, old, err := r.both(ctx, s, a.Version)
	if err != nil {
		return err
	}
	r.found.routes[a.Kind] = plan.Accepted
	if err := kind.(credential.Router).Route(ctx, credential.Change{Current: old, Pending: current, Log: r.log.With("kind", a.Kind)}); err != nil {
		r.log.Warn("the target cannot be written to", "kind", a.Kind, "error", err)
		r.found.routes[a.Kind] = plan.NoAnswer
	}
	return nil
}

// withKind returns a document with everything of a kind taken from another: its fields, including
// those that only one of the two has, when it was last rotated, and its copies in other fields.
func withKind(into, from document.Document, kind credential.Kind) (document.Document, error) {
	next, err := withFields(into, from, kind)
	if err != nil {
		return document.Document{}, err
	}
	return followAs(next, into, from, []credential.Kind{kind}, from)
}

// withFields is withKind without the copies.
func withFields(into, from document.Document, kind credential.Kind) (document.Document, error) {
	theirs, err := kind.Fields(from)
	if err != nil {
		return document.Document{}, err
	}
	ours, err := kind.Fields(into)
	if err != nil {
		return document.Document{}, err
	}
	at := document.Pointer(rotatedAt + kind.Name())
	theirs, ours = append(theirs, at), append(ours, at)
	for _, field := range ours {
		if has, err := from.Has(field); err != nil || has {
			if err != nil {
				return document.Document{}, err
			}
			continue
		}
		if into, err = into.Remove(field); err != nil {
			return document.Document{}, err
		}
	}
	if has, err := from.Has(rotatedAtBlock); err != nil || !has {
		if err != nil {
			return document.Document{}, err
		}
		if into, err = into.RemoveEmpty(rotatedAtBlock); err != nil {
			return document.Document{}, err
		}
	}
	for _, field := range theirs {
		text, err := from.Text(field)
		if errors.Is(err, document.ErrMissing) {
			continue
		}
		if err != nil {
			return document.Document{}, err
		}
		if into, err = into.Put(field, text); err != nil {
			return document.Document{}, fmt.Errorf("put %s back: %w", field, err)
		}
	}
	return into, nil
}
