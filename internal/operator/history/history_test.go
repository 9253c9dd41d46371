package history

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"mautic-rotation/internal/operator/logline"
)

var start = time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)

const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf"

func line(minutes int, e logline.Entry) logline.Entry {
	e.At, e.Secret = start.Add(time.Duration(minutes)*time.Minute), arn
	return e
}

func stored(minutes int, version, kinds string) logline.Entry {
	return line(minutes, logline.Entry{Step: "createSecret", Version: version, Audit: "stored", Fields: map[string]string{"kinds": kinds}})
}

// promoted has the version that was AWSCURRENT before.
func promoted(minutes int, version, from string) logline.Entry {
	return line(minutes, logline.Entry{Step: "finishSecret", Version: version, Audit: "promoted", Fields: map[string]string{"from": from}})
}

// old is a line about the value of a kind that a version has.
func old(minutes int, kind, of, audit string) logline.Entry {
	return line(minutes, logline.Entry{Action: "reconcile", Kind: kind, Of: of, Audit: audit})
}

func rolledBackTo(minutes int, from, to, kinds string) logline.Entry {
	return line(minutes, logline.Entry{Action: "reconcile", Audit: "rolled-back", Fields: map[string]string{"from": from, "to": to, "kinds": kinds}})
}

func abandonedOf(minutes int, version string) logline.Entry {
	return line(minutes, logline.Entry{Step: "createSecret", Version: version, Audit: "abandoned"})
}

// A row says in short what one is: when it ended, and when the old value was refused, in minutes.
func short(r Rotation) string {
	text := fmt.Sprintf("%s %s %s: %s", r.Version, r.Credential, r.What, r.Ended)
	if r.EndedAt != nil {
		text += fmt.Sprint(" ", after(r.EndedAt))
	}
	if r.Refused != nil {
		text += fmt.Sprint(", refused ", after(r.Refused))
	}
	return text
}

func TestEachCredentialOfARotationSaysWhatBecameOfIt(t *testing.T) {
	elsewhere := old(60, "database", "v1", "retired")
	elsewhere.Secret = "arn:other"
	for name, c := range map[string]struct {
		lines []logline.Entry
		want  []string
	}{
		"each credential ends by itself": {
			[]logline.Entry{stored(0, "v2", "[api database smtp]"), promoted(1, "v2", "v1"), old(60, "database", "v1", "retired"), old(70, "smtp", "v1", "held")},
			[]string{"v2 api rotated: promoted 1", "v2 database rotated: retired 60, refused 60", "v2 smtp rotated: held 70"},
		},
		"an emergency": {
			[]logline.Entry{stored(0, "only.database.emergency.v2", "[database]"), promoted(1, "only.database.emergency.v2", "v1"), old(2, "database", "v1", "revoked"), old(3, "database", "v1", "retired")},
			[]string{"only.database.emergency.v2 database emergency: retired 3, refused 2"},
		},
		"a rollback, and the new value's refusal": {
			[]logline.Entry{stored(0, "v2", "[api database]"), promoted(1, "v2", "v1"), rolledBackTo(20, "v2", "v1", "[api database]"), old(60, "database", "v2", "retired"), abandonedOf(70, "v2")},
			[]string{"v2 api rotated: rolled back 20", "v2 database rotated: rolled back 20"},
		},
		"a rotation after a rollback": {
			[]logline.Entry{
				stored(0, "v2", "[database]"), promoted(1, "v2", "v1"), rolledBackTo(20, "v2", "v1", "[database]"),
				stored(100, "v3", "[database]"), promoted(101, "v3", "v1"), old(110, "database", "v2", "retired"), old(160, "database", "v1", "retired"),
			},
			[]string{"v2 database rotated: rolled back 20", "v3 database rotated: retired 160, refused 160"},
		},
		"a rollback to a version that was stored for it": {
			[]logline.Entry{
				stored(0, "v2", "[database]"), promoted(1, "v2", "v1"), rolledBackTo(20, "v2", "v1b", "[database]"),
				stored(100, "v3", "[database]"), promoted(101, "v3", "v1b"), old(160, "database", "v1", "retired"),
			},
			[]string{"v2 database rotated: rolled back 20", "v3 database rotated: retired 160, refused 160"},
		},
		"a rollback of one kind of two rotations": {
			[]logline.Entry{stored(0, "v2", "[database]"), promoted(1, "v2", "v1"), stored(10, "v3", "[smtp]"), promoted(11, "v3", "v2"), rolledBackTo(25, "v3", "v2", "[smtp]")},
			[]string{"v2 database rotated: promoted 1", "v3 smtp rotated: rolled back 25"},
		},
		"a rotation that was refused before it stored anything": {
			[]logline.Entry{stored(0, "v2", "[database]"), promoted(1, "v2", "v1"), abandonedOf(30, "v3"), line(31, logline.Entry{Action: "abandon", Kind: "database", Audit: "abandoned"})},
			[]string{"v2 database rotated: promoted 1"},
		},
		"a line without a version": {
			[]logline.Entry{stored(0, "v2", "[database]"), promoted(1, "v2", "v1"), old(30, "database", "", "retired"), old(31, "", "v1", "held")},
			[]string{"v2 database rotated: promoted 1"},
		},
		"what was promoted cannot be abandoned": {
			[]logline.Entry{stored(0, "v2", "[database]"), promoted(1, "v2", "v1"), abandonedOf(30, "v2")},
			[]string{"v2 database rotated: promoted 1"},
		},
		"abandoned, and its new value's refusal": {
			[]logline.Entry{stored(0, "v2", "[database]"), promoted(1, "v2", "v1"), stored(40, "v3", "[database]"), abandonedOf(50, "v3"), old(51, "database", "v3", "retired"), old(60, "database", "v1", "retired")},
			[]string{"v2 database rotated: retired 60, refused 60", "v3 database rotated: abandoned 50"},
		},
		"the old value of an earlier rotation": {
			[]logline.Entry{
				stored(0, "v2", "[database]"), promoted(1, "v2", "v1"), stored(40, "v3", "[smtp]"), promoted(41, "v3", "v2"),
				old(50, "database", "v1", "retired"), stored(60, "v4", "[database]"), promoted(61, "v4", "v3"), old(90, "database", "v3", "retired"),
			},
			[]string{"v2 database rotated: retired 50, refused 50", "v3 smtp rotated: promoted 41", "v4 database rotated: retired 90, refused 90"},
		},
		"AWSCURRENT under another id": {
			[]logline.Entry{
				stored(0, "v2", "[database]"), promoted(1, "v2", "v1"), line(5, logline.Entry{Audit: "fenced", Version: "v3", Fields: map[string]string{"from": "v2", "to": "v2b"}}),
				stored(60, "v4", "[database]"), promoted(61, "v4", "v2b"), old(90, "database", "v2", "retired"),
			},
			[]string{"v2 database rotated: promoted 1", "v4 database rotated: retired 90, refused 90"},
		},
		"of another secret":   {[]logline.Entry{stored(0, "v2", "[database]"), promoted(1, "v2", "v1"), elsewhere}, []string{"v2 database rotated: promoted 1"}},
		"one that goes on":    {[]logline.Entry{stored(0, "v2", "[admin]"), line(1, logline.Entry{Action: "reconcile", Audit: "redeployed"})}, []string{"v2 admin rotated: not promoted"}},
		"one delivered twice": {[]logline.Entry{stored(0, "v2", "[admin]"), stored(1, "v2", "[admin]")}, []string{"v2 admin rotated: not promoted"}},
	} {
		var got []string
		for _, r := range Rotations(c.lines, Who{Told: start}) {
			got = append(got, short(r))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n%q, not\n%q", name, got, c.want)
		}
	}
}

