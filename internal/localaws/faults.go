package localaws

import (
	"time"
)

// A Call is one request to the stand-in. It never holds a secret value.
type Call struct {
	// Seq numbers the calls of a Server from 1, in order of arrival. A retry by an SDK is a call of its own.
	Seq int
	At  time.Time

	Service   string // "secretsmanager", "ecs", "lambda", "rds", "iam"
	Operation string // "GetSecretValue"
	SecretID  string // SecretId as the caller wrote it, if the operation has one
	Detail    string // the other telling members, such as "VersionStage=AWSPENDING"

	// Caller is the Lambda environment or the ECS task that made the call; the zero value if another client did.
	Caller Caller

	// ErrorCode is how the call ended, and is known once it has: empty when it was applied and answered, else the code
	// of the AWS error or, for a call that got no answer, one of the NoReply constants.
	ErrorCode string
}

// Caller tells which Lambda environment made a call, and in which invocation, or for which ECS task a secret is read.
type Caller struct {
	Function    string // name
	Environment string // unique in its Server
	PID         int    // 0 for a function that runs in process
	RequestID   string // of the invocation under way
	Step        string // the rotation step that invoked it, "" outside a rotation

	Task string // ARN
}

// Ends of a call without an answer, in [Call.ErrorCode].
const (
	NoReplyKilled = "(caller killed)"
	NoReplyLost   = "(reply lost)"
	NoReplyLate   = "(applied late)"
)

// A Fault says what goes wrong with one call. The zero Fault leaves it alone. Before and After combine with the
// others; of the others one is taken, in the order of the fields.
type Fault struct {
	// Before and After run just before the call is applied and just after, before it is answered. They may block, which
	// holds up this call only.
	Before, After func()

	// Error answers the call instead of applying it.
	Error *Error

	// KillBefore kills the Lambda environment that made the call, and the call is not applied. KillAfter applies it
	// first. Neither does anything to a call that came from elsewhere, except that it gets no answer.
	KillBefore, KillAfter bool

	// LoseReply applies the call and closes the connection. An SDK takes that for a network error and tries again with
	// the same parameters, as it does against AWS.
	LoseReply bool

	// Late closes the connection at once and applies the call when the channel is closed or receives: the client has
	// given up on a request that still arrives.
	Late <-chan struct{}
}

// Throttled is the error of a service that is asked too often. SDKs retry it with a growing delay.
func Throttled() *Error {
	return &Error{Code: "ThrottlingException", Message: "Rate exceeded"}
}

// Intercept lets f decide about every call from now on; it replaces an earlier f, and nil ends interception. Calls are
// served concurrently, and so f is called concurrently; it may block.
func (s *Server) Intercept(f func(Call) Fault) {
	s.intercept.Store(&f)
}

func (s *Server) faultFor(c Call) Fault {
	if f := s.intercept.Load(); f != nil && *f != nil {
		return (*f)(c)
	}
	return Fault{}
}

// Calls returns all calls so far in order of arrival.
func (s *Server) Calls() []Call {
	s.callsMu.Lock()
	defer s.callsMu.Unlock()
	calls := make([]Call, len(s.calls))
	for i, c := range s.calls {
		calls[i] = *c
	}
	return calls
}

// recordCall numbers a call and keeps it.
func (s *Server) recordCall(c Call) Call {
	s.callsMu.Lock()
	defer s.callsMu.Unlock()
	c.Seq = len(s.calls) + 1
	c.At = s.clock.Now()
	s.calls = append(s.calls, &c)
	return c
}

func (s *Server) finishCall(c Call, code string) {
	c.ErrorCode = code
	s.callsMu.Lock()
	s.calls[c.Seq-1] = &c
	s.callsMu.Unlock()
	s.events.emit(CallFinished{At: s.clock.Now(), Call: c})
}

// callInside makes a call on behalf of another service of the stand-in. It is recorded and intercepted; of the faults,
// those apply that are left when there is no process to kill and no connection to close: Before, After and Error.
func (s *Server) callInside(c Call, apply func() error) error {
	c = s.recordCall(c)
	fault := s.faultFor(c)
	if fault.Before != nil {
		fault.Before()
	}
	var err error
	if fault.Error != nil {
		err = fault.Error
	} else {
		err = apply()
	}
	if fault.After != nil {
		fault.After()
	}
	code := ""
	if err != nil {
		code = asError(err).Code
	}
	s.finishCall(c, code)
	return err
}
