package database

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/load"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

const logPrivilege = "SELECT ON performance_schema.error_log"

// evidence watches for a short time while do runs over and over: for what is no
// use of the old password.
func (f *fixture) evidence(do func()) string {
	f.t.Helper()
	return f.watched(200*time.Millisecond, do)
}

// evidenceSoon watches while do runs over and over, until something is seen: for
// what is use of the old password.
func (f *fixture) evidenceSoon(do func()) string {
	f.t.Helper()
	return f.watched(time.Minute, do)
}

func (f *fixture) watched(watch time.Duration, do func()) string {
	f.t.Helper()
	doing, err := load.Start(f.t.Context(), 10*time.Millisecond, load.Worker{Name: "meanwhile", Use: func(context.Context) error { do(); return nil }})
	if err != nil {
		f.t.Fatal(err)
	}
	overlap := f.overlap(pendingPassword, f.first)
	overlap.Quarantined = f.quarantined
	evidence, err := f.InUse(f.t.Context(), overlap, watch)
	if err := errors.Join(err, doing.Stop()); err != nil {
		f.t.Fatalf("in use: %v", err)
	}
	return evidence
}

func TestUseOfTheOldPasswordShowsInTheServersLog(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	if got := f.evidence(func() { f.accepts(true, pendingPassword) }); got != "" {
		t.Errorf("logins by the current password: %q", got)
	}
	got := f.evidenceSoon(func() { f.accepts(true, f.first) })
	if !strings.Contains(got, "logins of '"+f.user+"' at "+f.server.Addr()+" by its old password within ") {
		t.Errorf("logins by the old password: %q", got)
	}
	if got := f.evidence(func() { f.accepts(false, "an ancient one") }); got != "" {
		t.Errorf("refused logins, which are not by the old password: %q", got)
	}
	f.mustQuarantine(pendingPassword, f.first)
	f.quarantined = true
	got = f.evidenceSoon(func() { f.accepts(false, f.first) })
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
	got := f.evidenceSoon(func() { f.accepts(false, "wrong") })
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
	const watch = time.Hour
	_, err := f.InUse(ctx, f.overlap(pendingPassword, f.first), watch)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > watch/2 {
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
			if got := f.evidenceSoon(func() { f.accepts(true, f.first) }); !strings.Contains(got, "by its old password") {
				t.Errorf("logins by the old password: %q", got)
			}
			f.mustQuarantine(pendingPassword, f.first)
			f.accepts(false, f.first)
			f.quarantined = true
			if got := f.evidenceSoon(func() { f.accepts(false, f.first) }); !strings.Contains(got, "refused logins") {
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
