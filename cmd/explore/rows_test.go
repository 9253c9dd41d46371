package main

import (
	"strings"
	"testing"
)

func TestARowThatIsNotReachedIsToldAndCounted(t *testing.T) {
	t.Parallel()
	const profile = `mode: atomic
mautic-rotation/rotation/plan/old.go:16.1,18.2 1 7
mautic-rotation/rotation/plan/old.go:20.26,21.90 1 0
mautic-rotation/rotation/plan/old.go:30.2,30.2 0 0
mautic-rotation/cmd/explore/main.go:30.2,40.3 4 0
`
	told, missed, err := inWords([]byte(profile))
	if err != nil || missed != 1 || !strings.Contains(told, "reached: 1 of 2") || !strings.Contains(told, "not reached: rotation/plan/old.go:20") {
		t.Errorf("got %d, %v:\n%s", missed, err, told)
	}
}
