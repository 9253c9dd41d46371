package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go/encoding/cbor"

	"mautic-rotation/internal/operator/fault"
)

// an API that answers each call by its body and path.
type api func(path, target, body string) (status int, answer string, header map[string]string)

// serve returns a configuration whose calls all go to the API, and how many there were.
func serve(t *testing.T, answer api) (aws.Config, *atomic.Int32) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		status, text, header := answer(r.URL.RequestURI(), r.Header.Get("X-Amz-Target"), string(body))
		for key, value := range header {
			w.Header().Set(key, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "not a secret", ""),
	}, &calls
}

const functionARN = "arn:aws:lambda:eu-west-1:123456789012:function:mautic-rotation-prod"

func TestAnActionThatChangesSomethingIsSentOnceAndWithoutTheAlias(t *testing.T) {
	for _, a := range []Action{{Name: "status"}, {Name: "release", Secret: "arn", Changes: true}} {
		var path, body string
		c, calls := serve(t, func(p, _, b string) (int, string, map[string]string) {
			path, body = p, b
			return 500, `{"Message":"no"}`, map[string]string{"X-Amzn-Errortype": "ServiceException"}
		})
		c.RetryMaxAttempts = 2
		if _, err := NewFunction(c).Ask(t.Context(), functionARN, a); err == nil {
			t.Errorf("%s did not fail", a.Name)
		}
		want := int32(2)
		if a.Changes {
			want = 1
		}
		if calls.Load() != want || strings.Contains(path, "Qualifier=read") == a.Changes {
			t.Errorf("%s was sent %d times to %s", a.Name, calls.Load(), path)
		}
		if wantBody := map[bool]string{false: `{"Action":"status"}`, true: `{"Action":"release","SecretId":"arn"}`}[a.Changes]; body != wantBody {
			t.Errorf("%s was sent as %s", a.Name, body)
		}
	}
}

func TestAnAnswerIsWaitedForLongerThanAFunctionRuns(t *testing.T) {
	f := NewFunction(aws.Config{Region: "eu-west-1", HTTPClient: awshttp.NewBuildableClient().WithTimeout(time.Minute)})
	f.invoke = func(ctx context.Context, _ *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
		if end, ok := ctx.Deadline(); !ok || time.Until(end) < 15*time.Minute {
			t.Errorf("an answer is waited for until %s", end)
		}
		return nil, context.DeadlineExceeded
	}
	if _, err := f.Ask(t.Context(), functionARN, Action{Name: "status"}); err == nil {
		t.Error("it did not fail")
	}
	if client, ok := patient(awshttp.NewBuildableClient().WithTimeout(time.Minute)).(*awshttp.BuildableClient); !ok || client.GetTimeout() != 0 {
		t.Error("the client has a time limit of its own")
	}
}

func TestEachFormOfAnAnswerIsTakenOrSaysWhatToDo(t *testing.T) {
	read, change := Action{Name: "status"}, Action{Name: "release", Changes: true}
	failed := map[string]string{"X-Amz-Function-Error": "Unhandled"}
	for _, c := range []struct {
		name   string
		a      Action
		header map[string]string
		answer string
		code   fault.Code
		says   string // "": it is an answer
	}{
		{"this form", read, nil, `{"schema":2,"action":"status","secrets":[{"secret":"arn:aws:secretsmanager:eu-west-1:1:secret:name-AbCdEf","new field":1}]}`, 0, ""},
		{"the form before, of a change", change, nil, `{"schema":1,"action":"release","secrets":[{"secret":"arn:aws:secretsmanager:eu-west-1:1:secret:name-AbCdEf","changed":[{"text":"x"}]}]}`, 0, ""},
		{"the form before, of a status", read, nil, `{"schema":1,"secrets":[]}`, fault.Unknown, "deploy this release"},
		{"a newer form", read, nil, `{"schema":3}`, fault.Unknown, "update this program"},
		{"nothing", change, nil, `null`, fault.Unknown, "deploy this release"},
		{"no form", change, nil, `{}`, fault.Unknown, "deploy this release"},
		{"no JSON", change, nil, `hunter2`, fault.Unknown, "is not readable"},
		{"an unknown action", read, failed, `{"errorMessage":"unknown event: this function takes","errorType":"RotationError"}`, fault.Unknown, "deploy this release"},
		{"a failure", change, failed, `{"errorMessage":"release: cannot be reached","errorType":"RotationError"}`, fault.Attention, "release: cannot be reached"},
		{"a time-out", change, failed, `{"errorMessage":"2026-11-28T14:00:00Z 1 Task timed out after 60.00 seconds"}`, fault.Attention, "the function cannot reach AWS"},
		{"a crash", change, failed, `hunter2`, fault.Unknown, "mautic-rotation logs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, _ := serve(t, func(string, string, string) (int, string, map[string]string) { return 200, c.answer, c.header })
			answer, err := NewFunction(cfg).Ask(t.Context(), functionARN, c.a)
			switch {
			case c.says == "" && (err != nil || answer.Secrets[0].Name != "name"):
				t.Errorf("%+v, %v", answer, err)
			case c.says != "" && (fault.CodeOf(err) != c.code || err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%d, %v", fault.CodeOf(err), err)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("the answer is quoted: %v", err)
			}
		})
	}
}

