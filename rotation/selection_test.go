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
		name      string
		o         occasion
		want      []string
		wantError string
	}{
		{"by hand: all", occasion{}, present, ""},
		{"by hand: all but what is open", occasion{open: apiOpen}, []string{"database", "admin"}, ""},
		{"by hand, after a rollback", occasion{heldOff: true}, present, ""},
		{"scheduled: what is due within half an interval", occasion{scheduled: true, interval: 30 * day}, []string{"database", "admin"}, ""},
		{"scheduled: exactly", occasion{scheduled: true, interval: day}, nil, ""},
		{"scheduled, after a rollback", occasion{scheduled: true, interval: 30 * day, heldOff: true}, nil, ""},
		{"scheduled, with words", occasion{scheduled: true, heldOff: true, wish: wish{only: []string{"api"}}}, []string{"api"}, ""},
		{"scheduled, and never rotated before", occasion{scheduled: true, last: map[string]time.Time{}}, present, ""},
		{"scheduled, the only kind", occasion{scheduled: true, present: []string{"api"}}, []string{"api"}, ""},
		{"all, in words, but what is open", occasion{wish: wish{all: true}, scheduled: true, open: apiOpen}, []string{"database", "admin"}, ""},
		{"one that is open, by its name", occasion{wish: wish{only: []string{"api"}}, open: apiOpen}, nil, "its overlap is open"},
		{"one that is open, in an emergency", occasion{wish: wish{only: []string{"api"}, emergency: true}, open: apiOpen}, []string{"api"}, ""},
		{"an emergency of all", occasion{wish: wish{emergency: true}, scheduled: true, open: apiOpen, heldOff: true}, present, ""},
		{"one that the secret does not have", occasion{wish: wish{only: []string{"smtp"}}}, nil, "the secret has none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.o.now, tc.o.every = began, DefaultEvery
			if tc.o.present == nil {
				tc.o.present = present
			}
			if tc.o.last == nil {
				tc.o.last = last
			}
			got, err := choose(tc.o)
			if (err == nil) != (tc.wantError == "") || err != nil && !strings.Contains(err.Error(), tc.wantError) {
				t.Fatalf("got error %v, want %q", err, tc.wantError)
			}
			if !slices.Equal(got.kinds, tc.want) {
				t.Errorf("got %v, want %v (%v)", got.kinds, tc.want, got.why)
			}
			if err == nil && len(got.kinds)+len(got.why) != len(tc.o.present) {
				t.Errorf("it does not say why not the others: %v", got.why)
			}
		})
	}
}

func TestKindsKeepTheirRhythmOnAScheduleOverAYear(t *testing.T) {
	const day = 24 * time.Hour
	times := map[string]int{}
	last := map[string]time.Time{}
	for now := began; now.Before(began.Add(360 * day)); now = now.Add(30 * day) {
		c, err := choose(occasion{now: now.Add(3 * time.Hour), scheduled: true, interval: 30 * day, present: allKinds, last: last, every: DefaultEvery})
		if err != nil {
			t.Fatal(err)
		}
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
