package wire

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// A Reply is what a service answers, ready to be sent.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// A Request is an understood call: what to record of it, and how to apply it. Without an operation to apply it still says
// how to word an error.
type Request struct {
	Call    Call
	Members Members        // its parameters that are texts or lists of texts
	Public  map[string]any // its parameters that hold no secret, for the audit
	Query   bool           // it came by the Query protocol
	Apply   func(ctx context.Context) Reply
	Fail    func(*Error) Reply
}

// Members are a request's parameters, by name; one that holds a single text is a list of one.
type Members map[string][]string

// First is the value of a parameter that has one; "" if it has none.
func (m Members) First(name string) string {
	if len(m[name]) == 0 {
		return ""
	}
	return m[name][0]
}

// textsOf picks from a request's body what authorization may depend on.
func textsOf(body []byte) Members {
	var all map[string]json.RawMessage
	if json.Unmarshal(body, &all) != nil {
		return nil
	}
	texts := Members{}
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

// RequestIDHeader carries the id of a request, which the Query protocol has in the body too.
const RequestIDHeader = "X-Amzn-Requestid"

// errorTypeHeader carries an error's code beside the body, in the REST protocols and here in all.
const errorTypeHeader = "X-Amzn-Errortype"

// accessKeyID reads who calls from a request's signature, which is not verified:
// AWS4-HMAC-SHA256 Credential=<key id>/<date>/<region>/<service>/aws4_request, …
func accessKeyID(r *http.Request) string { return credential(r, 0) }

// signedFor reads from the signature the service that the request is for.
func signedFor(r *http.Request) string { return credential(r, 3) }

func credential(r *http.Request, part int) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	parts := strings.Split(credential, "/")
	if len(parts) < 5 {
		return ""
	}
	return parts[part]
}
