package rotation

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

var began = time.Date(2026, 11, 22, 21, 4, 5, 123000000, time.UTC)

func TestAnEntryIsReadAsItWasWrittenAndFitsIntoALabel(t *testing.T) {
	words := "only.database.emergency." + strings.Repeat("x", 4) + "9c11b2aa-0000-4000-8000-0123456789ab"
	for _, e := range []entry{
		{phase: phaseSet, live: []string{"database"}},
		{phase: phaseOld, live: []string{"database", "smtp"}, next: endOf(words)},
		{phase: phaseOld, live: []string{"admin", "api", "database", "smtp", "webhook"}, next: endOf(words), since: began},
		{phase: phaseQuarantined, live: []string{"admin", "api", "database", "smtp"}, closing: []string{"admin", "database", "smtp"}, gone: []string{"webhook"}, next: endOf(words), since: began},
		{phase: phaseQuarantined, live: []string{"database"}, since: began},
		{phase: phaseOld, live: []string{"api"}, gone: []string{"database"}, next: endOf(words), since: began},
		{phase: phaseOld, live: []string{"api"}, emergency: true, refused: began, next: endOf(words)},
		{phase: phaseHeld, gone: []string{"admin", "api", "database", "smtp", "webhook"}, emergency: true, revoked: true, refused: began, next: endOf(words), since: began},
		{phase: phaseRolledBack},
		{phase: phaseQuarantined, live: []string{"admin", "api", "database", "smtp", "webhook"}, closing: []string{"admin", "api", "database", "smtp", "webhook"}, next: endOf(words), since: began, number: 99},
	} {
		e.number = max(1, e.number)
		label := e.label(words)
		if len(label) > 256 {
			t.Errorf("%d characters: %s", len(label), label)
		}
		got, ok, err := parseEntry(label)
		if err != nil || !ok || !reflect.DeepEqual(got, e) {
			t.Errorf("%s: got %+v, %v, %v", label, got, ok, err)
		}
		if label == e.label("another-version-of-32-characters") {
			t.Error("two versions would have the same label, and one of them would lose it")
		}
	}
}

func TestLabelsOfOthersAreNoEntriesAndAFalseEntryIsAnError(t *testing.T) {
	for _, label := range []string{"AWSCURRENT", "AWSPENDING", "blue", ""} {
		if _, ok, err := parseEntry(label); ok || err != nil {
			t.Errorf("%q: %v, %v", label, ok, err)
		}
	}
	for _, label := range []string{"rotation;", "rotation;gone;of=x", "rotation;old;since=yesterday", "rotation;old;n=0", "rotation;old;n=x"} {
		if _, _, err := parseEntry(label); err == nil {
			t.Errorf("%q: no error", label)
		}
	}
}

func TestOfTwoEntriesOnAVersionTheNewestHolds(t *testing.T) {
	old := entry{phase: phaseOld, live: []string{"database"}, next: otherID, number: 1}
	quarantined := entry{phase: phaseQuarantined, live: []string{"api", "database"}, closing: []string{"database"}, since: began, number: 2}
	held := entry{phase: phaseHeld, live: []string{"database"}, next: otherID, since: began, number: 3}
	for name, tc := range map[string]struct{ before, after entry }{
		"the redeploy is noted":            {old, entry{phase: phaseOld, live: []string{"database"}, next: otherID, since: began, number: 2}},
		"the quarantine has begun":         {old, quarantined},
		"one of two kinds was retired":     {quarantined, entry{phase: phaseOld, live: []string{"api"}, gone: []string{"database"}, since: began, number: 3}},
		"the quarantine was undone":        {quarantined, held},
		"what was held was released":       {held, entry{phase: phaseOld, live: []string{"database"}, since: began.Add(time.Hour), number: 4}},
		"another was promoted over it":     {old, entry{phase: phaseOld, live: []string{"database"}, next: tokenID, number: 2}},
		"two wrote at once, the later one": {held, entry{phase: phaseRolledBack, live: []string{"database"}, number: 3}},
		"two wrote at once, since when":    {entry{phase: phaseOld, live: []string{"database"}, number: 1}, entry{phase: phaseOld, live: []string{"database"}, since: began, number: 1}},
		"two wrote at once, an emergency":  {old, entry{phase: phaseOld, live: []string{"database"}, emergency: true, refused: began, next: otherID, number: 1}},
		"a release that did not count":     {entry{phase: phaseHeld, live: []string{"database"}, number: 1}, entry{phase: phaseOld, live: []string{"database"}, number: 2}},
	} {
		before, after := tc.before.label(tokenID), tc.after.label(tokenID)
		for _, labels := range [][]string{{before, after}, {after, "AWSPREVIOUS", before}} {
			journal, err := readJournal(map[string][]string{tokenID: labels, otherID: {"AWSCURRENT"}})
			if err != nil || len(journal) != 1 || !reflect.DeepEqual(journal[0].entry, tc.after) || !reflect.DeepEqual(journal[0].labels, []string{after, before}) {
				t.Errorf("%s: got %+v, %v", name, journal, err)
			}
		}
	}
}

func TestWhichOfSeveralEntriesHoldsDoesNotDependOnTheirOrder(t *testing.T) {
	var labels []string
	for _, live := range []string{"admin", "api", "database"} {
		labels = append(labels, entry{phase: phaseOld, live: []string{live}, number: 2}.label(tokenID))
	}
	labels = append(labels, entry{phase: phaseHeld, live: []string{"smtp"}}.label(tokenID))
	for range 24 {
		rand.Shuffle(len(labels), func(i, j int) { labels[i], labels[j] = labels[j], labels[i] })
		journal, err := readJournal(map[string][]string{tokenID: labels})
		if err != nil || len(journal) != 1 || len(journal[0].labels) != 4 || journal[0].entry.live[0] != "database" || !strings.Contains(journal[0].labels[0], "live=database") {
			t.Fatalf("%v: got %+v, %v", labels, journal, err)
		}
	}
}

func TestAKindIsOpenWhileAVersionThatIsNotCurrentMayStillBeUsed(t *testing.T) {
	for _, tc := range []struct {
		phase phase
		of    string
		want  bool
	}{
		{phaseOld, tokenID, true},
		{phaseQuarantined, tokenID, true},
		{phaseHeld, tokenID, true},
		{phaseRolledBack, tokenID, true},
		{phaseSet, tokenID, false}, // given up: nothing uses it
		{phaseOld, otherID, false}, // current: in use by right
	} {
		journal := []record{{id: tc.of, entry: entry{phase: tc.phase, live: []string{"database"}}}}
		if _, got := openOverlaps(journal, otherID)["database"]; got != tc.want {
			t.Errorf("%s on %s: got %v", tc.phase, tc.of, got)
		}
	}
}
