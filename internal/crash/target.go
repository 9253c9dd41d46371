package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	localsecretsmanager "mautic-rotation/internal/localaws/secretsmanager"
	"mautic-rotation/internal/rig"
	"mautic-rotation/rotation/document"
)

// A target accepts the values of one kind. The trial asks it directly, not through the
// function.
type target struct {
	kind string

	// places are the fields that a rotation changes in the document.
	places []document.Pointer

	// accepts leaves no trace, and is called after every call.
	accepts func(ctx context.Context, r *rig.Rig, d document.Document) (bool, error)

	// works uses the value as its users do, at the end. Nil: accepts is used instead.
	works func(ctx context.Context, r *rig.Rig, d document.Document) (bool, error)

	// single: it accepts one value at a time; from set to promotion, that is the one in
	// AWSPENDING.
	single bool

	// overlap is the minimum time for which it accepts the old value; 0: until every
	// task is new.
	overlap time.Duration

	// final checks what else must hold once nothing is open; may be nil.
	final func(r *rig.Rig, current document.Document, found *ledger)
}

// value is the document's value for the target, for comparisons.
func (t target) value(d document.Document) string {
	var value string
	for _, at := range t.places {
		text, _ := d.Text(at) // a missing field is empty
		value += text + "\n"
	}
	return value
}

// secret is the part of a value that the target checks.
func (t target) secret(d document.Document) string {
	text, _ := d.Text(t.places[0])
	return text
}

// labelled parses the document of the version with a label; false: there is none.
func labelled(r *rig.Rig, label string) (localsecretsmanager.VersionState, document.Document, bool) {
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		return localsecretsmanager.VersionState{}, document.Document{}, false
	}
	version := state.Labelled(label)
	d, err := document.Parse(version.Value)
	return version, d, err == nil
}

// acceptsCurrent checks that AWSCURRENT's value is accepted or, for a target that accepts
// only one, AWSPENDING's.
func (t target) acceptsCurrent(ctx context.Context, r *rig.Rig) error {
	const attempts = 2 // the labels may move between reading them and asking the target
	var fault error
	for range attempts {
		labels := []string{"AWSCURRENT"}
		if t.single {
			labels = append(labels, "AWSPENDING")
		}
		for _, label := range labels {
			_, d, ok := labelled(r, label)
			if !ok {
				continue
			}
			accepted, err := t.accepts(ctx, r, d)
			if accepted {
				return nil
			}
			fault = err
		}
	}
	return errors.Join(fmt.Errorf("AWSCURRENT's value of %s is not accepted", t.kind), fault)
}

// keptFor says why AWSCURRENT's previous value must still be accepted; "" if it need
// not be.
func (t target) keptFor(r *rig.Rig, before snapshot, beginning bool) string {
	if t.single {
		return ""
	}
	if beginning {
		return "its rotation has only begun"
	}
	if r.AWS.Clock().Now().Before(before.at.Add(t.overlap)) {
		return "its overlap is not over"
	}
	for _, task := range r.Application().Records() {
		if task.Stopped.IsZero() && before.keeps(task) {
			return "a task started with it"
		}
	}
	return ""
}

// checkOverlap checks that an old value is accepted as long as it is needed.
func (t target) checkOverlap(ctx context.Context, r *rig.Rig, moment string, before snapshot, beginning bool, found *ledger) {
	accepted, err := t.accepts(ctx, r, before.doc)
	if accepted {
		return
	}
	// Afterwards, because a task that is running now was also running when the target was asked.
	if why := t.keptFor(r, before, beginning); why != "" {
		found.note("%s: the old value of %s is refused, although %s (%v)", moment, t.kind, why, err)
	}
}

// checkAccounted checks that for each value that the target accepts besides the current
// one, a label of its version says so. Otherwise it would be accepted for ever.
func (t target) checkAccounted(ctx context.Context, r *rig.Rig, moment string, found *ledger) {
	if t.single {
		return // what it accepts is AWSCURRENT's, or AWSPENDING's
	}
	const attempts = 2 // the labels may move between reading them and asking the target
	var lost string
	for range attempts {
		if lost = t.unaccounted(ctx, r); lost == "" {
			return
		}
	}
	found.note("%s: the target accepts the value of %s in version %s, but no label says so", moment, t.kind, lost)
}

// unaccounted is a version with a value that the target accepts, although no label says
// so; "": there is none.
func (t target) unaccounted(ctx context.Context, r *rig.Rig) string {
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		return ""
	}
	told, untold := map[string]bool{}, map[string]document.Document{}
	for _, version := range state.Versions {
		d, err := document.Parse(version.Value)
		switch {
		case err != nil: // without a value
		case slices.ContainsFunc(version.Labels, func(label string) bool { return accountsFor(t.kind, label) }):
			told[t.value(d)] = true
		default:
			untold[version.ID] = d
		}
	}
	for id, d := range untold {
		if told[t.value(d)] {
			continue
		}
		if accepted, err := t.accepts(ctx, r, d); err == nil && accepted {
			return id
		}
	}
	return ""
}

// checkTargets checks what each target accepts at a moment.
func (s Scenario) checkTargets(ctx context.Context, r *rig.Rig, moment string, before snapshot, beginning bool, found *ledger) {
	for _, t := range s.on.targets {
		if err := t.acceptsCurrent(ctx, r); err != nil {
			found.note("%s: %v", moment, err)
		}
		t.checkAccounted(ctx, r, moment, found)
		if !s.emergency || stillCurrent(r, before) {
			t.checkOverlap(ctx, r, moment, before, beginning, found)
		}
	}
	checkKeyCount(r, moment, found)
}

// stillCurrent tells whether nothing has been promoted yet: AWSCURRENT has the same
// bytes, maybe under another version id.
func stillCurrent(r *rig.Rig, before snapshot) bool {
	version, _, ok := labelled(r, "AWSCURRENT")
	return ok && version.Value == before.version.Value
}

// checkFinal checks that a new value is current and works, and that no other does.
func (t target) checkFinal(ctx context.Context, r *rig.Rig, before snapshot, found *ledger) {
	state, err := r.AWS.SecretsManager.State(r.SecretARN)
	if err != nil {
		found.note("%v", err)
		return
	}
	current, err := document.Parse(state.Labelled("AWSCURRENT").Value)
	if err != nil {
		found.note("AWSCURRENT: %v", err)
		return
	}
	if t.value(current) == t.value(before.doc) && !before.leftOut(t, current) {
		found.note("%s was not rotated", t.kind)
	}
	works := t.works
	if works == nil {
		works = t.accepts
	}
	if ok, err := works(ctx, r, current); !ok {
		found.note("at the end: the value of %s in AWSCURRENT does not work (%v)", t.kind, err)
	}
	asked := []string{t.value(current)}
	for _, version := range state.Versions {
		d, err := document.Parse(version.Value)
		if err != nil || slices.Contains(asked, t.value(d)) {
			continue // no value, or one that was already checked
		}
		if before.leftOut(t, current) && t.secret(d) == t.secret(current) {
			continue // equal for the target: a webhook's next secret is not sent to it
		}
		asked = append(asked, t.value(d))
		if ok, err := works(ctx, r, d); ok || err != nil {
			found.note("at the end: the value of %s in version %s is accepted, or it is not known whether it is (%v)", t.kind, version.ID, err)
		}
	}
	if t.final != nil {
		t.final(r, current, found)
	}
}
