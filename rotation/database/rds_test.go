package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/rds"
)

// fakeRDS is RDS with one instance, whose master user is the fixture's: it
// changes the password on the real server, some time after it was asked to.
type fakeRDS struct {
	f      *fixture
	db     rds.Database
	delay  time.Duration
	broken error // what every call answers

	mu      sync.Mutex
	pending chan struct{} // closed when the change is made; nil when there is none
	calls   []string
	apply   func(password string) // nil: change it
}

var _ RDS = (*fakeRDS)(nil)

// atRDS makes the fixture's account the master user of an instance.
func (f *fixture) atRDS() *fakeRDS {
	api := &fakeRDS{f: f, delay: 50 * time.Millisecond, db: rds.Database{
		Identifier: "db-1", Host: f.server.Host(), Port: f.server.Port(), MasterUser: f.user, Available: true,
	}}
	f.configure(func(c *Config) { c.RDS = api })
	return api
}

func (r *fakeRDS) note(call string) (rds.Database, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call)
	db := r.db
	db.PasswordPending = r.pending != nil
	return db, r.broken
}

func (r *fakeRDS) called(call string) (times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if c == call {
			times++
		}
	}
	return times
}

func (r *fakeRDS) Named(_ context.Context, identifier string) (rds.Database, error) {
	db, err := r.note("Named")
	if err == nil && identifier != db.Identifier {
		err = fmt.Errorf("no instance %q", identifier)
	}
	return db, err
}

func (r *fakeRDS) AtHost(_ context.Context, host string) (rds.Database, bool, error) {
	db, err := r.note("AtHost")
	return db, err == nil && host == db.Host, err
}

func (r *fakeRDS) Get(context.Context, rds.Database) (rds.Database, error) { return r.note("Get") }

func (r *fakeRDS) SetMasterPassword(_ context.Context, db rds.Database, password string, _ *slog.Logger) error {
	if _, err := r.note("SetMasterPassword"); err != nil {
		return err
	}
	if db.Identifier != r.db.Identifier {
		return fmt.Errorf("no instance %q", db.Identifier)
	}
	r.change(password)
	return nil
}

// change begins a change.
func (r *fakeRDS) change(password string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := make(chan struct{})
	r.pending = done
	time.AfterFunc(r.delay, func() {
		if r.apply == nil {
			r.f.fill(password, "")
		} else {
			r.apply(password)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pending = nil
		close(done)
	})
}

func (r *fakeRDS) Await(ctx context.Context, _ rds.Database, _ *slog.Logger) error {
	if _, err := r.note("Await"); err != nil {
		return err
	}
	r.mu.Lock()
	pending := r.pending
	r.mu.Unlock()
	if pending == nil {
		return nil
	}
	select {
	case <-pending:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestTheMasterUsersPasswordIsSetByRDSWhenNothingElseIsPossible(t *testing.T) {
	f := newFixture(t)
	api := f.atRDS()
	for range 3 { // an attempt that has set it is found by a login
		f.mustSet(f.first, pendingPassword)
		f.accepts(true, pendingPassword)
		f.accepts(false, f.first)
	}
	if n := api.called("SetMasterPassword"); n != 1 {
		t.Errorf("the password was set %d times", n)
	}
	for _, want := range []string{"way=rds", "all their new logins fail"} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, &f.log)
		}
	}
	if err := f.Test(t.Context(), f.change(f.first, pendingPassword)); err != nil {
		t.Errorf("test: %v", err)
	}
}

func TestRDSIsNotAskedWhereTheOldPasswordCanBeKept(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	api := f.atRDS()
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, f.first, pendingPassword)
	if len(api.calls) > 0 {
		t.Errorf("RDS was asked: %v", api.calls)
	}
	g := newFixtureBeside(f)
	g.withAdmin()
	api = g.atRDS()
	g.mustSet(g.first, pendingPassword)
	if len(api.calls) > 0 {
		t.Errorf("RDS was asked: %v", api.calls)
	}
}

func TestAChangeThatRDSHasYetToApplyIsAwaitedAndNotAskedForAgain(t *testing.T) {
	f := newFixture(t)
	api := f.atRDS()
	api.delay = time.Second     // for as long as it takes to look
	api.change(pendingPassword) // by an attempt that was cut off
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, pendingPassword)
	if n := api.called("SetMasterPassword"); n != 0 {
		t.Errorf("the password was set %d times", n)
	}
}

