package database

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"mautic-rotation/internal/mysqlproxy"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
)

// fill fills the account's slots, the second of which may stay empty.
func (f *fixture) fill(primary, second string) {
	f.t.Helper()
	f.fillFor("%", primary, second)
	if second != "" {
		f.accepts(true, primary, second)
	}
}

func (f *fixture) fillFor(host, primary, second string) {
	f.t.Helper()
	if f.onMariaDB() {
		if second == "" {
			second = primary
		}
		statement, args := entriesStatement(server{account: f.user + "@%"}, host, false, primary, second)
		f.admin(statement, args...)
		return
	}
	if second == "" {
		f.admin("ALTER USER ?@? IDENTIFIED BY ?", f.user, host, primary)
		f.admin("ALTER USER ?@? DISCARD OLD PASSWORD", f.user, host)
		return
	}
	f.admin("ALTER USER ?@? IDENTIFIED BY ?", f.user, host, second)
	f.admin("ALTER USER ?@? IDENTIFIED BY ? RETAIN CURRENT PASSWORD", f.user, host, primary)
}

const oldPassword = "old-PASSWORD-0123456789"

// fillings are all those that a change may start from: the current password is
// in one slot, and in the other whatever has been left there.
var fillings = []struct{ primary, second string }{
	{"current", ""},
	{"current", "pending"},
	{"pending", "current"},
	{"current", "abandoned"},
	{"abandoned", "current"},
	{"old", "current"},
	{"current", "old"},
}

// acceptCase is one thing that is done by accept. after are the passwords that
// the account takes then, given what filled its slots; none is an error that
// changes nothing.
type acceptCase struct {
	name  string
	do    func(*fixture) error
	after func(f *fixture, primary, second string) []string
}

var acceptCases = []acceptCase{
	{
		name:  "set",
		do:    func(f *fixture) error { return f.Set(f.t.Context(), f.change(f.first, pendingPassword)) },
		after: func(*fixture, string, string) []string { return []string{"current", "pending"} },
	},
	{
		name: "take away",
		do:   func(f *fixture) error { return f.Quarantine(f.t.Context(), f.overlap(f.first, oldPassword)) },
		after: func(_ *fixture, primary, second string) []string {
			if primary != "old" && second != "old" {
				return []string{primary, second} // none of which is to be taken away
			}
			return []string{"current"}
		},
	},
	{
		name: "restore",
		do:   func(f *fixture) error { return f.Restore(f.t.Context(), f.overlap(f.first, oldPassword)) },
		after: func(f *fixture, primary, second string) []string {
			for i, present := range []string{primary, second} {
				// Another rotation's. On MySQL it shows as the primary one, which
				// is where a set leaves it.
				if (present == "pending" || present == "abandoned") && (i == 0 || f.onMariaDB()) {
					return nil
				}
			}
			return []string{"current", "old"}
		},
	},
}

func TestTheCurrentPasswordIsAcceptedAtEveryMomentOfAnAdministratorsChange(t *testing.T) {
	mysqltest.Each(t, func(t *testing.T, server *mysqlserver.Server) {
		for _, c := range acceptCases {
			for _, from := range fillings {
				t.Run(fmt.Sprintf("%s, from (%s, %s)", c.name, from.primary, from.second), func(t *testing.T) {
					t.Parallel()
					f := newFixtureOn(t, server)
					f.withAdmin()
					f.throughEveryCut(c, from.primary, from.second)
				})
			}
		}
	})
}

// throughEveryCut runs the case whole, and cut off before and after each of its
// statements and then repeated, beside logins with the current password.
func (f *fixture) throughEveryCut(c acceptCase, primary, second string) {
	f.t.Helper()
	proxy := f.throughProxy()
	passwords := map[string]string{"current": f.first, "pending": pendingPassword, "abandoned": abandonedPassword, "old": oldPassword}
	after := c.after(f, primary, second)
	refused := after == nil
	if refused {
		after = []string{primary, second}
	}
	for cut, statements := 0, 0; cut <= 2*statements; cut++ {
		f.fill(passwords[primary], passwords[second])
		changes, hook := cutAt(cut)
		f.whileLoggingIn(&inService{password: f.first}, func() {
			proxy.SetHook(hook)
			err := c.do(f)
			proxy.SetHook(nil)
			if cut > 0 {
				if err == nil {
					f.t.Errorf("cut %d: no error", cut)
				}
				err = c.do(f)
			}
			if (err != nil) != refused {
				f.t.Errorf("cut %d of %d: %v", cut, 2*statements, err)
			}
		})
		if cut == 0 {
			statements = int(changes.Load())
			if !refused && c.name != "take away" && statements == 0 && !slices.Contains([]string{primary, second}, "old") {
				f.t.Error("nothing was changed")
			}
		}
		for name, password := range passwords {
			f.accepts(slices.Contains(after, name), password)
		}
	}
}

// cutAt ends a connection before (odd) or after (even) one of the statements
// that change the account by its name; 0 ends none. It counts them.
func cutAt(cut int) (changes *atomic.Int64, hook mysqlproxy.Hook) {
	changes = &atomic.Int64{}
	return changes, func(_ context.Context, call mysqlproxy.Call) mysqlproxy.Action {
		if call.Kind != mysqlproxy.Query || !strings.HasPrefix(call.Text, "ALTER USER '…'") || !strings.Contains(call.Text, "IDENTIFIED") && !strings.Contains(call.Text, "DISCARD") {
			return mysqlproxy.Action{}
		}
		n := int(changes.Add(1))
		switch cut {
		case 2*n - 1:
			return mysqlproxy.Action{Fault: mysqlproxy.Drop}
		case 2 * n:
			return mysqlproxy.Action{Fault: mysqlproxy.LoseReply}
		}
		return mysqlproxy.Action{}
	}
}

func (f *fixture) onMariaDB() bool { return f.server.IsMariaDB() }
