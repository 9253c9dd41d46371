// Package lambda stands in for AWS's Lambda: functions that are real executables, each execution environment a child process
// behind the real runtime API, so that a crash is a crash.
//
//	arn, err := srv.Lambda.CreateFunction(lambda.Function{Name: "rotate", Binary: "/path/to/bootstrap"})
//	result, err := srv.Lambda.Invoke("rotate", []byte(`{}`))
//
// A function may also be a Go func, a Handler, which runs in process: then nothing here needs a process or HTTP.
//
// It tells who makes a call to the stand-in ([StandIn.Caller]), by the access key that it gave the environment.
//
// A function has aliases, which all stand for $LATEST, by [StandIn.CreateAlias] or the operation of that name. An asynchronous
// invocation, of the type Event or by EventBridge, is tried once, unless PutFunctionEventInvokeConfig ([StandIn.PutEventInvokeConfig])
// says otherwise, which also says where the record of it goes.
//
// What a function writes, and Lambda's own START, END and REPORT of each invocation, go to the log group of its
// configuration, or /aws/lambda/<name>, if [Options] has Logs.
//
// Where a client deploys a function, by CreateFunction with an archive, its files are in a temporary directory until it is
// deleted or the stand-in is closed, and AddPermission lets Secrets Manager invoke it. Who else may is not asked.
//
// What it does not do: published versions, weighted aliases, throttling, limits on concurrency, memory and payloads, dead-letter
// queues, and destinations that are queues or buckets. The deadlines that it gives to functions are real durations, because the
// processes that they bound live in real time; the waits between the attempts of an event follow the clock of the stand-in.
package lambda

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Function is a Lambda function: an executable that speaks the runtime API, or a Go func.
type Function struct {
	Name string

	// Binary is the path of an executable. It runs as on Lambda: one process for each execution environment, which takes
	// one invocation at a time and is used again while it lives. It gets the environment variables that Lambda sets,
	// AWS_ENDPOINT_URL, and those of Env, and nothing of this process's environment.
	Binary string
	Env    map[string]string

	// Handler, if set, takes the place of Binary, and runs in process. The server's HandlerConfig gives it clients
	// that are known as its own. A handler that is killed has its context cancelled and its result ignored.
	Handler func(ctx context.Context, payload []byte) ([]byte, error)

	Timeout    time.Duration // of an invocation, default 3 s
	MemorySize int           // MB, default 128; told to the function and not enforced

	// LogGroup is where CloudWatch Logs keeps what the function writes, default /aws/lambda/<Name>. LogFormat is that of
	// Lambda's own lines, Text or JSON, default Text.
	LogGroup, LogFormat string

	Tags map[string]string

	// Logs gets what the executable writes to standard output and error, line by line. Writes are not concurrent.
	Logs io.Writer

	// DenySecretsManager makes the function's policy grant nothing to secretsmanager.amazonaws.com, until AddPermission does.
	DenySecretsManager bool

	role   string // ARN; "" stands for one of the function's name
	remove func() // removes what was unpacked; nil if nothing was
}

// Options of a StandIn.
type Options struct {
	// Endpoint is the URL of the stand-in, for the environment of the processes.
	Endpoint string

	// SecretKey is what processes sign with. It opens nothing.
	SecretKey string

	// Logs keeps what functions write. nil: nobody does.
	Logs Logs

	// Destinations take the records of asynchronous invocations. nil: there are none.
	Destinations Destinations
}

// Logs is CloudWatch Logs.
type Logs interface {
	// Put appends one message to a stream of a log group, both of which are made if they are not there.
	Put(group, stream string, at time.Time, message string)
}

// StandIn is the Lambda service.
type StandIn struct {
	host  *host.Host
	async *host.Async
	opts  Options

	mu           sync.Mutex
	functions    map[string]*function    // by name
	environments map[string]*environment // alive, by access key id
	lastID       int
}

