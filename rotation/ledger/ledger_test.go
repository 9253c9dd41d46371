package ledger

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	began = time.Date(2026, 11, 22, 21, 4, 5, 0, time.UTC)
	later = began.Add(time.Hour)
)

const (
	one = "3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"
	two = "only.database.emergency.9c11b2aa-0000-4000-8000-0123456789ab-xxxx"
)

// fullest are pages with the longest labels that the engine can have to write: a
// database whose old value is in quarantine needs a baseline, kinds with a
// single value need no time, and a label that has quarantines has a rollout that
// has converged.
func fullest() []Page {
	quarantined := Entry{State: Quarantined, Count: maxCount, At: later}
	database := quarantined
	database.Before = &Baseline{Refused: 1 << 40, Server: "zzzzzz", Up: began}
	return []Page{
		{Version: one, Rollout: Rollout{Since: began, Converged: later}, Entries: map[string]Entry{
			"database": database, "api": quarantined, "smtp": quarantined,
			"admin": {State: Proven, Count: maxCount}, "webhook": {State: Proven, Count: maxCount},
		}},
		{Version: two, Rollout: Rollout{Since: began, Promoted: true, RolledBack: true, Emergency: true, Unhealthy: later}, Entries: map[string]Entry{
			"database": {State: Proven, Count: maxCount}, "api": {State: Proven, Count: maxCount}, "smtp": {State: Proven, Count: maxCount},
			"admin": {State: Proven, Count: maxCount}, "webhook": {State: Proven, Count: maxCount},
		}},
		{Version: two, Entries: map[string]Entry{
			"database": {State: RolledBack, Count: maxCount, At: later}, "api": {State: RolledBack, Count: maxCount, At: later}, "smtp": {State: RolledBack, Count: maxCount, At: later},
			"admin": {State: RolledBack, Count: maxCount, At: later}, "webhook": {State: RolledBack, Count: maxCount, At: later},
		}},
	}
}

func TestAPageIsReadAsItWasWrittenAndFitsIntoALabel(t *testing.T) {
	pages := append(fullest(),
		Page{Version: one}.With("database", Pending, began),
		Page{Version: one}.With("database", Old, began).With("api", Held, later).WithBaseline("database", Baseline{Server: "a", Up: began}),
		Page{Version: two, Rollout: Rollout{Since: began}, Entries: map[string]Entry{}},
	)
	for _, want := range pages {
		label, err := want.Label()
		if err != nil || len(label) > MaxLabel {
			t.Errorf("%d characters, %v: %s", len(label), err, label)
			continue
		}
		want.Labels = []string{label}
		if got, ours, err := parse(want.Version, label); err != nil || !ours || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %+v, %v, %v\nwant %+v", label, got, ours, err, want)
		}
		if _, _, err := parse("another-version-of-32-characters", label); err == nil {
			t.Errorf("%s is understood on a version that it was not written for", label)
		}
	}
}

func TestWhatNoLabelCanHoldIsAnErrorAndNoLabel(t *testing.T) {
	tooLong := Page{Version: one}
	for _, kind := range []string{"database", "api", "smtp", "admin", "webhook"} {
		tooLong = tooLong.With(kind, Quarantined, began).WithBaseline(kind, Baseline{Refused: 1 << 40, Server: "zzzzzz", Up: began})
	}
	if label, err := tooLong.Label(); !errors.Is(err, ErrFull) || label != "" {
		t.Errorf("got %q, %v", label, err)
	}
	for name, p := range map[string]Page{
		"no state":   Page{Version: one}.With("database", "", began),
		"no kind":    Page{Version: one}.With("a;b", Old, began),
		"no count":   {Version: one, Entries: map[string]Entry{"database": {State: Old}}},
		"a baseline": Page{Version: one}.With("database", Old, began).WithBaseline("database", Baseline{Server: "UPPER"}),
	} {
		if label, err := p.Label(); err == nil || label != "" {
			t.Errorf("%s: got %q, %v", name, label, err)
		}
	}
}

