package debian

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// source makes a repository that has these versions of a package, and an apt that reads it.
func source(t *testing.T, versions ...string) *Apt {
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
	a, err := NewApt(filepath.Join(t.TempDir(), "apt"))
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

// wish is for version 9 of the package.
var wish = Wish{Suite: "sid", Package: "mysql-server-core", Choose: Release("MySQL", "9")}

func TestOfASuiteThatHasSeveralVersionsOneIsChosen(t *testing.T) {
	t.Parallel()
	version, err := source(t, "10.1.0-1", "1:9.7.4-2", "8.0.43-1").Choose(t.Context(), wish)
	if version != "1:9.7.4-2" || err != nil {
		t.Errorf("got %q, %v", version, err)
	}
}

func TestASuiteThatHasMovedOnIsSaid(t *testing.T) {
	t.Parallel()
	for _, versions := range [][]string{{"10.1.0-1"}, nil} {
		version, err := source(t, versions...).Choose(t.Context(), wish)
		if want := fmt.Sprintf("no MySQL 9 among Debian's versions %q", versions); err == nil || err.Error() != want {
			t.Errorf("got %q, %v, want %s", version, err, want)
		}
	}
}
