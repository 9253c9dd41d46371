package database

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestQuarantineTakesTheOldPasswordAwayAndNothingElse(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	service := &inService{password: f.first}
	f.whileLoggingIn(service, func() {
		old := f.first
		for range 20 {
			current := f.config.Passwords.Generate()
			f.mustSet(old, current)
			service.promote(current)
			f.mustQuarantine(current, old)
			f.accepts(false, old)
			f.accepts(true, current)
			old = current
		}
	})
}

func TestQuarantineMayRunManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	for name, oldIsPrimary := range map[string]bool{"the old password is the second": false, "the old password is the primary one": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, dualPrivilege)
			if f.slots(pendingPassword, f.first); oldIsPrimary {
				f.slots(f.first, pendingPassword)
			}
			overlap := f.overlap(pendingPassword, f.first)
			f.whileLoggingIn(&inService{password: pendingPassword}, func() {
				var group sync.WaitGroup
				for range 6 {
					group.Go(func() {
						if err := f.Quarantine(t.Context(), overlap); err != nil {
							t.Errorf("quarantine: %v", err)
						}
					})
				}
				group.Wait()
			})
			f.accepts(false, f.first)
		})
	}
}

func TestQuarantineOfARolledBackPasswordKeepsTheCurrentOne(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	for range 5 {
		f.slots(pendingPassword, f.first) // the bad one is still the primary
		f.whileLoggingIn(&inService{password: f.first}, func() {
			f.mustQuarantine(f.first, pendingPassword)
		})
		f.accepts(true, f.first)
		f.accepts(false, pendingPassword)
	}
}

func TestQuarantineLeavesAPasswordThatIsNotTheOldOneAlone(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.slots(f.first, unrelatedPassword)
	f.mustQuarantine(f.first, abandonedPassword) // which a later rotation has evicted
	f.accepts(true, f.first, unrelatedPassword)

	f.slots(unrelatedPassword, f.first) // the current one is the second
	f.mustQuarantine(f.first, abandonedPassword)
	f.accepts(true, f.first, unrelatedPassword)

	// A version with the same password has nothing to take away.
	if err := f.Quarantine(t.Context(), f.overlap(f.first, f.first)); err == nil {
		t.Error("the current password was taken for an old one")
	}
	f.accepts(true, f.first, unrelatedPassword)
}

func TestQuarantineNeedsTheCurrentPasswordToBeAccepted(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	err := f.Quarantine(t.Context(), f.overlap(pendingPassword, f.first)) // nothing was set
	if err == nil || !strings.Contains(err.Error(), "log in with the AWSCURRENT password: MySQL error 1045") {
		t.Errorf("got %v", err)
	}
	f.accepts(true, f.first)
}

func TestQuarantineChangesNothingWhileTheAccountIsLocked(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	f.admin("ALTER USER ? ACCOUNT LOCK", f.user)
	err := f.Quarantine(t.Context(), f.overlap(pendingPassword, f.first))
	if err == nil || !strings.Contains(err.Error(), "MySQL error 3118") {
		t.Errorf("got %v", err)
	}
	f.admin("ALTER USER ? ACCOUNT UNLOCK", f.user)
	f.accepts(true, f.first, pendingPassword)
}

func TestAQuarantineThatMeetsABegunRotationStopsThroughConfirm(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	overlap := f.overlap(pendingPassword, f.first)
	begun := errors.New("a rotation is under way")
	overlap.Confirm = func(context.Context) error { return begun }

	// The rotation has the lock, and sets its password while the quarantine
	// waits for it.
	s := f.lockedSession(pendingPassword)
	defer s.Close()
	result := make(chan error, 1)
	go func() { result <- f.Quarantine(t.Context(), overlap) }()
	f.awaitWaiter()
	if err := s.Exec(t.Context(), swapStatement, unrelatedPassword, pendingPassword); err != nil {
		t.Fatal(err)
	}
	s.Close()
	// The old password is gone by then, and what has been set stays.
	if err := <-result; err != nil {
		t.Errorf("got %v, want nothing to be done", err)
	}
	f.accepts(true, pendingPassword, unrelatedPassword)

	f.slots(f.first, pendingPassword) // the old one is the primary
	if err := f.Quarantine(t.Context(), overlap); !errors.Is(err, begun) {
		t.Errorf("got %v, want the error of Confirm", err)
	}
	f.accepts(true, pendingPassword, f.first)
}

func TestAQuarantineAndASetOfAnotherRotationMayRunAtOnce(t *testing.T) {
	t.Parallel()
	for name, oldIsPrimary := range map[string]bool{"the old password is the second": false, "the old password is the primary one": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, dualPrivilege)
			service := &inService{password: f.first}
			f.whileLoggingIn(service, func() {
				for round := range 16 {
					f.raceSetAndQuarantine(service.password, oldIsPrimary, round%2 == 0)
				}
			})
		})
	}
}

// raceSetAndQuarantine sets a new password while an old one is taken away. The
// set marks itself as begun before, as the engine does in the journal.
func (f *fixture) raceSetAndQuarantine(current string, oldIsPrimary, setFirst bool) {
	f.t.Helper()
	old, next := f.config.Passwords.Generate(), f.config.Passwords.Generate()
	// By way of the current password, which has to be accepted at every moment.
	f.admin("ALTER USER ? IDENTIFIED BY ? RETAIN CURRENT PASSWORD", f.user, current)
	f.admin("ALTER USER ? IDENTIFIED BY ? RETAIN CURRENT PASSWORD", f.user, old)
	if !oldIsPrimary {
		f.admin("ALTER USER ? IDENTIFIED BY ? RETAIN CURRENT PASSWORD", f.user, current)
	}
	var begun atomic.Bool
	underWay := errors.New("a rotation is under way")
	overlap, change := f.overlap(current, old), f.change(current, next)
	overlap.Confirm = func(context.Context) error {
		if begun.Load() {
			return underWay
		}
		return nil
	}
	set := func() {
		begun.Store(true)
		if err := f.Set(f.t.Context(), change); err != nil {
			f.t.Errorf("set: %v", err)
		}
	}
	quarantine := func() {
		if err := f.Quarantine(f.t.Context(), overlap); err != nil && !errors.Is(err, underWay) {
			f.t.Errorf("quarantine: %v", err)
		}
	}
	var group sync.WaitGroup
	if setFirst {
		group.Go(set)
		group.Go(quarantine)
	} else {
		group.Go(quarantine)
		group.Go(set)
	}
	group.Wait()
	f.accepts(true, current, next)
	f.accepts(false, old)
}

func TestAPasswordHistoryIsNamedAndNothingIsChanged(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.admin("ALTER USER ? PASSWORD HISTORY 5", f.user)
	f.admin("ALTER USER ? IDENTIFIED BY ? RETAIN CURRENT PASSWORD", f.user, pendingPassword) // as if it had been switched on after the set
	err := f.Quarantine(t.Context(), f.overlap(pendingPassword, f.first))
	for _, want := range []string{"MySQL error 3638", "PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY", f.user} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	f.accepts(true, f.first, pendingPassword)
}
