package mysqlproxy

import "testing"

func TestRedact(t *testing.T) {
	tests := []struct {
		name, sql, want string
	}{
		{"no literals", "SELECT VERSION()", "SELECT VERSION()"},
		{"single quotes", "ALTER USER USER() IDENTIFIED BY 'new' REPLACE 'old' RETAIN CURRENT PASSWORD",
			"ALTER USER USER() IDENTIFIED BY '…' REPLACE '…' RETAIN CURRENT PASSWORD"},
		{"double quotes", `SET PASSWORD = PASSWORD("x")`, "SET PASSWORD = PASSWORD('…')"},
		{"MariaDB's two passwords", "ALTER USER u IDENTIFIED VIA mysql_native_password USING '*2A' OR mysql_native_password USING '*4B'",
			"ALTER USER u IDENTIFIED VIA mysql_native_password USING '…' OR mysql_native_password USING '…'"},
		{"MariaDB's password of another", "SET PASSWORD FOR `it's`@'%' = PASSWORD('x')", "SET PASSWORD FOR `it's`@'…' = PASSWORD('…')"},
		{"lock", "SELECT GET_LOCK('secret', 5)", "SELECT GET_LOCK('…', 5)"},
		{"account", "CREATE USER 'u'@'%' IDENTIFIED BY ''", "CREATE USER '…'@'…' IDENTIFIED BY '…'"},
		{"doubled quote", "SELECT 'a''b', 1", "SELECT '…', 1"},
		{"other quote within", `SELECT 'a"b', "c'd", 1`, "SELECT '…', '…', 1"},
		{"escaped quote", `SELECT 'a\'b', 1`, "SELECT '…', 1"},
		{"escaped backslash before the end", `SELECT 'a\\', 1`, "SELECT '…', 1"},
		{"no end", "SELECT 1, 'secret", "SELECT 1, '…'"},
		{"no end after a backslash", `SELECT 'secret\`, "SELECT '…'"},
		{"hexadecimal", "ALTER USER u IDENTIFIED WITH p AS 0x2A4B, v", "ALTER USER u IDENTIFIED WITH p AS '…', v"},
		{"quoted hexadecimal", "SELECT x'2A4B'", "SELECT x'…'"},
		{"quote in a name", "SELECT `it's`, 'secret'", "SELECT `it's`, '…'"},
		{"quote in a comment", "SELECT 1 -- it's\n, 'secret'", "SELECT 1 -- it's\n, '…'"},
		{"quote in a hash comment", "SELECT 1 # it's\n, 'secret'", "SELECT 1 # it's\n, '…'"},
		{"quote in a bracketed comment", "SELECT /* it's */ 'secret'", "SELECT /* it's */ '…'"},
		{"comment that is executed", "SELECT /*!80014 'secret' */ 1", "SELECT /*!80014 '…' */ 1"},
		{"comment that MariaDB executes", "SELECT /*M!100400 'secret' */ 1", "SELECT /*M!100400 '…' */ 1"},
		{"two minuses", "SELECT 1--'secret'", "SELECT 1--'…'"},
		{"not ASCII", "SELECT 'größe', größe", "SELECT '…', größe"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := redact(test.sql, true); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestRedactWithoutBackslashEscapes(t *testing.T) {
	got := redact(`ALTER USER u IDENTIFIED BY 'new\' REPLACE 'old'`, false)
	if want := "ALTER USER u IDENTIFIED BY '…' REPLACE '…'"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
