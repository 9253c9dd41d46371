package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Function is a Lambda function: an executable that speaks the runtime API, or a Go func.
type Function struct {
	Name string

	// Binary is the path of an executable. It runs as on Lambda: one process for each execution environment, which takes
	// one invocation at a time and is used again while it lives. It gets the environment variables that Lambda sets,
	// AWS_ENDPOINT_URL, and those of Env, and nothing of this process's environment.
	Binary string
	Env    map[string]string

	// Handler, if set, takes the place of Binary, and runs in process. [HandlerConfig] gives it clients that are known
	// to the server as its own. A handler that is killed has its context cancelled and its result ignored.
	Handler func(ctx context.Context, payload []byte) ([]byte, error)

	Timeout    time.Duration // of an invocation, default 3 s
	MemorySize int           // MB, default 128; told to the function and not enforced

	// Logs gets what the executable writes to standard output and error, line by line. Writes are not concurrent.
	Logs io.Writer

	// DenySecretsManager makes the function's policy grant nothing to secretsmanager.amazonaws.com.
	DenySecretsManager bool
}

// InvokeResult is how an invocation ended. FunctionError is empty on success and "Unhandled" if the function failed;
// the payload is then a JSON object with errorType and errorMessage.
type InvokeResult struct {
	RequestID     string
	Payload       []byte
	FunctionError string
}

// functionFailure is the payload of an invocation that failed.
type functionFailure struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

// lambda is the Lambda service.
type lambda struct {
	srv *Server

	mu           sync.Mutex
	functions    map[string]*function    // by name
	environments map[string]*environment // alive, by access key id
	lastID       int
}

// function is a Function with its environments that wait for work, the longest waiting first. The lock of lambda
// guards it.
type function struct {
	Function
	arn  string
	idle []*environment
	logs sync.Mutex
}

func newLambda(s *Server) *lambda {
	return &lambda{srv: s, functions: map[string]*function{}, environments: map[string]*environment{}}
}

// CreateFunction registers a function and returns its ARN.
func (s *Server) CreateFunction(f Function) (string, error) {
	if (f.Binary == "") == (f.Handler == nil) {
		return "", fmt.Errorf("localaws: function %q needs a Binary or a Handler", f.Name)
	}
	if f.Timeout <= 0 {
		f.Timeout = 3 * time.Second
	}
	if f.MemorySize == 0 {
		f.MemorySize = 128
	}
	l := s.lambda
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.functions[f.Name] != nil {
		return "", fmt.Errorf("localaws: function %q exists", f.Name)
	}
	fn := &function{Function: f, arn: s.arn("lambda", "function:"+f.Name)}
	l.functions[f.Name] = fn
	return fn.arn, nil
}

// DeleteFunction removes a function and ends its environments; a function of its name can then be created anew.
func (s *Server) DeleteFunction(name string) {
	s.lambda.mu.Lock()
	delete(s.lambda.functions, name)
	s.lambda.mu.Unlock()
	s.KillEnvironments(name)
}

// KillEnvironments kills all execution environments of a function, busy or idle, as Lambda may at any time, and waits
// until they are gone.
func (s *Server) KillEnvironments(name string) {
	for _, e := range s.lambda.alive(func(e *environment) bool { return e.fn.Name == name }) {
		e.kill()
		<-e.exited
	}
}

// Invoke invokes a function, by name or ARN, and waits for its end. The error is an [*Error] if Lambda refused.
func (s *Server) Invoke(function string, payload []byte) (InvokeResult, error) {
	return s.lambda.invoke(function, payload, "")
}

// Redeliver gives a function the events once more that it is handling at the moment, each to an environment of its own,
// as happens where delivery is promised at least once. It returns when they have been handled, and what came of them is
// told by InvocationFinished alone.
func (s *Server) Redeliver(function string) error {
	fn, err := s.lambda.find(function)
	if err != nil {
		return err
	}
	var group sync.WaitGroup
	for _, inv := range s.lambda.underWay(fn) {
		group.Go(func() { _, _ = s.lambda.invoke(fn.Name, inv.payload, inv.step) })
	}
	group.Wait()
	return nil
}

// HandlerConfig is [Server.Config] for the handler of a [Function]: calls made with it carry their [Caller]. The
// context must be the handler's.
func (s *Server) HandlerConfig(ctx context.Context) aws.Config {
	if e, ok := ctx.Value(environmentKey{}).(*environment); ok {
		return s.config(e.key)
	}
	return s.Config()
}

type environmentKey struct{}

// find returns a function by name or by ARN, whole or from "function:" on, with or without a qualifier.
func (l *lambda) find(id string) (*function, error) {
	name := id
	if i := strings.LastIndex(id, "function:"); i >= 0 {
		name = id[i+len("function:"):]
	}
	name, _, _ = strings.Cut(name, ":")
	l.mu.Lock()
	defer l.mu.Unlock()
	if fn := l.functions[name]; fn != nil {
		return fn, nil
	}
	e := notFound("Function not found: %s", l.srv.arn("lambda", "function:"+name))
	e.Status = http.StatusNotFound
	return nil, e
}

// secretsManagerMayInvoke tells whether there is such a function and its policy admits the rotation service.
func (l *lambda) secretsManagerMayInvoke(id string) bool {
	fn, err := l.find(id)
	return err == nil && !fn.DenySecretsManager
}