// function is a Function with its environments that wait for work, the longest waiting first. The lock of the
// stand-in guards it.
type function struct {
	Function
	arn     string
	aliases map[string]Alias        // by name
	events  map[string]eventsConfig // by qualifier
	policy  []permission
	changed time.Time
	idle    []*environment
	logs    sync.Mutex
}

// New makes a stand-in without functions. Its asynchronous invocations are counted by async.
func New(h *host.Host, async *host.Async, o Options) *StandIn {
	return &StandIn{host: h, async: async, opts: o, functions: map[string]*function{}, environments: map[string]*environment{}}
}

// CreateFunction registers a function and returns its ARN.
func (s *StandIn) CreateFunction(f Function) (string, error) {
	if (f.Binary == "") == (f.Handler == nil) {
		return "", fmt.Errorf("localaws: function %q needs a Binary or a Handler", f.Name)
	}
	if f.Timeout <= 0 {
		f.Timeout = 3 * time.Second
	}
	f.MemorySize = cmp.Or(f.MemorySize, 128)
	f.LogGroup = cmp.Or(f.LogGroup, "/aws/lambda/"+f.Name)
	f.LogFormat = cmp.Or(f.LogFormat, textFormat)
	if f.LogFormat != textFormat && f.LogFormat != jsonFormat {
		return "", fmt.Errorf("localaws: function %q has the log format %q", f.Name, f.LogFormat)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.functions[f.Name] != nil {
		return "", fmt.Errorf("localaws: function %q exists", f.Name)
	}
	fn := &function{
		Function: f, arn: s.host.Account.ARN("lambda", "function:"+f.Name),
		aliases: map[string]Alias{}, events: map[string]eventsConfig{}, changed: s.host.Clock.Now(),
	}
	s.functions[f.Name] = fn
	return fn.arn, nil
}

// DeleteFunction removes a function and ends its environments; a function of its name can then be created anew.
func (s *StandIn) DeleteFunction(name string) {
	s.mu.Lock()
	fn := s.functions[name]
	delete(s.functions, name)
	s.mu.Unlock()
	s.KillEnvironments(name)
	if fn != nil && fn.remove != nil {
		fn.remove()
	}
}

// KillEnvironments kills all execution environments of a function, busy or idle, as Lambda may at any time, and waits
// until they have ended.
func (s *StandIn) KillEnvironments(name string) {
	for _, e := range s.alive(func(e *environment) bool { return e.fn.Name == name }) {
		e.kill()
		<-e.exited
	}
}

// Invoke invokes a function, by name or ARN, and waits for its end. The error is an [*Error] if Lambda refused.
func (s *StandIn) Invoke(function string, payload []byte) (wire.InvokeResult, error) {
	return s.InvokeStep(function, payload, "")
}

// Redeliver gives a function the events once more that it is handling at the moment, each to an environment of its own,
// as happens where delivery is promised at least once. It returns when they have been handled, and what came of them is
// told by InvocationFinished alone.
func (s *StandIn) Redeliver(function string) error {
	t, err := s.locate(function, "")
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	for _, inv := range s.underWay(t.fn) {
		group.Go(func() { _, _ = s.InvokeStep(inv.arn, inv.payload, inv.step) })
	}
	group.Wait()
	return nil
}

// KeyOf returns the access key with which a function's handler signs its calls; "" if the context is not a handler's.
func KeyOf(ctx context.Context) string {
	if e, ok := ctx.Value(environmentKey{}).(*environment); ok {
		return e.key
	}
	return ""
}

type environmentKey struct{}

// Exists returns an error if there is no function of a name or ARN.
func (s *StandIn) Exists(id string) error {
	_, err := s.locate(id, "")
	return err
}

// InvokeStep is Invoke for a step of a rotation, which is recorded with the calls that the function makes.
func (s *StandIn) InvokeStep(id string, payload []byte, step string) (wire.InvokeResult, error) {
	t, err := s.locate(id, "")
	if err != nil {
		return wire.InvokeResult{}, err
	}
	return s.run(t, s.host.Random.UUID(), step, payload), nil
}

// run has a function handle an event, under an id that the attempts of one event share.
func (s *StandIn) run(t target, id, step string, payload []byte) wire.InvokeResult {
	fn := t.fn
	inv := &invocation{id: id, arn: t.arn, step: step, payload: payload, result: make(chan wire.InvokeResult, 1)}
	for {
		env := s.takeIdle(fn)
		if env == nil {
			var err error
			if env, err = s.startEnvironment(fn); err != nil {
				return inv.failed("Runtime.InvalidEntrypoint", err.Error())
			}
			if result, ok := env.awaitReady(inv); !ok {
				return result
			}
		}
		began := time.Now()
		result, delivered := env.run(inv)
		if !delivered {
			continue // it died while it was idle
		}
		var failure wire.FunctionFailure
		if result.FunctionError != "" {
			_ = json.Unmarshal(result.Payload, &failure) // a runtime may say something else
		}
		env.logEnd(inv, time.Since(began), failure.Type)
		s.host.Events.Emit(InvocationFinished{
			At: s.host.Clock.Now(), Function: fn.Name, Environment: env.id, RequestID: inv.id,
			Duration: time.Since(began), FunctionError: failure.Type,
		})
		s.release(env)
		return result
	}
}

// takeIdle hands out the environment that was used last, or nil.
func (s *StandIn) takeIdle(fn *function) *environment {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(fn.idle)
	if n == 0 {
		return nil
	}
	env := fn.idle[n-1]
	fn.idle = fn.idle[:n-1]
	return env
}

// release makes an environment idle, unless it has ended or was for one invocation only.
func (s *StandIn) release(env *environment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.environments[env.key] == env && env.fn.Handler == nil && s.functions[env.fn.Name] == env.fn {
		env.fn.idle = append(env.fn.idle, env)
	}
}

// register makes an environment known by its access key, with which the function signs its calls.
func (s *StandIn) register(env *environment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastID++
	env.id = fmt.Sprintf("%s-%d", env.fn.Name, s.lastID)
	env.key = "ASIA" + s.host.Random.Text(16, host.Base32)
	env.stream = s.host.Clock.Now().Format("2006/01/02/") + "[$LATEST]" + env.id
	s.environments[env.key] = env
}

func (s *StandIn) unregister(env *environment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.environments, env.key)
	env.fn.idle = slices.DeleteFunc(env.fn.idle, func(e *environment) bool { return e == env })
}

