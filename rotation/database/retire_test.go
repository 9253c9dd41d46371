package database

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"mautic-rotation/rotation/credential"
)

func TestQuarantineAndRetireMayRunAnyNumberOfTimes(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	for range 2 {
		f.mustQuarantine(pendingPassword, f.first)
		f.accepts(false, f.first)
		f.accepts(true, pendingPassword)
	}
	for range 2 {
		if err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
			t.Fatalf("retire: %v", err)
		}
		f.accepts(false, f.first)
		f.accepts(true, pendingPassword)
	}
}

func TestRetireWithoutAQuarantineTakesTheOldPasswordAway(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	if err := f.Retire(t.Context(), f.overlap(pendingPassword, f.first)); err != nil {
		t.Fatalf("retire: %v", err)
	}
	f.accepts(false, f.first)
	f.accepts(true, pendingPassword)
}

func TestAnOverlapOfAnotherServerOrUserIsNotTouched(t *testing.T) {
	f := newFixture(t, dualPrivilege)
	f.mustSet(f.first, pendingPassword)
	for name, change := range map[string][2]string{
		"another host": {`"127.0.0.1"`, `"localhost"`},
		"another user": {f.user, f.user + "2"},
		"another port": {fmt.Sprintf(`"port":%d`, f.server.Port()), `"port":3307`},
	} {
		overlap := f.overlap(pendingPassword, f.first)
		overlap.Old = parse(t, strings.Replace(overlap.Old.Raw(), change[0], change[1], 1))
		for method, do := range map[string]func(context.Context, credential.Overlap) error{
			"Quarantine": f.Quarantine, "Restore": f.Restore, "Retire": f.Retire,
		} {
			err := do(t.Context(), overlap)
			if err == nil || !strings.Contains(err.Error(), "take the old password away by hand (ALTER USER … DISCARD OLD PASSWORD), then remove the label of that version") {
				t.Errorf("%s, %s: got %v", name, method, err)
			}
		}
	}
	f.accepts(true, f.first, pendingPassword)
}
