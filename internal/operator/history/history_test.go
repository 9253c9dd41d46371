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

// rotation is the log of one that ended well, and of one that was given up.
func rotation() []logline.Entry {
	return []logline.Entry{
		line(0, logline.Entry{Step: "createSecret", Version: "v2", Audit: "stored", Fields: map[string]string{"kinds": "database"}}),
		line(1, logline.Entry{Step: "finishSecret", Version: "v2", Notice: "promoted"}),
		line(1, logline.Entry{Step: "finishSecret", Version: "v2", Text: "nothing to tell"}),
		line(70, logline.Entry{Action: "reconcile", Kind: "database", Of: "v1", Audit: "retired"}),
		line(70, logline.Entry{Action: "reconcile", Text: "nothing to tell"}),
		line(200, logline.Entry{Step: "createSecret", Version: "only.api.v3", Audit: "stored", Fields: map[string]string{"kinds": "[api smtp]"}}),
		line(210, logline.Entry{Action: "abandon", Version: "only.api.v3", Audit: "abandoned"}),
	}
}

func TestEachRotationSaysWhoStartedItHowItEndedAndWhenTheOldValueWasRefused(t *testing.T) {
	rows := Of(rotation(), Who{By: map[string]string{"only.api.v3": "Operators/jane"}, Told: start.Add(24 * time.Hour)})
	if len(rows) != 5 {
		t.Fatalf("%d rows: %+v", len(rows), rows)
	}
	first, second := rows[0], rows[3]
	if first.By != "the schedule" || first.Ended != "retired" || first.Credential != "database" || first.Refused == nil || !first.Refused.Equal(start.Add(70*time.Minute)) {
		t.Errorf("the first rotation is %+v", first)
	}
	if second.By != "Operators/jane" || second.Ended != "abandoned" || second.Credential != "api, smtp" || second.Refused != nil {
		t.Errorf("the second rotation is %+v", second)
	}
	if by := []string{rows[1].By, rows[2].By, rows[4].By}; by[0] != "the schedule" || by[1] != "the function" || by[2] != "an operator" {
		t.Errorf("what follows was done by %q", by)
	}
}

func TestWhatEndsLateIsOfTheRotationOfThatCredential(t *testing.T) {
	rows := Of([]logline.Entry{
		line(0, logline.Entry{Step: "createSecret", Version: "v2", Audit: "stored", Fields: map[string]string{"kinds": "[api database]"}}),
		line(60, logline.Entry{Action: "reconcile", Kind: "database", Of: "v1", Audit: "retired"}),
		line(100, logline.Entry{Step: "createSecret", Version: "v3", Audit: "stored", Fields: map[string]string{"kinds": "[database]"}}),
		line(200, logline.Entry{Action: "reconcile", Kind: "api", Of: "v1", Audit: "held"}),
	}, Who{Told: start})
	if rows[0].Ended != "held" || rows[2].Ended != "" {
		t.Errorf("the first ended %q, the second %q", rows[0].Ended, rows[2].Ended)
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
		if got := Of(rotation()[:1], c.who)[0].By; got != c.want {
			t.Errorf("by %q, not %q", got, c.want)
		}
	}
}
