package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/mysqlserver"
	"mautic-rotation/internal/mysqlserver/mysqltest"
	"mautic-rotation/internal/rig"
)

// binary is the function's executable, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "mautic-rotation-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	return rig.BuildFunction(context.Background(), dir)
})

var binaryDir string

func TestMain(m *testing.M) { mysqltest.Main(cleaning{m}) }

// cleaning removes the executable after the tests.
type cleaning struct{ tests *testing.M }

func (c cleaning) Run() int {
	code := c.tests.Run()
	if err := os.RemoveAll(binaryDir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// deployment is a rig that is searched for secret values in wrong places when
// the test ends.
type deployment struct {
	*rig.Rig
	t   *testing.T
	log *safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func deploy(t *testing.T, options ...func(*rig.Options)) *deployment {
	t.Helper()
	t.Parallel()
	executable, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	d := &deployment{t: t, log: &safeBuffer{}}
	o := rig.Options{MySQL: mysqltest.Shared(t), Binary: executable, Logs: d.log, AWS: localaws.Options{RotationRetries: 2}}
	for _, option := range options {
		option(&o)
	}
	if d.Rig, err = rig.New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.nothingLeaked()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the function's log:\n%s", d.log)
		}
	})
	return d
}

// nothingLeaked searches the function's log, and whatever else it leaves or
// shows, for each value that its secrets hold or have held.
func (d *deployment) nothingLeaked() {
	d.t.Helper()
	values, err := d.SecretValues()
	if err != nil {
		d.t.Error(err)
		return
	}
	leaks, err := d.Leaks(context.Background(), values) // a cleanup's: the test's context has ended
	if err != nil {
		d.t.Error(err)
	}
	for _, finding := range append(leaks, values.In(d.log.String())...) {
		d.t.Errorf("leaked: %s", finding)
	}
}

func (d *deployment) mustRotate() (token string) {
	d.t.Helper()
	token, err := d.Rotate(d.t.Context())
	if err != nil {
		d.t.Fatalf("rotate: %v", err)
	}
	return token
}

func (d *deployment) mustSettle() {
	d.t.Helper()
	if err := d.Settle(d.t.Context()); err != nil {
		d.t.Fatalf("settle: %v", err)
	}
}

func (d *deployment) password(label string) string {
	d.t.Helper()
	password, err := d.PasswordLabelled(label)
	if err != nil {
		d.t.Fatal(err)
	}
	return password
}

// accepts checks what the server takes.
func (d *deployment) accepts(want bool, passwords ...string) {
	d.t.Helper()
	for i, p := range passwords {
		if err := d.Login(d.t.Context(), p); (err == nil) != want {
			d.t.Errorf("password %d of %d: login gives %v, want accepted: %v", i+1, len(passwords), err, want)
		}
	}
}

// underLoad runs f while logins go on, none of which may fail.
func (d *deployment) underLoad(f func()) {
	d.t.Helper()
	load, err := d.StartLoad(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	f()
	attempts, failures, first := load.Stop()
	if failures > 0 || attempts == 0 {
		d.t.Errorf("%d of %d logins failed, the first: %s", failures, attempts, first)
	}
}

// wantError checks that err is there and has all of the texts.
func wantError(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got error  %v\nwant in it %s", err, text)
		}
	}
}

// ownServer is a server that no other test uses, for what concerns the server
// as a whole. It logs no logins.
func ownServer(t *testing.T) *mysqlserver.Server {
	t.Helper()
	server, err := mysqlserver.Start(t.Context(), mysqlserver.Options{Args: []string{"--log-error-verbosity=2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}
