package rotation

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// maxLabel is how many characters Secrets Manager takes in a staging label.
const maxLabel = 256

// FuzzEntry writes entries of every form, and reads them back.
func FuzzEntry(f *testing.F) {
	f.Add("only.database.emergency.9c11b2aa-0000-4000-8000-0123456789ab", "3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e", uint8(1), uint8(0b11111), uint8(0b01010), uint8(3), began.UnixNano())
	f.Add(strings.Repeat("x", 64), strings.Repeat("y", 64), uint8(2), uint8(0b11111), uint8(0b11111), uint8(0), int64(1))
	f.Add("a;live=smtp;closing=database;emergency;", "täglich;since=2026-11-22T21:04:05Z;gone=api", uint8(1), uint8(1), uint8(0), uint8(0), int64(0))
	f.Add("", "", uint8(5), uint8(0), uint8(0), uint8(1), int64(0))
	f.Fuzz(func(t *testing.T, id, next string, at, live, closing, flags uint8, since int64) {
		e := entry{phase: phases[int(at)%len(phases)], next: endOf(next)}
		for i, kind := range allKinds {
			switch bit := uint8(1) << i; {
			case live&bit == 0:
				e.gone = append(e.gone, kind)
			case closing&bit != 0:
				e.closing = append(e.closing, kind)
				fallthrough
			default:
				e.live = append(e.live, kind)
			}
		}
		e.emergency, e.revoked = flags&1 != 0, flags&3 == 3
		if since != 0 {
			e.since = time.Unix(0, since).UTC()
		}
		e.number = 1 + int(flags>>2)
		label := e.label(id)
		if len(label) > maxLabel {
			t.Fatalf("%d characters: %s", len(label), label)
		}
		got, ok, err := parseEntry(label)
		if err != nil || !ok || !reflect.DeepEqual(got, e) {
			t.Fatalf("%s: got %+v, %v, %v, want %+v", label, got, ok, err, e)
		}
	})
}

// FuzzJournal reads labels that anybody who may write some could have put on a
// version. What they say is read the same again once it is written.
func FuzzJournal(f *testing.F) {
	f.Add("rotation;old;of=3f2a91c0;live=database;next=9c11b2aa;since=2026-11-22T21:04:05.123Z", "AWSCURRENT")
	f.Add("rotation;quarantined;live=a,b;closing=a;gone=c;emergency", "rotation;old;live=a,b;revoked;since=2026-11-22T21:04:05+14:00")
	f.Add("rotation;", "rotation;set;live=,,;live=x;=;;next==")
	f.Add("rotation;old;since=0001-01-01T00:00:00Z", "rotation;old;since=9999-12-31T23:59:59-14:00")
	f.Fuzz(func(t *testing.T, one, other string) {
		for _, label := range []string{one, other} {
			e, ok, err := parseEntry(label)
			if ours := strings.HasPrefix(label, journalPrefix); !ours && (ok || err != nil) || ours && ok == (err != nil) {
				t.Fatalf("%q: %v, %v", label, ok, err)
			}
			if !ok {
				continue
			}
			e.next = endOf(e.next)
			again, ok, err := parseEntry(e.label(tokenID))
			if err != nil || !ok || !again.since.Equal(e.since) {
				t.Fatalf("%q is written as %q: %v, %v", label, e.label(tokenID), ok, err)
			}
			again.since = e.since // which may be of another zone
			if !reflect.DeepEqual(again, e) {
				t.Fatalf("%q: got %+v, want %+v", label, again, e)
			}
		}
		labels := map[string][]string{tokenID: {one, other}, otherID: {other, labelCurrent}}
		journal, err := readJournal(labels)
		if err != nil {
			return
		}
		// The same, in whichever order the labels come.
		again, err := readJournal(map[string][]string{tokenID: {other, one}, otherID: {labelCurrent, other}})
		if err != nil || len(again) != len(journal) {
			t.Fatalf("got %+v and %+v, %v", journal, again, err)
		}
		for i, rec := range journal {
			if rec.entry.phase != again[i].entry.phase || !rec.entry.since.Equal(again[i].entry.since) {
				t.Fatalf("got %+v and %+v", rec.entry, again[i].entry)
			}
			openOverlaps(journal, rec.id)
			for _, s := range []situation{{}, {current: true}, {pending: true}, {services: true, restart: true, promoted: true}} {
				if act, why := decide(rec.entry, s, DefaultLimits); act == "" || why == "" {
					t.Fatalf("%+v in %+v: %q, %q", rec.entry, s, act, why)
				}
			}
		}
	})
}

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
