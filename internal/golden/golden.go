// Package golden compares what a test has got with a file that keeps it, and writes the file anew where the
// test is run with -update:
//
//	golden.Equal(t, "testdata/status.txt", got)
//
//	go test ./internal/operator/... ./cmd/mautic-rotation -update
package golden

import (
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Equal fails the test where the file does not have the text.
func Equal(t testing.TB, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is now as follows; if that is right, run the test with -update\n%s", file, got)
	}
}
