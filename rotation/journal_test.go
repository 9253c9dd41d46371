package rotation

import (
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
	} {
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
	for _, label := range []string{"rotation;", "rotation;gone;of=x", "rotation;old;since=yesterday"} {
		if _, _, err := parseEntry(label); err == nil {
			t.Errorf("%q: no error", label)
		}
	}
}

func TestOfTwoEntriesThatACrashLeftTheLaterHolds(t *testing.T) {
	early := entry{phase: phaseOld, live: []string{"database"}, next: otherID}
	for name, late := range map[string]entry{
		"the redeploy is noted":     {phase: phaseOld, live: []string{"database"}, next: otherID, since: began},
		"the quarantine has begun":  {phase: phaseQuarantined, live: []string{"database"}, next: otherID, since: began},
		"the quarantine was undone": {phase: phaseHeld, live: []string{"database"}, next: otherID, since: began},
	} {
		for _, labels := range [][]string{{early.label(tokenID), late.label(tokenID)}, {late.label(tokenID), "AWSPREVIOUS", early.label(tokenID)}} {
			journal, err := readJournal(map[string][]string{tokenID: labels, otherID: {"AWSCURRENT"}})
			if err != nil || len(journal) != 1 || !reflect.DeepEqual(journal[0].entry, late) || len(journal[0].labels) != 2 {
				t.Errorf("%s: got %+v, %v", name, journal, err)
			}
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
