package database

import (
	"testing"

	"mautic-rotation/rotation/mysql"
)

func TestRestoreAcceptsTheOldPasswordAgain(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	f.mustQuarantine(pendingPassword, f.first)
	f.whileLoggingIn(&inService{password: pendingPassword}, func() {
		for range 2 {
			f.mustRestore()
			f.accepts(true, f.first, pendingPassword)
		}
	})
	f.mustQuarantine(pendingPassword, f.first)
	f.accepts(false, f.first)
	f.accepts(true, pendingPassword)
}

func TestRestoreGoesOnAfterACrashBetweenItsTwoStatements(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.slots(f.first, pendingPassword) // after the first: the old one is the primary
	f.whileLoggingIn(&inService{password: pendingPassword}, func() { f.mustRestore() })
	f.accepts(true, f.first, pendingPassword)
	f.isPrimary(pendingPassword)

	f.slots(f.first, pendingPassword)
	f.mustQuarantine(pendingPassword, f.first) // instead of another attempt
	f.accepts(false, f.first)
	f.accepts(true, pendingPassword)
}

func TestRestoreDoesNotEvictWhatAnotherRotationHasSet(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.slots(unrelatedPassword, pendingPassword) // set beside the current one
	err := f.Restore(t.Context(), f.overlap(pendingPassword, f.first))
	if !mysql.Is(err, mysql.NotCurrentPassword) {
		t.Errorf("got %v, want MySQL's error 3891", err)
	}
	f.accepts(true, pendingPassword, unrelatedPassword)
	f.accepts(false, f.first)
}
