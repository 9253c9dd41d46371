package database

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/rotation/credential"
)

func TestOnlyMoreRefusedLoginsThanUsualAreUse(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	portCheck := rate{30 * 21600, 30 * day} // one every 4 s for 30 days: 900 in an hour
	for _, tc := range []struct {
		what    string
		before  rate
		refused int64
		within  time.Duration
		margin  int64
		want    bool
	}{
		{"nothing at all", rate{}, 0, time.Hour, 0, false},
		{"one where there was none", rate{0, 30 * day}, 1, time.Hour, 0, true},
		{"one, which may be this function's", rate{0, 30 * day}, 1, time.Hour, strayRefusals, false},
		{"two where there was none", rate{0, 30 * day}, 2, time.Hour, strayRefusals, true},
		{"a port check in 15 s", portCheck, 4, 15 * time.Second, strayRefusals, false},
		{"a port check in an hour", portCheck, 900, time.Hour, strayRefusals, false},
		{"two port checks at once, in the first look", portCheck, 2, 500 * time.Millisecond, strayRefusals, false},
		{"a port check, and an application that fails 5 times a second", portCheck, 4 + 75, 15 * time.Second, strayRefusals, true},
		{"a port check, and a job that fails each minute, after a minute", portCheck, 15 + 1, time.Minute, strayRefusals, false},
		{"a port check, and a job that fails each minute, after an hour", portCheck, 900 + 60, time.Hour, strayRefusals, false}, // the limit
		{"a port check, and three such jobs, after an hour", portCheck, 900 + 180, time.Hour, strayRefusals, true},
		{"a wrong password twice a day, and a job that fails four times an hour", rate{60, 30 * day}, 4, time.Hour, strayRefusals, true},
		{"a wrong password twice a day", rate{60, 30 * day}, 2, day, strayRefusals, false},
		{"a health check with a wrong password every 10 s, and 76 more", rate{8640, day}, 360 + 76, time.Hour, 0, false},
		{"a health check with a wrong password every 10 s, and 85 more", rate{8640, day}, 360 + 85, time.Hour, 0, true},
		{"a server that has just started says little of what is usual", rate{3, 10 * time.Second}, 2500, time.Hour, strayRefusals, false},
		{"a server that has counted for no time at all", rate{0, 0}, 2, time.Hour, strayRefusals, true},
		{"a time that is negative by the clocks' difference", rate{0, -time.Second}, 2, time.Hour, strayRefusals, true},
	} {
		if got := tc.before.exceeded(tc.refused, tc.within, tc.margin); got != tc.want {
			t.Errorf("%s: got %v", tc.what, got)
		}
	}
}

func TestTheCountIsComparedWithTheRateBeforeTheQuarantineWhereItIsOfTheSameServer(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	quarantine := now.Add(-time.Hour)
	before := &credential.Baseline{Refused: 240, Server: "server", Up: quarantine.Add(-24 * time.Hour)}
	usual := rate{240, 24 * time.Hour}
	for _, tc := range []struct {
		what   string
		now    counters
		before *credential.Baseline
		since  time.Time
		want   comparison
	}{
		{"the same server", counters{250, 25 * time.Hour, "server"}, before, quarantine, comparison{before: usual, from: 240, back: time.Hour}},
		{"the same, by a time that AWS told a while ago", counters{250, 25*time.Hour + 30*time.Second, "server"}, before, quarantine, comparison{before: usual, from: 240, back: time.Hour}},
		{"restarted since", counters{7, 20 * time.Minute, "server"}, before, quarantine, comparison{before: usual, from: 0, back: 20 * time.Minute}},
		{"replaced by one that has started since", counters{7, 20 * time.Minute, "other"}, before, quarantine, comparison{before: usual, from: 0, back: 20 * time.Minute}},
		{"replaced by one that ran before", counters{9000, 25 * time.Hour, "other"}, before, quarantine, comparison{before: rate{9000, 25 * time.Hour}, from: 9000}},
		{"restarted before the quarantine, by its start", counters{250, 10 * time.Hour, "server"}, before, quarantine, comparison{before: rate{250, 10 * time.Hour}, from: 250}},
		{"with fewer than before", counters{100, 25 * time.Hour, "server"}, before, quarantine, comparison{before: rate{100, 25 * time.Hour}, from: 100}},
		{"nothing known of before", counters{250, 25 * time.Hour, "server"}, nil, quarantine, comparison{before: rate{250, 25 * time.Hour}, from: 250}},
		{"from the call on", counters{250, 25 * time.Hour, "server"}, before, time.Time{}, comparison{before: rate{250, 25 * time.Hour}, from: 250}},
	} {
		got := compare(tc.now, credential.Overlap{Now: now, Since: tc.since, Before: tc.before})
		if got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.what, got, tc.want)
		}
	}
}

