package lambda

import "time"

// EnvironmentStarted tells that an execution environment asked for its first invocation. InitDuration runs from the
// start of the process until then.
type EnvironmentStarted struct {
	At           time.Time
	Function     string
	Environment  string
	PID          int
	InitDuration time.Duration
}

// EnvironmentEnded tells that an execution environment's process has ended.
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

// FunctionLog is one line that a function wrote to its standard output or error.
type FunctionLog struct {
	At          time.Time
	Function    string
	Environment string
	Line        string
}

// When is the event's time.
func (e EnvironmentStarted) When() time.Time { return e.At }

// When is the event's time.
func (e EnvironmentEnded) When() time.Time { return e.At }

// When is the event's time.
func (e InvocationFinished) When() time.Time { return e.At }

// When is the event's time.
func (e FunctionLog) When() time.Time { return e.At }
