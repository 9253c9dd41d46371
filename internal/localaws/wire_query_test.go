package localaws_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// nobody is no Lambda environment.
type nobody struct{}

func (nobody) Caller(string) wire.Caller { return wire.Caller{} }
func (nobody) Kill(wire.Caller)          {}

type greetInput struct {
	Name     string
	Times    *int
	Password *string `query:"Pass,secret"`
}

type greetOutput struct{ Text string }

func TestAQueryOperationGetsItsParametersByNameAndType(t *testing.T) {
	t.Parallel()
	h := host.New(host.Account{Region: "us-east-1", ID: "123456789012"}, nil, nil)
	t.Cleanup(h.Close)
	router := &wire.Router{Host: h, Recorder: wire.NewRecorder(h.Env()), Callers: nobody{}, Authorizer: &wire.Authorizer{}}
	router.Query = []*wire.QueryService{{
		Name: "greetings", Version: "1", Operations: map[string]wire.QueryOperation{
			"Greet": wire.HandleQuery(func(_ context.Context, in greetInput) (*greetOutput, error) {
				out := &greetOutput{"hello " + in.Name}
				if in.Times != nil {
					out.Text = strings.Repeat(out.Text, *in.Times)
				}
				if in.Password != nil {
					out.Text += " (known)"
				}
				return out, nil
			}),
			"Forget": wire.HandleQuery(func(context.Context, struct{}) (none struct{}, err error) { return none, nil }),
		},
	}}
	for name, c := range map[string]struct {
		form         url.Values
		status       int
		want, detail string
	}{
		"all of them": {url.Values{"Action": {"Greet"}, "Name": {"you"}, "Times": {"2"}, "Pass": {"hidden"}}, 200,
			"<GreetResult><Text>hello youhello you (known)</Text></GreetResult>", "Name=you Times=2"},
		"those that are left out stay nil": {url.Values{"Action": {"Greet"}, "Name": {"you"}}, 200, "<Text>hello you</Text>", "Name=you"},
		"no result":                        {url.Values{"Action": {"Forget"}}, 200, `doc/1/"><ResponseMetadata>`, ""},
		"not a number":                     {url.Values{"Action": {"Greet"}, "Times": {"two"}}, 400, "<Code>MalformedInput</Code>", "Times=two"},
		"one that the stand-in lacks":      {url.Values{"Action": {"Greet"}, "Loud": {"true"}}, 400, "localaws does not have the parameter Loud.", ""},
		"an operation that it lacks":       {url.Values{"Action": {"Shout"}}, 400, "<Code>InvalidAction</Code>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.form.Set("Version", "1")
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/greetings/aws4_request")
			w := httptest.NewRecorder()
			router.ServeHTTP(w, r)
			body, err := io.ReadAll(w.Body)
			if err != nil || w.Code != c.status || !strings.Contains(string(body), c.want) {
				t.Errorf("%d %s, %v\nwant %d …%s…", w.Code, body, err, c.status, c.want)
			}
			if calls := router.Recorder.Calls(); c.detail != "" && calls[len(calls)-1].Detail != c.detail {
				t.Errorf("recorded as %q, want %q", calls[len(calls)-1].Detail, c.detail)
			}
		})
	}
}