func TestAFunctionWithoutTheAliasIsOfAnOlderRelease(t *testing.T) {
	c, _ := serve(t, func(string, string, string) (int, string, map[string]string) {
		return 404, `{"Message":"Function not found"}`, map[string]string{"X-Amzn-Errortype": "ResourceNotFoundException"}
	})
	if _, err := NewFunction(c).Ask(t.Context(), functionARN, Action{Name: "status"}); err == nil || !strings.Contains(err.Error(), "deploy this release") {
		t.Errorf("%v", err)
	}
}

func TestWhatAWSRefusesSaysWhatToDo(t *testing.T) {
	for code, c := range map[string]struct{ message, says, denied string }{
		"AccessDeniedException":       {"User: arn:aws:iam::1:user/jane is not authorized to perform: kms:Decrypt on resource: x", "docs/security.md", "kms:Decrypt"},
		"AccessDenied":                {"no", "docs/security.md", "lambda:InvokeFunction"},
		"ExpiredTokenException":       {"The security token included in the request is expired", "aws sso login", ""},
		"UnrecognizedClientException": {"The security token included in the request is invalid.", "--profile", ""},
		"SomethingElse":               {"of its own", "of its own", ""},
	} {
		cfg, _ := serve(t, func(string, string, string) (int, string, map[string]string) {
			return 400, fmt.Sprintf(`{"Message":%q,"message":%q}`, c.message, c.message), map[string]string{"X-Amzn-Errortype": code}
		})
		_, err := NewFunction(cfg).Ask(t.Context(), functionARN, Action{Name: "status"})
		if err == nil || !strings.Contains(err.Error(), c.says) || fault.Of(err).Denied != c.denied || fault.CodeOf(err) != fault.Unknown {
			t.Errorf("%s: %v, denied %q", code, err, fault.Of(err).Denied)
		}
	}
}

func TestAnExpiredSSOSessionSaysHowToLogIn(t *testing.T) {
	err := Explain(fmt.Errorf("operation error Lambda: Invoke, get identity: get credentials: %w", &ssocreds.InvalidTokenError{}))
	if f := fault.Of(err); !strings.Contains(f.Remedy, "aws sso login") || f.Code != fault.Unknown {
		t.Errorf("%v", err)
	}
	if Explain(nil) != nil || !errors.Is(Explain(context.Canceled), context.Canceled) {
		t.Error("what is no refusal is explained as one")
	}
}

// stacks are found by tags, in an account with these functions.
func stacks(t *testing.T, functions ...string) *Stacks {
	c, _ := serve(t, func(_, _, body string) (int, string, map[string]string) {
		header := map[string]string{"Smithy-Protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
		if slices.Contains(functions, "denied") {
			return 400, string(cbor.Encode(cbor.Map{"__type": cbor.String("AccessDeniedException"), "message": cbor.String("no")})), header
		}
		value, err := cbor.Decode([]byte(body))
		if err != nil {
			t.Error(err)
		}
		filter := value.(cbor.Map)["TagFilters"].(cbor.List)[0].(cbor.Map)
		asked, _ := filter["Values"].(cbor.List)
		list := cbor.List{}
		for _, name := range functions {
			if len(asked) > 0 && !slices.Contains(asked, cbor.Value(cbor.String(name))) {
				continue
			}
			list = append(list, cbor.Map{
				"ResourceARN": cbor.String("arn:aws:lambda:eu-west-1:1:function:" + name),
				"Tags":        cbor.List{cbor.Map{"Key": cbor.String("application"), "Value": cbor.String("mautic")}, cbor.Map{"Key": filter["Key"], "Value": cbor.String(name)}},
			})
		}
		return 200, string(cbor.Encode(cbor.Map{"ResourceTagMappingList": list})), header
	})
	return NewStacks(c)
}

func TestAStackIsFoundByItsNameOrAsTheOnlyOne(t *testing.T) {
	want := Stack{Name: "prod", Function: "arn:aws:lambda:eu-west-1:1:function:prod", LogGroup: "/mautic-rotation/prod"}
	for name, all := range map[string][]string{"prod": {"dev", "prod", "staging"}, "": {"prod"}} {
		if got, err := stacks(t, all...).Find(t.Context(), name); err != nil || got != want {
			t.Errorf("%q of %s: %+v, %v", name, all, got, err)
		}
	}
	if all, err := stacks(t, "staging", "prod").All(t.Context()); err != nil || len(all) != 2 || all[0] != want {
		t.Errorf("all: %+v, %v", all, err)
	}
}

func TestAStackThatIsNotThereNamesThoseThatAre(t *testing.T) {
	for _, c := range []struct {
		name string
		all  []string
		code fault.Code
		says string
	}{
		{"dev", []string{"prod", "staging"}, fault.Unknown, "prod, staging"}, {"dev", nil, fault.Unknown, "--region"},
		{"", nil, fault.Unknown, "no function in eu-west-1 has the tag"}, {"", []string{"staging", "prod"}, fault.Usage, "prod, staging"},
		{"prod", []string{"denied"}, fault.Unknown, "AWS denied tag:GetResources"}, {"", []string{"denied"}, fault.Unknown, "AWS denied tag:GetResources"},
	} {
		if _, err := stacks(t, c.all...).Find(t.Context(), c.name); err == nil || fault.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q of %s: %v", c.name, c.all, err)
		}
	}
}

