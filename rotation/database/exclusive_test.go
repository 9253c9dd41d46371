package database

import (
	"strings"
	"testing"
)

func (f *fixture) exclusive(current, old string) (release func(), ok bool) {
	f.t.Helper()
	release, ok, err := f.Exclusive(f.t.Context(), f.overlap(current, old))
	if err != nil {
		f.t.Fatalf("exclusive: %v", err)
	}
	return release, ok
}

func TestAnOverlapIsEndedByOneInvocationAtATime(t *testing.T) {
	onEach(t, oneInvocationAtATime)
}

func oneInvocationAtATime(t *testing.T, f *fixture) {
	f.mustSet(f.first, pendingPassword)
	proxy := f.throughProxy()
	release, ok := f.exclusive(pendingPassword, f.first)
	if !ok {
		t.Fatal("the first caller was refused")
	}
	if _, ok := f.exclusive(pendingPassword, f.first); ok {
		t.Error("the second caller was let in")
	}
	asked := 0
	for _, call := range proxy.Calls() {
		if strings.Contains(call.Text, "GET_LOCK") {
			asked++
			if call.Text != "SELECT GET_LOCK('…', 0)" {
				t.Errorf("a caller had to wait: %s", call.Text)
			}
		}
	}
	if asked != 2 {
		t.Errorf("the lock was asked for %d times", asked)
	}
	other := newFixtureBeside(f)
	other.withAdmin()
	releaseOther, ok := other.exclusive(other.first, other.first)
	if !ok {
		t.Fatal("another account's overlap was refused")
	}
	releaseOther()

	// The one who has it for himself may do all that ends the overlap.
	f.mustQuarantine(pendingPassword, f.first)
	f.mustRestore()
	release()
	f.await("SELECT IS_FREE_LOCK(?)", f.endLock())
	if release, ok = f.exclusive(pendingPassword, f.first); !ok {
		t.Fatal("refused after the release")
	}
	defer release()

	var holder int
	if err := f.server.Admin().QueryRowContext(t.Context(), "SELECT IS_USED_LOCK(?)", f.endLock()).Scan(&holder); err != nil {
		t.Fatal(err)
	}
	f.admin("KILL ?", holder)
	f.await("SELECT IS_FREE_LOCK(?)", f.endLock())
	again, ok := f.exclusive(pendingPassword, f.first)
	if !ok {
		t.Fatal("refused after the holder's connection was killed")
	}
	again()
}

// endLock is the name of the lock that Exclusive takes.
func (f *fixture) endLock() (name string) {
	f.t.Helper()
	err := f.server.Admin().QueryRowContext(f.t.Context(), "SELECT CONCAT('mautic-rotation/end/', LEFT(SHA2(?, 256), 32))", f.user).Scan(&name)
	if err != nil {
		f.t.Fatal(err)
	}
	return name
}
