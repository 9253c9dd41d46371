package main

import (
	"testing"
	"time"
)

func TestASpanMayBeInDays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"20m": 20 * time.Minute, "3h": 3 * time.Hour, "7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour} {
		if got, err := parseDays(text); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "7", "-1h", "1.5d", "7d-1h", "99999999999d"} {
		if got, err := parseDays(text); err == nil {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}
