package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A JSONService speaks AWS's JSON 1.1 protocol.
type JSONService struct {
	Name          string // of the service, in [Call]
	Target        string // the prefix of X-Amz-Target
	MessageMember string // the name of an error's message in a body: "message" or "Message"
	Operations    map[string]Operation

	// Telling are the members of requests that say what a call is about and hold no secret; [Call] has them. Audited are more
	// that hold no secret, which the audit has besides.
	Telling, Audited []string
}

// An Operation applies the JSON body of a request and returns what to encode as the reply.
type Operation func(ctx context.Context, body []byte) (any, error)

// Handle makes an operation of a typed func.
func Handle[In, Out any](f func(context.Context, In) (Out, error)) Operation {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, &Error{Code: "SerializationException", Message: err.Error()}
		}
		return f(ctx, in)
	}
}

// request is for a call of the named operation; the service may be nil, as the services that the stand-in lacks are.
func (js *JSONService) request(name string, body []byte) Request {
	if js == nil || js.Operations[name] == nil {
		return Request{Fail: func(e *Error) Reply { return jsonError(e, "message") }}
	}
	call := Call{Service: js.Name, Operation: name}
	var public map[string]any
	call.SecretID, call.Detail, public = js.describe(body)
	return Request{
		Call:    call,
		Members: textsOf(body),
		Public:  public,
		Apply: func(ctx context.Context) Reply {
			out, err := js.Operations[name](ctx, body)
			if err != nil {
				return jsonError(AsError(err), js.MessageMember)
			}
			return jsonReply(http.StatusOK, out)
		},
		Fail: func(e *Error) Reply { return jsonError(e, js.MessageMember) },
	}
}

// describe picks from a request's body what [Call] and the audit tell of it.
func (js *JSONService) describe(body []byte) (secretID, detail string, public map[string]any) {
	var members map[string]any
	if json.Unmarshal(body, &members) != nil {
		return "", "", nil
	}
	secretID, _ = members["SecretId"].(string)
	var b strings.Builder
	for _, name := range js.Telling {
		if v, ok := members[name]; ok {
			fmt.Fprintf(&b, " %s=%v", name, v)
		}
	}
	public = map[string]any{}
	for _, name := range slices.Concat([]string{"SecretId"}, js.Telling, js.Audited) {
		if v, ok := members[name]; ok {
			public[name] = v
		}
	}
	return secretID, strings.TrimPrefix(b.String(), " "), public
}

func jsonReply(status int, v any) Reply {
	body, err := json.Marshal(v)
	if err != nil {
		return jsonError(AsError(err), "message")
	}
	return Reply{status, http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, body}
}

func jsonError(e *Error, messageMember string) Reply {
	members := map[string]string{"__type": e.Code}
	if e.Message != "" {
		members[messageMember] = e.Message
	}
	r := jsonReply(e.status(), members)
	r.Header.Set(errorTypeHeader, e.Code)
	return r
}

// Epoch is a time as the JSON protocols write it: seconds since 1970, to the millisecond. The zero time is null.
type Epoch time.Time

// MarshalJSON writes the time.
func (e Epoch) MarshalJSON() ([]byte, error) {
	t := time.Time(e)
	if t.IsZero() {
		return []byte("null"), nil
	}
	ms := t.UnixMilli()
	return fmt.Appendf(nil, "%d.%03d", ms/1000, ms%1000), nil
}

// IsZero lets a zero time be left out of a reply by the option omitzero.
func (e Epoch) IsZero() bool { return time.Time(e).IsZero() }
