package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// initTimeout is how long Lambda lets an environment take to ask for its first invocation.
const initTimeout = 10 * time.Second

// environment is an execution environment of a function: a process, or one run of a handler.
type environment struct {
	lambda *StandIn
	fn     *function
	id     string
	key    string       // access key id
	stream string       // of its function's log group
	pid    atomic.Int64 // 0 for a handler

	process *host.Process              // nil for a handler
	work    chan *invocation           // taken by the process when it asks for its next invocation
	current atomic.Pointer[invocation] // under way, or the latest

	ready     chan struct{} // closed when the process first asks for an invocation, or reports that it cannot
	setReady  func()
	initError atomic.Pointer[[]byte] // what it reported instead

	ctx    context.Context // ends when it is to be killed
	kill   context.CancelFunc
	exited chan struct{}
	status string // "exit status 1"; set when exited
}

// invocation is one event on its way through a function.
type invocation struct {
	id      string
	arn     string // that the function was invoked by
	step    string
	payload []byte
	result  chan wire.InvokeResult // takes one
}

// failed is the result of an invocation that Lambda itself declares failed.
func (inv *invocation) failed(errorType, message string) wire.InvokeResult {
	payload, err := json.Marshal(wire.FunctionFailure{Type: errorType, Message: "RequestId: " + inv.id + " Error: " + message})
	if err != nil {
		panic(err) // two strings
	}
	return wire.InvokeResult{RequestID: inv.id, Payload: payload, FunctionError: "Unhandled"}
}

// startEnvironment makes a new environment, and with it the process of a function that is an executable.
func (s *StandIn) startEnvironment(fn *function) (*environment, error) {
	env := &environment{
		lambda: s,
		fn:     fn,
		work:   make(chan *invocation),
		ready:  make(chan struct{}),
		exited: make(chan struct{}),
	}
	env.setReady = sync.OnceFunc(func() { close(env.ready) })
	env.ctx, env.kill = context.WithCancel(s.host.Context())
	s.register(env)
	start := env.startProcess
	if fn.Handler != nil {
		start = env.startHandler
	}
	if err := start(); err != nil {
		s.unregister(env)
		close(env.exited)
		return nil, err
	}
	return env, nil
}

// awaitReady waits for the environment's initialisation. If that fails, it returns what becomes of the invocation.
func (e *environment) awaitReady(inv *invocation) (wire.InvokeResult, bool) {
	select {
	case <-e.ready:
	case <-e.exited:
		return e.crash(inv), false
	case <-time.After(initTimeout):
		e.kill()
		<-e.exited
		return timedOut(inv, initTimeout), false
	}
	if payload := e.initError.Load(); payload != nil {
		e.kill()
		<-e.exited
		return wire.InvokeResult{RequestID: inv.id, Payload: *payload, FunctionError: "Unhandled"}, false
	}
	return wire.InvokeResult{}, true
}

// run gives the environment an invocation and waits for its result, its timeout, or the environment's end. It reports
// false if the environment ended before it took the invocation.
func (e *environment) run(inv *invocation) (result wire.InvokeResult, delivered bool) {
	select {
	case e.work <- inv:
	case <-e.exited:
		return wire.InvokeResult{}, false
	}
	timeout := time.NewTimer(e.fn.Timeout)
	defer timeout.Stop()
	select {
	case result := <-inv.result:
		return result, true
	case <-timeout.C:
		e.kill()
		<-e.exited
		return timedOut(inv, e.fn.Timeout), true
	case <-e.exited:
	}
	select {
	case result := <-inv.result: // it answered, and then exited
		return result, true
	default:
		return e.crash(inv), true
	}
}

func timedOut(inv *invocation, limit time.Duration) wire.InvokeResult {
	return inv.failed("Sandbox.Timedout", fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds()))
}

// crash is the result of an invocation whose process ended.
func (e *environment) crash(inv *invocation) wire.InvokeResult {
	if e.status == "exit status 0" {
		return inv.failed("Runtime.ExitError", "Runtime exited without providing a reason")
	}
	return inv.failed("Runtime.ExitError", "Runtime exited with error: "+e.status)
}

// begin makes an invocation the one under way.
func (e *environment) begin(inv *invocation) {
	e.current.Store(inv)
	e.logStart(inv)
}

// end marks the environment as ended.
func (e *environment) end(status string) {
	e.status = status
	e.lambda.unregister(e)
	close(e.exited)
}

// startHandler runs the function's handler for one invocation.
func (e *environment) startHandler() error {
	e.setReady()
	spawned := e.lambda.host.Spawn(func() {
		defer e.kill()
		select {
		case inv := <-e.work:
			e.begin(inv)
			e.handle(inv)
		case <-e.ctx.Done():
			e.end("signal: killed")
		}
	})
	if !spawned {
		return host.ErrClosed
	}
	return nil
}

// handle calls the handler. When the environment is killed, it ends without waiting for a handler that goes on.
func (e *environment) handle(inv *invocation) {
	ctx, cancel := context.WithTimeout(context.WithValue(e.ctx, environmentKey{}, e), e.fn.Timeout)
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: inv.id, InvokedFunctionArn: inv.arn})
	defer cancel()
	done := make(chan wire.InvokeResult, 1)
	go func() {
		payload, err := e.fn.Handler(ctx, inv.payload)
		if err != nil {
			done <- handlerFailure(inv, err)
			return
		}
		done <- wire.InvokeResult{RequestID: inv.id, Payload: payload}
	}()
	select {
	case result := <-done:
		inv.result <- result
		e.end("exit status 0")
	case <-e.ctx.Done():
		e.end("signal: killed")
	}
}

// handlerFailure words an error as aws-lambda-go does: its type is that of the Go value.
func handlerFailure(inv *invocation, err error) wire.InvokeResult {
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	payload, marshalErr := json.Marshal(wire.FunctionFailure{Type: t.Name(), Message: err.Error()})
	if marshalErr != nil {
		panic(marshalErr) // two strings
	}
	return wire.InvokeResult{RequestID: inv.id, Payload: payload, FunctionError: "Unhandled"}
}
