package localaws_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"mautic-rotation/internal/localaws"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/wire"
)

func TestEveryReplyCarriesTheClocksDate(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.CreateSecret("s", "1")
	f.Handler(locallambda.Function{Name: "fn", Handler: new(localtest.Target).Handle})
	f.Clock().Advance(400 * 24 * time.Hour)
	f.Intercept(func(c wire.Call) wire.Fault {
		if c.Operation == "ListServices" {
			return wire.Fault{Error: wire.Throttled()}
		}
		return wire.Fault{}
	})
	const (
		signed  = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/x/aws4_request"
		secrets = "secretsmanager."
		ecs     = "AmazonEC2ContainerServiceV20141113."
		invoke  = "/2015-03-31/functions/"
	)
	for name, c := range map[string]struct {
		path, target, contentType, authorization, body string
		status                                         int
	}{
		"of Secrets Manager":  {"/", secrets + "DescribeSecret", "", signed, `{"SecretId":"s"}`, 200},
		"an error of its":     {"/", secrets + "DescribeSecret", "", signed, `{"SecretId":"none"}`, 400},
		"of ECS":              {"/", ecs + "ListTasks", "", signed, `{}`, 200},
		"an error of its own": {"/", ecs + "DescribeServices", "", signed, `{"services":["x"],"cluster":"none"}`, 400},
		"a fault":             {"/", ecs + "ListServices", "", signed, `{}`, 400},
		"of Lambda":           {invoke + "fn/invocations", "", "", signed, `{}`, 200},
		"an error of Lambda":  {invoke + "none/invocations", "", "", signed, `{}`, 404},
		"no such operation":   {"/", secrets + "None", "", signed, `{}`, 400},
		"no such service":     {"/", "None.None", "", signed, `{}`, 400},
		"a query":             {"/", "", "application/x-www-form-urlencoded", signed, `Action=X`, 400},
		"no signature":        {"/", secrets + "DescribeSecret", "", "", `{}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := *f
			req, err := http.NewRequestWithContext(f.Ctx, http.MethodPost, f.URL()+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			for name, v := range map[string]string{"X-Amz-Target": c.target, "Content-Type": c.contentType, "Authorization": c.authorization} {
				if v != "" {
					req.Header.Set(name, v)
				}
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			date, err := http.ParseTime(resp.Header.Get("Date"))
			if off := f.Clock().Now().Sub(date); err != nil || off < 0 || off > time.Minute || resp.StatusCode != c.status {
				t.Errorf("status %d, want %d; date %v off by %v, %v", resp.StatusCode, c.status, date, off, err)
			}
		})
	}
}
