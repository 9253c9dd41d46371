package rotation

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mautic-rotation/rotation/document"
)

const uuid = "3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"

var allKinds = []string{"database", "admin", "api", "webhook", "smtp"}

var began = time.Date(2026, 11, 22, 21, 4, 5, 0, time.UTC)

func TestATokenMayAskInWords(t *testing.T) {
	for _, tc := range []struct {
		token, label string
		want         wish
		wantError    string
	}{
		{token: uuid},
		{token: "deploy.42." + uuid}, // somebody's own
		{token: "all." + uuid, want: wish{all: true}},
		{token: "emergency." + uuid, want: wish{emergency: true}},
		{token: "only.database." + uuid, want: wish{only: []string{"database"}}},
		{token: "only.api.smtp.emergency." + uuid, want: wish{only: []string{"api", "smtp"}, emergency: true}},
		{token: "emergency.only.api." + uuid, want: wish{only: []string{"api"}, emergency: true}},
		{token: uuid, label: "rotate;only.webhook", want: wish{only: []string{"webhook"}}},
		{token: "all." + uuid, label: "rotate;only.webhook", want: wish{all: true}},
		{token: "only." + uuid, wantError: "names none"},
		{token: "only.databse." + uuid, wantError: `"databse"`},
		{token: "all.only.api." + uuid, wantError: "for all kinds and for some only"},
		{token: "all.now." + uuid, wantError: `"now"`},
		{token: uuid, label: "rotate;emergency", wantError: "in the token alone"},
		{token: uuid, label: "rotate;everything", wantError: `"everything"`},
	} {
		labels := map[string][]string{"v1": {"AWSCURRENT"}}
		if tc.label != "" {
			labels["v1"] = append(labels["v1"], tc.label)
		}
		got, err := wishOf(tc.token, labels, allKinds)
		if (err == nil) != (tc.wantError == "") || err != nil && (!strings.Contains(err.Error(), tc.wantError) || !strings.Contains(err.Error(), "uuidgen")) {
			t.Errorf("%s %s: got error %v, want %q", tc.token, tc.label, err, tc.wantError)
		}
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s %s: got %+v", tc.token, tc.label, got)
		}
	}
}

