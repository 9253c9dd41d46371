package mysqlserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	mysql97     = "/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))"
	mysql98     = "/usr/sbin/mysqld  Ver 9.8.0-1 for Linux on x86_64 ((Debian))"
	mysql80     = "/usr/sbin/mysqld  Ver 8.0.43-0ubuntu0.24.04.1 for Linux on x86_64 ((Ubuntu))"
	mysql8013   = "mysqld  Ver 8.0.13 for macos10.14 on x86_64 (MySQL Community Server - GPL)"
	mysql57     = "mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))"
	mariadb118  = "mariadbd  Ver 11.8.9-MariaDB-4 from Debian for debian-linux-gnu on x86_64 (-- Please help get to 10k stars)"
	mariadb1011 = "mariadbd  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64 (Debian 12)"
	mariadb106  = "mariadbd  Ver 10.6.22-MariaDB-0ubuntu0.22.04.1 for debian-linux-gnu on x86_64 (Ubuntu 22.04)"
	mariadb103  = "mysqld  Ver 10.3.39-MariaDB-0+deb10u2 for debian-linux-gnu on x86_64 (Debian 10)"
)

func TestACopyIsUsedOnlyIfItIsOfThePinnedSeries(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		series  Series
		line    string
		version string
		reason  string // in the error
	}{
		{MySQL97, mysql97, "9.7.4-2", ""},
		{MySQL97, mysql98, "9.8.0-1", "version 9.8.0-1, not of the 9.7 series"},
		{MySQL97, mysql80, "8.0.43-0ubuntu0.24.04.1", "not of the 9.7 series"},
		{MySQL97, mariadb118, "", "MariaDB 11.8.9-MariaDB-4: MySQL is not there"},
		{MariaDB118, mariadb118, "11.8.9-MariaDB-4", ""},
		{MariaDB118, mariadb1011, "10.11.14-MariaDB-0+deb12u2", "not of the 11.8 series"},
		{MariaDB1011, mariadb1011, "10.11.14-MariaDB-0+deb12u2", ""},
		{MariaDB1011, mariadb118, "11.8.9-MariaDB-4", "version 11.8.9-MariaDB-4, not of the 10.11 series"},
		{MariaDB1011, mysql97, "", "MySQL 9.7.4-2: MariaDB is not there"},
	} {
		how, _ := recipeOf(test.series)
		version, err := how.isPinned(test.line)
		wantVersion(t, test.series, test.line, version, err, test.version, test.reason)
	}
}

func TestAServerOnPathMayBeOfAnyVersionWithDualPasswords(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		series  Series
		line    string
		version string
		reason  string
	}{
		{MySQL97, mysql97, "9.7.4-2", ""},
		{MySQL97, mysql80, "8.0.43-0ubuntu0.24.04.1", ""},
		{MySQL97, mysql8013, "", "older than 8.0.14"},
		{MySQL97, mysql57, "", "older than 8.0.14"},
		{MySQL97, mariadb103, "", "MariaDB 10.3.39"},
		{MariaDB118, mariadb106, "10.6.22-MariaDB-0ubuntu0.22.04.1", ""},
		{MariaDB1011, mariadb118, "11.8.9-MariaDB-4", ""},
		{MariaDB118, mariadb103, "", "older than 10.4"},
		{MariaDB118, mysql97, "", "MySQL 9.7.4"},
		{MySQL97, "command not understood", "", "unknown version"},
	} {
		how, _ := recipeOf(test.series)
		version, err := how.accepts(test.line)
		wantVersion(t, test.series, test.line, version, err, test.version, test.reason)
	}
}

func wantVersion(t *testing.T, series Series, line, got string, err error, want, reason string) {
	t.Helper()
	if got != want {
		t.Errorf("%s as %s: version %q, want %q", line, series, got, want)
	}
	if (err != nil) != (reason != "") || err != nil && !strings.Contains(err.Error(), reason) {
		t.Errorf("%s as %s: error %v, want %q", line, series, err, reason)
	}
}

