package plan

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// everyKind is how often the schedule rotates each kind.
var everyKind = map[string]time.Duration{"database": 90 * day, "admin": 60 * day, "api": 90 * day, "webhook": 90 * day, "smtp": 180 * day}

var today = time.Date(2026, 11, 22, 21, 4, 5, 0, time.UTC)

func TestChooseFollowsWordsThenTheScheduleThenTheHand(t *testing.T) {
	present := []string{"database", "admin", "api"}
	last := map[string]time.Time{"database": today.Add(-80 * day), "admin": today.Add(-59 * day), "api": today.Add(-30 * day)}
	apiOpen := map[string]string{"api": "its overlap is open"}
	for _, tc := range []struct {
		name        string
		o           Candidates
		want        []string
		wantRefusal string
	}{
		{"by hand: all", Candidates{}, present, ""},
		{"by hand: all but what is open", Candidates{Open: apiOpen}, []string{"database", "admin"}, ""},
		{"by hand, and all is open", Candidates{Present: []string{"api"}, Open: apiOpen}, nil, "api: its overlap is open"},
		{"by hand, after a rollback", Candidates{HeldOff: true}, present, ""},
		{"scheduled: what is due within half an interval", Candidates{Scheduled: true, Interval: 30 * day}, []string{"database", "admin"}, ""},
		{"scheduled: exactly", Candidates{Scheduled: true, Interval: day}, nil, ""},
		{"scheduled, and all is open", Candidates{Scheduled: true, Present: []string{"api"}, Open: apiOpen}, nil, ""},
		{"scheduled, after a rollback", Candidates{Scheduled: true, Interval: 30 * day, HeldOff: true}, nil, ""},
		{"scheduled, and paused", Candidates{Scheduled: true, Pause: Pause{On: true}}, nil, ""},
		{"scheduled, and paused, the only kind", Candidates{Scheduled: true, Pause: Pause{On: true}, Present: []string{"api"}}, nil, ""},
		{"scheduled, and paused, with words", Candidates{Scheduled: true, Pause: Pause{On: true}, Request: Request{Only: []string{"api"}}}, []string{"api"}, ""},
		{"by hand, and paused", Candidates{Pause: Pause{On: true}}, present, ""},
		{"an emergency, and paused", Candidates{Request: Request{Emergency: true}, Scheduled: true, Pause: Pause{On: true}}, present, ""},
		{"scheduled, with words", Candidates{Scheduled: true, HeldOff: true, Request: Request{Only: []string{"api"}}}, []string{"api"}, ""},
		{"scheduled, and never rotated before", Candidates{Scheduled: true, Last: map[string]time.Time{}}, present, ""},
		{"scheduled, the only kind", Candidates{Scheduled: true, Present: []string{"api"}}, []string{"api"}, ""},
		{"scheduled, the only kind, which has a rhythm of its own", Candidates{Scheduled: true, WhenDue: true, Interval: 30 * day, Present: []string{"api"}}, nil, ""},
		{"scheduled, the only kind, when it is due", Candidates{Scheduled: true, WhenDue: true, Interval: 30 * day, Present: []string{"database"}}, []string{"database"}, ""},
		{"scheduled, the only kind, never rotated before", Candidates{Scheduled: true, WhenDue: true, Interval: 30 * day, Present: []string{"smtp"}}, []string{"smtp"}, ""},
		{"by hand, the only kind, not due", Candidates{WhenDue: true, Interval: 30 * day, Present: []string{"api"}}, []string{"api"}, ""},
		{"all, in words, but what is open", Candidates{Request: Request{All: true}, Scheduled: true, Open: apiOpen}, []string{"database", "admin"}, ""},
		{"one that is open, by its name", Candidates{Request: Request{Only: []string{"api"}}, Open: apiOpen}, nil, "its overlap is open"},
		{"one that is open, by its name beside another", Candidates{Request: Request{Only: []string{"api", "admin"}}, Open: apiOpen}, []string{"admin"}, "api: its overlap is open"},
		{"one that is open, in an emergency", Candidates{Request: Request{Only: []string{"api"}, Emergency: true}, Open: apiOpen}, []string{"api"}, ""},
		{"an emergency of all", Candidates{Request: Request{Emergency: true}, Scheduled: true, Open: apiOpen, HeldOff: true}, present, ""},
		{"one that the secret does not have", Candidates{Request: Request{Only: []string{"smtp"}}}, nil, "smtp: the secret has no such credential: it has database, admin, api"},
		{"an emergency of one that the secret does not have", Candidates{Request: Request{Only: []string{"smtp"}, Emergency: true}}, nil, "smtp: the secret has no such credential"},
		{"an emergency of that and of another", Candidates{Request: Request{Only: []string{"smtp", "api"}, Emergency: true}}, []string{"api"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.Now, tc.o.Every = today, everyKind
			if tc.o.Present == nil {
				tc.o.Present = present
			}
			if tc.o.Last == nil {
				tc.o.Last = last
			}
			got := Select(tc.o)
			if !slices.Equal(got.Kinds, tc.want) {
				t.Errorf("got %v, want %v (%v)", got.Kinds, tc.want, got.Why)
			}
			for _, name := range append(slices.Clone(tc.o.Present), tc.o.Only...) {
				if slices.Contains(got.Kinds, name) == (got.Why[name] != "") {
					t.Errorf("%s is rotated: %v; why not: %q", name, slices.Contains(got.Kinds, name), got.Why[name])
				}
			}
			err := got.Refusal()
			if (err == nil) != (tc.wantRefusal == "") || err != nil && !strings.Contains(err.Error(), tc.wantRefusal) {
				t.Errorf("refused for %v, want %q", err, tc.wantRefusal)
			}
			if err != nil && strings.Contains(err.Error(), notAsked) {
				t.Errorf("it tells of kinds that nobody asked for: %v", err)
			}
		})
	}
}