func TestAQueryIsWaitedForAndItsRowsAreLines(t *testing.T) {
	looks := 0
	c, _ := serve(t, func(_, target, _ string) (int, string, map[string]string) {
		switch {
		case strings.HasSuffix(target, "StartQuery"):
			return 200, `{"queryId":"q"}`, nil
		case looks < 2:
			looks++
			return 200, `{"status":"Running","results":[]}`, nil
		}
		return 200, `{"status":"Complete","results":[[{"field":"@timestamp","value":"2026-11-28 14:01:02.500"},{"field":"@message","value":"{}"},{"field":"@ptr","value":"x"}]]}`, nil
	})
	pauses := 0
	lines, cut, err := NewLog(c, func(context.Context, time.Duration) error { pauses++; return nil }).Changes(t.Context(), "group", time.Now(), time.Now())
	if err != nil || cut || len(lines) != 1 || lines[0].Text != "{}" || !lines[0].At.Equal(time.Date(2026, 11, 28, 14, 1, 2, 5e8, time.UTC)) || pauses != 2 {
		t.Errorf("%+v, %v, %v after %d pauses", lines, cut, err, pauses)
	}
}

func TestAllPagesOfTheLogAreRead(t *testing.T) {
	c, calls := serve(t, func(_, _, body string) (int, string, map[string]string) {
		if !strings.Contains(body, "ERROR") {
			t.Errorf("no pattern: %s", body)
		}
		if strings.Contains(body, "nextToken") {
			return 200, `{"events":[{"eventId":"2","timestamp":2000,"message":"b"}]}`, nil
		}
		return 200, `{"events":[{"eventId":"1","timestamp":1000,"message":"a"}],"nextToken":"n"}`, nil
	})
	lines, err := NewLog(c, nil).Lines(t.Context(), "group", Errors, time.Now())
	if err != nil || len(lines) != 2 || lines[1].ID != "2" || lines[0].At.Unix() != 1 || calls.Load() != 2 {
		t.Errorf("%+v, %v", lines, err)
	}
}

func TestTheTrailTellsWhoStartedARotation(t *testing.T) {
	for event, want := range map[string][2]string{
		`{"userIdentity":{"arn":"arn:aws:sts::1:assumed-role/Operators/jane"},"requestParameters":{"clientRequestToken":"asked"},"responseElements":{"versionId":"v1"}}`: {"v1", "Operators/jane"},
		`{"userIdentity":{"arn":"arn:aws:iam::1:user/jane"},"requestParameters":{"clientRequestToken":"asked"},"responseElements":null}`:                                 {"asked", "jane"},
		`{"userIdentity":{"type":"AWSService","invokedBy":"secretsmanager.amazonaws.com"},"responseElements":{"versionId":"v2"}}`:                                        {"v2", "secretsmanager.amazonaws.com"},
		`{"userIdentity":{"arn":"x"},"responseElements":{"versionId":"v3"},"errorCode":"AccessDenied"}`:                                                                  {"", ""},
		`no event`: {"", ""},
	} {
		if version, who := started(event); [2]string{version, who} != want {
			t.Errorf("%s: %s by %s", event, version, who)
		}
	}
	c, _ := serve(t, func(_, _, body string) (int, string, map[string]string) {
		if strings.Contains(body, "NextToken") {
			return 200, `{"Events":[]}`, nil
		}
		return 200, `{"Events":[{"CloudTrailEvent":"{\"userIdentity\":{\"arn\":\"x\"},\"responseElements\":{\"versionId\":\"v1\"}}"}],"NextToken":"n"}`, nil
	})
	if by, err := NewTrail(c).Rotations(t.Context(), time.Now(), time.Now()); err != nil || by["v1"] != "x" {
		t.Errorf("%v, %v", by, err)
	}
}

func TestWithoutRegionOrCredentialsItIsSaidWhatIsMissing(t *testing.T) {
	for _, key := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"} {
		t.Setenv(key, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, c := range []struct{ profile, region, says string }{{"", "", "--region"}, {"", "eu-west-1", "no AWS credentials found"}, {"nobody", "eu-west-1", "--profile"}} {
		if _, err := Load(t.Context(), c.profile, c.region, new(Clock)); err == nil || fault.CodeOf(err) != fault.Unknown || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not a secret")
	if c, err := Load(t.Context(), "", "eu-west-1", new(Clock)); err != nil || c.Region != "eu-west-1" {
		t.Errorf("%v", err)
	}
}
