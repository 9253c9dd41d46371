package main

import (
	"testing"

	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/rig"
)

// Accounts as a DBA may have left them.

func TestAUserOfSeveralHostsIsRotatedForAllOfThem(t *testing.T) {
	t.Parallel()
	for name, series := range map[string]mysqlserver.Series{"MySQL": mysqlserver.MySQL, "MariaDB": mysqlserver.MariaDB} {
		t.Run(name, func(t *testing.T) {
			d := deployApplication(t, &rig.Application{}, func(o *rig.Options) {
				o.MySQL, o.AdminSecret = serverOf(t, series), true
			})
			// The application's logins match this one from now on, and those by the
			// server's socket the other one.
			if err := d.MySQL.CreateUser(t.Context(), d.User, "127.0.0.%", d.Password, "ALL ON "+d.Database+".*"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.MySQL.Admin().Exec("DROP USER ?@'127.0.0.%'", d.User) })
			d.mustPreflight()
			d.rotateToTheEnd()
			for what, login := range map[string]func(password string) error{
				"from 127.0.0.%": func(password string) error { return d.MySQL.Login(t.Context(), d.User, password, "") },
				"from elsewhere": func(password string) error { return d.MySQL.Accepts(t.Context(), d.User, password, "") },
			} {
				if err := login(d.password("AWSCURRENT")); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				if err := login(d.Password); err == nil {
					t.Errorf("%s: the old password is accepted", what)
				}
			}
			d.noLoginFailed()
		})
	}
}

func TestASecondPasswordThatIsInUseBeforeTheFirstRotationIsNotEvicted(t *testing.T) {
	d := deployApplication(t, &rig.Application{})
	const second = "retained-by-hand-0123456789"
	execute := func(statement string, args ...any) {
		t.Helper()
		if _, err := d.MySQL.Admin().ExecContext(t.Context(), statement, append([]any{d.User}, args...)...); err != nil {
			t.Fatal(err)
		}
	}
	execute("ALTER USER ?@'%' IDENTIFIED BY ? RETAIN CURRENT PASSWORD", second)
	execute("ALTER USER ?@'%' IDENTIFIED BY ? RETAIN CURRENT PASSWORD", d.Password)
	d.accepts(true, second)
	execute("GRANT SELECT (User, Host, User_attributes) ON mysql.user TO ?@'%'")
	_, err := d.Rotate(t.Context())
	wantError(t, err, "createSecret", "second password", "logins of '"+d.User+"'", "ALTER USER … DISCARD OLD PASSWORD")
	d.accepts(true, d.Password, second)

	execute("ALTER USER ?@'%' DISCARD OLD PASSWORD")
	d.rotateToTheEnd()
	d.noLoginFailed()
}