func TestAServersShortNameFitsIntoALabel(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, name := range []string{"", "a", "b", "1c42cc05-ead6-11f1-810e-02fc00000001", strings.Repeat("x", 1000)} {
		short := shortName(name)
		if len(short) != 6 || strings.Trim(short, "0123456789abcdefghijklmnopqrstuvwxyz") != "" || seen[short] || short != shortName(name) {
			t.Errorf("%q: got %q", name, short)
		}
		seen[short] = true
	}
}

func TestAPortCheckIsNoUseOfTheOldPassword(t *testing.T) {
	mysqltest.Each(t, portChecksDoNotCount)
}

func portChecksDoNotCount(t *testing.T, shared *mysqlserver.Server) {
	f := newFixtureOn(t, mysqltest.Own(t, shared.Series())) // its own: the count is of the whole server
	f.withAdmin()
	f.fill(pendingPassword, f.first)
	f.portChecks(100)
	before := f.baseline()
	if before.Server == "" || before.Up.IsZero() || f.onMariaDB() != (before.Refused < 100) {
		t.Fatalf("got %+v", before)
	}
	f.mustQuarantine(pendingPassword, f.first)
	f.quarantined = true
	// The quarantine has lasted for as long as the server had been up, in which as
	// many port checks are usual as there were before.
	quarantine := time.Now()
	now := quarantine.Add(quarantine.Sub(before.Up))
	f.portChecks(100)
	use := f.lookBackFrom(now, quarantine, &before)
	has(t, "port checks as before", use.Seen)
	has(t, "the same server", use.Gap)
	if use.Told {
		t.Error("the server does not tell whose logins are refused")
	}
	refused := 300
	if f.onMariaDB() {
		refused = 1 + strayRefusals // port checks are no noise in what it counts
	}
	for range refused {
		f.accepts(false, f.first)
	}
	has(t, "port checks, and refused logins", f.lookBackFrom(now, quarantine, &before).Seen, "the server refused ", " are usual")

	other := before
	other.Server = "other0"
	has(t, "another server", f.lookBackFrom(now, quarantine, &other).Gap, "not observed before 2", "another server has taken its place")
	has(t, "not known from before", f.lookBackFrom(now, quarantine, nil).Gap, "not observed before 2", "is not known")
}

// portChecks connect as a load balancer does, and end without a login.
func (f *fixture) portChecks(times int) {
	f.t.Helper()
	const count = "SELECT VARIABLE_VALUE %s FROM %s.global_status WHERE VARIABLE_NAME = 'Aborted_connects'"
	var before int
	if err := f.server.Admin().QueryRowContext(f.t.Context(), fmt.Sprintf(count, "", f.statusSchema())).Scan(&before); err != nil {
		f.t.Fatal(err)
	}
	for range times {
		conn, err := (&net.Dialer{}).DialContext(f.t.Context(), "tcp", f.server.Addr())
		if err != nil {
			f.t.Fatal(err)
		}
		// A busy server may never take a connection that has ended before, and then does not count it.
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			f.t.Fatal(err)
		}
		conn.Close()
	}
	f.await(fmt.Sprintf(count, ">= ?", f.statusSchema()), before+times)
}

// statusSchema is where the server has its counters as a table.
func (f *fixture) statusSchema() string {
	if f.onMariaDB() {
		return "information_schema"
	}
	return "performance_schema"
}

