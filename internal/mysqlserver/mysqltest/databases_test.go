package mysqltest

import (
	"context"
	"testing"

	"mautic-rotation/internal/mysqlserver"
)

func TestMain(m *testing.M) { Main(m) }

// rowsIn are how many rows a test finds in its database, which has a table of one.
func rowsIn(t *testing.T, d *Database) (n int) {
	t.Helper()
	if err := d.Server.Admin().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+d.Name+".t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestADatabaseIsHandedOnWithFreshRowsUnlessItWasAltered(t *testing.T) {
	Each(t, func(t *testing.T, server *mysqlserver.Server) {
		var last string
		run := func(name, kind string, wantNew bool, use func(t *testing.T, d *Database)) {
			t.Run(name, func(t *testing.T) {
				var wasNew bool
				d := DatabaseOf(t, server, kind, func(d *Database, isNew bool) error {
					wasNew = isNew
					statements := []string{"DELETE FROM " + d.Name + ".t"}
					if isNew {
						statements = []string{"CREATE TABLE " + d.Name + ".t (i INT)"}
					}
					for _, statement := range append(statements, "INSERT INTO "+d.Name+".t VALUES (1)") {
						if _, err := server.Admin().ExecContext(t.Context(), statement); err != nil {
							return err
						}
					}
					return nil
				})
				if wasNew != wantNew || (d.Name == last) == wantNew {
					t.Errorf("it is new: %v", wasNew)
				}
				if n := rowsIn(t, d); n != 1 {
					t.Errorf("%d rows", n)
				}
				last = d.Name
				use(t, d)
			})
		}
		run("first", "a", true, func(t *testing.T, d *Database) {
			if _, err := server.Admin().ExecContext(t.Context(), "INSERT INTO "+d.Name+".t VALUES (2), (3)"); err != nil {
				t.Error(err)
			}
			// What a test leaves connected is ended.
			left, err := server.Open(d.User, d.Password, d.Name)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { left.Close() })
			conn, err := left.Conn(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if err := d.EndConnections(); err != nil {
				t.Error(err)
			}
			for err == nil { // until the server has done so
				err = conn.PingContext(t.Context())
			}
			if err := d.EndConnections(); err != nil {
				t.Errorf("with nothing connected: %v", err)
			}
		})
		run("second", "a", false, func(_ *testing.T, d *Database) { d.Altered.Store(true) })
		run("after it was altered", "a", true, func(*testing.T, *Database) {})
		run("of another kind", "b", true, func(*testing.T, *Database) {})
	})
}
