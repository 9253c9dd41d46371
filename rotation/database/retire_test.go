package database

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/rotation/credential"
)

func TestQuarantineAndRetireMayRunAnyNumberOfTimes(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	for range 2 {
		f.mustQuarantine(pendingPassword, f.first)
		f.accepts(false, f.first)
		f.accepts(true, pendingPassword)
	}
	for range 2 {
		if err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
			t.Fatalf("retire: %v", err)
		}
		f.accepts(false, f.first)
		f.accepts(true, pendingPassword)
	}
}

func TestRetireWithoutAQuarantineTakesTheOldPasswordAway(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	if err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
		t.Fatalf("retire: %v", err)
	}
	f.accepts(false, f.first)
	f.accepts(true, pendingPassword)
}

func TestAnOverlapOfAnotherServerOrUserIsNotTouched(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	for name, change := range map[string][2]string{
		"another host": {`"127.0.0.1"`, `"localhost"`},
		"another user": {f.user, f.user + "2"},
		"another port": {fmt.Sprintf(`"port":%d`, f.server.Port()), `"port":3307`},
	} {
		overlap := f.overlap(pendingPassword, f.first)
		overlap.Old = parse(t, strings.Replace(overlap.Old.Raw(), change[0], change[1], 1))
		for method, do := range map[string]func(context.Context, credential.Overlap) error{
			"Quarantine": f.Quarantine, "Restore": f.Restore, "Retire": f.Retire,
		} {
			err := do(t.Context(), overlap)
			if err == nil || !strings.Contains(err.Error(), "remove the old password by hand (ALTER USER … DISCARD OLD PASSWORD), then remove the label of that version") {
				t.Errorf("%s, %s: got %v", name, method, err)
			}
		}
	}
	f.accepts(true, f.first, pendingPassword)
}

// A DBA's ALTER USER without RETAIN replaces the primary password, and leaves the
// second one accepted, if there is one.
func TestAfterATakeAwayNoOtherPasswordIsLeftForAChangeByHandToUncover(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"self", "admin"} {
		for name, oldIsPrimary := range map[string]bool{"the old password is the second": false, "the old password is the primary one": true} {
			t.Run(way+"/"+name, func(t *testing.T) {
				f := newFixture(t, dualPrivilege)
				f.withAdmin()
				f.configure(func(c *Config) { c.Way = way })
				f.throughEveryCutOfATakeAway(oldIsPrimary)
			})
		}
	}
}

// throughEveryCutOfATakeAway cuts a take-away off before and after each of its
// statements, and repeats it.
func (f *fixture) throughEveryCutOfATakeAway(oldIsPrimary bool) {
	f.t.Helper()
	proxy := f.throughProxy()
	overlap := f.overlap(pendingPassword, f.first)
	for cut, statements := 0, 0; cut <= 2*statements; cut++ {
		if f.slots(pendingPassword, f.first); oldIsPrimary {
			f.slots(f.first, pendingPassword)
		}
		var seen atomic.Int64
		proxy.SetHook(func(_ context.Context, call mysqlproxy.Call) (action mysqlproxy.Action) {
			rehearsal := !strings.Contains(call.Text, "DISCARD") && strings.HasSuffix(call.Text, "REPLACE '…' RETAIN CURRENT PASSWORD") && seen.Load() == 0
			if call.Kind != mysqlproxy.Query || !strings.HasPrefix(call.Text, "ALTER USER") || rehearsal {
				return action
			}
			switch n := int(seen.Add(1)); cut {
			case 2*n - 1:
				action.Fault = mysqlproxy.Drop
			case 2 * n:
				action.Fault = mysqlproxy.LoseReply
			}
			return action
		})
		f.whileLoggingIn(&inService{password: pendingPassword}, func() {
			err := f.Retire(f.t.Context(), overlap)
			if cut == 0 {
				if statements = int(seen.Load()); statements < 2 {
					f.t.Fatalf("%d statements were seen", statements)
				}
			} else if err == nil {
				f.t.Errorf("cut %d of %d: no error", cut, 2*statements)
			}
			proxy.SetHook(nil)
			if err := f.Retire(f.t.Context(), overlap); err != nil {
				f.t.Errorf("cut %d of %d, again: %v", cut, 2*statements, err)
			}
		})
		f.accepts(false, f.first)
		f.admin("ALTER USER ? IDENTIFIED BY ?", f.user, unrelatedPassword)
		f.accepts(true, unrelatedPassword)
		f.accepts(false, f.first, pendingPassword)
	}
}
