package main

import (
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

func TestOverAYearEachKindOfOneSecretIsRotatedInItsOwnRhythm(t *testing.T) {
	const (
		day      = 24 * time.Hour
		interval = 30 * day
	)
	every := map[string]time.Duration{"database": 90 * day, "admin": 60 * day, "api": 180 * day, "webhook": 120 * day}
	m := deployMauticWithoutTasks(t)
	// Without the pages: their database's clock does not follow AWS's.
	m.reconfigure(map[string]string{"ROTATE_EVERY_DAYS": "database=90,admin=60,api=180,webhook=120", "MAUTIC_URL": ""})
	m.schedule(&types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)})
	began := m.AWS.Clock().Now()
	last, times := map[string]time.Time{}, map[string]int{}
	for window := range 12 {
		// Eight days after each rotation all overlaps have come to their end.
		m.AWS.Clock().Advance(8 * day)
		m.mustSettle()
		m.AWS.Clock().Advance(interval - 8*day)
		m.awaitRotations(window + 1)
		for kind := range every {
			at := m.rotatedAt(kind)
			if at.IsZero() || at.Equal(last[kind]) {
				continue
			}
			times[kind]++
			if !last[kind].IsZero() && at.Sub(last[kind]) > every[kind]+interval/2 {
				t.Errorf("%s: %s between two rotations, want at most %s", kind, at.Sub(last[kind]), every[kind]+interval/2)
			}
			last[kind] = at
		}
	}
	if want := map[string]int{"database": 4, "admin": 6, "api": 2, "webhook": 3}; !maps.Equal(times, want) {
		t.Errorf("rotations %v, want %v", times, want)
	}
	for kind, at := range last {
		if age := m.AWS.Clock().Now().Sub(at); age > every[kind]+interval/2 {
			t.Errorf("%s is %s old", kind, age)
		}
	}
	if passed := m.AWS.Clock().Now().Sub(began); passed < 359*day {
		t.Errorf("only %s have passed", passed)
	}
	m.reconfigure(map[string]string{"MAUTIC_URL": m.site.URL()})
	m.wantTaken(m.values(), everyKind, "at the end of the year")
}
