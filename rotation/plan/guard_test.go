package plan

import (
	"strings"
	"testing"
	"time"

	"mautic-rotation/rotation/ledger"
)

func TestGuardDecidesByTheSecretsMetadata(t *testing.T) {
	marked := func(state ledger.State) ledger.Page { return ledger.Page{}.With("database", state, time.Time{}) }
	for _, tc := range []struct {
		name      string
		change    func(*Rotation)
		promoted  bool
		wantError string
	}{
		{name: "pending", change: func(*Rotation) {}},
		{name: "made", change: func(r *Rotation) { r.Page = marked(ledger.Pending) }},
		{name: "promoted", change: func(r *Rotation) { r.Current, r.Pending = r.Token, false }, promoted: true},
		{name: "promoted, with AWSPENDING left on it", change: func(r *Rotation) { r.Current = r.Token }, promoted: true},
		{name: "owned by a service", change: func(r *Rotation) { r.Owner = "rds" }, wantError: "owned by the service rds"},
		{name: "rotation off", change: func(r *Rotation) { r.Enabled, r.Pending = false, false }, wantError: "rotation is not enabled"},
		{name: "turned off during the rotation", change: func(r *Rotation) { r.Enabled = false }, wantError: "mautic-rotation abandon"},
		{name: "turned off after the promotion", change: func(r *Rotation) { r.Enabled, r.Current = false, r.Token }, promoted: true, wantError: "rotation is not enabled"},
		{name: "unknown token", change: func(r *Rotation) { r.Labelled, r.Pending = false, false }, wantError: "the secret has no version token-0123"},
		{name: "given up", change: func(r *Rotation) { r.Pending = false }, wantError: "is not AWSPENDING"},
		{name: "nothing current", change: func(r *Rotation) { r.Current = "" }, wantError: "no AWSCURRENT version"},
		{name: "to be rolled back", change: func(r *Rotation) { r.Current, r.Page = r.Token, marked(ledger.RolledBack) }, promoted: true, wantError: "was rolled back"},
		{name: "rolled back", change: func(r *Rotation) { r.Page = marked(ledger.Failed) }, wantError: "was rolled back"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := Rotation{Token: "token-0123", Labelled: true, Pending: true, Current: "other-0123", Enabled: true}
			tc.change(&r)
			if r.Promoted() != tc.promoted {
				t.Errorf("promoted: %v", r.Promoted())
			}
			if err := Guard(r); (err == nil) != (tc.wantError == "") || err != nil && !strings.Contains(err.Error(), tc.wantError) {
				t.Errorf("got error %v, want %q", err, tc.wantError)
			}
		})
	}
}
