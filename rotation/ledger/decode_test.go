package ledger

import (
	"reflect"
	"testing"
)

func TestALabelIsReadByItselfAsItIsReadOnItsVersion(t *testing.T) {
	labels := []string{"rotation;old;of=3f2a91c0-0000;live=database;next=9c11b2aa;since=2026-11-22T21:04:05.123Z;n=2"}
	for _, page := range fullest() {
		label, err := page.Label()
		if err != nil {
			t.Fatal(err)
		}
		labels = append(labels, label)
		decoded, err := Decode(label)
		if err != nil || !reflect.DeepEqual(decoded.Entries, page.Entries) || decoded.Rollout != page.Rollout || decoded.Version != "" {
			t.Errorf("%s: %+v, %v, instead of %+v", label, decoded, err, page)
		}
	}
	if page, err := Decode(labels[0]); err != nil || page.Entries["database"].State != Old {
		t.Errorf("of the first edition: %+v, %v", page, err)
	}
	for _, label := range []string{"", "AWSCURRENT", "rotation;", "rotation;2", "rotation;3;00000000;x=y", "rotation;2;00000000;database", "rotation;2;00000000;database=proven.0"} {
		if page, err := Decode(label); err == nil {
			t.Errorf("%q is read as %+v", label, page)
		}
	}
}
