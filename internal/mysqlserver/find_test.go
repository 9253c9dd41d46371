package mysqlserver

import (
	"strings"
	"testing"
)

func TestSuitable(t *testing.T) {
	const (
		mysql97    = "/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))"
		mysql80    = "/usr/sbin/mysqld  Ver 8.0.43-0ubuntu0.24.04.1 for Linux on x86_64 ((Ubuntu))"
		mysql8013  = "mysqld  Ver 8.0.13 for macos10.14 on x86_64 (MySQL Community Server - GPL)"
		mysql57    = "mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))"
		mariadb118 = "mariadbd  Ver 11.8.9-MariaDB-4 from Debian for debian-linux-gnu on x86_64 (-- Please help get to 10k stars)"
		mariadb103 = "mysqld  Ver 10.3.39-MariaDB-0+deb10u2 for debian-linux-gnu on x86_64 (Debian 10)"
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
