package database

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mautic-rotation/rotation/credential"
	"mautic-rotation/rotation/document"
)

// lockedOut gives the account a password that no version has.
func (f *fixture) lockedOut() *fakeRDS {
	api := f.atRDS()
	f.fill(unrelatedPassword, "")
	return api
}

// withPrevious is a change that knows AWSPREVIOUS.
func (f *fixture) withPrevious(password string) credential.Change {
	c := f.change(f.first, pendingPassword)
	c.Previous = func(context.Context) (document.Document, bool, error) {
		if password == "" {
			return document.Document{}, false, nil
		}
		return f.doc(password), true, nil
	}
	return c
}

func TestAMasterUserWhosePasswordNobodyKnowsIsRecovered(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		privileges []string
		previous   string
		wantBoth   bool
	}{
		"which then takes one password":         {},
		"which then keeps the old password too": {privileges: []string{dualPrivilege}, wantBoth: true},
		"with a previous version":               {previous: oldPassword},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, tc.privileges...)
			api := f.lockedOut()
			f.configure(func(c *Config) { c.Recovery = true })
			confirmed := 0
			change := f.withPrevious(tc.previous)
			change.Confirm = func(context.Context) error { confirmed++; return nil }
			if err := f.Set(t.Context(), change); err != nil {
				t.Fatalf("set: %v", err)
			}
			f.accepts(true, pendingPassword)
			f.accepts(tc.wantBoth, f.first)
			f.accepts(false, unrelatedPassword)
			for _, want := range []string{"level=ERROR", "alarm=recovered", "database=db-1"} {
				if !strings.Contains(f.log.String(), want) {
					t.Errorf("the log does not say %q: %s", want, &f.log)
				}
			}
			if want := map[bool]int{true: 1, false: 2}[tc.wantBoth]; api.called("SetMasterPassword") != want || confirmed != 2 {
				t.Errorf("the password was set %d times, with the labels read %d times", api.called("SetMasterPassword"), confirmed)
			}
		})
	}
}

func TestALockOutIsNotRecoveredWhereItMustNotBe(t *testing.T) {
	t.Parallel()
	moved := errors.New("AWSCURRENT has moved")
	for _, tc := range []struct {
		name     string
		previous string
		prepare  func(*fixture, *fakeRDS, *credential.Change)
		wants    []string
	}{
		{name: "without the setting", prepare: func(f *fixture, _ *fakeRDS, _ *credential.Change) {
			f.configure(func(c *Config) { c.Recovery = false })
		}, wants: []string{"MySQL error 1045", "the AWSPENDING password is wrong too", "DATABASE_RECOVERY=true"}},
		{name: "without the setting, where the old password is kept", prepare: func(f *fixture, _ *fakeRDS, _ *credential.Change) {
			f.configure(func(c *Config) { c.Recovery, c.Way = false, "self" })
		}, wants: []string{"MySQL error 1045", "DATABASE_RECOVERY=true"}},
		{name: "another user than the master", prepare: func(_ *fixture, api *fakeRDS, _ *credential.Change) {
			api.db.MasterUser = "root"
		}, wants: []string{"log in with the AWSCURRENT password: MySQL error 1045"}},
		{name: "a password that RDS manages", prepare: func(_ *fixture, api *fakeRDS, _ *credential.Change) {
			api.db.ManagedSecretARN = "arn"
		}, wants: []string{"log in with the AWSCURRENT password: MySQL error 1045"}},
		{name: "the previous version's password is accepted", previous: unrelatedPassword,
			wants: []string{"the server accepts the AWSPREVIOUS password: make that version AWSCURRENT again"}},
		{name: "the previous version cannot be read", prepare: func(_ *fixture, _ *fakeRDS, c *credential.Change) {
			c.Previous = func(context.Context) (document.Document, bool, error) {
				return document.Document{}, false, errors.New("throttled")
			}
		}, wants: []string{"read AWSPREVIOUS: throttled"}},
		{name: "the labels have moved", prepare: func(_ *fixture, _ *fakeRDS, c *credential.Change) {
			c.Confirm = func(context.Context) error { return moved }
		}, wants: []string{moved.Error()}},
		{name: "the account is locked", prepare: func(f *fixture, _ *fakeRDS, _ *credential.Change) {
			f.fill(f.first, "") // with a wrong password, the server does not say that it is locked
			f.admin("ALTER USER ? ACCOUNT LOCK", f.user)
		}, wants: []string{"MySQL error 3118"}},
		{name: "the server cannot be reached", prepare: func(f *fixture, _ *fakeRDS, _ *credential.Change) {
			f.configure(func(c *Config) { c.Endpoint = "127.0.0.1:" + closedPort(f.t) })
		}, wants: []string{"cannot be reached"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t)
			api := f.lockedOut()
			f.configure(func(c *Config) { c.Recovery = true })
			change := f.withPrevious(tc.previous)
			if tc.prepare != nil {
				tc.prepare(f, api, &change)
			}
			err := f.Set(t.Context(), change)
			for _, want := range tc.wants {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q in it", err, want)
				}
			}
			if n := api.called("SetMasterPassword"); n != 0 {
				t.Errorf("the password was set %d times", n)
			}
		})
	}
}

func TestAPendingPasswordThatIsTheOnlyOneAcceptedIsNoLockOut(t *testing.T) {
	f := newFixture(t)
	api := f.atRDS()
	f.configure(func(c *Config) { c.Recovery = true })
	f.fill(pendingPassword, "")
	f.mustSet(f.first, pendingPassword)
	f.accepts(true, pendingPassword)
	f.accepts(false, f.first)

	// By a way that keeps the current one, it is not of our doing.
	f.configure(func(c *Config) { c.Way = "self" })
	err := f.Set(t.Context(), f.change(f.first, pendingPassword))
	if err == nil || !strings.Contains(err.Error(), "the server accepts the AWSPENDING password, which DATABASE_WAY=self cannot have caused") {
		t.Errorf("got %v", err)
	}
	if n := api.called("SetMasterPassword"); n != 0 {
		t.Errorf("the password was set %d times", n)
	}
}