// onThisPath makes a machine with nothing but these server programs, which tell their version, and an empty cache.
func onThisPath(t *testing.T, programs map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, line := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho '"+line+"'\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv(FromVariable, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	before := systemDir
	systemDir = dir
	t.Cleanup(func() { systemDir = before })
}

// stderrOf is what is written to standard error while do runs.
func stderrOf(t *testing.T, do func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = before }()
	do()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The tests below are not parallel: they have a PATH of their own.

func TestTheVariableAsksForTheServersOnPathWhateverTheirSeries(t *testing.T) {
	onThisPath(t, map[string]string{"mysqld": mysql80, "mariadbd": mariadb106})
	t.Setenv(FromVariable, "path")
	for _, series := range Pinned() {
		said := stderrOf(t, func() {
			in, err := findSeries(t.Context(), series, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(in.origin, " on PATH (") {
				t.Errorf("%s is %s", series, in.origin)
			}
		})
		if said != "" {
			t.Errorf("it was asked for, and yet there is a warning: %s", said)
		}
	}
}

func TestAServerOnPathThatIsAskedForAndTooOldIsAnError(t *testing.T) {
	onThisPath(t, map[string]string{"mysqld": mysql57})
	t.Setenv(FromVariable, "path")
	if _, err := findSeries(t.Context(), MySQL, func(string) {}); err == nil || !strings.Contains(err.Error(), "version 5.7.44, older than 8.0.14") {
		t.Errorf("got %v", err)
	}
}

func TestAnotherValueOfTheVariableIsAnError(t *testing.T) {
	t.Setenv(FromVariable, "PATH ")
	if _, err := findSeries(t.Context(), MySQL, func(string) {}); err == nil || !strings.Contains(err.Error(), `MYSQLSERVER is "PATH ": set it to path`) {
		t.Errorf("got %v", err)
	}
}

func TestWhereNothingCanBeFetchedAServerOnPathIsUsedWithOneWarning(t *testing.T) {
	onThisPath(t, map[string]string{"mysqld": mysql80})
	warned.Clear()
	t.Cleanup(warned.Clear)
	said := stderrOf(t, func() {
		for range 2 {
			in, err := findSeries(t.Context(), MySQL, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(in.origin, "mysqld 8.0.43-0ubuntu0.24.04.1 on PATH") {
				t.Errorf("it is %s", in.origin)
			}
		}
	})
	if strings.Count(said, "WARNING: MySQL 9.7 could not be fetched, so mysqld 8.0.43") != 1 {
		t.Errorf("the warnings are %q", said)
	}
}

func TestWithoutAnyServerTheErrorSaysWhatToDo(t *testing.T) {
	onThisPath(t, map[string]string{"mysqld": mariadb103})
	_, err := findSeries(t.Context(), MySQL, func(string) {})
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"looked for MySQL 9.7 in the Debian archive: ", "no docker", "MariaDB 10.3.39", "install MySQL 8.0.14 or later so that mysqld is on PATH", "internal/mysqlserver/series.go"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestWhatIsOnPathIsNotUsedWhereThePinnedServerCanBeHad(t *testing.T) {
	if testing.Short() {
		t.Skip("make check leaves this out; make test runs it")
	}
	dir := t.TempDir()
	for name, line := range map[string]string{"mysqld": mysql80, "mariadbd": mariadb106} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho '"+line+"'\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv(FromVariable, "")
	for _, series := range Pinned() {
		in, err := findSeries(t.Context(), series, func(message string) { t.Log(message) })
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(in.origin, "on PATH") {
			t.Errorf("%s is %s", series, in.origin)
		}
	}
}

func TestANameIsThatOfAMakeOrOfASeries(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Series{"mysql": MySQL97, "mariadb": MariaDB118, "mysql-9.7": MySQL97, "mariadb-10.11": MariaDB1011, "mariadb-11.8": MariaDB118} {
		if got, err := SeriesOf(name); got != want || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "MySQL", "mysql-8.0", "postgres"} {
		if got, err := SeriesOf(name); err == nil || !strings.Contains(err.Error(), `use mysql, mariadb or one of ["mysql-9.7" `) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestOfASuiteThatHasSeveralVersionsThePinnedOneIsTaken(t *testing.T) {
	t.Parallel()
	how, _ := recipeOf(MySQL97)
	version, err := how.choose([]string{"9.8.0-1", "1:9.7.4-2", "8.0.43-1"})
	if version != "1:9.7.4-2" || err != nil {
		t.Errorf("got %q, %v", version, err)
	}
	for _, versions := range [][]string{{"9.8.0-1"}, nil} {
		version, err := how.choose(versions)
		if want := fmt.Sprintf("no mysql-server-core of the 9.7 series in Debian sid, which has %q", versions); err == nil || err.Error() != want {
			t.Errorf("got %q, %v, want %s", version, err, want)
		}
	}
}
