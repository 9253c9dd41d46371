package wire

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// A QueryService speaks AWS's Query protocol: a form that names the operation and its parameters, and a reply in XML.
type QueryService struct {
	Name       string // of the service, in [Call] and in the scope of a request's signature
	Version    string // of its API, which every request names
	Operations map[string]QueryOperation
}

// A QueryOperation applies the form of a request and returns what to encode as its result; nil for none.
type QueryOperation struct {
	parameters []parameter
	apply      func(ctx context.Context, form url.Values) (any, error)
}

// parameter is a field of an operation's input.
type parameter struct {
	name   string
	secret bool // [Call] must not tell it
}

// HandleQuery makes an operation of a typed func. The fields of In are its parameters, of type string, *string or *int; the
// tag query gives one another name than the field's, and the option "secret" keeps its value out of the record of calls:
//
//	MasterUserPassword *string `query:"MasterUserPassword,secret"`
func HandleQuery[In, Out any](f func(context.Context, In) (Out, error)) QueryOperation {
	parameters := parametersOf(reflect.TypeFor[In]())
	return QueryOperation{parameters, func(ctx context.Context, form url.Values) (any, error) {
		var in In
		fields := reflect.ValueOf(&in).Elem()
		for i, p := range parameters {
			if err := decode(fields.Field(i), p.name, form); err != nil {
				return nil, err
			}
		}
		out, err := f(ctx, in)
		if _, none := any(out).(struct{}); none {
			return nil, err
		}
		return out, err
	}}
}

func parametersOf(in reflect.Type) []parameter {
	list := make([]parameter, in.NumField())
	for i := range list {
		name, option, _ := strings.Cut(in.Field(i).Tag.Get("query"), ",")
		if name == "" {
			name = in.Field(i).Name
		}
		list[i] = parameter{name, option == "secret"}
	}
	return list
}

func decode(field reflect.Value, name string, form url.Values) error {
	if !form.Has(name) {
		return nil
	}
	text := form.Get(name)
	switch p := field.Addr().Interface().(type) {
	case *string:
		*p = text
	case **string:
		*p = &text
	case **int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return &Error{Code: "MalformedInput", Message: "Invalid value for " + name + ": not a number."}
		}
		*p = &n
	default:
		panic(fmt.Sprintf("localaws: a parameter of type %s", field.Type()))
	}
	return nil
}

// request is for the call in a form; the service may be nil, as the services that the stand-in lacks are.
func (qs *QueryService) request(body []byte, id string) Request {
	fail := func(e *Error) Reply { return queryError(e, id) }
	form, err := url.ParseQuery(string(body))
	if qs == nil || err != nil || form.Get("Version") != qs.Version {
		return Request{Fail: fail}
	}
	action := form.Get("Action")
	o, known := qs.Operations[action]
	if !known {
		return Request{Fail: fail}
	}
	var detail []string
	public := map[string]any{}
	for _, p := range o.parameters {
		if form.Has(p.name) && !p.secret {
			public[p.name] = form.Get(p.name)
			detail = append(detail, p.name+"="+form.Get(p.name))
		}
	}
	return Request{
		Call:    Call{Service: qs.Name, Operation: action, Detail: strings.Join(detail, " ")},
		Members: Members(form),
		Public:  public,
		Query:   true,
		Apply: func(ctx context.Context) Reply {
			if err := o.check(form); err != nil {
				return fail(err)
			}
			result, err := o.apply(ctx, form)
			if err != nil {
				return fail(AsError(err))
			}
			return qs.reply(action, result, id)
		},
		Fail: fail,
	}
}

// check refuses what AWS knows and the stand-in does not: to pass over it would be to answer another request.
func (o QueryOperation) check(form url.Values) *Error {
	known := map[string]bool{"Action": true, "Version": true}
	for _, p := range o.parameters {
		known[p.name] = true
	}
	for name := range form {
		if !known[name] {
			return InvalidValue("localaws does not have the parameter " + name + ".")
		}
	}
	return nil
}

type responseMetadata struct {
	RequestID string `xml:"RequestId"`
}

func (qs *QueryService) reply(action string, result any, id string) Reply {
	response := xml.StartElement{
		Name: xml.Name{Local: action + "Response"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: "http://" + qs.Name + ".amazonaws.com/doc/" + qs.Version + "/"}},
	}
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
		return queryError(AsError(err), id)
	}
	return Reply{http.StatusOK, http.Header{"Content-Type": {"text/xml"}, RequestIDHeader: {id}}, b.Bytes()}
}

// queryError words an error as the Query services do, which call an operation that they do not have InvalidAction.
func queryError(e *Error, id string) Reply {
	code := e.Code
	if code == "UnknownOperationException" {
		code = "InvalidAction"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>", code)
	_ = xml.EscapeText(&b, []byte(e.Message)) // into memory
	fmt.Fprintf(&b, "</Message></Error><RequestId>%s</RequestId></ErrorResponse>", id)
	return Reply{e.status(), http.Header{"Content-Type": {"text/xml"}, errorTypeHeader: {code}, RequestIDHeader: {id}}, b.Bytes()}
}
