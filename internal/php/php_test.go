package php

import (
	"os/exec"
	"strings"
	"testing"
)

func TestPHPRuns(t *testing.T) {
	t.Parallel()
	if origin, err := Origin(t.Context(), func(string) {}); err != nil || !strings.HasPrefix(origin, "php 8.") {
		t.Errorf("%q, %v", origin, err)
	}
	words, err := Command(t.Context(), func(s string) { t.Log(s) })
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(words[0], append(words[1:], "-r", `echo json_encode(["version" => PHP_MAJOR_VERSION]);`)...).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), `{"version":8`) {
		t.Errorf("%s, %v", out, err)
	}
}
