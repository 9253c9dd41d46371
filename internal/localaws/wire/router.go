package wire

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"mautic-rotation/internal/localaws/host"
)

// maxRequest is more than any request that a service here accepts (Lambda's 6 MB payload, in Base64).
const maxRequest = 10 << 20

// Callers knows the Lambda environments that make calls.
type Callers interface {
	// Caller tells which environment signs with an access key; the zero Caller if none does.
	Caller(accessKeyID string) Caller

	// Kill ends the environment that made a call, and waits for its end. A Caller that is no environment is ignored.
	Kill(Caller)
}

// Router serves the calls of all services on one endpoint.
type Router struct {
	Host       *host.Host
	Recorder   *Recorder
	Callers    Callers
	Authorizer *Authorizer

	JSON  []*JSONService
	Query []*QueryService
	REST  []*RESTService
}

// ServeHTTP routes by protocol, as AWS's services do behind their own endpoints: JSON services by X-Amz-Target or, in CBOR,
// by path, query services by a form's Action, REST services by path.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := rt.Host.Random.UUID()
	// The date is the stand-in's, so that a client can see a clock that was moved.
	w.Header().Set("Date", rt.Host.Clock.Now().Format(http.TimeFormat))
	w.Header().Set(RequestIDHeader, id)

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		send(w, RESTError(&Error{Code: "RequestEntityTooLargeException", Message: err.Error(), Status: http.StatusRequestEntityTooLarge}))
		return
	}
	req := rt.route(r, body, id)
	if r.Header.Get("Authorization") == "" {
		send(w, req.Fail(&Error{Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}))
		return
	}
	if req.Apply == nil {
		send(w, req.Fail(&Error{Code: "UnknownOperationException"}))
		return
	}
	req.Call.Caller = rt.Callers.Caller(accessKeyID(r))
	req.Call.Retry = isRetry(r.Header.Get("Amz-Sdk-Request"))
	apply := req.Apply
	req.Apply = func(ctx context.Context) Reply {
		if refused := rt.Authorizer.check(req); refused != nil {
			return req.Fail(refused)
		}
		return apply(context.WithValue(ctx, callerKey{}, req.Call.Caller))
	}
	rt.serve(w, r, req, id)
}

// isRetry reads the header with which an SDK counts its attempts: "attempt=2; max=5".
func isRetry(attempts string) bool {
	for part := range strings.SplitSeq(attempts, ";") {
		if n, ok := strings.CutPrefix(strings.TrimSpace(part), "attempt="); ok {
			return n != "1"
		}
	}
	return false
}

// route understands a request.
func (rt *Router) route(r *http.Request, body []byte, id string) Request {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		// The service is one word, before which some clients write a package: com.amazonaws.cloudtrail.v20131101.
		parts := strings.Split(target, ".")
		operation, service := parts[len(parts)-1], ""
		if len(parts) > 1 {
			service = parts[len(parts)-2]
		}
		return rt.json(service).request(operation, body)
	}
	if r.Header.Get(protocolHeader) == rpcV2 {
		return rt.rpc(r, body)
	}
	for _, s := range rt.REST {
		if slices.ContainsFunc(s.Prefixes, func(p string) bool { return strings.HasPrefix(r.URL.Path, p) }) {
			req := s.Request(r, body)
			req.Fail = RESTError
			return req
		}
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return rt.query(signedFor(r)).request(body, id)
	}
	return Request{Fail: RESTError}
}

func (rt *Router) json(target string) *JSONService {
	for _, s := range rt.JSON {
		if s.Target == target {
			return s
		}
	}
	return nil
}

func (rt *Router) query(name string) *QueryService {
	for _, s := range rt.Query {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// serve applies a call with the fault that is asked for.
func (rt *Router) serve(w http.ResponseWriter, r *http.Request, req Request, id string) {
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	call := rt.Recorder.begin(req.Call, origin{id, accessKeyID(r), address, r.UserAgent(), req.Public})
	fault := rt.Recorder.faultFor(call)
	if fault.Before != nil {
		fault.Before()
	}
	after := func() {
		if fault.After != nil {
			fault.After()
		}
	}
	// A client that goes away does not undo its call: operations run on, as they do in AWS.
	ctx := context.WithoutCancel(r.Context())
	apply := func() Reply {
		answer := req.Apply(ctx)
		rt.Recorder.reached(call, answer.Header.Get(errorTypeHeader))
		return answer
	}

	switch {
	case fault.Error != nil:
		rt.Recorder.reached(call, fault.Error.Code)
		rt.Recorder.finish(call, fault.Error.Code)
		send(w, req.Fail(fault.Error))

	case fault.KillBefore:
		rt.Callers.Kill(call.Caller)
		rt.abort(call, NoReplyKilled)

	case fault.KillAfter:
		apply()
		after()
		rt.Callers.Kill(call.Caller)
		rt.abort(call, NoReplyKilled)

	case fault.LoseReply:
		apply()
		after()
		rt.abort(call, NoReplyLost)

	case fault.Late != nil:
		rt.Host.Spawn(func() {
			select {
			case <-rt.Host.Context().Done():
			case <-fault.Late:
				apply()
				after()
			}
		})
		rt.abort(call, NoReplyLate)

	default:
		answer := apply()
		after()
		rt.Recorder.finish(call, answer.Header.Get(errorTypeHeader))
		send(w, answer)
	}
}

// abort ends a call by closing its connection.
func (rt *Router) abort(c Call, code string) {
	rt.Recorder.finish(c, code)
	panic(http.ErrAbortHandler)
}

func send(w http.ResponseWriter, r Reply) {
	for name, values := range r.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body) // a client that has gone away gets no reply
}
