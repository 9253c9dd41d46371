package database

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
)

// lookBack is a look at what was, without a watch.
func (f *fixture) lookBack(back time.Duration, before *credential.Baseline) credential.Use {
	f.t.Helper()
	now := time.Now()
	return f.lookBackFrom(now, now.Add(-back), before)
}

func (f *fixture) lookBackFrom(now, since time.Time, before *credential.Baseline) credential.Use {
	f.t.Helper()
	o := f.overlap(pendingPassword, f.first)
	o.Now, o.Since, o.Quarantined, o.Before = now, since, f.quarantined, before
	use, err := f.InUse(f.t.Context(), o, 0)
	if err != nil {
		f.t.Fatalf("in use: %v", err)
	}
	return use
}

// has checks the parts of a text; none: it is empty.
func has(t testing.TB, what, got string, wants ...string) {
	t.Helper()
	if len(wants) == 0 && got != "" {
		t.Errorf("%s: got %q", what, got)
	}
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q in it", what, got, want)
		}
	}
}

func TestALoginByTheOldPasswordSinceTheConvergenceIsUseHoweverLongAgo(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	if use := f.lookBack(0, nil); use.Seen != "" || !use.Told || use.Gap != "" { // slots has logged in with both
		t.Errorf("a login before the convergence: got %+v", use)
	}
	f.accepts(true, f.first) // a cron job, that has ended
	use := f.lookBack(time.Minute, nil)
	has(t, "a job that has ended", use.Seen, "logins of '"+f.user+"' at ", " with its old password within 1m0s, the last one at ", "; the log does not say from where, and none of them is still connected")
	if !use.Told {
		t.Error("the server tells which password a login used")
	}

	db, err := f.server.Open(f.user, f.first, "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var address string
	if err := db.QueryRowContext(t.Context(), "SELECT SUBSTRING_INDEX(USER(), '@', -1)").Scan(&address); err != nil {
		t.Fatal(err)
	}
	use = f.lookBack(time.Minute, nil)
	has(t, "a worker that is connected", use.Seen, "; of these, there are connections from "+address)
	if !slices.Equal(use.From, []string{address}) {
		t.Errorf("got %q", use.From)
	}
}

func TestWhatTheLogDoesNotReachBackToIsNotCalledObserved(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	for _, f.quarantined = range []bool{false, true} {
		use := f.lookBack(24*time.Hour, nil)
		has(t, "a day", use.Gap, "not observed before 2", "the server's log reaches back no further")
		if !use.Told {
			t.Errorf("got %+v", use)
		}
		has(t, "no time at all", f.lookBack(0, nil).Gap)
	}
}

func TestTheLogCoversTheTimeFromWhichOnTheServerLogsLogins(t *testing.T) {
	t.Parallel()
	server := mysqltest.Own(t, mysqltest.Shared(t).Series(), "--log-error-verbosity=2")
	f := newFixtureOn(t, server, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	use := f.lookBack(time.Minute, nil)
	has(t, "too little is logged", use.Gap, "its use was not observed: the server does not log logins with the old password: SET GLOBAL log_error_verbosity = 3")
	if use.Told || use.Seen != "" {
		t.Errorf("got %+v", use)
	}
	f.admin("SET GLOBAL log_error_verbosity = 3") // the remedy
	use = f.lookBack(time.Second, nil)
	has(t, "switched on just now", use.Gap, "not observed before 2", "logging settings were changed then")
	if !use.Told {
		t.Error("it tells by now")
	}
	f.await("SELECT SLEEP(GREATEST(0, 2 - TIMESTAMPDIFF(MICROSECOND, MAX(SET_TIME), NOW(6)) / 1e6)) = 0 FROM performance_schema.variables_info WHERE VARIABLE_NAME = 'log_error_verbosity'")
	has(t, "a time later than that", f.lookBack(time.Second, nil).Gap)

	f.admin("SET GLOBAL log_error_suppression_list = 'MY-013302'")
	use = f.lookBack(time.Second, nil)
	has(t, "what is suppressed", use.Gap, "log_error_suppression_list keeps ")
	if use.Told {
		t.Error("what is suppressed is not told")
	}
}

func TestWhereNothingShowsTheUseThatIsSaidWithTheRemedy(t *testing.T) {
	onEach(t, func(t *testing.T, f *fixture) {
		f.fill(pendingPassword, f.first)
		f.accepts(true, f.first)
		use := f.lookBack(time.Minute, nil)
		remedy := "may not read the server's log: GRANT SELECT ON performance_schema.error_log to it"
		if f.onMariaDB() {
			remedy = "MariaDB does not log which password a login used"
		}
		has(t, "not told", use.Gap, "its use was not observed: ", remedy)
		if use.Told || use.Seen != "" {
			t.Errorf("got %+v", use)
		}
	})
}

func TestLoginsByTheCurrentPasswordAreNoUseOfAnOldOneThatIsThePrimary(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(f.first, pendingPassword) // AWSCURRENT was moved by hand to what is the second password
	f.accepts(true, pendingPassword)
	use := f.lookBack(time.Minute, nil)
	has(t, "not told", use.Gap, "its use was not observed: the old password is the account's primary one")
	has(t, "the current one is used", use.Seen)
	before := f.baseline()
	if use.Told || before.Server == "" {
		t.Errorf("got %+v, and the baseline %+v", use, before)
	}
	f.mustQuarantine(pendingPassword, f.first)
	f.quarantined = true
	if use := f.lookBack(time.Minute, &before); use.Told || use.Seen != "" {
		t.Errorf("in the quarantine: got %+v", use)
	}
	f.accepts(true, pendingPassword)
	f.accepts(false, f.first)
	has(t, "refused", f.lookBack(time.Minute, &before).Seen, "1 refused logins of '"+f.user+"' at ", "from localhost")
}

func TestARefusedLoginIsUseUnlessItsClientWasRefusedAsOftenBefore(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	f.mustQuarantine(pendingPassword, f.first)
	f.quarantined = true
	has(t, "nothing was refused", f.lookBack(time.Minute, nil).Seen)

	// This function comes by TCP, from another address than those by the socket.
	f.overTCP = true
	f.accepts(false, f.first)
	has(t, "its own, of a quarantine that another invocation began", f.lookBack(time.Minute, nil).Seen)
	f.overTCP = false
	f.accepts(false, f.first)
	use := f.lookBack(time.Minute, nil)
	has(t, "one of a job's", use.Seen, "1 refused logins of '"+f.user+"' at ", " within 1m0s, from localhost")
	if !slices.Equal(use.From, []string{"localhost"}) {
		t.Errorf("got %q", use.From)
	}
}

func TestAClientThatHasAlwaysBeenRefusedDoesNotUseTheOldPassword(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	other := newFixtureBeside(f, dualPrivilege, logPrivilege)
	for _, each := range []*fixture{f, other} {
		each.slots(pendingPassword, each.first)
		each.mustQuarantine(pendingPassword, each.first)
		each.quarantined = true
	}
	for range 200 {
		f.accepts(false, "an ancient one")
	}
	for range 20 { // a busy machine may take longer than what is looked back on
		f.await("SELECT SLEEP(GREATEST(0, 5 - TIMESTAMPDIFF(MICROSECOND, MAX(LOGGED), NOW(6)) / 1e6)) = 0 FROM performance_schema.error_log WHERE DATA LIKE ? ESCAPE '|'", containing(f.user))
		f.accepts(false, "an ancient one")
		other.accepts(false, other.first)
		use := f.lookBack(4*time.Second, nil)
		if others := other.lookBack(4*time.Second, nil); others.Seen != "" {
			has(t, "refused as before", use.Seen)
			return
		}
	}
	t.Fatal("no login fell within a look: they have shown nothing")
}

func TestTheBusiestClientsAreNamedAndTheOthersCounted(t *testing.T) {
	t.Parallel()
	clients := []client{{"10.0.0.1", 1}, {"10.0.0.2", 1}, {"10.0.0.3", 5}, {"db-client.internal", 2}, {"::1", 1}}
	busiestFirst(clients)
	for n, want := range []string{"", "10.0.0.3", "10.0.0.3, db-client.internal", "10.0.0.3, db-client.internal, 10.0.0.1", "10.0.0.3, db-client.internal, 10.0.0.1 and 1 more", "10.0.0.3, db-client.internal, 10.0.0.1 and 2 more"} {
		if got, named := name(clients[:n]); got != want || len(named) != min(n, clientsNamed) {
			t.Errorf("%d clients: got %q and %q, want %q", n, got, named, want)
		}
	}
}

func TestALookBackEndsWithItsContext(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := f.overlap(pendingPassword, f.first)
	o.Now, o.Since = time.Now(), time.Now().Add(-time.Hour)
	if use, err := f.InUse(ctx, o, time.Hour); err == nil {
		t.Errorf("got %+v", use)
	}
}

// Names that differ in capitals, or in what a pattern could take for a wildcard, are
// other users' too.
func TestRefusedLoginsOfUsersWithSimilarNamesAreNotTheAccounts(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	f.quarantined = true
	refused := func(user string) {
		t.Helper()
		for range 5 { // more than may be the function's own
			if f.server.Accepts(t.Context(), user, "wrong", "") == nil {
				t.Errorf("%s was let in", user)
			}
		}
	}
	for _, similar := range []string{f.user + "2", "2" + f.user, strings.ToUpper(f.user), strings.Replace(f.user, "_", "x", 1), strings.Replace(f.user, "_", "%", 1)} {
		refused(similar)
	}
	has(t, "other users", f.lookBack(time.Hour, nil).Seen)
	refused(f.user)
	has(t, "the account", f.lookBack(time.Hour, nil).Seen, "5 refused logins of '"+f.user+"' at ")
}
