package rotation

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/ledger"
)

// Secrets Manager invokes the steps of a rotation, and nobody sees what they answer. So the
// reconcile for EventBridge's event about the move of AWSCURRENT reports the promotion, because
// its answer does reach people. It uses the labels and the event alone, without another call.
//
// It reports once for each event of the move. Secrets Manager sends one, and EventBridge usually
// delivers it once but may do so twice: the version in the text tells that from two promotions.
// If the reconcile for the event fails, nobody is notified: Lambda does not retry it (the stack's
// MaximumRetryAttempts is 0), and a later tick cannot know what was reported. The step's log has
// the notice, and the alarm on errors shows the failure. An event that comes after the rollout
// has converged, or after AWSCURRENT has moved on, reports nothing: what came later was reported.
//
// No label records which credentials a rotation left out, so this cannot report them; their
// metric and its alarm do.

// tells is the key of a log line that is a notice for the answer alone. For readers of the log,
// the step's log already has the notice.
const tells = "tells"

// proofTakes is the longest time between a promotion and noting its values as accepted: a step
// does that before it ends, and Lambda ends the step by then.
const proofTakes = 15 * time.Minute

// tellPromotion reports the promotion that a move event is about.
func (r *run) tellPromotion(s *sight) {
	of := s.rollout()
	told := r.movedTo == "" || r.movedTo == s.current
	fresh := r.promotedAt(s)
	begun := s.promoted() && (!of.Open() || !s.plan.Rollout.Here || !r.moved.After(of.Since))
	over := !r.moved.After(of.Since) && (of.RolledBack || of.Promoted && !of.Open())
	if r.moved.IsZero() || !told || over || !begun && len(fresh) == 0 {
		return
	}
	var accepted []string
	rotated := fresh
	for _, k := range s.plan.Kinds {
		_, replaces := k.PromotedOver(of)
		if !slices.Contains(fresh, k.Name) {
			if !begun || !replaces || !of.Open() {
				continue
			}
			rotated = append(rotated, k.Name)
		}
		if !k.Single() && len(k.Old) > 0 {
			accepted = append(accepted, k.Name)
		}
	}
	text := fmt.Sprintf("%s rotated: version %s is AWSCURRENT.", inWords(rotated), s.current)
	if len(rotated) == 0 { // no label of the old values is left: an emergency has retired them
		text = fmt.Sprintf("a rotation has made version %s AWSCURRENT.", s.current)
	}
	switch {
	case r.byEmergency(s.current):
		text = "emergency: " + text + " The old value is revoked at once, and tasks that use it fail until they are replaced."
	case len(accepted) > 0:
		text += fmt.Sprintf(" The old value of %s may be accepted until it is retired, when nothing needs it any more.", inWords(accepted))
	}
	r.log.Info(SecretName(r.event.SecretID)+": "+text, tells, didPromote)
}

// promotedAt returns the kinds whose value on AWSCURRENT is still noted as pending, or was until
// it was noted as accepted right after the move. That is then not its first entry there, as it
// would be for a value that did not change or that someone stored. What AWSCURRENT is moved back
// to was noted before.
func (r *run) promotedAt(s *sight) (kinds []string) {
	page := s.page()
	for _, name := range page.Kinds() {
		e := page.Entries[name]
		after := e.At.Sub(r.moved.Truncate(time.Second))
		if e.State == ledger.Pending || e.State == ledger.Proven && e.Count > 1 && after >= 0 && after <= proofTakes {
			kinds = append(kinds, name)
		}
	}
	return kinds
}

// promoted reports whether a rotation made the present AWSCURRENT, and its rollout is open or
// about to begin.
func (s *sight) promoted() bool {
	if s.plan.Rollout.Here && s.plan.Rollout.Open() && s.plan.Rollout.Promoted {
		return true
	}
	for _, e := range s.page().Entries {
		if e.State == ledger.Pending {
			return true
		}
	}
	return false
}
