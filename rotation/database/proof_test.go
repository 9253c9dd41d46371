package database

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/mysql"
)

// A take-away is over when the old password is seen refused, and nothing is taken
// away or written that another one's turn it is to write.

// eachWay runs a test with each way that keeps the old password, on each server.
func eachWay(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		t.Run("self", func(t *testing.T) {
			privilege := dualPrivilege
			if server.IsMariaDB() {
				privilege = createUser
			}
			test(t, newFixtureOn(t, server, privilege))
		})
		t.Run("admin", func(t *testing.T) {
			f := newFixtureOn(t, server)
			f.withAdmin()
			test(t, f)
		})
	})
}

// afterAChange has do run when a statement has changed the account's passwords:
// the rehearsal of one on MySQL fails, and a look at the primary password (REPLACE
// without RETAIN) changes nothing.
func afterAChange(call mysqlproxy.Call, action *mysqlproxy.Action, do func()) {
	looks := strings.HasSuffix(call.Text, "REPLACE '…'")
	changes := strings.Contains(call.Text, "IDENTIFIED") || strings.Contains(call.Text, "DISCARD")
	if call.Kind == mysqlproxy.Query && strings.HasPrefix(call.Text, "ALTER USER") && changes && !looks {
		action.After = func(err error) {
			if err == nil {
				do()
			}
		}
	}
}

func TestAPasswordThatIsAcceptedAgainAfterItsTakeAwayIsNotRetired(t *testing.T) {
	eachWay(t, func(t *testing.T, f *fixture) {
		f.mustSet(f.first, pendingPassword)
		proxy := f.throughProxy()
		var putBack atomic.Int64
		proxy.SetHook(func(_ context.Context, call mysqlproxy.Call) (action mysqlproxy.Action) {
			afterAChange(call, &action, func() { // as by a replica that is promoted just now
				putBack.Add(1)
				f.fill(pendingPassword, f.first)
			})
			return action
		})
		err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first))
		if putBack.Load() == 0 {
			t.Fatal("nothing was taken away")
		}
		if err == nil || !strings.Contains(err.Error(), "the old password is still accepted after it was retired") {
			t.Errorf("got %v", err)
		}
		proxy.SetHook(nil)
		if err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
			t.Errorf("again: %v", err)
		}
		f.accepts(false, f.first)
	})
}

func TestAServerThatCannotBeReachedProvesNothingOfAnOldPassword(t *testing.T) {
	eachWay(t, func(t *testing.T, f *fixture) {
		f.mustSet(f.first, pendingPassword)
		proxy := f.throughProxy()
		var down atomic.Bool
		proxy.SetHook(func(_ context.Context, call mysqlproxy.Call) (action mysqlproxy.Action) {
			if call.Kind == mysqlproxy.Login && down.Load() {
				action.Fault = mysqlproxy.Drop
			}
			afterAChange(call, &action, func() { down.Store(true) })
			return action
		})
		err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first))
		if !down.Load() {
			t.Fatal("nothing was taken away")
		}
		if err == nil || !strings.Contains(err.Error(), "prove that the old password is refused") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNoOldPasswordIsTakenAwayBeforeItIsKnownWhetherItIsAccepted(t *testing.T) {
	eachWay(t, func(t *testing.T, f *fixture) {
		f.mustSet(f.first, pendingPassword)
		proxy := f.throughProxy()
		var changes, logins atomic.Int64
		proxy.SetHook(func(_ context.Context, call mysqlproxy.Call) (action mysqlproxy.Action) {
			if call.Kind == mysqlproxy.Login && call.User == f.user && logins.Add(1) > 1 {
				action.Fault = mysqlproxy.Drop // the first one is with the current password
			}
			afterAChange(call, &action, func() { changes.Add(1) })
			return action
		})
		err := f.Quarantine(t.Context(), f.overlap(pendingPassword, f.first))
		if err == nil || !strings.Contains(err.Error(), "find out whether the old password is accepted") || changes.Load() > 0 {
			t.Errorf("got %v after %d changes", err, changes.Load())
		}
		f.accepts(true, f.first, pendingPassword)
	})
}

func TestNothingIsTakenAwayOrSetWithoutTheLabelsBeingReadUnderTheLock(t *testing.T) {
	moved := errors.New("AWSCURRENT has moved")
	eachWay(t, func(t *testing.T, f *fixture) {
		held := 0
		confirm := func(ctx context.Context) error {
			var holder *int
			if err := f.server.Admin().QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", mysql.LockName("set", f.user)).Scan(&holder); err != nil {
				t.Error(err)
			}
			if holder != nil {
				held++
			}
			return moved
		}
		change := f.change(f.first, pendingPassword)
		change.Confirm = confirm
		if err := f.Set(t.Context(), change); !errors.Is(err, moved) {
			t.Errorf("set: got %v, want the error of Confirm", err)
		}
		f.accepts(false, pendingPassword)

		f.mustSet(f.first, pendingPassword)
		overlap := f.overlap(pendingPassword, f.first)
		overlap.Confirm = confirm
		for name, do := range map[string]func(context.Context, credential.Overlap) error{"quarantine": f.Quarantine, "retire": f.Retire} {
			if err := do(t.Context(), overlap); !errors.Is(err, moved) {
				t.Errorf("%s: got %v, want the error of Confirm", name, err)
			}
		}
		f.accepts(true, f.first, pendingPassword)
		if held != 3 {
			t.Errorf("the lock was held for %d of 3 looks at the labels", held)
		}
	})
}

func TestAnUnknownPrimaryPasswordIsNotReplaced(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, abandonedPassword) // the current one is the second
	proxy := f.throughProxy()
	var logins atomic.Int64
	proxy.SetHook(func(_ context.Context, call mysqlproxy.Call) (action mysqlproxy.Action) {
		if call.Kind == mysqlproxy.Login && logins.Add(1) == 2 {
			action.Fault = mysqlproxy.Drop // the one with the pending password
		}
		return action
	})
	err := f.Set(t.Context(), f.change(f.first, pendingPassword))
	if err == nil || !strings.Contains(err.Error(), "cannot tell which password is the primary one, so nothing was changed") {
		t.Errorf("got %v", err)
	}
	f.accepts(true, f.first, abandonedPassword)
	f.accepts(false, pendingPassword)
}