// alive lists the environments that match.
func (s *StandIn) alive(match func(*environment) bool) []*environment {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*environment
	for _, e := range s.environments {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

// underWay lists the invocations that a function is handling.
func (s *StandIn) underWay(fn *function) []*invocation {
	busy := s.alive(func(e *environment) bool { return e.fn == fn && !slices.Contains(fn.idle, e) })
	var list []*invocation
	for _, e := range busy {
		if inv := e.current.Load(); inv != nil {
			list = append(list, inv)
		}
	}
	return list
}

// Caller tells which environment signs with an access key.
func (s *StandIn) Caller(key string) wire.Caller {
	s.mu.Lock()
	env := s.environments[key]
	s.mu.Unlock()
	if env == nil {
		return wire.Caller{}
	}
	c := wire.Caller{Function: env.fn.Name, Environment: env.id, PID: int(env.pid.Load())}
	if inv := env.current.Load(); inv != nil {
		c.RequestID, c.Step = inv.id, inv.step
	}
	return c
}

// Processes are the ids of the processes of a function's environments that live, busy or idle.
func (s *StandIn) Processes(name string) (ids []int) {
	for _, e := range s.alive(func(e *environment) bool { return e.fn.Name == name }) {
		if id := int(e.pid.Load()); id != 0 { // not a handler, nor one that is just being started
			ids = append(ids, id)
		}
	}
	return ids
}

// Kill ends the environment that made a call, and waits until it has ended.
func (s *StandIn) Kill(c wire.Caller) {
	for _, e := range s.alive(func(e *environment) bool { return e.id == c.Environment }) {
		e.kill()
		<-e.exited
	}
}
