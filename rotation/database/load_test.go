package database

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// inService is the password that is AWSCURRENT, which logins use all the time.
type inService struct {
	mu       sync.RWMutex
	password string
}

// promote waits for the logins that have begun with the one before.
func (s *inService) promote(password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password = password
}

// A load is an application that logs in over and over, with the password in
// service.
type load struct {
	login func(password string) error
	*inService

	logins, failures atomic.Int64
	first            atomic.Pointer[error] // of the failures

	stopped chan struct{}
	workers sync.WaitGroup
}

const (
	loadWorkers = 2
	loadPace    = 20 * time.Millisecond // leaves the processor to what is tested
)

// startLoad returns when each worker has logged in once.
func startLoad(s *inService, login func(password string) error) *load {
	l := &load{login: login, inService: s, stopped: make(chan struct{})}
	var up sync.WaitGroup
	for range loadWorkers {
		up.Add(1)
		l.workers.Go(func() { l.work(up.Done) })
	}
	up.Wait()
	return l
}

// work logs in once, says so, and goes on until the load is stopped. Then it
// logs in a last time: what has been done may have been faster than the pace.
func (l *load) work(up func()) {
	l.logIn()
	up()
	pace := time.NewTicker(loadPace)
	defer pace.Stop()
	for stopped := false; !stopped; {
		l.logIn()
		select {
		case <-l.stopped:
			stopped = true
		case <-pace.C:
		}
	}
	l.logIn()
}

func (l *load) logIn() {
	l.mu.RLock()
	defer l.mu.RUnlock()
	err := l.login(l.password)
	l.logins.Add(1)
	if err != nil {
		l.failures.Add(1)
		l.first.CompareAndSwap(nil, &err)
	}
}

// stop ends the load, and fails when a login failed or none was made.
func (l *load) stop(t testing.TB) {
	t.Helper()
	close(l.stopped)
	l.workers.Wait()
	switch logins, failures := l.logins.Load(), l.failures.Load(); {
	case logins == 0:
		t.Error("no login was made: this has shown nothing")
	case failures > 0:
		t.Errorf("%d of %d logins with the password in service failed, the first with %v", failures, logins, *l.first.Load())
	}
}

// whileLoggingIn calls do while logins with the password in service go on, none
// of which may fail.
func (f *fixture) whileLoggingIn(s *inService, do func()) {
	f.t.Helper()
	l := startLoad(s, f.logIn)
	defer l.stop(f.t)
	do()
}

func TestALoadHasLoggedInBeforeAndAfterWhatIsDoneBesideIt(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	used := map[string]int{}
	login := func(password string) error {
		mu.Lock()
		defer mu.Unlock()
		used[password]++
		return nil
	}
	s := &inService{password: "first"}
	l := startLoad(s, login)
	s.promote("second") // at once
	l.stop(t)
	if used["first"] < loadWorkers || used["second"] < loadWorkers {
		t.Errorf("the logins were %v", used)
	}
}
