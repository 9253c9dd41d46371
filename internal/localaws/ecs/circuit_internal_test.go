package ecs

import "testing"

func TestTheFailureThresholdIsHalfTheDesiredCountWithinBounds(t *testing.T) {
	t.Parallel()
	for desired, want := range map[int]int{0: 3, 1: 3, 6: 3, 7: 4, 25: 13, 400: 200, 800: 200} {
		if got := (&Service{DesiredCount: desired}).failureThreshold(); got != want {
			t.Errorf("of %d tasks: %d, want %d", desired, got, want)
		}
	}
	if got := (&Service{DesiredCount: 25, FailureThreshold: 1}).failureThreshold(); got != 1 {
		t.Errorf("set to 1: %d", got)
	}
}
