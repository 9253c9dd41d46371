package database

import (
	"context"
	"sync"
	"time"

	"mautic-rotation/internal/load"
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

// whileLoggingIn calls do while logins with the password in service go on, none
// of which may fail.
func (f *fixture) whileLoggingIn(s *inService, do func()) {
	f.t.Helper()
	login := func(context.Context) error {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return f.logIn(s.password)
	}
	logins, err := load.Start(f.t.Context(), 20*time.Millisecond, // leaves the processor to what is tested
		load.Worker{Name: "with the password in service", Use: login}, load.Worker{Name: "with it, beside the first", Use: login})
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() {
		if err := logins.Stop(); err != nil {
			f.t.Errorf("logins: %v", err)
		}
	}()
	do()
}
