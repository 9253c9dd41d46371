package plan

import (
	"strings"
	"testing"
	"time"
)

func TestAPauseIsReadFromItsTag(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		value  string
		tagged bool
		on     bool
		until  time.Time
		unread bool
		says   string
	}{
		{"", false, false, time.Time{}, false, ""},
		{"2026-11-30T00:00:00Z", true, true, time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), false, "until 2026-11-30T00:00:00Z"},
		{" 2026-11-30T01:00:00+01:00 ", true, true, time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), false, "until 2026-11-30T00:00:00Z"},
		{today.Format(time.RFC3339), true, false, time.Time{}, false, ""}, // it is over
		{"2026-11-20T00:00:00Z", true, false, time.Time{}, false, ""},
		{"until resumed", true, true, time.Time{}, false, "until it is resumed"},
		{"Until Resumed", true, true, time.Time{}, false, "until it is resumed"},
		{"", true, true, time.Time{}, true, "which is not a time"},
		{"next week", true, true, time.Time{}, true, `"next week"`},
		{"2026-11-30", true, true, time.Time{}, true, `"2026-11-30"`},
	} {
		t.Run(tc.value, func(t *testing.T) {
			t.Parallel()
			p := ReadPause(tc.value, tc.tagged, today)
			if p.On != tc.on || !p.Until.Equal(tc.until) || (p.Unread != "") != tc.unread {
				t.Errorf("it is read as %+v", p)
			}
			if !strings.Contains(p.Why(), tc.says) || (p.Why() != "") != tc.on || (p.Remedy() != "") != tc.on {
				t.Errorf("it says %q; %q", p.Why(), p.Remedy())
			}
		})
	}
}
