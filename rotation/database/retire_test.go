package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation"
)

const unrelatedPassword = "unrelated-PASSWORD-0123456789"

func (f *fixture) overlap(current, old string) rotation.Overlap {
	return rotation.Overlap{
		Current: f.doc(current),
		Old:     f.doc(old),
		Confirm: func(context.Context) error { return nil },
		Log:     slog.New(slog.DiscardHandler),
	}
}

// slots fills both slots of the account by hand.
func (f *fixture) slots(primary, second string) {
	f.t.Helper()
	f.admin("ALTER USER ? IDENTIFIED BY ?", f.user, second)
	f.admin("ALTER USER ? IDENTIFIED BY ? RETAIN CURRENT PASSWORD", f.user, primary)
	f.accepts(true, primary, second)
}

func (f *fixture) mustQuarantine(current, old string) {
	f.t.Helper()
	if err := f.Quarantine(f.t.Context(), f.overlap(current, old)); err != nil {
		f.t.Fatalf("quarantine: %v", err)
	}
}

// mustRestore is for the first password, beside the pending one.
func (f *fixture) mustRestore() {
	f.t.Helper()
	if err := f.Restore(f.t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
		f.t.Fatalf("restore: %v", err)
	}
}

// inService is the password that is AWSCURRENT, which logins use all the time.
type inService struct {
	mu       sync.RWMutex
	password string
}

// promote waits for the logins that have begun with the one before.
func (s *inService) promote(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}

// whileLoggingIn calls do while logins with the password in service go on, none
// of which may fail.
func (f *fixture) whileLoggingIn(s *inService, do func()) {
	f.t.Helper()
	var logins, failures atomic.Int64
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s.mu.RLock()
				err := f.server.Login(f.t.Context(), f.user, s.password, "")
				s.mu.RUnlock()
				logins.Add(1)
				if err != nil && failures.Add(1) == 1 {
					f.t.Errorf("a login with the password in service: %v", err)
				}
			}
		})
	}
	defer func() {
		close(stop)
		group.Wait()
		if failures.Load() > 0 || logins.Load() == 0 {
			f.t.Errorf("%d of %d logins failed", failures.Load(), logins.Load())
		}
	}()
	do()
}

