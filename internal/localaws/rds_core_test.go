package localaws_test

import (
	"context"
	"testing"

	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/rds"
)

// byHand keeps the changes that were ordered.
type byHand struct{ ordered []*rds.Change }

func (h *byHand) Ordered(c *rds.Change) { h.ordered = append(h.ordered, c) }

func TestAChangeOfAPasswordIsSteppedByHandWithoutAServer(t *testing.T) {
	t.Parallel()
	changes, set := &byHand{}, ""
	s := rds.NewCore(localtest.NewWorld().Env(1), rds.Options{}, changes)
	err := s.CreateDBInstance(rds.DBInstance{Identifier: "mautic", Master: rds.MasterUser{
		SetPassword: func(_ context.Context, _, password string) error { set = password; return nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	password := newPassword
	if _, err := s.ModifyDBInstance(t.Context(), rds.ModifyDBInstanceInput{DBInstanceIdentifier: "mautic", MasterUserPassword: &password}); err != nil {
		t.Fatal(err)
	}
	want := func(status string, pending bool, times int) {
		t.Helper()
		state, err := s.InstanceState("mautic")
		if err != nil || state.Status != status || state.PasswordPending != pending || state.PasswordsSet != times {
			t.Errorf("%+v, %v", state, err)
		}
	}
	want("available", true, 0)
	if len(changes.ordered) != 1 {
		t.Fatalf("%d changes were ordered", len(changes.ordered))
	}
	changes.ordered[0].Begin()
	want("resetting-master-credentials", true, 0)
	changes.ordered[0].Apply(t.Context())
	want("available", false, 1)
	if set != password {
		t.Error("another password was set")
	}
}
