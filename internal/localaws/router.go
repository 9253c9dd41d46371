package localaws

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxRequest is more than any request that a service here accepts (Lambda's 6 MB payload, in Base64).
const maxRequest = 10 << 20

// A reply is what a service answers, ready to be sent.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// A request is an understood call: what to record of it, and how to apply it.
type request struct {
	call    Call
	members members // of its parameters those that are texts or lists of texts
	query   bool    // it came by the Query protocol
	apply   func(ctx context.Context) reply
	fail    func(*Error) reply
}

// members are a request's parameters, by name; one that holds a single text is a list of one.
type members map[string][]string

// first is the value of a parameter that has one; "" if it has none.
func (m members) first(name string) string {
	if len(m[name]) == 0 {
		return ""
	}
	return m[name][0]
}

// serveHTTP routes by protocol, as AWS's services do behind their own endpoints: JSON services by X-Amz-Target, query
// services by a form's Action, REST services by path.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	// The date is the stand-in's, so that a client can see a clock that was moved.
	w.Header().Set("Date", s.clock.Now().Format(http.TimeFormat))
	w.Header().Set(requestIDHeader, newUUID())

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		send(w, restError(&Error{Code: "RequestEntityTooLargeException", Message: err.Error(), Status: http.StatusRequestEntityTooLarge}))
		return
	}
	req := s.route(r, body)
	if r.Header.Get("Authorization") == "" {
		send(w, req.fail(&Error{Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}))
		return
	}
	if req.apply == nil {
		send(w, req.fail(&Error{Code: "UnknownOperationException"}))
		return
	}
	req.call.Caller = s.lambda.caller(accessKeyID(r))
	apply := req.apply
	req.apply = func(ctx context.Context) reply {
		if refused := s.authorize(req); refused != nil {
			return req.fail(refused)
		}
		return apply(ctx)
	}
	s.serve(w, r, req)
}

// route understands a request. Without an operation to apply it still says how to word an error.
func (s *Server) route(r *http.Request, body []byte) request {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		prefix, operation, _ := strings.Cut(target, ".")
		return s.json[prefix].request(operation, body)
	}
	if strings.HasPrefix(r.URL.Path, lambdaPath) {
		return s.lambda.request(r, body)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return s.query[signedFor(r)].request(body)
	}
	return request{fail: restError}
}

// serve applies a call with the fault that is asked for.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, req request) {
	call := s.recordCall(req.call)
	fault := s.faultFor(call)
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

	switch {
	case fault.Error != nil:
		s.finishCall(call, fault.Error.Code)
		send(w, req.fail(fault.Error))

	case fault.KillBefore:
		s.lambda.kill(call.Caller)
		s.abort(call, NoReplyKilled)

	case fault.KillAfter:
		req.apply(ctx)
		after()
		s.lambda.kill(call.Caller)
		s.abort(call, NoReplyKilled)

	case fault.LoseReply:
		req.apply(ctx)
		after()
		s.abort(call, NoReplyLost)

	case fault.Late != nil:
		s.spawn(func() {
			select {
			case <-s.ctx.Done():
			case <-fault.Late:
				req.apply(ctx)
				after()
			}
		})
		s.abort(call, NoReplyLate)

	default:
		answer := req.apply(ctx)
		after()
		s.finishCall(call, answer.header.Get(errorTypeHeader))
		send(w, answer)
	}
}

// abort ends a call by closing its connection.
func (s *Server) abort(c Call, code string) {
	s.finishCall(c, code)
	panic(http.ErrAbortHandler)
}

func send(w http.ResponseWriter, r reply) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body) // a client that is gone has no reply
}

// accessKeyID reads who calls from a request's signature, which is not verified:
// AWS4-HMAC-SHA256 Credential=<key id>/<date>/<region>/<service>/aws4_request, …
func accessKeyID(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	id, _, _ := strings.Cut(credential, "/")
	return id
}

// requestIDHeader carries the id of a request, which the Query protocol has in the body too.
const requestIDHeader = "X-Amzn-Requestid"

// errorTypeHeader carries an error's code beside the body, in the REST protocols and here in all.
const errorTypeHeader = "X-Amzn-Errortype"

// A jsonService speaks AWS's JSON 1.1 protocol.
type jsonService struct {
	name          string // of the service, for [Call]
	messageMember string // the name of an error's message in a body: "message" or "Message"
	operations    map[string]operation
}

// An operation applies the JSON body of a request and returns what to encode as the reply.
type operation func(ctx context.Context, body []byte) (any, error)

