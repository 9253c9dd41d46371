package secretsmanager

import (
	"cmp"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Functions are the rotation functions.
type Functions interface {
	// SecretsManagerMayInvoke tells whether there is such a function, by name or ARN, and its policy admits the rotation
	// service.
	SecretsManagerMayInvoke(function string) bool

	// InvokeStep invokes a function for a step of a rotation and waits for its end. The error is a [*wire.Error] if Lambda
	// refused.
	InvokeStep(function string, event []byte, step string) (wire.InvokeResult, error)
}

// Retries say how often a rotation is tried.
type Retries struct {
	// Times is how often the rotation service tries a failed rotation again before it gives up, and Delay how long it
	// waits before each. AWS's numbers are not documented, beyond "multiple times". 0 means 2, a negative number none.
	Times int
	Delay time.Duration
}

// StandIn is a [Core] whose rotations run by themselves.
type StandIn struct {
	*Core
	host       *host.Host
	functions  Functions
	retries    int
	retryDelay time.Duration

	mu     sync.Mutex // taken after the Core's, never before
	runs   map[runKey]*run
	alarms map[string]func() // by secret's ARN: takes back the next scheduled rotation
}

// New makes a stand-in without secrets.
func New(h *host.Host, functions Functions, o Options, retries Retries) *StandIn {
	s := &StandIn{
		host: h, functions: functions, retries: cmp.Or(retries.Times, 2), retryDelay: retries.Delay,
		runs: map[runKey]*run{}, alarms: map[string]func(){},
	}
	s.Core = NewCore(h.Env(), o, Hooks{MayInvoke: functions.SecretsManagerMayInvoke, Begun: s.begun, Scheduled: s.scheduled})
	return s
}

// scheduled sets the alarm for the next scheduled rotation of a secret.
func (s *StandIn) scheduled(secretARN string, start time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop := s.alarms[secretARN]; stop != nil {
		stop()
		delete(s.alarms, secretARN)
	}
	if start.IsZero() || s.host.Context().Err() != nil {
		return
	}
	s.alarms[secretARN] = s.host.Clock.At(start, func() {
		if s.host.Context().Err() == nil {
			s.RotateOnSchedule(secretARN)
		}
	})
}

// Stop takes back the scheduled rotations: the clock may outlive the host.
func (s *StandIn) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stop := range s.alarms {
		stop()
	}
}
