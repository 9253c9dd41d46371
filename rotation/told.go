package rotation

import (
	"fmt"
	"slices"
	"time"

	"mautic-rotation/rotation/ledger"
)

// Secrets Manager invokes the steps of a rotation, and what they answer goes to nobody. So the move
// of AWSCURRENT, of which EventBridge tells, has a reconcile tell of the promotion in its answer, which does go to
// people. It is told from the labels and the event alone: no call is made for it.
//
// It is told once for each event of the move. Secrets Manager sends one, and EventBridge delivers it once as a
// rule, and may twice: the version in the text tells the two from two promotions. If the reconcile of the event
// fails, nobody is told: Lambda does not invoke it again (the stack's MaximumRetryAttempts is 0), and a later tick
// cannot know what was told. The log of the step has the notice, and the alarm on errors tells of the failure. An
// event that comes when the rollout has converged already, or AWSCURRENT has moved on, tells nothing: what came
// after it was told.
//
// Which credentials a rotation was to change and left out is in no label, so that this cannot tell of them: their
// metric does, by its alarm.

// tells is the key of a line of the log that is a notice for the answer alone. The notice for those who
// read the log was in that of the step.
const tells = "tells"

// proofTakes is how long after a promotion its values are noted as accepted, at most: a step does that before it
// ends, and Lambda ends it then.
const proofTakes = 15 * time.Minute

// tellPromotion tells of the promotion that an event of a move of AWSCURRENT is about.
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
	if len(rotated) == 0 { // no label is left of the old values: an emergency has taken them away
		text = fmt.Sprintf("a rotation has made version %s AWSCURRENT.", s.current)
	}
	switch {
	case r.byEmergency(s.current):
		text = "emergency: " + text + " The old value is taken away at once, and tasks that have it fail until they are replaced."
	case len(accepted) > 0:
		text += fmt.Sprintf(" The old value of %s may be accepted until it is taken out of service, when nothing needs it any more.", inWords(accepted))
	}
	r.log.Info(SecretName(r.event.SecretID)+": "+text, tells, didPromote)
}

// promotedAt are the kinds whose value on AWSCURRENT is still noted as pending, or was until it was noted as accepted
// right after the move: that is not its first entry there, as it is of a value that stays as it was, or that somebody
// has stored. What AWSCURRENT is moved back to was noted before.
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

// promoted tells that a rotation has made AWSCURRENT what it is, and its rollout is open, or about to begin.
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
