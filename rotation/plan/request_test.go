package plan

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

const uuid = "3f2a91c0-5f6d-4c1b-9d1e-2f3a4b5c6d7e"

var allKinds = []string{"database", "admin", "api", "webhook", "smtp"}

func TestATokenMayAskInWords(t *testing.T) {
	for _, tc := range []struct {
		token, label string
		want         Request
		wantError    string
	}{
		{token: uuid},
		{token: "deploy.42." + uuid}, // a caller's own token, without words for the function
		{token: "all." + uuid, want: Request{All: true}},
		{token: "emergency." + uuid, want: Request{Emergency: true}},
		{token: "only.database." + uuid, want: Request{Only: []string{"database"}}},
		{token: "only.api.smtp.emergency." + uuid, want: Request{Only: []string{"api", "smtp"}, Emergency: true}},
		{token: "emergency.only.api." + uuid, want: Request{Only: []string{"api"}, Emergency: true}},
		{token: uuid, label: "rotate;only.webhook", want: Request{Only: []string{"webhook"}}},
		{token: "all." + uuid, label: "rotate;only.webhook", want: Request{All: true}},
		{token: "only." + uuid, wantError: "names none"},
		{token: "only.databse." + uuid, wantError: `"databse"`},
		{token: "all.only.api." + uuid, wantError: "for all kinds and for only some"},
		{token: "all.now." + uuid, wantError: `"now"`},
		{token: uuid, label: "rotate;emergency", wantError: "in the token, not in a label"},
		{token: uuid, label: "rotate;everything", wantError: `"everything"`},
	} {
		labels := map[string][]string{"v1": {"AWSCURRENT"}}
		if tc.label != "" {
			labels["v1"] = append(labels["v1"], tc.label)
		}
		got, err := RequestFor(tc.token, labels, allKinds)
		if (err == nil) != (tc.wantError == "") || err != nil && (!strings.Contains(err.Error(), tc.wantError) || !strings.Contains(err.Error(), "uuidgen")) {
			t.Errorf("%s %s: got error %v, want %q", tc.token, tc.label, err, tc.wantError)
		}
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s %s: got %+v", tc.token, tc.label, got)
		}
	}
}

func TestLabelsThatNoRotationCanFollowAreFoundOnEveryVersion(t *testing.T) {
	got := UnreadableRequests(map[string][]string{
		"v1": {"AWSCURRENT", "rotate;only.webhook", "rotate;everything"}, "v2": {"rotate;emergency", "rotate;only"}, "v3": {"mine"},
	}, allKinds)
	if want := map[string][]string{"v1": {"rotate;everything"}, "v2": {"rotate;emergency", "rotate;only"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// FuzzRequest reads tokens and labels: words are those that are known, or there is
// an error that says how to write them.
func FuzzRequest(f *testing.F) {
	f.Add("only.database.admin."+uuid, "rotate;only.database")
	f.Add("emergency.only.api."+uuid, "rotate;all")
	f.Add("all.only.api."+uuid, "rotate;emergency")
	f.Add("only", "rotate;")
	f.Add("only.all.emergency.", "rotate;only.only.only")
	f.Fuzz(func(t *testing.T, token, label string) {
		r, err := RequestFor(token, map[string][]string{"v1": {"AWSCURRENT", label}}, allKinds)
		if err != nil {
			if !strings.Contains(err.Error(), "uuidgen") || !r.None() {
				t.Fatalf("%q, %q: %+v, %v", token, label, r, err)
			}
			return
		}
		inToken, err := RequestInToken(token, allKinds)
		if err != nil {
			t.Fatalf("%q: it was read, and is not: %v", token, err)
		}
		for _, kind := range r.Only {
			if r.All || !slices.Contains(allKinds, kind) || !strings.Contains(token+label, kind) {
				t.Fatalf("%q, %q: %+v", token, label, r)
			}
		}
		if r.Emergency && (!inToken.Emergency || !strings.Contains(token, wordEmergency+".")) {
			t.Fatalf("an emergency that the token does not ask for: %q, %q", token, label)
		}
		if r.None() {
			return
		}
		words := r.Only
		if len(words) > 0 {
			words = append([]string{wordOnly}, words...)
		}
		if r.All {
			words = append(words, wordAll)
		}
		if r.Emergency {
			words = append(words, wordEmergency)
		}
		again, err := RequestInToken(strings.Join(append(words, uuid), "."), allKinds)
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%q, %q: %+v is read again as %+v, %v", token, label, r, again, err)
		}
	})
}