func TestLabelsOfOthersAreLeftAloneAndAnUnreadableOneStopsWithItsRemedy(t *testing.T) {
	if b, err := Read(map[string][]string{one: {"AWSCURRENT", "blue", "rotate;all"}, two: {"AWSPREVIOUS"}}); err != nil || len(b.Pages) > 0 {
		t.Errorf("got %+v, %v", b, err)
	}
	own := hash(one)
	for _, label := range []string{
		"rotation;", "rotation;3;" + own, "rotation;2", "rotation;2;00000000;database=old.1", "rotation;2;" + own + ";database=lost.1",
		"rotation;2;" + own + ";database=old", "rotation;2;" + own + ";database=old.0", "rotation;2;" + own + ";database=old.1@yesterday",
		"rotation;2;" + own + ";database=old.1;database=held.2", "rotation;2;" + own + ";rollout=", "rotation;2;" + own + ";rollout=20261122T210405Z,fast",
		"rotation;gone;of=x", "rotation;old;since=yesterday", "rotation;old;live=DROP TABLE", "rotation;old;live=api;n=0", "rotation;old;live=api;n=9999",
	} {
		_, err := Read(map[string][]string{one: {"AWSCURRENT", label}})
		if err == nil || !strings.Contains(err.Error(), "update-secret-version-stage --version-stage '"+label+"' --remove-from-version-id "+one) {
			t.Errorf("%q: got %v", label, err)
		}
	}
}