func (f *fixture) baseline() credential.Baseline {
	f.t.Helper()
	o := f.overlap(pendingPassword, f.first)
	o.Now = time.Now().Truncate(time.Second)
	b, err := f.Baseline(f.t.Context(), o)
	if err != nil {
		f.t.Fatalf("baseline: %v", err)
	}
	return b
}

func TestAServerWhoseLogTellsNeedsNoBaseline(t *testing.T) {
	f := newFixture(t, dualPrivilege, logPrivilege)
	f.slots(pendingPassword, f.first)
	if b := f.baseline(); b != (credential.Baseline{}) {
		t.Errorf("got %+v", b)
	}
}

func TestCountersThatWereResetAreNotComparedWithThoseFromBefore(t *testing.T) {
	mysqltest.EachMariaDB(t, func(t *testing.T, shared *mysqlserver.Server) {
		f := newFixtureOn(t, mysqltest.Borrow(t, shared.Series()))
		f.withAdmin()
		f.fill(pendingPassword, f.first)
		for range 5 {
			f.accepts(false, "wrong")
		}
		before := f.baseline()
		if before.Refused < 5 {
			t.Fatalf("got %+v", before)
		}
		before.Up = before.Up.Add(-24 * time.Hour) // as if it had run for a day
		f.mustQuarantine(pendingPassword, f.first)
		f.quarantined = true
		f.admin(f.resetCounters())
		use := f.lookBack(time.Hour, &before)
		has(t, "reset", use.Gap, "not observed before 2", "or its counters were reset")
		has(t, "reset, and nothing since", use.Seen)
		for range 3 {
			f.accepts(false, f.first)
		}
		has(t, "reset, and refused logins since", f.lookBack(time.Hour, &before).Seen, "the server refused 3 logins")
	})
}

// resetCounters is the statement that sets MariaDB's counters to 0.
func (f *fixture) resetCounters() string {
	if f.onMariaDB() && f.server.AtLeast(11, 5) {
		return "FLUSH GLOBAL STATUS"
	}
	return "FLUSH STATUS"
}

func TestTheTimeThatAServerHasCountedForIsThatOfItsCounters(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, shared *mysqlserver.Server) {
		f := newFixtureOn(t, mysqltest.Borrow(t, shared.Series()))
		f.accepts(false, "wrong")
		f.accepts(false, "wrong")
		const up = 3 * time.Second
		f.await("SELECT VARIABLE_VALUE >= ? FROM "+f.statusSchema()+".global_status WHERE VARIABLE_NAME = 'Uptime'", up.Seconds())
		reset := time.Now()
		f.admin(f.resetCounters())
		s, err := f.login(t.Context(), f.account(f.first), "")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		at, err := s.identify(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.counters(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		if isReset := got.refused == 0 && got.up <= time.Since(reset)+time.Second; isReset != f.onMariaDB() {
			t.Errorf("%s after it: got %+v", time.Since(reset), got)
		}
		if !f.onMariaDB() && (got.refused < 2 || got.up < up) {
			t.Errorf("MySQL counts on: got %+v", got)
		}
	})
}

func TestAQuarantineThatIsRepeatedCostsNoRefusedLoginOnMariaDB(t *testing.T) {
	mysqltest.EachMariaDB(t, func(t *testing.T, shared *mysqlserver.Server) {
		f := newFixtureOn(t, mysqltest.Borrow(t, shared.Series()))
		f.withAdmin()
		f.fill(pendingPassword, f.first)
		f.mustQuarantine(pendingPassword, f.first)
		before := f.baseline()
		for range 3 {
			f.mustQuarantine(pendingPassword, f.first)
		}
		if after := f.baseline(); after.Refused != before.Refused {
			t.Errorf("%d logins were refused before, and %d after", before.Refused, after.Refused)
		}
		f.accepts(false, f.first)
		if after := f.baseline(); after.Refused != before.Refused+1 { // so a refused login would have shown
			t.Errorf("%d logins were refused before, and %d after a refused one", before.Refused, after.Refused)
		}
	})
}
