package report_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mautic-rotation/rotation/report"
)

func TestAPlainTextStandsInJSONAsItIs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"mautic-prod-secrets: complete.": "mautic-prod-secrets: complete.",
		`it says "no" of C:\x`:           "it says 'no' of C:/x",
		"two\nlines\tand\x00more\n":      "two lines and more",
		"é … ✓ <b>&":                     "é … ✓ <b>&",
		strings.Repeat("é", 41):          strings.Repeat("é", 39) + "…",
	} {
		got := report.Plain(text, 40)
		if got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
		var read string
		if err := json.Unmarshal([]byte(`"`+got+`"`), &read); err != nil || read != got {
			t.Errorf("%q: %q, %v", got, read, err)
		}
	}
}

func TestAnAnswerWithoutANoticeHasNoFieldForOne(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(report.Report{})
	if err != nil || strings.Contains(string(text), "notice") || strings.Contains(string(text), "next") || strings.Contains(string(text), "told") {
		t.Errorf("got %s, %v", text, err)
	}
}
