package mysqlserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMariaDBOnPathIsTakenFor1011OnlyIfItIs(t *testing.T) {
	// Not parallel: it has a PATH of its own.
	for version, wanted := range map[string]bool{"10.11.14": true, "11.8.9": false} {
		dir := t.TempDir()
		script := "#!/bin/sh\necho mariadbd  Ver " + version + "-MariaDB for debian-linux-gnu on x86_64\n"
		if err := os.WriteFile(filepath.Join(dir, "mariadbd"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", dir)
		if _, err := onPath(t.Context(), MariaDB); err != nil {
			t.Errorf("%s as any MariaDB: %v", version, err)
		}
		if _, err := onPath(t.Context(), MariaDB1011); (err == nil) != wanted {
			t.Errorf("%s as MariaDB 10.11: %v", version, err)
		}
	}
}

func TestSuitable(t *testing.T) {
	const (
		mysql97     = "/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))"
		mysql80     = "/usr/sbin/mysqld  Ver 8.0.43-0ubuntu0.24.04.1 for Linux on x86_64 ((Ubuntu))"
		mysql8013   = "mysqld  Ver 8.0.13 for macos10.14 on x86_64 (MySQL Community Server - GPL)"
		mysql57     = "mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))"
		mariadb118  = "mariadbd  Ver 11.8.9-MariaDB-4 from Debian for debian-linux-gnu on x86_64 (-- Please help get to 10k stars)"
		mariadb1011 = "mariadbd  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64 (Debian 12)"
		mariadb106  = "mariadbd  Ver 10.6.22-MariaDB-0ubuntu0.22.04.1 for debian-linux-gnu on x86_64 (Ubuntu 22.04)"
		mariadb103  = "mysqld  Ver 10.3.39-MariaDB-0+deb10u2 for debian-linux-gnu on x86_64 (Debian 10)"
	)
	tests := []struct {
		name    string
		flavor  Flavor
		line    string
		version string
		reason  string // in the error
	}{
		{"new MySQL", MySQL, mysql97, "9.7.4-2", ""},
		{"MySQL 8.0", MySQL, mysql80, "8.0.43-0ubuntu0.24.04.1", ""},
		{"MySQL before dual passwords", MySQL, mysql8013, "", "older than 8.0.14"},
		{"old MySQL", MySQL, mysql57, "", "older than 8.0.14"},
		{"MariaDB that is called mysqld", MySQL, mariadb103, "", "MariaDB 10.3.39"},
		{"MariaDB", MariaDB, mariadb118, "11.8.9-MariaDB-4", ""},
		{"MariaDB before dual passwords", MariaDB, mariadb103, "", "older than 10.4.0"},
		{"MySQL where MariaDB is wanted", MariaDB, mysql97, "", "MySQL 9.7.4"},
		{"MariaDB 10.11 where any will do", MariaDB, mariadb1011, "10.11.14-MariaDB-0+deb12u2", ""},
		{"MariaDB 10.11", MariaDB1011, mariadb1011, "10.11.14-MariaDB-0+deb12u2", ""},
		{"newer MariaDB where 10.11 is wanted", MariaDB1011, mariadb118, "", "11.8.9-MariaDB-4, not of the 10.11 series"},
		{"older MariaDB where 10.11 is wanted", MariaDB1011, mariadb106, "", "10.6.22-MariaDB-0ubuntu0.22.04.1, not of the 10.11 series"},
		{"MySQL where MariaDB 10.11 is wanted", MariaDB1011, mysql97, "", "MySQL 9.7.4"},
		{"something else", MySQL, "command not understood", "", "unknown version"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			version, err := suitable(test.flavor, test.line)
			if version != test.version {
				t.Errorf("version %q, want %q", version, test.version)
			}
			if (err != nil) != (test.reason != "") {
				t.Fatalf("error %v, want %q", err, test.reason)
			}
			if err != nil && !strings.Contains(err.Error(), test.reason) {
				t.Errorf("error %v, want %q", err, test.reason)
			}
		})
	}
}
