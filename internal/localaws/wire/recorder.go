package wire

import (
	"sync"
	"sync/atomic"

	"mautic-rotation/internal/localaws/host"
)

// Recorder keeps the calls that a stand-in has received, and asks what is to go wrong with each.
type Recorder struct {
	env       host.Env
	intercept atomic.Pointer[func(Call) Fault]

	mu    sync.Mutex
	calls []*recorded
}

// recorded is a call, and what only an audit asks for.
type recorded struct {
	Call
	origin
	applied   bool
	appliedAs string // the code of the error that the service answered with, whether or not the answer arrived
}

// origin is where a call came from, and with which parameters.
type origin struct {
	requestID, accessKeyID, address, userAgent string
	parameters                                 map[string]any
}

// Audited is a call that reached its service, as CloudTrail tells it. It holds no secret value.
type Audited struct {
	Call        Call
	RequestID   string // "" of a call of one service to another
	AccessKeyID string
	Address     string // IP address
	UserAgent   string
	Parameters  map[string]any // those that hold no secret, named as the request names them
	ErrorCode   string         // that the service answered with
}

// Audited returns the calls that have reached their services so far, in order of arrival. One that was lost on its way there is
// not among them.
func (r *Recorder) Audited() []Audited {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Audited
	for _, c := range r.calls {
		if c.applied {
			list = append(list, Audited{c.Call, c.requestID, c.accessKeyID, c.address, c.userAgent, c.parameters, c.appliedAs})
		}
	}
	return list
}

// reached tells that a service has answered a call.
func (r *Recorder) reached(c Call, code string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry := r.calls[c.Seq-1]
	entry.applied, entry.appliedAs = true, code
}

// NewRecorder makes a recorder without calls.
func NewRecorder(env host.Env) *Recorder { return &Recorder{env: env} }

// Intercept lets f decide about every call from now on; it replaces an earlier f, and nil ends interception. Calls are
// served concurrently, and so f is called concurrently; it may block.
func (r *Recorder) Intercept(f func(Call) Fault) { r.intercept.Store(&f) }

func (r *Recorder) faultFor(c Call) Fault {
	if f := r.intercept.Load(); f != nil && *f != nil {
		return (*f)(c)
	}
	return Fault{}
}

// Calls returns all calls so far in order of arrival.
func (r *Recorder) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := make([]Call, len(r.calls))
	for i, c := range r.calls {
		calls[i] = c.Call
	}
	return calls
}

// begin numbers a call and keeps it.
func (r *Recorder) begin(c Call, from origin) Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.Seq = len(r.calls) + 1
	c.At = r.env.Now()
	r.calls = append(r.calls, &recorded{Call: c, origin: from})
	return c
}

func (r *Recorder) finish(c Call, code string) {
	c.ErrorCode = code
	r.mu.Lock()
	r.calls[c.Seq-1].Call = c
	r.mu.Unlock()
	r.env.Emit(CallFinished{At: r.env.Now(), Call: c})
}

// Inside makes a call of one service of the stand-in to another. It is recorded and intercepted; of the faults, those
// apply that make sense without a process to kill and a connection to close: Before, After and Error.
func (r *Recorder) Inside(c Call, apply func() error) error {
	c = r.begin(c, origin{parameters: map[string]any{"SecretId": c.SecretID}})
	fault := r.faultFor(c)
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
		code = AsError(err).Code
	}
	r.reached(c, code)
	r.finish(c, code)
	return err
}
