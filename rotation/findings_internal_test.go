package rotation

import (
	"maps"
	"testing"

	"mautic-rotation/rotation/plan"
)

func TestATargetThatMayHaveAnotherValueIsAskedAnew(t *testing.T) {
	t.Parallel()
	f := newFindings()
	f.probes = map[place]plan.Probe{
		{"database", "1"}: plan.Accepted, {"database", "2"}: plan.Denied, {"api", "1"}: plan.Accepted,
	}
	f.changed("database")
	if want := map[place]plan.Probe{{"api", "1"}: plan.Accepted}; !maps.Equal(f.probes, want) {
		t.Errorf("what is known of the targets is %v, want %v", f.probes, want)
	}
}
