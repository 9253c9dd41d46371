package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryMutationFitsTheSourceAndNamesATest(t *testing.T) {
	t.Parallel()
	module := filepath.Join("..", "..")
	seen := map[string]bool{}
	for _, m := range mutations {
		if seen[m.name] {
			t.Errorf("two mutations are named %s", m.name)
		}
		seen[m.name] = true
		if text, err := m.apply(module); err != nil {
			t.Error(err)
		} else if m.old == m.new || text == "" {
			t.Errorf("%s changes nothing", m.name)
		}
		if !hasTest(t, filepath.Join(module, m.killer.pkg), m.killer.function()) {
			t.Errorf("%s: there is no test %s", m.name, m.killer)
		}
	}
	if len(mutations) == 0 {
		t.Error("there are no mutations")
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}

func TestAMutationWhoseTextIsNotThereOnceIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f.go"), []byte("a b a"), 0o600); err != nil {
		t.Fatal(err)
	}
	for old, want := range map[string]string{"a": "2 times", "c": "0 times"} {
		if _, err := (mutation{name: "m", file: "f.go", old: old}).apply(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", old, err, want)
		}
	}
	if text, err := (mutation{name: "m", file: "f.go", old: "b", new: "c"}).apply(dir); err != nil || text != "a c a" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := (mutation{name: "m", file: "g.go", old: "a"}).apply(dir); err == nil {
		t.Error("no error for a file that is missing")
	}
}
