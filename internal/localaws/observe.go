package localaws

import (
	"context"
	"sync"
	"time"
)

// Event is something that happened in the stand-in: one of the structs of this package with a method of this name.
// An event never holds a secret value, except that a function's own log lines and results hold what the function put
// there.
type Event interface{ event() }

// CallFinished tells of a call to the stand-in, once it has ended.
type CallFinished struct {
	At   time.Time
	Call Call
}

// RotationEventName names what the rotation service reports, as CloudTrail does, with one addition.
type RotationEventName string

// Names of a [RotationEvent].
const (
	RotationStarted       RotationEventName = "RotationStarted"
	RotationSucceeded     RotationEventName = "RotationSucceeded"
	RotationFailed        RotationEventName = "RotationFailed" // after the last attempt
	RotationAbandoned     RotationEventName = "RotationAbandoned"
	TestRotationStarted   RotationEventName = "TestRotationStarted"
	TestRotationSucceeded RotationEventName = "TestRotationSucceeded"
	TestRotationFailed    RotationEventName = "TestRotationFailed"

	// RotationCancelled is not one of CloudTrail's: CancelRotateSecret stopped a rotation.
	RotationCancelled RotationEventName = "RotationCancelled"
)

// RotationEvent tells of the course of a rotation.
type RotationEvent struct {
	At     time.Time
	Name   RotationEventName
	Secret string // ARN
	Token  string
	Err    error // of RotationFailed and TestRotationFailed
}

// StepStarted and StepFinished frame the invocation of a rotation function for one step.
type StepStarted struct {
	At      time.Time
	Secret  string // ARN
	Token   string
	Step    string
	Attempt int // from 1; a retry of the whole rotation counts up
}

// StepFinished tells how a step ended. Err is nil or a [*StepError].
type StepFinished struct {
	At       time.Time
	Secret   string
	Token    string
	Step     string
	Attempt  int
	Duration time.Duration
	Err      error
}

// LabelUpdated tells that labels moved in a secret, as EventBridge's "Secret Label Updated" does: AWSCURRENT and custom
// labels count, AWSPENDING and AWSPREVIOUS do not.
type LabelUpdated struct {
	At     time.Time
	Secret string // ARN
	Labels []string
}

// EnvironmentStarted tells that an execution environment asked for its first invocation. InitDuration runs from the
// start of the process until then.
type EnvironmentStarted struct {
	At           time.Time
	Function     string
	Environment  string
	PID          int
	InitDuration time.Duration
}

// EnvironmentEnded tells that an execution environment's process is gone.
type EnvironmentEnded struct {
	At          time.Time
	Function    string
	Environment string
	PID         int
	Status      string // "exit status 0", "signal: killed"
	MaxRSS      int64  // the most memory that it had resident, in bytes; 0 where unknown
}

// InvocationFinished tells how an invocation of a function ended.
type InvocationFinished struct {
	At            time.Time
	Function      string
	Environment   string
	RequestID     string
	Duration      time.Duration // without the start of an environment
	FunctionError string        // errorType of the error, "" on success
}

// EventDelivered tells how the invocation of a function by an event ended, each time that the event was delivered.
// Result and Err are those of [Server.Invoke].
type EventDelivered struct {
	At       time.Time
	Event    BusEvent
	Duration time.Duration // with the start of an environment
	Result   InvokeResult
	Err      error
}

// FunctionLog is one line that a function wrote to its standard output or error.
type FunctionLog struct {
	At          time.Time
	Function    string
	Environment string
	Line        string
}

// TaskChanged tells that an ECS task has changed its status or become healthy.
type TaskChanged struct {
	At        time.Time
	Task      string // ARN
	Cluster   string
	Service   string // name, "" for a standalone task
	StartedBy string // for a task of a service, the deployment's id
	Status    string // PROVISIONING, PENDING, RUNNING, DEACTIVATING, STOPPING, STOPPED
	Healthy   bool
	CreatedAt time.Time
	Reason    string // why it stops or has stopped
}

// DeploymentChanged tells of a deployment that has begun, completed, had a task fail, failed, or has no task left.
type DeploymentChanged struct {
	At           time.Time
	Service      string // ARN
	Deployment   string // id
	Status       string // PRIMARY, ACTIVE, INACTIVE
	RolloutState string // IN_PROGRESS, COMPLETED, FAILED
	Reason       string // for the rollout's state
	FailedTasks  int
}

func (CallFinished) event()       {}
func (RotationEvent) event()      {}
func (StepStarted) event()        {}
func (StepFinished) event()       {}
func (LabelUpdated) event()       {}
func (EnvironmentStarted) event() {}
func (EnvironmentEnded) event()   {}
func (InvocationFinished) event() {}
func (EventDelivered) event()     {}
func (FunctionLog) event()        {}
func (TaskChanged) event()        {}
func (DeploymentChanged) event()  {}

// events is the record of what happened. Every subscriber reads it at its own pace and in its order, so that a slow
// or re-entrant one holds up nothing.
type events struct {
	mu      sync.Mutex
	log     []Event
	changed chan struct{} // closed and replaced when log grows or the record ends
	ended   bool
	readers sync.WaitGroup
}

func newEvents() *events { return &events{changed: make(chan struct{})} }

func (e *events) emit(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return
	}
	e.log = append(e.log, ev)
	close(e.changed)
	e.changed = make(chan struct{})
}

// from returns what was recorded from index i on, and a channel that closes when there is more to ask for.
func (e *events) from(i int) (more []Event, changed <-chan struct{}, ended bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.log[min(i, len(e.log)):len(e.log):len(e.log)], e.changed, e.ended
}

// end lets the subscribers read what is left and waits for them.
func (e *events) end() {
	e.mu.Lock()
	if !e.ended {
		e.ended = true
		close(e.changed)
	}
	e.mu.Unlock()
	e.readers.Wait()
}

func (e *events) subscribe(f func(Event)) (cancel func()) {
	stop := make(chan struct{})
	e.mu.Lock()
	i := len(e.log)
	e.mu.Unlock()
	e.readers.Go(func() {
		for {
			more, changed, ended := e.from(i)
			for _, ev := range more {
				select {
				case <-stop:
					return
				default:
					f(ev)
				}
			}
			i += len(more)
			if ended && len(more) == 0 {
				return
			}
			if len(more) > 0 {
				continue
			}
			select {
			case <-stop:
				return
			case <-changed:
			}
		}
	})
	return sync.OnceFunc(func() { close(stop) })
}

// Subscribe calls f with every event from now on, in order and one at a time, until cancelled or until the server is
// closed. f may call the server, except Close.
func (s *Server) Subscribe(f func(Event)) (cancel func()) { return s.events.subscribe(f) }

// Events returns what happened so far.
func (s *Server) Events() []Event {
	log, _, _ := s.events.from(0)
	return log
}

// WaitEvent returns once an event, past or to come, satisfies the condition. It returns that event, or the error of
// the context.
func (s *Server) WaitEvent(ctx context.Context, condition func(Event) bool) (Event, error) {
	for i := 0; ; {
		more, changed, ended := s.events.from(i)
		for _, ev := range more {
			if condition(ev) {
				return ev, nil
			}
		}
		i += len(more)
		if ended {
			return nil, ErrClosed
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}