// handle makes an operation of a typed function.
func handle[In, Out any](f func(context.Context, In) (Out, error)) operation {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, &Error{Code: "SerializationException", Message: err.Error()}
		}
		return f(ctx, in)
	}
}

// request is for a call of the named operation; the service may be nil, as the services that are not here are.
func (js *jsonService) request(name string, body []byte) request {
	if js == nil || js.operations[name] == nil {
		return request{fail: func(e *Error) reply { return jsonError(e, "message") }}
	}
	call := Call{Service: js.name, Operation: name}
	call.SecretID, call.Detail = describe(body)
	return request{
		call:    call,
		members: textsOf(body),
		apply: func(ctx context.Context) reply {
			out, err := js.operations[name](ctx, body)
			if err != nil {
				return jsonError(asError(err), js.messageMember)
			}
			return jsonReply(http.StatusOK, out)
		},
		fail: func(e *Error) reply { return jsonError(e, js.messageMember) },
	}
}

// telling are the members of requests that say what a call is about and hold no secret.
var telling = []string{
	"Name", "ClientRequestToken", "VersionId", "VersionStage", "VersionStages", "MoveToVersionId", "RemoveFromVersionId",
	"RotateImmediately", "cluster", "service", "services", "serviceName", "family", "desiredStatus", "startedBy", "tasks",
	"forceNewDeployment", "desiredCount", "taskDefinition",
}

// describe picks from a request's body what [Call] tells of it.
func describe(body []byte) (secretID, detail string) {
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return "", ""
	}
	secretID, _ = members["SecretId"].(string)
	var b strings.Builder
	for _, name := range telling {
		if v, ok := members[name]; ok {
			fmt.Fprintf(&b, " %s=%v", name, v)
		}
	}
	return secretID, strings.TrimPrefix(b.String(), " ")
}

// textsOf picks from a request's body what authorization may depend on.
func textsOf(body []byte) members {
	var all map[string]json.RawMessage
	if json.Unmarshal(body, &all) != nil {
		return nil
	}
	texts := members{}
	for name, raw := range all {
		var one string
		var many []string
		switch {
		case json.Unmarshal(raw, &one) == nil:
			texts[name] = []string{one}
		case json.Unmarshal(raw, &many) == nil:
			texts[name] = many
		}
	}
	return texts
}

// asError gives errors that are not AWS's the shape of an internal failure.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError}
}

func jsonReply(status int, v any) reply {
	body, err := json.Marshal(v)
	if err != nil {
		return jsonError(asError(err), "message")
	}
	return reply{status, http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, body}
}

func jsonError(e *Error, messageMember string) reply {
	members := map[string]string{"__type": e.Code}
	if e.Message != "" {
		members[messageMember] = e.Message
	}
	r := jsonReply(e.status(), members)
	r.header.Set(errorTypeHeader, e.Code)
	return r
}

// restError words an error as the REST-JSON services do, Lambda for one.
func restError(e *Error) reply {
	body, _ := json.Marshal(map[string]string{"Type": "User", "Message": e.Message})
	return reply{e.status(), http.Header{"Content-Type": {"application/json"}, errorTypeHeader: {e.Code}}, body}
}

// queryError words an error as the query services do, which know an operation that is not there as InvalidAction.
func queryError(e *Error) reply {
	code := e.Code
	if code == "UnknownOperationException" {
		code = "InvalidAction"
	}
	id := newUUID()
	var b bytes.Buffer
	fmt.Fprintf(&b, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>", code)
	_ = xml.EscapeText(&b, []byte(e.Message)) // into memory
	fmt.Fprintf(&b, "</Message></Error><RequestId>%s</RequestId></ErrorResponse>", id)
	return reply{e.status(), http.Header{"Content-Type": {"text/xml"}, errorTypeHeader: {code}, requestIDHeader: {id}}, b.Bytes()}
}

// epoch is a time as the JSON protocols write it: seconds since 1970, to the millisecond. The zero time is null.
type epoch time.Time

func (e epoch) MarshalJSON() ([]byte, error) {
	t := time.Time(e)
	if t.IsZero() {
		return []byte("null"), nil
	}
	ms := t.UnixMilli()
	return fmt.Appendf(nil, "%d.%03d", ms/1000, ms%1000), nil
}

// IsZero lets a zero time be left out of a reply by the option omitzero.
func (e epoch) IsZero() bool { return time.Time(e).IsZero() }

// newUUID returns a random UUID (version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// randomText returns n random characters of an alphabet whose length divides 256 or nearly so.
func randomText(n int, alphabet string) string {
	b := make([]byte, n)
	rand.Read(b)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
