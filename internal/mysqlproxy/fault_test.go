package mysqlproxy_test

import (
	"context"
	"testing"

	"github.com/go-sql-driver/mysql"

	"mautic-rotation/internal/mysqlproxy"
)

func TestRefusedCallDoesNotReachTheServer(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		conn := f.mustConnect(t)

		f.fault(f.change, mysqlproxy.Action{Fault: mysqlproxy.Refuse})
		wantError(t, f.changePassword(t, conn, "new"), 1105)

		lockWait := &mysql.MySQLError{Number: 1205, Message: "Lock wait timeout exceeded"}
		f.fault(f.change, mysqlproxy.Action{Fault: mysqlproxy.Refuse, Error: lockWait})
		wantError(t, f.changePassword(t, conn, "new"), 1205)

		f.wantPassword(t, f.password, "new")
		if err := conn.PingContext(t.Context()); err != nil {
			t.Errorf("the connection did not outlive the refusal: %v", err)
		}
	})
}

func TestDroppedCallDoesNotReachTheServer(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		conn := f.mustConnect(t)
		f.fault(f.change, mysqlproxy.Action{Fault: mysqlproxy.Drop})
		wantLost(t, f.changePassword(t, conn, "new"))
		f.wantPassword(t, f.password, "new")
	})
}

func TestLostReplyIsOfACallThatTheServerExecuted(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		conn := f.mustConnect(t)
		f.fault(f.change, mysqlproxy.Action{Fault: mysqlproxy.LoseReply})
		wantLost(t, f.changePassword(t, conn, "new"))
		f.wantPassword(t, "new", f.password)
	})
}

func TestLateCallReachesTheServerWhenItIsReleased(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		conn := f.mustConnect(t)
		release, done := make(chan struct{}), make(chan error, 1)
		f.fault(f.change, mysqlproxy.Action{
			Fault:   mysqlproxy.Late,
			Release: release,
			After:   func(err error) { done <- err },
		})

		wantLost(t, f.changePassword(t, conn, "new"))
		f.wantPassword(t, f.password, "new")

		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		f.wantPassword(t, "new", f.password)
	})
}

func TestAfterSeesTheReplyBeforeTheClientDoes(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		conn := f.mustConnect(t)
		var events []string
		event := func(e string) { events = append(events, e) }
		f.proxy.SetHook(func(context.Context, mysqlproxy.Call) mysqlproxy.Action {
			f.wantPassword(t, f.password, "new")
			event("before")
			return mysqlproxy.Action{After: func(err error) {
				f.wantPassword(t, "new", f.password)
				if err != nil {
					t.Error(err)
				}
				event("after")
			}}
		})
		if err := f.changePassword(t, conn, "new"); err != nil {
			t.Fatal(err)
		}
		event("client")
		if want := [...]string{"before", "after", "client"}; [3]string(events) != want {
			t.Errorf("got %v, want %v", events, want)
		}
	})
}

func TestAfterIsToldTheServersError(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		conn := f.mustConnect(t)
		var told error
		f.fault("mysql.user", mysqlproxy.Action{After: func(err error) { told = err }})
		_, err := conn.ExecContext(t.Context(), "DELETE FROM mysql.user")
		wantError(t, err, 1142)
		wantError(t, told, 1142)
		if told.Error() != err.Error() {
			t.Errorf("after was told %q, the client %q", told, err)
		}
	})
}

func TestFaultsOfALogin(t *testing.T) {
	onEachServer(t, func(t *testing.T, f *fixture) {
		tests := []struct {
			name    string
			fault   mysqlproxy.Fault
			reaches bool // the server
			check   func(*testing.T, error)
		}{
			{"refused", mysqlproxy.Refuse, false, func(t *testing.T, err error) { wantError(t, err, 1040) }},
			{"dropped", mysqlproxy.Drop, false, wantLost},
			{"late", mysqlproxy.Late, false, wantLost},
			{"without a reply", mysqlproxy.LoseReply, true, wantLost},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				// Read when the connection is gone from both sides, so with a hook that is done.
				reached := make(chan error, 10)
				f.proxy.SetHook(func(_ context.Context, call mysqlproxy.Call) mysqlproxy.Action {
					if call.Kind != mysqlproxy.Login || call.User != f.user {
						t.Errorf("unexpected call %v", call)
					}
					return mysqlproxy.Action{
						Fault: test.fault,
						Error: &mysql.MySQLError{Number: 1040, Message: "Too many connections"},
						After: func(err error) { reached <- err },
					}
				})
				_, err := f.connect(t)
				test.check(t, err)
				if got := len(reached) > 0; got != test.reaches {
					t.Errorf("reached the server: %t", got)
				}
			})
		}
	})
}
