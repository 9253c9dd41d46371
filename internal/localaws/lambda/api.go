package lambda

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"mautic-rotation/internal/localaws/wire"
)

const path = "/2015-03-31/functions/"

// API describes the operations for the wire.
func (s *StandIn) API() *wire.RESTService {
	return &wire.RESTService{Prefix: path, Request: s.request}
}

// request is the Invoke operation of the REST API.
func (s *StandIn) request(r *http.Request, body []byte) wire.Request {
	name, found := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, path), "/invocations")
	if !found || r.Method != http.MethodPost {
		return wire.Request{}
	}
	kind := r.Header.Get("X-Amz-Invocation-Type")
	return wire.Request{
		Call:  wire.Call{Service: "lambda", Operation: "Invoke", Detail: strings.TrimSpace("FunctionName=" + name + " " + kind)},
		Apply: func(context.Context) wire.Reply { return s.answer(name, kind, body) },
	}
}

// answer invokes a function for a client: it waits for the result, or for the type Event only for the queue. An event
// is tried once; Lambda would try it twice more if the function fails.
func (s *StandIn) answer(name, kind string, payload []byte) wire.Reply {
	if _, err := s.find(name); err != nil {
		return wire.RESTError(wire.AsError(err))
	}
	if len(payload) > 0 && !json.Valid(payload) {
		return wire.RESTError(&wire.Error{Code: "InvalidRequestContentException", Message: "Could not parse request body into json"})
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	header := http.Header{"Content-Type": {"application/json"}}
	switch kind {
	case "DryRun":
		return wire.Reply{Status: http.StatusNoContent, Header: header}
	case "Event":
		s.async.Go(func() { _, _ = s.InvokeStep(name, payload, "") })
		return wire.Reply{Status: http.StatusAccepted, Header: header}
	}
	result, err := s.InvokeStep(name, payload, "")
	if err != nil {
		return wire.RESTError(wire.AsError(err))
	}
	header.Set("X-Amz-Executed-Version", "$LATEST")
	if result.FunctionError != "" {
		header.Set("X-Amz-Function-Error", result.FunctionError)
	}
	return wire.Reply{Status: http.StatusOK, Header: header, Body: result.Payload}
}
