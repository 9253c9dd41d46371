package rotation

import (
	"fmt"

	"mautic-rotation/rotation/ledger"
)

// Secrets Manager invokes the steps of a rotation, and what they answer goes to nobody. So the move
// of AWSCURRENT, of which EventBridge tells, has a reconcile tell of the promotion in its answer, which does go to
// people. It is told from the labels and the event alone: no call is made for it.
//
// It is told once for each event of the move. Secrets Manager sends one, and EventBridge delivers it once as a
// rule, and may twice: the version in the text tells the two from two promotions. A reconcile that fails is
// invoked again, and only the answer of the one that succeeds goes on. An event that comes when the rollout has
// converged already, or AWSCURRENT has moved on, tells nothing: what came after it was told.
//
// Which credentials a rotation was to change and left out is in no label, so that this cannot tell of them: their
// metric does, by its alarm.

// tells is the key of a line of the log that is a notice for the answer alone. The notice for those who
// read the log was in that of the step.
const tells = "tells"

// tellPromotion tells of the promotion that an event of a move of AWSCURRENT is about.
func (r *run) tellPromotion(s *sight) {
	of := s.rollout()
	told := r.movedTo == "" || r.movedTo == s.current
	if r.moved.IsZero() || !told || !s.promoted() || of.Open() && s.plan.Rollout.Here && r.moved.After(of.Since) {
		return
	}
	var rotated, accepted []string
	for _, k := range s.plan.Kinds {
		pending := k.Wanted.Current && k.Wanted.Entry.State == ledger.Pending
		if _, replaces := k.PromotedOver(of); !replaces && !pending {
			continue
		}
		rotated = append(rotated, k.Name)
		if !k.Single() {
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
