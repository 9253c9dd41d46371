package wire

import (
	"encoding/json"
	"net/http"
)

// A RESTService is a service whose operations are told apart by method and path.
type RESTService struct {
	Prefixes []string // of its paths

	// Request understands a request whose path has one of the prefixes. One that it does not understand it answers by the zero
	// Request.
	Request func(r *http.Request, body []byte) Request
}

// RESTError words an error as the REST-JSON services do, Lambda for one.
func RESTError(e *Error) Reply {
	body, _ := json.Marshal(map[string]string{"Type": "User", "Message": e.Message})
	return Reply{e.status(), http.Header{"Content-Type": {"application/json"}, errorTypeHeader: {e.Code}}, body}
}

// RESTReply is an answer of a REST-JSON service.
func RESTReply(status int, v any) Reply {
	body, err := json.Marshal(v)
	if err != nil {
		return RESTError(AsError(err))
	}
	return Reply{status, http.Header{"Content-Type": {"application/json"}}, body}
}
