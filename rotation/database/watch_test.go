package database

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

const logPrivilege = "SELECT ON performance_schema.error_log"

// evidence watches for a short time while do runs over and over.
func (f *fixture) evidence(do func()) string {
	f.t.Helper()
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond) // leaves the processor to other tests
		defer pace.Stop()
		for {
			do()
			select {
			case <-stop:
				return
			case <-pace.C:
			}
		}
	})
	overlap := f.overlap(pendingPassword, f.first)
	overlap.Quarantined = f.quarantined
	watch := shortWatch
	if f.quarantined {
		watch *= 5 // some refused logins have to fit in, on a busy machine too
	}
	evidence, err := f.InUse(f.t.Context(), overlap, watch)
	close(stop)
	group.Wait()
	if err != nil {
		f.t.Fatalf("in use: %v", err)
	}
	return evidence
}

const shortWatch = 300 * time.Millisecond

func TestUseOfTheOldPasswordShowsInTheServersLog(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	if got := f.evidence(func() { f.accepts(true, pendingPassword) }); got != "" {
		t.Errorf("logins by the current password: %q", got)
	}
	got := f.evidence(func() { f.accepts(true, f.first) })
	if !strings.Contains(got, "logins of '"+f.user+"' at "+f.server.Addr()+" by its old password within 300ms") {
		t.Errorf("logins by the old password: %q", got)
	}
	if got := f.evidence(func() { f.accepts(false, "an ancient one") }); got != "" {
		t.Errorf("refused logins, which are not by the old password: %q", got)
	}
	f.mustQuarantine(pendingPassword, f.first)
	f.quarantined = true
	got = f.evidence(func() { f.accepts(false, f.first) })
	if !strings.Contains(got, "refused logins of '"+f.user+"' at ") {
		t.Errorf("logins by the old password that are refused: %q", got)
	}
}

func TestWhatWasBeforeTheWatchIsNoUseOfTheOldPassword(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	for range 5 {
		f.accepts(true, f.first)
		f.accepts(false, "wrong") // as the function's own probe, right before
		if got := f.evidence(func() {}); got != "" {
			t.Errorf("got %q", got)
		}
	}
}

func TestWhatOtherUsersDoIsNoUseOfTheOldPassword(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	other := newFixtureBeside(f)
	other.slots(pendingPassword, other.first)
	got := f.evidence(func() {
		other.accepts(true, other.first)
		other.accepts(false, "wrong")
		for _, similar := range []string{f.user + "2", "2" + f.user} {
			if f.server.Login(t.Context(), similar, "wrong", "") == nil {
				t.Error("a user that does not exist was let in")
			}
		}
	})
	if got != "" {
		t.Errorf("got %q", got)
	}
}

func TestWithoutThePrivilegeToReadTheLogRefusedConnectionsCount(t *testing.T) {
	t.Parallel()
	server, err := mysqlserver.Start(t.Context(), mysqlserver.Options{}) // its own: the count is of the whole server
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	user, first := mysqltest.UniqueUserOn(t, server, dualPrivilege)
	f := &fixture{Kind: newKind(t, server.CAFile()), t: t, server: server, user: user, first: first, quarantined: true}
	f.slots(pendingPassword, f.first)
	if got := f.evidence(func() { f.accepts(true, f.first, pendingPassword) }); got != "" {
		t.Errorf("logins that succeed do not show: %q", got)
	}
	var atRest atomic.Int64
	if got := f.evidence(func() {
		if atRest.Add(1) <= refusedAtRest {
			f.accepts(false, "wrong")
		}
	}); got != "" {
		t.Errorf("a few refused connections: %q", got)
	}
	got := f.evidence(func() { f.accepts(false, "wrong") })
	for _, want := range []string{"(of whomever: ", "GRANT SELECT ON performance_schema.error_log to '" + user + "' at "} {
		if !strings.Contains(got, want) {
			t.Errorf("many refused connections: got %q, want %q in it", got, want)
		}
	}
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := f.InUse(ctx, f.overlap(pendingPassword, f.first), time.Minute)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
}

func TestAnOverlapEndsForUserNamesOfAnyCharacters(t *testing.T) {
	for _, name := range []string{"a_b%", `it's`, `say "x"`, `back\slash`, "at@home", "d'Östé"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := mysqltest.Shared(t)
			f := &fixture{Kind: newKind(t, server.CAFile()), t: t, server: server, user: name, first: abandonedPassword}
			if err := server.CreateUser(t.Context(), name, "%", f.first, dualPrivilege, logPrivilege); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { server.Admin().Exec("DROP USER ?@'%'", name) })
			f.mustSet(f.first, pendingPassword)
			release, ok := f.exclusive(pendingPassword, f.first)
			if !ok {
				t.Fatal("not let in")
			}
			defer release()
			if got := f.evidence(func() { f.accepts(true, f.first) }); !strings.Contains(got, "by its old password") {
				t.Errorf("logins by the old password: %q", got)
			}
			f.mustQuarantine(pendingPassword, f.first)
			f.accepts(false, f.first)
			f.quarantined = true
			if got := f.evidence(func() { f.accepts(false, f.first) }); !strings.Contains(got, "refused logins") {
				t.Errorf("refused logins: %q", got)
			}
			f.mustRestore()
			f.accepts(true, f.first, pendingPassword)
			if err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
				t.Errorf("retire: %v", err)
			}
			f.accepts(false, f.first)
			f.accepts(true, pendingPassword)
		})
	}
}