func TestAChangeThatRDSReportsTooEarlyIsTakenUpByTheNextTry(t *testing.T) {
	f := newFixture(t)
	api := f.atRDS()
	api.apply = func(string) {}
	err := f.Set(t.Context(), f.change(f.first, pendingPassword))
	if err == nil || !strings.Contains(err.Error(), "the next attempt continues from there") {
		t.Errorf("got %v", err)
	}
	f.fill(pendingPassword, "")
	f.mustSet(f.first, pendingPassword)
}

func TestPutBackMakesTheCurrentPasswordTheAcceptedOneAgain(t *testing.T) {
	singleWays(t, func(t *testing.T, f *fixture) {
		f.mustSet(f.first, pendingPassword)
		f.accepts(false, f.first)
		for range 2 {
			if err := f.PutBack(t.Context(), f.change(f.first, pendingPassword)); err != nil {
				t.Fatalf("put back: %v", err)
			}
			f.accepts(true, f.first)
			f.accepts(false, pendingPassword)
		}
		f.mustSet(f.first, pendingPassword) // and the rotation may be tried again
		f.accepts(true, pendingPassword)
	})
}

// Whoever gives a rotation up would find nothing to put back, and the password would
// come after it has looked.
func TestNothingIsPutBackWhileAnotherInvocationIsAboutToSetAPassword(t *testing.T) {
	singleWays(t, func(t *testing.T, f *fixture) {
		c := f.change(f.first, pendingPassword)
		var meanwhile error
		c.Confirm = func(ctx context.Context) error {
			soon, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			meanwhile = f.PutBack(soon, f.change(f.first, pendingPassword))
			return nil
		}
		if err := f.Set(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if meanwhile == nil {
			t.Error("the current password was found in place right before another one was set")
		}
	})
}

func TestPutBackAwaitsAChangeThatRDSHasYetToApply(t *testing.T) {
	f := newFixture(t)
	api := f.atRDS()
	api.delay = time.Second // for as long as it takes to look
	api.change(pendingPassword)
	if err := f.PutBack(t.Context(), f.change(f.first, pendingPassword)); err != nil {
		t.Fatalf("put back: %v", err)
	}
	f.accepts(true, f.first)
	f.accepts(false, pendingPassword)
}

func TestPutBackWhereTheOldPasswordIsKeptIsALook(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	for range 2 {
		if err := f.PutBack(t.Context(), f.change(f.first, pendingPassword)); err != nil {
			t.Fatalf("put back: %v", err)
		}
	}
	f.accepts(true, f.first, pendingPassword)
	f.isPrimary(pendingPassword)
	if err := f.PutBack(t.Context(), f.change("wrong", pendingPassword)); err == nil || !strings.Contains(err.Error(), "is not accepted (denied)") {
		t.Errorf("got %v", err)
	}
}

// singleWays runs a test by each way that takes one password.
func singleWays(t *testing.T, test func(*testing.T, *fixture)) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		t.Run("rds", func(t *testing.T) {
			t.Parallel()
			f := newFixtureOn(t, server)
			f.atRDS()
			test(t, f)
		})
		t.Run("single", func(t *testing.T) {
			t.Parallel()
			f := newFixtureOn(t, server)
			f.configure(func(c *Config) { c.Way = "single" })
			test(t, f)
		})
	})
}

func TestAnAccountWithOnePasswordHasNoOverlap(t *testing.T) {
	singleWays(t, func(t *testing.T, f *fixture) {
		f.mustSet(f.first, pendingPassword)
		overlap := f.overlap(pendingPassword, f.first)
		release, ok := f.exclusive(pendingPassword, f.first)
		if !ok {
			t.Fatal("not let in")
		}
		f.mustQuarantine(pendingPassword, f.first)
		overlap.Quarantined = true
		if use, err := f.InUse(t.Context(), overlap, time.Hour); use.Seen != "" || err != nil { // which would be waited for
			t.Errorf("in use: %+v, %v", use, err)
		}
		if err := f.Restore(t.Context(), overlap); err != nil {
			t.Errorf("restore: %v", err)
		}
		f.accepts(false, f.first)
		for range 2 {
			if err := f.Retire(t.Context(), overlap); err != nil {
				t.Errorf("retire: %v", err)
			}
		}
		release()
		f.accepts(true, pendingPassword)
		f.accepts(false, f.first)
	})
}

