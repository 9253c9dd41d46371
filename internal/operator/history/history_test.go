package history

import (
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

func promoted(minutes int, version string) logline.Entry {
	return line(minutes, logline.Entry{Step: "finishSecret", Version: version, Audit: "promoted"})
}

func TestEachCredentialOfARotationSaysWhatBecameOfIt(t *testing.T) {
	lines := []logline.Entry{
		stored(0, "v2", "[api database]"), promoted(1, "v2"),
		line(60, logline.Entry{Action: "reconcile", Kind: "database", Of: "v1", Audit: "retired"}),
		stored(100, "only.database.emergency.v3", "[database]"), promoted(101, "only.database.emergency.v3"),
		line(101, logline.Entry{Action: "reconcile", Kind: "database", Of: "v2", Audit: "revoked"}),
		line(102, logline.Entry{Action: "reconcile", Kind: "database", Of: "v2", Audit: "retired"}),
		line(200, logline.Entry{Action: "reconcile", Kind: "api", Of: "v1", Audit: "held"}),
		stored(300, "v4", "[smtp]"), line(301, logline.Entry{Action: "abandon", Version: "v4", Audit: "abandoned"}),
		line(302, logline.Entry{Action: "abandon", Kind: "smtp", Of: "v4", Audit: "retired"}),
		stored(400, "v5", "[admin]"), promoted(401, "v5"),
		stored(500, "v6", "[smtp]"), line(501, logline.Entry{Action: "reconcile", Audit: "redeployed"}),
	}
	rows := Rotations(lines, Who{By: map[string]string{"v4": "Operators/jane"}, Told: start.Add(24 * time.Hour)})
	for i, want := range []struct {
		credential, what, by, ended string
		endedAt, refused            int
	}{
		{"api", "rotated", "the schedule", "held", 200, 0}, {"database", "rotated", "the schedule", "retired", 60, 60},
		{"database", "emergency", "the schedule", "retired", 102, 101},
		{"smtp", "rotated", "Operators/jane", "abandoned", 301, 0}, {"admin", "rotated", "the schedule", "promoted", 401, 0}, {"smtp", "rotated", "the schedule", "not promoted", 0, 0},
	} {
		if i >= len(rows) {
			t.Fatalf("%d rows", len(rows))
		}
		r := rows[i]
		if r.Credential != want.credential || r.What != want.what || r.By != want.by || r.Ended != want.ended || after(r.EndedAt) != want.endedAt || after(r.Refused) != want.refused {
			t.Errorf("row %d is %+v, ended after %d, refused after %d", i, r, after(r.EndedAt), after(r.Refused))
		}
	}
	if len(rows) != 6 {
		t.Errorf("%d rows", len(rows))
	}
}

// after is how many minutes after the start something was; 0: it was not.
func after(t *time.Time) int {
	if t == nil {
		return 0
	}
	return int(t.Sub(start).Minutes())
}

func TestARollbackEndsEveryCredentialOfItsVersion(t *testing.T) {
	rows := Rotations([]logline.Entry{
		stored(0, "v2", "[api database]"), promoted(1, "v2"),
		line(20, logline.Entry{Action: "reconcile", Audit: "rolled-back", Fields: map[string]string{"from": "v2", "to": "v1"}}),
		line(60, logline.Entry{Action: "reconcile", Kind: "database", Of: "v2", Audit: "retired"}),
	}, Who{Told: start})
	if len(rows) != 2 {
		t.Errorf("%d rows", len(rows))
	}
	for _, r := range rows {
		if r.Ended != "rolled-back" || after(r.EndedAt) != 20 || r.Refused != nil {
			t.Errorf("%+v", r)
		}
	}
}

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
		{Who{By: map[string]string{}, Told: start.Add(5 * time.Minute)}, "not told yet"},
		{Who{By: map[string]string{}, Told: start.Add(91 * 24 * time.Hour)}, "not told any more"},
		{Who{By: map[string]string{}, Told: start.Add(time.Hour)}, "the schedule"},
	} {
		if got := Rotations([]logline.Entry{stored(0, "v2", "[api]")}, c.who)[0].By; got != c.want {
			t.Errorf("by %q, not %q", got, c.want)
		}
	}
}