func TestOfTwoLabelsOnAVersionTheHigherCountHoldsKindByKind(t *testing.T) {
	first := Page{Version: one, Rollout: Rollout{Since: began, Promoted: true, Converged: later, Unhealthy: later}}.
		With("database", Old, began).With("api", Old, began).With("api", Quarantined, later)
	second := Page{Version: one, Rollout: Rollout{Since: began, Promoted: true, Unhealthy: began.Add(time.Minute)}}.
		With("database", Old, began).With("database", Quarantined, later).With("database", Held, later).With("api", Old, began).With("smtp", Old, began)
	labels := make([]string, 2)
	for i, p := range []Page{first, second} {
		var err error
		if labels[i], err = p.Label(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		b, err := Read(map[string][]string{one: {labels[0], "AWSPREVIOUS", labels[1]}, two: {"AWSCURRENT"}})
		if err != nil {
			t.Fatal(err)
		}
		p := b.Page(one)
		for kind, want := range map[string]State{"database": Held, "api": Quarantined, "smtp": Old} {
			if got := p.Entries[kind].State; got != want {
				t.Errorf("%s is %s, want %s", kind, got, want)
			}
		}
		want := Rollout{Since: began, Promoted: true, Converged: later, Unhealthy: began.Add(time.Minute)}
		if p.Rollout != want || len(p.Labels) != 2 {
			t.Errorf("got %+v of %s", p.Rollout, p.Labels)
		}
		slices.Reverse(labels)
	}
}

func TestLabelsAreJoinedByWhatStaysAsItIs(t *testing.T) {
	was := Page{Version: one}.With("database", Foreign, began).With("api", Held, began)
	is := was.With("api", Released, later)
	var labels []string
	for _, p := range []Page{was, is} {
		label, err := p.Label()
		if err != nil {
			t.Fatal(err)
		}
		labels = append(labels, label)
	}
	pageOf := func(labels ...string) Page {
		b, err := Read(map[string][]string{one: labels})
		if err != nil {
			t.Fatal(err)
		}
		return b.Page(one)
	}
	torn := pageOf(labels...)
	if pageOf(labels[0]).Torn() || !torn.Torn() {
		t.Error("a page is torn that has one label, or one is not that has two")
	}
	joined, err := torn.Joined().Label()
	if err != nil || slices.Contains(labels, joined) {
		t.Fatalf("%v: %s is one of those that it replaces", err, joined)
	}
	want := map[string]Entry{"database": {State: Foreign, Count: 2, At: began}, "api": {State: Released, Count: 2, At: later}}
	if got := pageOf(append(labels, joined)...); !reflect.DeepEqual(got.Entries, want) {
		t.Errorf("beside its parts it says %+v, want %+v", got.Entries, want)
	}
	newer, err := is.With("api", Quarantined, later).Label()
	if got := pageOf(joined, newer).Entries["api"].State; err != nil || got != Quarantined {
		t.Errorf("%v: beside a newer entry it says %s", err, got)
	}
}

func TestALabelOfWhatAnotherStateFollowsIsNotTorn(t *testing.T) {
	for _, s := range states {
		p := Page{Version: one, Labels: []string{"a", "b"}}.With("database", s, began)
		if stays := s == Foreign || s == Failed; p.Torn() != stays {
			t.Errorf("%s on two labels: torn is %t", s, p.Torn())
		}
	}
}

func TestTheLatestRolloutOfAllLabelsCounts(t *testing.T) {
	labels := map[string][]string{}
	for version, r := range map[string]Rollout{one: {Since: began, Converged: later}, two: {Since: later, Promoted: true}} {
		label, err := Page{Version: version, Rollout: r}.Label()
		if err != nil {
			t.Fatal(err)
		}
		labels[version] = []string{label}
	}
	b, err := Read(labels)
	if want := (Rollout{Since: later, Promoted: true}); err != nil || b.Rollout() != want {
		t.Errorf("got %+v, %v", b.Rollout(), err)
	}
	if b.Free() != MaxLabels-SpareSlots-2 {
		t.Errorf("%d versions more can get a label", b.Free())
	}
}

func TestLabelsOfTheFirstEditionAreUnderstood(t *testing.T) {
	since := began.Add(123 * time.Millisecond)
	rounded := began.Add(time.Second)
	for label, want := range map[string]Page{
		"rotation;set;of=x;live=database,smtp;since=2026-11-22T21:04:05.123Z": {Entries: map[string]Entry{
			"database": {State: Pending, Count: 1, At: rounded}, "smtp": {State: Pending, Count: 1, At: rounded}}},
		"rotation;old;of=x;live=database;next=y": {Next: "y", Entries: map[string]Entry{"database": {State: Old, Count: 1}}},
		"rotation;old;of=x;live=database;next=y;since=2026-11-22T21:04:05.123Z": {
			Next: "y", Entries: map[string]Entry{"database": {State: Old, Count: 1, At: rounded}}, Rollout: Rollout{Since: rounded, Promoted: true}},
		"rotation;old;of=x;live=api;gone=database;next=y;since=2026-11-22T21:04:05.123Z": {
			Next: "y", Entries: map[string]Entry{"api": {State: Old, Count: 1, At: rounded}}, Rollout: Rollout{Since: rounded, Converged: rounded}},
		"rotation;quarantined;of=x;live=api,database;closing=database;next=y;since=2026-11-22T21:04:05Z": {
			Next:    "y",
			Entries: map[string]Entry{"api": {State: Old, Count: 1, At: began}, "database": {State: Quarantined, Count: 1}}, // when its quarantine began is not known
			Rollout: Rollout{Since: began, Converged: began}},
		"rotation;held;of=x;live=database;next=y;since=2026-11-22T21:04:05Z;n=7": {
			Next: "y", Entries: map[string]Entry{"database": {State: Held, Count: 7, At: began}}, Rollout: Rollout{Since: began, Converged: began}},
		"rotation;rolled-back;of=x;live=database;next=y;since=2026-11-22T21:04:05Z": {
			Next: "y", Entries: map[string]Entry{"database": {State: RolledBack, Count: 1, At: began}}, Rollout: Rollout{Since: began, RolledBack: true}},
		"rotation;failed;of=x;live=;since=2026-11-22T21:04:05Z":                 {Entries: map[string]Entry{AllKinds: {State: Failed, Count: 1, At: began}}},
		"rotation;old;of=x;live=database;emergency=2026-11-22T21:04:05Z;next=y": {Next: "y", Entries: map[string]Entry{"database": {State: Revoking, Count: 1}}},
		"rotation;old;of=x;live=;gone=database;revoked=2026-11-22T21:04:05Z;next=y;since=2026-11-22T21:04:05Z": {
			Next: "y", Entries: map[string]Entry{}, Rollout: Rollout{Since: began, Promoted: true, Emergency: true}},
	} {
		got, ours, err := parse(one, label)
		want.Version, want.Labels = one, []string{label}
		if err != nil || !ours || !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %+v, %v, %v\nwant %+v", label, got, ours, err, want)
		}
		// What replaces it is newer.
		for kind, e := range got.Entries {
			if next := got.With(kind, Pending, since).Entries[kind]; !newer(next, e) {
				t.Errorf("%s: the next entry of %s would not replace it", label, kind)
			}
		}
	}
}