func TestTheOnePasswordOfARotationThatWasGivenUpIsReplacedByTheCurrentOne(t *testing.T) {
	singleWays(t, func(t *testing.T, f *fixture) {
		f.mustSet(f.first, abandonedPassword)
		overlap := f.overlap(f.first, abandonedPassword)
		release, ok := f.exclusive(f.first, abandonedPassword)
		if !ok {
			t.Fatal("not let in")
		}
		defer release()
		f.mustQuarantine(f.first, abandonedPassword)
		f.accepts(true, abandonedPassword) // what else would be accepted?
		moved := errors.New("AWSCURRENT has moved")
		overlap.Confirm = func(context.Context) error { return moved }
		if err := f.Retire(t.Context(), overlap); !errors.Is(err, moved) {
			t.Errorf("got %v, want the error of Confirm", err)
		}
		f.accepts(true, abandonedPassword)
		overlap.Confirm = func(context.Context) error { return nil }
		for range 2 {
			if err := f.Retire(t.Context(), overlap); err != nil {
				t.Fatalf("retire: %v", err)
			}
			f.accepts(true, f.first)
			f.accepts(false, abandonedPassword)
		}
	})
}

func TestRetireAwaitsAnAbandonedChangeThatRDSHasYetToApply(t *testing.T) {
	f := newFixture(t)
	api := f.atRDS()
	api.delay = time.Second // for as long as it takes to look
	api.change(abandonedPassword)
	if err := f.Retire(t.Context(), f.overlap(f.first, abandonedPassword)); err != nil {
		t.Fatalf("retire: %v", err)
	}
	f.accepts(true, f.first)
	f.accepts(false, abandonedPassword)
}

func TestWhatRDSCannotDoIsNamedAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		prepare func(*fakeRDS)
		want    string
	}{
		{"RDS manages the password", func(r *fakeRDS) { r.db.ManagedSecretARN = "arn" }, "aws rds modify-db-instance --db-instance-identifier db-1 --rotate-master-user-password"},
		{"another master user", func(r *fakeRDS) { r.db.MasterUser = "root" }, "the user is not the master user of db-1, which is root"},
		{"no permission", func(r *fakeRDS) { r.broken = errors.New("AccessDenied") }, "RDS could not be asked: AccessDenied"},
		{"not at RDS", func(r *fakeRDS) { r.db.Host = "elsewhere" }, "RDS has no server at this host"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, way := range []string{"auto", "rds"} {
				f := newFixtureOn(t, mysqltest.Shared(t))
				tc.prepare(f.atRDS())
				f.configure(func(c *Config) { c.Way = way })
				if err := f.Set(t.Context(), f.change(f.first, pendingPassword)); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("way %s: got %v, want %q in it", way, err, tc.want)
				}
				f.accepts(true, f.first)
				f.accepts(false, pendingPassword)
			}
		})
	}
}

func TestAChangedPrivilegeOrSettingBetweenTheStepsDoesNoHarm(t *testing.T) {
	for name, between := range map[string]func(*fixture){
		"from self to admin": func(f *fixture) {
			f.admin("REVOKE APPLICATION_PASSWORD_ADMIN ON *.* FROM ?", f.user)
			f.withAdmin()
		},
		"from self to single, with the privilege left": func(f *fixture) {
			f.configure(func(c *Config) { c.Way = "single" })
		},
		"from self to rds, with the privilege left": func(f *fixture) {
			f.atRDS()
			f.configure(func(c *Config) { c.Way = "rds" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, dualPrivilege)
			f.mustSet(f.first, pendingPassword)
			between(f)
			f.whileLoggingIn(&inService{password: pendingPassword}, func() {
				f.mustQuarantine(pendingPassword, f.first)
				if err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
					t.Errorf("retire: %v", err)
				}
			})
			f.accepts(false, f.first)
		})
	}

	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	f.admin("REVOKE APPLICATION_PASSWORD_ADMIN ON *.* FROM ?", f.user)
	f.configure(func(c *Config) { c.Way = "single" })
	err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first))
	if err == nil || !strings.Contains(err.Error(), "accepts the old password beside the current one, from a rotation with a different DATABASE_WAY") {
		t.Errorf("got %v", err)
	}
	f.accepts(true, pendingPassword, f.first)
}
