package lambda

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"mautic-rotation/internal/localaws/wire"
)

// Prefixes of the operations' paths.
const (
	createPath    = "/2015-03-31/functions"
	functionsPath = "/2015-03-31/functions/"
	eventsPath    = "/2019-09-25/functions/"
)

// API describes the operations for the wire.
func (s *StandIn) API() *wire.RESTService {
	return &wire.RESTService{Prefixes: []string{createPath, eventsPath}, Request: s.request}
}

// operation is how an operation is found, and what it does. Its path is the prefix, the function's name and the rest, which
// may end with a name of what it is about.
type operation struct {
	name, method, prefix, rest string
	apply                      func(s *StandIn, in input) wire.Reply
}

// input is a request for an operation.
type input struct {
	function, qualifier string
	item                string // at the end of the path
	header              http.Header
	body                []byte
}

var operations = []operation{
	{"Invoke", http.MethodPost, functionsPath, "invocations", (*StandIn).answer},
	{"GetFunctionConfiguration", http.MethodGet, functionsPath, "configuration", answerWith((*StandIn).getConfiguration)},
	{"CreateFunction", http.MethodPost, createPath, "", (*StandIn).answerCreate},
	{"DeleteFunction", http.MethodDelete, functionsPath, "", (*StandIn).answerDelete},
	{"AddPermission", http.MethodPost, functionsPath, "policy", (*StandIn).answerPermit},
	{"CreateAlias", http.MethodPost, functionsPath, "aliases", (*StandIn).answerCreateAlias},
	{"GetAlias", http.MethodGet, functionsPath, "aliases/", answerWith((*StandIn).getAlias)},
	{"PutFunctionEventInvokeConfig", http.MethodPut, eventsPath, "event-invoke-config", answerWith((*StandIn).putEvents)},
	{"GetFunctionEventInvokeConfig", http.MethodGet, eventsPath, "event-invoke-config", answerWith((*StandIn).getEvents)},
}

// request understands a request of the REST API.
func (s *StandIn) request(r *http.Request, body []byte) wire.Request {
	for _, o := range operations {
		after, found := strings.CutPrefix(r.URL.Path, o.prefix)
		name, rest, _ := strings.Cut(after, "/")
		item, isRest := strings.CutPrefix(rest, o.rest)
		if !found || !isRest || (item != "") != strings.HasSuffix(o.rest, "/") || r.Method != o.method {
			continue
		}
		if name == "" { // the function is yet to be made
			var made struct{ FunctionName string }
			_ = json.Unmarshal(body, &made) // the operation refuses what is no JSON
			name = made.FunctionName
		}
		query := r.URL.Query()
		in := input{name, query.Get("Qualifier"), item, r.Header, body}
		return wire.Request{
			Call:   wire.Call{Service: "lambda", Operation: o.name, Detail: detail(name, query, r.Header)},
			Public: map[string]any{"FunctionName": name, "Qualifier": in.qualifier},
			Apply:  func(context.Context) wire.Reply { return o.apply(s, in) },
		}
	}
	return wire.Request{}
}

func detail(function string, query url.Values, header http.Header) string {
	text := "FunctionName=" + function
	if q := query.Get("Qualifier"); q != "" {
		text += " Qualifier=" + q
	}
	return strings.TrimSpace(text + " " + header.Get("X-Amz-Invocation-Type"))
}

// answerWith makes a reply of what an operation returns.
func answerWith[Out any](f func(*StandIn, input) (Out, error)) func(*StandIn, input) wire.Reply {
	return func(s *StandIn, in input) wire.Reply {
		out, err := f(s, in)
		if err != nil {
			return wire.RESTError(wire.AsError(err))
		}
		return wire.RESTReply(http.StatusOK, out)
	}
}

