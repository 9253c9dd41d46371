package rotation_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// notQuoted are first columns of these tables that describe an error instead of quoting it.
var notQuoted = []string{
	"MySQL error 1227",                                   // whose number and remedy stand in two places
	"answers 535", "answers 554 (send the test message)", // by a server's codes
	"does not answer, cannot be reached", // two errors
	"and other errors about settings",
	// AWS says these.
	"Secrets Manager cannot invoke the specified Lambda function",
	"No Lambda rotation function ARN is associated with this secret",
	"A previous rotation isn't complete. That rotation will be reattempted",
}

func TestTheErrorsThatThePagesQuoteAreTheCodes(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	for _, dir := range []string{".", "../lambda", "../internal/operator", "../cmd/mautic-rotation"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			code.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	looked := 0
	for path, heading := range map[string]string{"../README.md": "## Troubleshoot\n", "../docs/operate.md": "## Troubleshooting\n", "../docs/smtp.md": "## When it fails\n"} {
		_, section, ok := strings.Cut(source(t, path), heading)
		if !ok {
			t.Fatalf("%s has no section %s", path, heading)
		}
		_, table, _ := strings.Cut(section, "| --- | --- |")
		table, _, _ = strings.Cut(table, "\n\n")
		for _, row := range regexp.MustCompile(`(?m)^\| (.*?) \|`).FindAllStringSubmatch(table, -1) {
			for quote := range strings.SplitSeq(strings.ReplaceAll(strings.TrimSuffix(row[1], " (warning)"), "`, `", "…"), "…") {
				quote = strings.Trim(quote, " `")
				for _, text := range notQuoted {
					quote = strings.Trim(strings.ReplaceAll(quote, text, ""), " `")
				}
				if looked++; quote != "" && !strings.Contains(code.String(), quote) {
					t.Errorf("%s quotes %q, which no error says: %s", path, quote, row[1])
				}
			}
		}
	}
	if looked < 30 {
		t.Errorf("%d quotes were looked at", looked)
	}
}