// invoke runs one invocation to its end. The step is recorded with the calls that the function makes.
func (l *lambda) invoke(id string, payload []byte, step string) (InvokeResult, error) {
	fn, err := l.find(id)
	if err != nil {
		return InvokeResult{}, err
	}
	inv := &invocation{id: newUUID(), step: step, payload: payload, result: make(chan InvokeResult, 1)}
	for {
		env := l.takeIdle(fn)
		if env == nil {
			if env, err = l.startEnvironment(fn); err != nil {
				return inv.failed("Runtime.InvalidEntrypoint", err.Error()), nil
			}
			if result, ok := env.awaitReady(inv); !ok {
				return result, nil
			}
		}
		began := time.Now()
		result, delivered := env.run(inv)
		if !delivered {
			continue // it died while it was idle
		}
		var failure functionFailure
		if result.FunctionError != "" {
			_ = json.Unmarshal(result.Payload, &failure) // a runtime may say something else
		}
		l.srv.events.emit(InvocationFinished{
			At: l.srv.clock.Now(), Function: fn.Name, Environment: env.id, RequestID: inv.id,
			Duration: time.Since(began), FunctionError: failure.Type,
		})
		l.release(env)
		return result, nil
	}
}

// takeIdle hands out the environment that was used last, or nil.
func (l *lambda) takeIdle(fn *function) *environment {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(fn.idle)
	if n == 0 {
		return nil
	}
	env := fn.idle[n-1]
	fn.idle = fn.idle[:n-1]
	return env
}

// release makes an environment idle, unless it is gone or was for one invocation only.
func (l *lambda) release(env *environment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.environments[env.key] == env && env.fn.Handler == nil && l.functions[env.fn.Name] == env.fn {
		env.fn.idle = append(env.fn.idle, env)
	}
}

// register makes an environment known by its access key, with which the function signs its calls.
func (l *lambda) register(env *environment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastID++
	env.id = fmt.Sprintf("%s-%d", env.fn.Name, l.lastID)
	env.key = "ASIA" + randomText(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
	l.environments[env.key] = env
}

func (l *lambda) unregister(env *environment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.environments, env.key)
	env.fn.idle = slices.DeleteFunc(env.fn.idle, func(e *environment) bool { return e == env })
}

// alive lists the environments that match.
func (l *lambda) alive(match func(*environment) bool) []*environment {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []*environment
	for _, e := range l.environments {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

// underWay lists the invocations that a function is handling.
func (l *lambda) underWay(fn *function) []*invocation {
	busy := l.alive(func(e *environment) bool { return e.fn == fn && !slices.Contains(fn.idle, e) })
	var list []*invocation
	for _, e := range busy {
		if inv := e.current.Load(); inv != nil {
			list = append(list, inv)
		}
	}
	return list
}

// caller tells which environment signs with an access key.
func (l *lambda) caller(key string) Caller {
	l.mu.Lock()
	env := l.environments[key]
	l.mu.Unlock()
	if env == nil {
		return Caller{}
	}
	c := Caller{Function: env.fn.Name, Environment: env.id, PID: int(env.pid.Load())}
	if inv := env.current.Load(); inv != nil {
		c.RequestID, c.Step = inv.id, inv.step
	}
	return c
}

// kill ends the environment that made a call, and waits until it is gone.
func (l *lambda) kill(c Caller) {
	for _, e := range l.alive(func(e *environment) bool { return e.id == c.Environment }) {
		e.kill()
		<-e.exited
	}
}

const lambdaPath = "/2015-03-31/functions/"

// request is the Invoke operation of the REST API.
func (l *lambda) request(r *http.Request, body []byte) request {
	name, found := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, lambdaPath), "/invocations")
	if !found || r.Method != http.MethodPost {
		return request{fail: restError}
	}
	kind := r.Header.Get("X-Amz-Invocation-Type")
	return request{
		call:  Call{Service: "lambda", Operation: "Invoke", Detail: strings.TrimSpace("FunctionName=" + name + " " + kind)},
		fail:  restError,
		apply: func(context.Context) reply { return l.answer(name, kind, body) },
	}
}

// answer invokes a function for a client: it waits for the result, or for the type Event only for the queue. An event
// is tried once; Lambda would try it twice more if the function fails.
func (l *lambda) answer(name, kind string, payload []byte) reply {
	if _, err := l.find(name); err != nil {
		return restError(asError(err))
	}
	if len(payload) > 0 && !json.Valid(payload) {
		return restError(&Error{Code: "InvalidRequestContentException", Message: "Could not parse request body into json"})
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	header := http.Header{"Content-Type": {"application/json"}}
	switch kind {
	case "DryRun":
		return reply{http.StatusNoContent, header, nil}
	case "Event":
		l.srv.bus.run(func() { _, _ = l.invoke(name, payload, "") })
		return reply{http.StatusAccepted, header, nil}
	}
	result, err := l.invoke(name, payload, "")
	if err != nil {
		return restError(asError(err))
	}
	header.Set("X-Amz-Executed-Version", "$LATEST")
	if result.FunctionError != "" {
		header.Set("X-Amz-Function-Error", result.FunctionError)
	}
	return reply{http.StatusOK, header, result.Payload}
}
