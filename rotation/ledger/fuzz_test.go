package ledger

import (
	"reflect"
	"strings"
	"testing"
)

// FuzzRead reads labels that anybody who may write some could have put on a
// version. What is understood is written, and read the same again.
func FuzzRead(f *testing.F) {
	own := hash(one)
	f.Add("rotation;2;"+own+";database=quarantined.9@20261122T210405Z~9ix.zzzzzz.tot3y1;rollout=20261122T210405Z,promoted,unhealthy=20261122T210405Z", "AWSCURRENT")
	f.Add("rotation;old;of=3f2a91c0;live=database;next=9c11b2aa;since=2026-11-22T21:04:05.123Z;n=3", "rotation;2;"+own+";database=proven.1")
	f.Add("rotation;2;"+own+";=;;rollout=00000101T000000Z", "rotation;quarantined;live=a,b;closing=a;since=9999-12-31T23:59:59.9-14:00")
	f.Fuzz(func(t *testing.T, first, second string) {
		b, err := Read(map[string][]string{one: {first, second}})
		if !strings.HasPrefix(first, Prefix) && !strings.HasPrefix(second, Prefix) && (err != nil || len(b.Pages) > 0) {
			t.Fatalf("labels of others give %+v, %v", b, err)
		}
		if err != nil {
			return
		}
		for _, p := range b.Pages {
			label, err := p.Label()
			if err != nil {
				continue // more than one label can hold, as no engine writes it
			}
			p.Labels, p.Next = []string{label}, "" // which only a label of the first edition has
			got, _, err := parse(one, label)
			if err != nil || !reflect.DeepEqual(got, p) {
				t.Fatalf("%s\ngot  %+v, %v\nwant %+v", label, got, err, p)
			}
		}
	})
}
