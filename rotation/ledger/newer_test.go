package ledger

import (
	"slices"
	"testing"
	"time"
)

// book is what is read of the labels of one version.
func book(t *testing.T, pages ...Page) Page {
	t.Helper()
	var labels []string
	for _, p := range pages {
		label, err := p.Label()
		if err != nil {
			t.Fatal(err)
		}
		labels = append(labels, label)
	}
	b, err := Read(map[string][]string{one: labels})
	if err != nil {
		t.Fatal(err)
	}
	return b.Page(one)
}

func TestTheNewerEntryHoldsWhateverItsStateIs(t *testing.T) {
	for _, was := range states {
		for _, is := range states {
			before := Page{Version: one}.With("database", was, later)
			after := before.With("database", is, began)
			for _, pages := range [][]Page{{before, after}, {after, before}} {
				if got := book(t, pages...).Entries["database"]; got.State != is || !got.At.Equal(began) {
					t.Errorf("%s became %s, and %s at %s is read", was, is, got.State, got.At)
				}
			}
		}
	}
}

func TestARolloutThatHasConvergedIsNoReasonToRollBack(t *testing.T) {
	r := Rollout{Since: began, Promoted: true, Emergency: true, Unhealthy: later}.ConvergedAt(later)
	if want := (Rollout{Since: began, Converged: later}); r != want {
		t.Errorf("got %+v", r)
	}
	if early := r.ConvergedAt(began.Add(-time.Second)); !early.Converged.Equal(began) {
		t.Errorf("a rollout of %s has converged at %s", began, early.Converged)
	}
}

func TestOnlyARefusedValueIsNotLive(t *testing.T) {
	dead := []State{"", Failed}
	for _, s := range append(dead, states...) {
		if s.Live() == slices.Contains(dead, s) {
			t.Errorf("%q: live is %v", s, s.Live())
		}
	}
}
