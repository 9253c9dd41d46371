package rotation

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// FuzzWish reads tokens and labels: words are those that are known, or there is
// an error that says how to write them.
func FuzzWish(f *testing.F) {
	f.Add("only.database.admin."+uuid, "rotate;only.database")
	f.Add("emergency.only.api."+uuid, "rotate;all")
	f.Add("all.only.api."+uuid, "rotate;emergency")
	f.Add("only", "rotate;")
	f.Add("only.all.emergency.", "rotate;only.only.only")
	f.Fuzz(func(t *testing.T, token, label string) {
		w, err := wishOf(token, map[string][]string{otherID: {labelCurrent, label}}, allKinds)
		if err != nil {
			if !strings.Contains(err.Error(), "uuidgen") || !w.none() {
				t.Fatalf("%q, %q: %+v, %v", token, label, w, err)
			}
			return
		}
		inToken, err := wishIn(token, allKinds)
		if err != nil {
			t.Fatalf("%q: it was read, and is not: %v", token, err)
		}
		for _, kind := range w.only {
			if w.all || !slices.Contains(allKinds, kind) || !strings.Contains(token+label, kind) {
				t.Fatalf("%q, %q: %+v", token, label, w)
			}
		}
		if w.emergency && (!inToken.emergency || !strings.Contains(token, wordEmergency+".")) {
			t.Fatalf("an emergency that the token does not ask for: %q, %q", token, label)
		}
		if w.none() {
			return
		}
		words := w.only
		if len(words) > 0 {
			words = append([]string{wordOnly}, words...)
		}
		if w.all {
			words = append(words, wordAll)
		}
		if w.emergency {
			words = append(words, wordEmergency)
		}
		again, err := wishIn(strings.Join(append(words, uuid), "."), allKinds)
		if err != nil || !reflect.DeepEqual(again, w) {
			t.Fatalf("%q, %q: %+v is read again as %+v, %v", token, label, w, again, err)
		}
	})
}

// FuzzSchedule holds what is read of a schedule to lengths of time that one can
// have: a secret is rotated at least every 1000 days, and no window is longer
// than the time between two rotations.
func FuzzSchedule(f *testing.F) {
	f.Add("rate(90 days)", "3h", int64(0), int64(0), int64(0))
	f.Add("rate(4 hours)", "", int64(0), int64(0), int64(0))
	f.Add("cron(0 16 1,15 * ? *)", "2h30m", int64(0), int64(1700000000), int64(1701000000))
	f.Add("rate(-5 days)", "-3h", int64(0), int64(0), int64(0))
	f.Add("rate(9223372036854775807 days)", "9999999h", int64(9223372036854775807), int64(0), int64(0))
	f.Add("", "", int64(30), int64(-62135596800), int64(253402300799))
	f.Fuzz(func(t *testing.T, expression, duration string, days, last, next int64) {
		rules := &types.RotationRulesType{ScheduleExpression: &expression, Duration: &duration, AutomaticallyAfterDays: &days}
		at := func(second int64) time.Time { return time.Unix(second, 0) }
		interval := intervalOf(rules, at(last), at(next))
		if interval < 0 || interval > 1000*24*time.Hour {
			t.Fatalf("rotated every %s", interval)
		}
		if window := windowOf(rules); window <= 0 || window > 24*time.Hour {
			t.Fatalf("a window of %s", window)
		}
	})
}