func TestARotationIsRefusedForWhatItIsAskedForAndCannotRotate(t *testing.T) {
	// webhook cannot be rotated; api is too early; database can.
	present := []string{"database", "api", "webhook"}
	for _, tc := range []struct {
		name    string
		o       Candidates
		refused string // what the refusal tells of; "": it goes on
		leftOut string
	}{
		{"by hand", Candidates{Present: present}, "", "webhook"},
		{"by hand, all in words", Candidates{Present: present, Request: Request{All: true}}, "", "webhook"},
		{"by hand, and nothing can be rotated", Candidates{Present: present[1:]}, "api: early; webhook: broken", "webhook"},
		{"scheduled, and nothing can be rotated", Candidates{Present: present[1:], Scheduled: true}, "", "webhook"},
		{"one by its name that cannot", Candidates{Present: present, Request: Request{Only: []string{"database", "webhook"}}}, "webhook: broken", "webhook"},
		{"one by its name that is too early", Candidates{Present: present, Request: Request{Only: []string{"database", "api"}}}, "api: early", ""},
		{"others by their names", Candidates{Present: present, Request: Request{Only: []string{"database"}}}, "", ""},
		{"an emergency", Candidates{Present: present, Request: Request{Emergency: true}}, "", "webhook"},
		{"an emergency of one that cannot and another", Candidates{Present: present, Request: Request{Emergency: true, Only: []string{"database", "webhook"}}}, "", "webhook"},
		{"an emergency of one that cannot", Candidates{Present: present, Request: Request{Emergency: true, Only: []string{"webhook"}}}, "webhook: broken", "webhook"},
		{"a label's words, followed by the schedule", Candidates{Present: present, Scheduled: true, Request: Request{Only: []string{"webhook"}}}, "webhook: broken", "webhook"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Select(tc.o)
			if slices.Contains(c.Kinds, "api") {
				c.Skip("api", "early")
			}
			if slices.Contains(c.Kinds, "webhook") {
				c.LeaveOut("webhook", "broken")
			}
			err := c.Refusal()
			if (err == nil) != (tc.refused == "") || err != nil && !strings.HasSuffix(err.Error(), tc.refused) {
				t.Errorf("refused for %v, want %q", err, tc.refused)
			}
			if got := strings.Join(c.LeftOut, " "); got != tc.leftOut {
				t.Errorf("left out are %q, want %q", got, tc.leftOut)
			}
		})
	}
}

func TestKindsKeepTheirRhythmOnAScheduleOverAYear(t *testing.T) {
	times := map[string]int{}
	last := map[string]time.Time{}
	for now := today; now.Before(today.Add(360 * day)); now = now.Add(30 * day) {
		c := Select(Candidates{Now: now.Add(3 * time.Hour), Scheduled: true, Interval: 30 * day, Present: allKinds, Last: last, Every: everyKind})
		for _, name := range c.Kinds {
			times[name]++
			last[name] = now
		}
	}
	if want := map[string]int{"database": 4, "admin": 6, "api": 4, "webhook": 4, "smtp": 2}; !reflect.DeepEqual(times, want) {
		t.Errorf("got %v, want %v", times, want)
	}
}
