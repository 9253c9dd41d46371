package database

import (
	"strings"
	"testing"
	"time"

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
