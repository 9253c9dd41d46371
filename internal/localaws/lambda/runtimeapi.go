package lambda

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// runtimeAPI serves an environment's process the interface through which it gets its invocations and answers them.
func (e *environment) runtimeAPI(began time.Time) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		e.initialized(began)
		e.next(w, r)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, failure, err := readResponse(r)
		if err != nil {
			return // it died while it was writing
		}
		result := wire.InvokeResult{RequestID: r.PathValue("id"), Payload: body}
		if failure != nil {
			result.Payload, result.FunctionError = failure, "Unhandled"
		}
		e.answer(w, result)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		e.answer(w, wire.InvokeResult{RequestID: r.PathValue("id"), Payload: body, FunctionError: "Unhandled"})
	})
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		e.initError.CompareAndSwap(nil, &body)
		e.setReady()
		accepted(w)
	})
	return mux
}

// initialized ends the environment's initialisation, at its first request for an invocation.
func (e *environment) initialized(began time.Time) {
	select {
	case <-e.ready:
		return
	default:
	}
	h := e.lambda.host
	h.Events.Emit(EnvironmentStarted{
		At: h.Clock.Now(), Function: e.fn.Name, Environment: e.id, PID: int(e.pid.Load()), InitDuration: time.Since(began),
	})
	e.setReady()
}

// next hands the process an invocation as soon as there is one.
func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	var inv *invocation
	select {
	case inv = <-e.work:
	case <-r.Context().Done():
		return
	}
	e.begin(inv)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(e.fn.Timeout).UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", inv.arn)
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-"+strconv.FormatInt(time.Now().Unix(), 16)+"-"+e.lambda.host.Random.Text(24, host.Hex)+";Sampled=0")
	_, _ = w.Write(inv.payload) // if the process has ended, so does its environment
}

// readResponse reads a result to its end. A runtime that fails while it streams one says so in the trailer.
func readResponse(r *http.Request) (body, failure []byte, err error) {
	if body, err = io.ReadAll(r.Body); err != nil {
		return nil, nil, err
	}
	if r.Trailer.Get("Lambda-Runtime-Function-Error-Type") == "" {
		return body, nil, nil
	}
	failure, err = base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
	return nil, failure, err
}

// answer ends the invocation under way, if the result is for that one and the first.
func (e *environment) answer(w http.ResponseWriter, result wire.InvokeResult) {
	inv := e.current.Load()
	if inv == nil || inv.id != result.RequestID {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	e.process.DrainLogs()
	select {
	case inv.result <- result:
		accepted(w)
	default:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
	}
}

func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, errorType, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.FunctionFailure{Type: errorType, Message: message})
}