func TestWhatReplacesALabelOfTheFirstEditionDoesNotNameAnotherVersion(t *testing.T) {
	page, _, err := parse(one, "rotation;old;of=x;live=database;next="+two)
	if err != nil {
		t.Fatal(err)
	}
	label, err := page.With("database", Held, later).Label()
	if err != nil || strings.Contains(label, two) {
		t.Fatalf("got %s, %v", label, err)
	}
	// Beside it, until that is removed, both are read.
	b, err := Read(map[string][]string{one: {label, page.Labels[0]}})
	if p := b.Page(one); err != nil || p.Entries["database"].State != Held || p.Next != two || len(p.Labels) != 2 {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestAStateThatIsWrittenBeforeItIsTrueHasNoTimeUntilItHasBegun(t *testing.T) {
	before := Page{Version: one}.With("database", Quarantined, time.Time{}).WithBaseline("database", Baseline{Refused: 7, Server: "a", Up: began})
	for _, p := range []struct {
		page Page
		at   time.Time
	}{{before, time.Time{}}, {before.Began("database", later.Add(999*time.Millisecond)), later}} {
		label, err := p.page.Label()
		if err != nil {
			t.Fatal(err)
		}
		read, _, err := parse(one, label)
		if err != nil {
			t.Fatal(err)
		}
		e := read.Entries["database"]
		if e.State != Quarantined || !e.At.Equal(p.at) || e.Before == nil || e.Before.Refused != 7 {
			t.Errorf("%s: got %+v", label, e)
		}
	}
	began := before.Began("database", later)
	if !newer(began.Entries["database"], before.Entries["database"]) {
		t.Error("of the two labels, the one without a time would count")
	}
	if e := before.Entries["database"]; !e.At.IsZero() {
		t.Errorf("the page that it began from has changed: %+v", e)
	}
}

func TestEveryStateIsReadAsItWasWrittenAndOnlyThoseThatAreRefusedAreNotLive(t *testing.T) {
	for _, s := range []State{Pending, Proven, Old, Released, Quarantined, Held, Revoking, RolledBack, Failed, GivenUp, Foreign} {
		page := Page{Version: one}.With("database", s, began)
		label, err := page.Label()
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if got, _, err := parse(one, label); err != nil || got.Entries["database"] != page.Entries["database"] {
			t.Errorf("%s: got %+v, %v", label, got, err)
		}
		if s.Live() != (s != Failed) {
			t.Errorf("%s: live is %v", s, s.Live())
		}
	}
	if State("").Live() {
		t.Error("a value without an entry is live")
	}
	// Of two labels with the same count, the state that comes later counts.
	for _, order := range [][2]State{{Held, Released}, {Pending, GivenUp}, {Proven, Old}} {
		if a, b := (Entry{State: order[0], Count: 3}), (Entry{State: order[1], Count: 3}); !newer(b, a) || newer(a, b) {
			t.Errorf("%s does not count before %s", order[1], order[0])
		}
	}
}

func TestARolloutDoesNotConvergeBeforeItHasBegun(t *testing.T) {
	r := Rollout{Since: began, Promoted: true, Unhealthy: began}
	for at, want := range map[time.Time]time.Time{
		began.Add(-time.Millisecond): began, // its start was rounded up
		began:                        began,
		later.Add(time.Millisecond):  later,
	} {
		if got, want := r.ConvergedAt(at), (Rollout{Since: began, Converged: want}); got != want || got.Open() {
			t.Errorf("at %s: got %+v", at, got)
		}
	}
	if !r.Open() || (Rollout{}).Open() {
		t.Error("a rollout is open until it has converged, and where there is none, none is")
	}
}