func TestQuarantineTakesTheOldPasswordAwayAndNothingElse(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	service := &inService{password: f.first}
	f.whileLoggingIn(service, func() {
		old := f.first
		for range 50 {
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

func TestQuarantineMayRunManyTimesAtOnce(t *testing.T) {
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

func TestRetireWithoutAQuarantineTakesTheOldPasswordAway(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	if err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
		t.Fatalf("retire: %v", err)
	}
	f.accepts(false, f.first)
	f.accepts(true, pendingPassword)
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

// isPrimary checks it by a swap of the password with itself, which says 3891 of
// the second one, and takes that away otherwise.
func (f *fixture) isPrimary(password string) {
	f.t.Helper()
	if err := f.swapAs(password, password, password); err != nil {
		f.t.Errorf("it is not the primary password: %v", err)
	}
}

// swapAs runs the compare-and-swap in a connection of the account's own.
func (f *fixture) swapAs(login, next, present string) error {
	f.t.Helper()
	s, err := f.login(f.t.Context(), f.account(login), "")
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.close()
	return s.exec(f.t.Context(), swapStatement, next, present)
}

func (f *fixture) account(password string) account {
	f.t.Helper()
	a, err := f.Kind.account(f.doc(password))
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

func TestRestoreDoesNotEvictWhatAnotherRotationHasSet(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.slots(unrelatedPassword, pendingPassword) // set beside the current one
	err := f.Restore(t.Context(), f.overlap(pendingPassword, f.first))
	if !isNumber(err, errNotCurrentPassword) {
		t.Errorf("got %v, want MySQL's error 3891", err)
	}
	f.accepts(true, pendingPassword, unrelatedPassword)
	f.accepts(false, f.first)
}

func TestAQuarantineThatMeetsABegunRotationStopsThroughConfirm(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	overlap := f.overlap(pendingPassword, f.first)
	begun := errors.New("a rotation is under way")
	overlap.Confirm = func(context.Context) error { return begun }

	// The rotation has the lock, and sets its password while the quarantine
	// waits for it.
	s, err := f.lockedSession(t.Context(), f.account(pendingPassword))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	result := make(chan error, 1)
	go func() { result <- f.Quarantine(t.Context(), overlap) }()
	f.await("SELECT COUNT(*) FROM performance_schema.processlist WHERE USER = ? AND STATE = 'User lock'", f.user)
	if err := s.exec(t.Context(), swapStatement, unrelatedPassword, pendingPassword); err != nil {
		t.Fatal(err)
	}
	s.close()
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

// await waits until a query of the server's state answers something but 0.
func (f *fixture) await(query string, args ...any) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
	defer cancel()
	for found := 0; found == 0; {
		if err := f.server.Admin().QueryRowContext(ctx, query, args...).Scan(&found); err != nil {
			f.t.Fatalf("%s: %v", query, err)
		}
	}
}

func TestAQuarantineAndASetOfAnotherRotationMayRunAtOnce(t *testing.T) {
	for name, oldIsPrimary := range map[string]bool{"the old password is the second": false, "the old password is the primary one": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, dualPrivilege)
			service := &inService{password: f.first}
			f.whileLoggingIn(service, func() {
				for round := range 30 {
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
	f.mustSet(f.first, pendingPassword)
	err := f.Quarantine(t.Context(), f.overlap(pendingPassword, f.first))
	for _, want := range []string{"MySQL error 3638", "PASSWORD HISTORY 0 PASSWORD REUSE INTERVAL 0 DAY", f.user} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	f.accepts(true, f.first, pendingPassword)
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
		for method, do := range map[string]func(context.Context, rotation.Overlap) error{
			"Quarantine": f.Quarantine, "Restore": f.Restore, "Retire": f.Retire,
		} {
			err := do(t.Context(), overlap)
			if err == nil || !strings.Contains(err.Error(), "take the old password away by hand (ALTER USER … DISCARD OLD PASSWORD), then remove its journal label") {
				t.Errorf("%s, %s: got %v", name, method, err)
			}
		}
	}
	f.accepts(true, f.first, pendingPassword)
}

func (f *fixture) exclusive(current, old string) (release func(), ok bool) {
	f.t.Helper()
	release, ok, err := f.Exclusive(f.t.Context(), f.overlap(current, old))
	if err != nil {
		f.t.Fatalf("exclusive: %v", err)
	}
	return release, ok
}

func TestAnOverlapIsEndedByOneInvocationAtATime(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	release, ok := f.exclusive(pendingPassword, f.first)
	if !ok {
		t.Fatal("the first caller was refused")
	}
	start := time.Now()
	if _, ok := f.exclusive(pendingPassword, f.first); ok {
		t.Error("the second caller was let in")
	}
	if took := time.Since(start); took > lockWait*time.Second/2 {
		t.Errorf("the second caller had to wait for %s", took)
	}
	other := newFixtureBeside(f, dualPrivilege)
	releaseOther, ok := other.exclusive(other.first, other.first)
	if !ok {
		t.Fatal("another account's overlap was refused")
	}
	releaseOther()

	// The one who has it for himself may do all that ends the overlap.
	f.mustQuarantine(pendingPassword, f.first)
	f.mustRestore()
	release()
	f.await("SELECT IS_FREE_LOCK(?)", f.endLock())
	if release, ok = f.exclusive(pendingPassword, f.first); !ok {
		t.Fatal("refused after the release")
	}
	defer release()

	var holder int
	if err := f.server.Admin().QueryRowContext(t.Context(), "SELECT IS_USED_LOCK(?)", f.endLock()).Scan(&holder); err != nil {
		t.Fatal(err)
	}
	f.admin("KILL ?", holder)
	f.await("SELECT IS_FREE_LOCK(?)", f.endLock())
	again, ok := f.exclusive(pendingPassword, f.first)
	if !ok {
		t.Fatal("refused after the holder's connection was killed")
	}
	again()
}

// endLock is the name of the lock that Exclusive takes.
func (f *fixture) endLock() (name string) {
	f.t.Helper()
	err := f.server.Admin().QueryRowContext(f.t.Context(), "SELECT CONCAT('mautic-rotation/end/', LEFT(SHA2(CONCAT(?, '@%'), 256), 32))", f.user).Scan(&name)
	if err != nil {
		f.t.Fatal(err)
	}
	return name
}

const logPrivilege = "SELECT ON performance_schema.error_log"

// evidence watches for a short time while do runs over and over.
func (f *fixture) evidence(do func()) string {
	f.t.Helper()
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				do()
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
	for _, want := range []string{"connections within 1.5s (of whomever: ", "GRANT SELECT ON performance_schema.error_log to '" + user + "' at "} {
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