// answer invokes a function for a client: it waits for the result, or for the type Event only for the queue.
func (s *StandIn) answer(in input) wire.Reply {
	t, err := s.locate(in.function, in.qualifier)
	if err != nil {
		return wire.RESTError(wire.AsError(err))
	}
	payload := in.body
	if len(payload) > 0 && !json.Valid(payload) {
		return wire.RESTError(&wire.Error{Code: "InvalidRequestContentException", Message: "Could not parse request body into json"})
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	header := http.Header{"Content-Type": {"application/json"}}
	switch in.header.Get("X-Amz-Invocation-Type") {
	case "DryRun":
		return wire.Reply{Status: http.StatusNoContent, Header: header}
	case "Event":
		q := s.queue(t, payload)
		s.async.Go(func() { s.attempt(q) })
		header.Set(wire.RequestIDHeader, q.id)
		return wire.Reply{Status: http.StatusAccepted, Header: header}
	}
	result := s.run(t, s.host.Random.UUID(), "", payload)
	header.Set(wire.RequestIDHeader, result.RequestID)
	header.Set("X-Amz-Executed-Version", latest)
	if result.FunctionError != "" {
		header.Set("X-Amz-Function-Error", result.FunctionError)
	}
	return wire.Reply{Status: http.StatusOK, Header: header, Body: result.Payload}
}

func (s *StandIn) answerCreateAlias(in input) wire.Reply {
	a, err := decode[struct {
		Name, FunctionVersion, Description string
		RoutingConfig                      json.RawMessage
	}](in.body)
	if err == nil && len(a.RoutingConfig) > 0 {
		err = invalidParameter("localaws does not have weighted aliases")
	}
	var made Alias
	if err == nil {
		made, err = s.createAlias(in.function, Alias{Name: a.Name, Version: a.FunctionVersion, Description: a.Description})
	}
	if err != nil {
		return wire.RESTError(wire.AsError(err))
	}
	return wire.RESTReply(http.StatusCreated, made)
}

func (s *StandIn) getAlias(in input) (Alias, error) { return s.GetAlias(in.function, in.item) }

func decode[T any](body []byte) (v T, err error) {
	if err := json.Unmarshal(body, &v); err != nil {
		return v, &wire.Error{Code: "InvalidRequestContentException", Message: "Could not parse request body into json"}
	}
	return v, nil
}

// eventsDescription is what the operations on an [EventInvokeConfig] answer.
type eventsDescription struct {
	FunctionArn  string
	LastModified wire.Epoch
	EventInvokeConfig
}

func (s *StandIn) putEvents(in input) (*eventsDescription, error) {
	t, err := s.locate(in.function, in.qualifier)
	if err != nil {
		return nil, err
	}
	c, err := decode[EventInvokeConfig](in.body)
	if err != nil {
		return nil, err
	}
	if err := s.putEventInvokeConfig(t, c); err != nil {
		return nil, err
	}
	return s.getEvents(in)
}

func (s *StandIn) getEvents(in input) (*eventsDescription, error) {
	t, err := s.locate(in.function, in.qualifier)
	if err != nil {
		return nil, err
	}
	c, set := s.eventInvokeConfig(t)
	if !set {
		return nil, notFound("The function %s doesn't have an EventInvokeConfig", qualified(t))
	}
	return &eventsDescription{FunctionArn: qualified(t), LastModified: wire.Epoch(c.changed), EventInvokeConfig: c.EventInvokeConfig}, nil
}

// qualified is the ARN with a qualifier in any case.
func qualified(t target) string {
	if t.qualifier == "" {
		return t.arn + ":" + latest
	}
	return t.arn
}

// Configuration is what GetFunctionConfiguration answers.
type Configuration struct {
	FunctionName, FunctionArn, Version    string
	Runtime, Handler, Role, PackageType   string
	State, LastUpdateStatus, LastModified string
	Timeout, MemorySize                   int          // seconds, MB
	Environment                           *Environment `json:",omitempty"`
	LoggingConfig                         LoggingConfig
}

// Environment are the variables that were set for a function.
type Environment struct{ Variables map[string]string }

// LoggingConfig tells where a function's log is.
type LoggingConfig struct{ LogFormat, LogGroup string }

func (s *StandIn) getConfiguration(in input) (*Configuration, error) {
	t, err := s.locate(in.function, in.qualifier)
	if err != nil {
		return nil, err
	}
	fn := t.fn
	c := &Configuration{
		FunctionName: fn.Name, FunctionArn: t.arn, Version: latest,
		Runtime: "provided.al2023", Handler: "bootstrap", PackageType: "Zip",
		Role:  cmp.Or(fn.role, "arn:aws:iam::"+s.host.Account.ID+":role/"+fn.Name),
		State: "Active", LastUpdateStatus: "Successful", LastModified: fn.changed.Format("2006-01-02T15:04:05.000+0000"),
		Timeout: int(fn.Timeout.Seconds()), MemorySize: fn.MemorySize,
		LoggingConfig: LoggingConfig{fn.LogFormat, fn.LogGroup},
	}
	if len(fn.Env) > 0 {
		c.Environment = &Environment{fn.Env}
	}
	return c, nil
}

// Tags are the tags of all functions, by their ARNs.
func (s *StandIn) Tags() map[string]map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]map[string]string{}
	for _, fn := range s.functions {
		all[fn.arn] = fn.Tags
	}
	return all
}
