package localaws

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A queryService speaks AWS's Query protocol: a form that names the operation and its parameters, and a reply in XML.
type queryService struct {
	name       string // of the service, in [Call] and in the scope of a request's signature
	version    string // of its API, which every request names
	operations map[string]queryOperation
}

// A queryOperation applies a request and returns what to encode as its result.
type queryOperation struct {
	parameters []string // what it takes, and [Call] may tell
	secret     []string // what it takes besides
	apply      func(in url.Values) (any, error)
}

// signedFor reads from a request's signature, which is not verified, the service that it is for:
// AWS4-HMAC-SHA256 Credential=<key id>/<date>/<region>/<service>/aws4_request, …
func signedFor(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	scope := strings.Split(credential, "/")
	if len(scope) < 5 {
		return ""
	}
	return scope[3]
}

// request is for the call in a form; the service may be nil, as the services that are not here are.
func (qs *queryService) request(body []byte) request {
	unknown := request{fail: queryError}
	form, err := url.ParseQuery(string(body))
	if qs == nil || err != nil || form.Get("Version") != qs.version {
		return unknown
	}
	action := form.Get("Action")
	o, known := qs.operations[action]
	if !known {
		return unknown
	}
	var detail []string
	for _, name := range o.parameters {
		if form.Has(name) {
			detail = append(detail, name+"="+form.Get(name))
		}
	}
	return request{
		call:    Call{Service: qs.name, Operation: action, Detail: strings.Join(detail, " ")},
		members: members(form),
		query:   true,
		apply: func(context.Context) reply {
			if err := o.check(form); err != nil {
				return queryError(err)
			}
			result, err := o.apply(form)
			if err != nil {
				return queryError(asError(err))
			}
			return qs.reply(action, result)
		},
		fail: queryError,
	}
}

// check refuses what AWS knows and the stand-in does not: to pass over it would be to answer another request.
func (o queryOperation) check(form url.Values) *Error {
	for name := range form {
		if name != "Action" && name != "Version" && !slices.Contains(o.parameters, name) && !slices.Contains(o.secret, name) {
			return invalidValue("localaws does not have the parameter " + name + ".")
		}
	}
	return nil
}

// invalidValue is the answer to a parameter that is wrong by itself.
func invalidValue(message string) *Error {
	return &Error{Code: "InvalidParameterValue", Message: message}
}

type responseMetadata struct {
	RequestID string `xml:"RequestId"`
}

func (qs *queryService) reply(action string, result any) reply {
	response := xml.StartElement{
		Name: xml.Name{Local: action + "Response"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: "http://" + qs.name + ".amazonaws.com/doc/" + qs.version + "/"}},
	}
	id := newUUID()
	var b bytes.Buffer
	e := xml.NewEncoder(&b)
	err := e.EncodeToken(response)
	if err == nil {
		err = e.EncodeElement(result, xml.StartElement{Name: xml.Name{Local: action + "Result"}})
	}
	if err == nil {
		err = e.EncodeElement(responseMetadata{id}, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}})
	}
	if err == nil {
		err = e.EncodeToken(response.End())
	}
	if err == nil {
		err = e.Close()
	}
	if err != nil {
		return queryError(asError(err))
	}
	return reply{http.StatusOK, http.Header{"Content-Type": {"text/xml"}, requestIDHeader: {id}}, b.Bytes()}
}