// after is how many minutes after the start something was.
func after(t *time.Time) int { return int(t.Sub(start).Minutes()) }

func TestEveryChangeSaysWhoMadeIt(t *testing.T) {
	rows := All([]logline.Entry{
		stored(0, "v2", "[api database]"), line(1, logline.Entry{Step: "finishSecret", Version: "v2", Text: "nothing to tell"}),
		line(2, logline.Entry{Step: "finishSecret", Version: "v2", Notice: "promoted"}),
		line(3, logline.Entry{Action: "reconcile", Kind: "api", Of: "v1", Audit: "retired"}), line(4, logline.Entry{Action: "release", Audit: "released"}),
	}, Who{By: map[string]string{"v2": "Operators/jane"}, Told: start})
	for i, want := range []struct{ what, credential, by string }{
		{"stored", "api, database", "Operators/jane"}, {"promoted", "", "Operators/jane"}, {"retired", "api", "the function"}, {"released", "", "an operator"},
	} {
		if r := rows[i]; r.What != want.what || r.Credential != want.credential || r.By != want.by {
			t.Errorf("row %d is %+v", i, r)
		}
	}
	if len(rows) != 4 {
		t.Errorf("%d rows", len(rows))
	}
}

func TestWhoIsNotKnownIsNotSaidToBeTheSchedule(t *testing.T) {
	for _, c := range []struct {
		who  Who
		want string
	}{
		{Who{Told: start}, "not readable"},
		{Who{By: map[string]string{}, Told: start.Add(5 * time.Minute)}, "not yet known"},
		{Who{By: map[string]string{}, Told: start.Add(91 * 24 * time.Hour)}, "no longer known"},
		{Who{By: map[string]string{}, Told: start.Add(time.Hour)}, "the schedule"},
	} {
		if got := Rotations([]logline.Entry{stored(0, "v2", "[api]")}, c.who)[0].By; got != c.want {
			t.Errorf("by %q, not %q", got, c.want)
		}
	}
}
