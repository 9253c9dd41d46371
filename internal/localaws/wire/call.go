package wire

import (
	"time"
)

// A Call is one request to the stand-in. It never holds a secret value.
type Call struct {
	// Seq numbers the calls of a stand-in from 1, in order of arrival. A retry by an SDK is a call of its own.
	Seq int
	At  time.Time

	// Retry: an SDK repeats the call, as it does after an error that may pass or a lost connection.
	Retry bool

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
	Environment string // unique in its stand-in
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

// CallFinished tells of a call to the stand-in, once it has ended.
type CallFinished struct {
	At   time.Time
	Call Call
}

// When is the event's time.
func (e CallFinished) When() time.Time { return e.At }

// InvokeResult is how an invocation of a Lambda function ended. FunctionError is empty on success and "Unhandled" if the
// function failed; the payload is then a [FunctionFailure].
type InvokeResult struct {
	RequestID     string
	Payload       []byte
	FunctionError string
}

// FunctionFailure is the payload of an invocation that failed.
type FunctionFailure struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}
