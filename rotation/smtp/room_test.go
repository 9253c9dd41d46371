package smtp

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	ours   = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mautic-prod-secrets-AbCdEf"
	others = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:another-AbCdEf"
)

// at is when the user of a table is looked at.
var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// key is one that was made some time before.
func key(id string, age time.Duration) accessKey {
	return accessKey{id: id, active: true, created: at.Add(-age)}
}

func ids(keys accessKeys) (list []string) {
	for _, key := range keys {
		list = append(list, key.id)
	}
	return list
}

func TestWhatIsLostIsWhatNoVersionHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		keys accessKeys
		held []string
		busy bool
		now  time.Time
		want []string
	}{
		{name: "no key", held: []string{"A"}},
		{name: "one key", keys: accessKeys{key("A", time.Hour)}, held: []string{"A"}},
		{name: "both held", keys: accessKeys{key("A", time.Hour), key("B", 0)}, held: []string{"", "B", "A"}},
		{name: "one lost just now", keys: accessKeys{key("A", time.Hour), key("B", 0)}, held: []string{"A"}, want: []string{"B"}},
		{name: "on its way, maybe", keys: accessKeys{key("A", time.Hour), key("B", 15*time.Minute)}, held: []string{"A"}, busy: true},
		{name: "it never got there", keys: accessKeys{key("A", time.Hour), key("B", 16*time.Minute)}, held: []string{"A"}, busy: true, want: []string{"B"}},
		{name: "the time is not known", keys: accessKeys{key("A", time.Hour), key("B", time.Hour)}, held: []string{"A"}, busy: true, now: time.Time{}.Add(1)},
		{name: "the lost one is the older", keys: accessKeys{key("B", time.Hour), key("A", 0)}, held: []string{"A"}, busy: true, want: []string{"B"}},
		{name: "another secret's user", keys: accessKeys{key("A", time.Hour), key("B", time.Hour)}, held: []string{"C"}},
		{name: "a secret without a key", keys: accessKeys{key("A", time.Hour), key("B", time.Hour)}},
	} {
		o := observed{keys: c.keys, held: c.held, busy: c.busy, now: at}
		if !c.now.IsZero() {
			o.now = time.Time{}
		}
		if got := ids(o.lost()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestRoomIsMadeOnlyByWhatTheSecretOwns(t *testing.T) {
	t.Parallel()
	two := accessKeys{key("AKIACURRENT", time.Hour), key("AKIAANOLDONE", 0)}
	held := []string{"AKIACURRENT", "AKIAANOLDONE"}
	for _, c := range []struct {
		name      string
		keys      accessKeys
		tag       string
		held      []string
		busy      bool
		emergency bool
		want      []string
		fault     []string
	}{
		{name: "there is room", keys: two[:1]},
		{name: "there is room, in an emergency", keys: two[:1], tag: ours, emergency: true},
		{name: "there is room in another secret's user", keys: two[:1], tag: others, fault: []string{"another secret", "SMTP_IAM_USER"}},
		{name: "a lost key of ours", keys: two, tag: ours, held: held[:1], want: held[1:]},
		{name: "a lost key, and AWSCURRENT read late", keys: two, tag: ours, want: held[1:]},
		{name: "a lost key of nobody's", keys: two, held: held[:1], fault: []string{
			"aws iam tag-user --user-name mautic-smtp --tags Key=mautic-rotation:secret,Value=" + ours,
			"aws iam delete-access-key --user-name mautic-smtp --access-key-id AKIAANOLDONE"}},
		{name: "a lost key of nobody's, in an emergency", keys: two, held: held[:1], emergency: true, fault: []string{"tag-user"}},
		{name: "a lost key of another's", keys: two, tag: others, held: held[:1], emergency: true, fault: []string{"another secret"}},
		{name: "on its way", keys: two, tag: ours, held: held[:1], busy: true, fault: []string{"try again in 16m"}},
		{name: "an open overlap", keys: two, tag: ours, held: held, fault: []string{"release or abandon", "AKIA…RENT is AWSCURRENT's", "ends in DONE"}},
		{name: "an open overlap, untagged", keys: two, held: held, fault: []string{"release or abandon"}},
		{name: "an open overlap, in an emergency", keys: two, tag: ours, held: held, emergency: true, want: held[1:]},
		{name: "an open overlap, in an emergency, untagged", keys: two, held: held, emergency: true, fault: []string{"aws iam tag-user"}},
	} {
		o := observed{user: "mautic-smtp", owner: ours, keys: c.keys, tag: c.tag, held: c.held, busy: c.busy, now: at}
		got, err := o.room("AKIACURRENT", c.emergency)
		if !slices.Equal(ids(got), c.want) || (err == nil) != (c.fault == nil) {
			t.Errorf("%s: %v, %v", c.name, ids(got), err)
		}
		for _, text := range c.fault {
			if err != nil && !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %q is not in %v", c.name, text, err)
			}
		}
	}
}
