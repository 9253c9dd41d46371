package database

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

const logPrivilege = "SELECT ON performance_schema.error_log"

const (
	// shortWatch is for what shows no use: it goes on to its end.
	shortWatch = 300 * time.Millisecond
	// longWatch is for what shows some: it ends as soon as that is seen,
	// however long that takes on a busy machine.
	longWatch = time.Minute
)

// evidence watches while do runs over and over. What do does has to fall within
// a watch at least once, so one in which it does not is done again.
func (f *fixture) evidence(watch time.Duration, do func()) string {
	f.t.Helper()
	for range 20 {
		if evidence, times := f.watchOnce(watch, do); evidence != "" || times > 0 {
			return evidence
		}
	}
	f.t.Fatal("nothing was done within any of the watches: they have shown nothing")
	return ""
}

// watchOnce also tells how many times do began and ended within the watch.
func (f *fixture) watchOnce(watch time.Duration, do func()) (evidence string, times int) {
	f.t.Helper()
	begun, ended := make(chan struct{}), make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	f.proxy().SetHook(func(_ context.Context, call mysqlproxy.Call) (action mysqlproxy.Action) {
		if strings.HasPrefix(call.Text, "SHOW GLOBAL STATUS WHERE ") || strings.HasPrefix(call.Text, "SELECT TIMESTAMPDIFF(MICROSECOND, MIN(LOGGED)") { // a watch begins
			action.After = func(error) { begin() }
		}
		return action
	})
	var group sync.WaitGroup
	group.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond) // leaves the processor to other tests
		defer pace.Stop()
		<-begun
		for {
			do()
			select {
			case <-ended:
				return
			default:
				times++
			}
			select {
			case <-ended:
				return
			case <-pace.C:
			}
		}
	})
	overlap := f.overlap(pendingPassword, f.first)
	overlap.Quarantined = f.quarantined
	use, err := f.InUse(f.t.Context(), overlap, watch)
	begin() // where it came to none
	close(ended)
	group.Wait()
	f.proxy().SetHook(nil)
	if err != nil {
		f.t.Fatalf("in use: %v", err)
	}
	return use.Seen, times
}

// proxy is the one that the kind goes through from the first watch on.
func (f *fixture) proxy() *mysqlproxy.Proxy {
	f.t.Helper()
	if f.watched == nil {
		f.watched = f.throughProxy()
	}
	return f.watched
}

func TestUseOfTheOldPasswordShowsInTheServersLog(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	if got := f.evidence(shortWatch, func() { f.accepts(true, pendingPassword) }); got != "" {
		t.Errorf("logins by the current password: %q", got)
	}
	got := f.evidence(longWatch, func() { f.accepts(true, f.first) })
	if !strings.Contains(got, "logins of '"+f.user+"' at "+f.proxy().Addr()+" with its old password within ") {
		t.Errorf("logins by the old password: %q", got)
	}
	if got := f.evidence(shortWatch, func() { f.accepts(false, "an ancient one") }); got != "" {
		t.Errorf("refused logins, which are not by the old password: %q", got)
	}
	f.mustQuarantine(pendingPassword, f.first)
	f.quarantined = true
	got = f.evidence(longWatch, func() { f.accepts(false, f.first) })
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
		if got := f.evidence(shortWatch, func() {}); got != "" {
			t.Errorf("got %q", got)
		}
	}
}

func TestWhatOtherUsersDoIsNoUseOfTheOldPassword(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	other := newFixtureBeside(f)
	other.slots(pendingPassword, other.first)
	got := f.evidence(shortWatch, func() {
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
	mysqltest.Each(t, refusedConnectionsCount)
}

func refusedConnectionsCount(t *testing.T, shared *mysqlserver.Server) {
	f := newFixtureOn(t, mysqltest.Borrow(t, shared.Series())) // the count is of the whole server
	f.withAdmin()
	f.quarantined = true
	f.fill(pendingPassword, f.first)
	if got := f.evidence(shortWatch, func() { f.accepts(true, f.first, pendingPassword) }); got != "" {
		t.Errorf("logins that succeed do not show: %q", got)
	}
	once := sync.OnceFunc(func() {
		for range strayRefusals {
			f.accepts(false, "wrong")
		}
	})
	if got := f.evidence(shortWatch, once); got != "" {
		t.Errorf("a stray refused login: %q", got)
	}
	got := f.evidence(longWatch, func() { f.accepts(false, "wrong") })
	wants := []string{"(it does not say whose: the server does not log logins with the old password: SET GLOBAL log_error_verbosity = 3", "'" + f.user + "' at ", "GRANT SELECT ON performance_schema.error_log to it"}
	if f.onMariaDB() {
		wants = []string{"(it does not say whose: MariaDB does not log which password a login used"}
	}
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("many refused connections: got %q, want %q in it", got, want)
		}
	}
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	ctx, cancel := context.WithCancel(t.Context())
	f.proxy().SetHook(func(_ context.Context, call mysqlproxy.Call) (action mysqlproxy.Action) {
		if strings.Contains(call.Text, "FROM performance_schema.error_log") && strings.Contains(call.Text, "LOGGED >") {
			action.After = func(error) { cancel() } // in the midst of it
		}
		return action
	})
	// One that went on would be ended by go test, which says where it was.
	_, err := f.InUse(ctx, f.overlap(pendingPassword, f.first), 24*time.Hour)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAnOverlapEndsForUserNamesOfAnyCharacters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a_b%", `it's`, `say "x"`, `back\slash`, "at@home", "d'Östé"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := mysqltest.Shared(t)
			name := name + " of watch" // other tests have users of these names on the same server
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
			if got := f.evidence(longWatch, func() { f.accepts(true, f.first) }); !strings.Contains(got, "with its old password") {
				t.Errorf("logins by the old password: %q", got)
			}
			f.mustQuarantine(pendingPassword, f.first)
			f.accepts(false, f.first)
			f.quarantined = true
			if got := f.evidence(longWatch, func() { f.accepts(false, f.first) }); !strings.Contains(got, "refused logins") {
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

// slowWitness takes a while for each look, and sees nothing.
type slowWitness struct{ looks int }

func (w *slowWitness) seen(context.Context, time.Duration) (string, []string, error) {
	w.looks++
	time.Sleep(20 * time.Millisecond)
	return "", nil, nil
}

func TestAWatchEndsInTimeHoweverLongALookTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, began := &slowWitness{}, time.Now()
		if _, _, err := lookFor(t.Context(), w, false, 100*time.Millisecond, time.Millisecond); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); w.looks == 0 || took < 100*time.Millisecond || took > 125*time.Millisecond {
			t.Errorf("a watch of 100 ms, with looks of 20 ms, took %s and %d looks", took, w.looks)
		}
	})
}