func TestChooseFollowsWordsThenTheScheduleThenTheHand(t *testing.T) {
	const day = 24 * time.Hour
	present := []string{"database", "admin", "api"}
	last := map[string]time.Time{"database": began.Add(-80 * day), "admin": began.Add(-59 * day), "api": began.Add(-30 * day)}
	apiOpen := map[string]string{"api": "its overlap is open"}
	for _, tc := range []struct {
		name        string
		o           occasion
		want        []string
		wantRefusal string
	}{
		{"by hand: all", occasion{}, present, ""},
		{"by hand: all but what is open", occasion{open: apiOpen}, []string{"database", "admin"}, ""},
		{"by hand, and all is open", occasion{present: []string{"api"}, open: apiOpen}, nil, "api: its overlap is open"},
		{"by hand, after a rollback", occasion{heldOff: true}, present, ""},
		{"scheduled: what is due within half an interval", occasion{scheduled: true, interval: 30 * day}, []string{"database", "admin"}, ""},
		{"scheduled: exactly", occasion{scheduled: true, interval: day}, nil, ""},
		{"scheduled, and all is open", occasion{scheduled: true, present: []string{"api"}, open: apiOpen}, nil, ""},
		{"scheduled, after a rollback", occasion{scheduled: true, interval: 30 * day, heldOff: true}, nil, ""},
		{"scheduled, with words", occasion{scheduled: true, heldOff: true, wish: wish{only: []string{"api"}}}, []string{"api"}, ""},
		{"scheduled, and never rotated before", occasion{scheduled: true, last: map[string]time.Time{}}, present, ""},
		{"scheduled, the only kind", occasion{scheduled: true, present: []string{"api"}}, []string{"api"}, ""},
		{"all, in words, but what is open", occasion{wish: wish{all: true}, scheduled: true, open: apiOpen}, []string{"database", "admin"}, ""},
		{"one that is open, by its name", occasion{wish: wish{only: []string{"api"}}, open: apiOpen}, nil, "its overlap is open"},
		{"one that is open, by its name beside another", occasion{wish: wish{only: []string{"api", "admin"}}, open: apiOpen}, []string{"admin"}, "api: its overlap is open"},
		{"one that is open, in an emergency", occasion{wish: wish{only: []string{"api"}, emergency: true}, open: apiOpen}, []string{"api"}, ""},
		{"an emergency of all", occasion{wish: wish{emergency: true}, scheduled: true, open: apiOpen, heldOff: true}, present, ""},
		{"one that the secret does not have", occasion{wish: wish{only: []string{"smtp"}}}, nil, "smtp: the secret has no such credential: it has database, admin, api"},
		{"an emergency of one that the secret does not have", occasion{wish: wish{only: []string{"smtp"}, emergency: true}}, nil, "smtp: the secret has no such credential"},
		{"an emergency of that and of another", occasion{wish: wish{only: []string{"smtp", "api"}, emergency: true}}, []string{"api"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.now, tc.o.every = began, DefaultEvery
			if tc.o.present == nil {
				tc.o.present = present
			}
			if tc.o.last == nil {
				tc.o.last = last
			}
			got := choose(tc.o)
			if !slices.Equal(got.kinds, tc.want) {
				t.Errorf("got %v, want %v (%v)", got.kinds, tc.want, got.why)
			}
			for _, name := range append(slices.Clone(tc.o.present), tc.o.only...) {
				if slices.Contains(got.kinds, name) == (got.why[name] != "") {
					t.Errorf("%s is rotated: %v; why not: %q", name, slices.Contains(got.kinds, name), got.why[name])
				}
			}
			err := got.refusal()
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
		o       occasion
		refused string // what the refusal tells of; "": it goes on
		leftOut string
	}{
		{"by hand", occasion{present: present}, "", "webhook"},
		{"by hand, all in words", occasion{present: present, wish: wish{all: true}}, "", "webhook"},
		{"by hand, and nothing can be rotated", occasion{present: present[1:]}, "api: early; webhook: broken", "webhook"},
		{"scheduled, and nothing can be rotated", occasion{present: present[1:], scheduled: true}, "", "webhook"},
		{"one by its name that cannot", occasion{present: present, wish: wish{only: []string{"database", "webhook"}}}, "webhook: broken", "webhook"},
		{"one by its name that is too early", occasion{present: present, wish: wish{only: []string{"database", "api"}}}, "api: early", ""},
		{"others by their names", occasion{present: present, wish: wish{only: []string{"database"}}}, "", ""},
		{"an emergency", occasion{present: present, wish: wish{emergency: true}}, "", "webhook"},
		{"an emergency of one that cannot and another", occasion{present: present, wish: wish{emergency: true, only: []string{"database", "webhook"}}}, "", "webhook"},
		{"an emergency of one that cannot", occasion{present: present, wish: wish{emergency: true, only: []string{"webhook"}}}, "webhook: broken", "webhook"},
		{"a label's words, followed by the schedule", occasion{present: present, scheduled: true, wish: wish{only: []string{"webhook"}}}, "webhook: broken", "webhook"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := choose(tc.o)
			if slices.Contains(c.kinds, "api") {
				c.skip("api", "early")
			}
			if slices.Contains(c.kinds, "webhook") {
				c.leaveOut("webhook", "broken")
			}
			err := c.refusal()
			if (err == nil) != (tc.refused == "") || err != nil && !strings.HasSuffix(err.Error(), tc.refused) {
				t.Errorf("refused for %v, want %q", err, tc.refused)
			}
			if got := strings.Join(c.leftOut, " "); got != tc.leftOut {
				t.Errorf("left out are %q, want %q", got, tc.leftOut)
			}
		})
	}
}

func TestKindsKeepTheirRhythmOnAScheduleOverAYear(t *testing.T) {
	const day = 24 * time.Hour
	times := map[string]int{}
	last := map[string]time.Time{}
	for now := began; now.Before(began.Add(360 * day)); now = now.Add(30 * day) {
		c := choose(occasion{now: now.Add(3 * time.Hour), scheduled: true, interval: 30 * day, present: allKinds, last: last, every: DefaultEvery})
		for _, name := range c.kinds {
			times[name]++
			last[name] = now
		}
	}
	if want := map[string]int{"database": 4, "admin": 6, "api": 4, "webhook": 4, "smtp": 2}; !reflect.DeepEqual(times, want) {
		t.Errorf("got %v, want %v", times, want)
	}
}

func TestTheBlockIsReadAsItWasWritten(t *testing.T) {
	d, err := document.Parse(`{"database_password": "x"}`)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if d, err = noteRotated(d, []string{"database", "admin"}, began); err != nil {
			t.Fatal(err)
		}
	}
	last := lastRotated(d, allKinds)
	if len(last) != 2 || !last["admin"].Equal(began.Truncate(time.Second)) {
		t.Errorf("got %v from %s", last, d.Raw())
	}
	if d, err = d.Replace("/rotated_at/admin", "yesterday"); err != nil {
		t.Fatal(err)
	}
	if last = lastRotated(d, allKinds); len(last) != 1 {
		t.Errorf("got %v", last)
	}
}
