package mysqlserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// source makes a repository that has these versions of MySQL's package, and an apt that reads it.
func source(t *testing.T, versions ...string) *apt {
	t.Helper()
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("nothing is fetched by apt on this machine: it has none")
	}
	dir := t.TempDir()
	var packages strings.Builder
	for _, version := range versions {
		fmt.Fprintf(&packages, "Package: mysql-server-core\nVersion: %s\nArchitecture: all\nFilename: ./p_%s.deb\nSize: 1\nDescription: a server\n\n", version, version)
	}
	if err := os.WriteFile(filepath.Join(dir, "Packages"), []byte(packages.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := newApt(filepath.Join(t.TempDir(), "apt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sources.list": "deb [trusted=yes] file:" + dir + " ./\n",
		"apt.conf":     fmt.Sprintf(aptConfig+aptSource, a.dir),
	} {
		if err := a.write(name, text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.run(t.Context(), "update"); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOfASuiteThatHasSeveralVersionsThePinnedOneIsTaken(t *testing.T) {
	t.Parallel()
	how, _ := recipeOf(MySQL97)
	version, err := source(t, "9.8.0-1", "1:9.7.4-2", "8.0.43-1").pinnedVersion(t.Context(), how)
	if version != "1:9.7.4-2" || err != nil {
		t.Errorf("got %q, %v", version, err)
	}
}

func TestASuiteThatHasMovedOnIsSaid(t *testing.T) {
	t.Parallel()
	how, _ := recipeOf(MySQL97)
	for _, versions := range [][]string{{"9.8.0-1"}, nil} {
		version, err := source(t, versions...).pinnedVersion(t.Context(), how)
		if want := fmt.Sprintf("no mysql-server-core of the 9.7 series in Debian sid, which has %q", versions); err == nil || err.Error() != want {
			t.Errorf("got %q, %v, want %s", version, err, want)
		}
	}
}
