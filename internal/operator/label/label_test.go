package label

import (
	"strings"
	"testing"
	"time"

	"mautic-rotation/rotation/ledger"
)

func TestALabelIsExplainedPartByPart(t *testing.T) {
	lines, ok := Means("rotation;2;df431427;api=old.2@20261122T210409Z;database=held.91;rollout=20261122T210406Z,promoted,converged=20261122T211006Z")
	want := []string{
		"api: old, meaning: replaced by a newer value. It is still accepted, and is retired when nothing uses it; since 2026-11-22 21:04:09 UTC",
		"database: held, meaning: something still uses it, so it stays accepted",
		"rollout: tasks were replaced from 2026-11-22 21:04:06 UTC to 2026-11-22 21:10:06 UTC, after a rotation",
	}
	if got := strings.Join(lines, "\n"); !ok || got != strings.Join(want, "\n") {
		t.Errorf("%v:\n%s", ok, got)
	}
}

func TestEveryStateOfTheLedgerIsExplained(t *testing.T) {
	for _, s := range []ledger.State{ledger.Pending, ledger.Proven, ledger.Old, ledger.Quarantined, ledger.Held, ledger.Released, ledger.GivenUp, ledger.Revoking, ledger.RolledBack, ledger.Failed, ledger.Foreign} {
		page := ledger.Page{Version: "v"}.With("smtp", s, time.Time{})
		text, err := page.Label()
		if err != nil {
			t.Fatal(err)
		}
		if lines, _ := Means(text); len(lines) != 1 || !strings.Contains(lines[0], "meaning: "+s.Means()) || s.Means() == "" {
			t.Errorf("%s is explained as %q", s, lines)
		}
	}
}

func TestLabelsOfOthersAreToldApart(t *testing.T) {
	for text, want := range map[string]bool{"AWSCURRENT": true, "AWSPENDING": true, "AWSPREVIOUS": true, "rotate;only.database": true, "rotation;9;x": true, "mine": false, "": false} {
		if lines, ok := Means(text); ok != want || ok && len(lines) == 0 {
			t.Errorf("%q: %v, %q", text, ok, lines)
		}
	}
}
