package localaws_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
)

type echo struct {
	Text, RequestID, ARN, Function string
	PID                            int
	RemainingMs                    int64
	Environment                    []string
}

func (f *fixture) echo(text string) echo {
	f.T.Helper()
	result, err := f.Lambda.Invoke("fn", []byte(`{"Do":"echo","Text":"`+text+`"}`))
	if err != nil {
		f.T.Fatal(err)
	}
	var e echo
	if err := json.Unmarshal(result.Payload, &e); err != nil {
		f.T.Fatalf("%v: %s", err, result.Payload)
	}
	if e.RequestID != result.RequestID {
		f.T.Errorf("the function was told request id %q, the caller %q", e.RequestID, result.RequestID)
	}
	return e
}

func TestAFunctionGetsItsEventDeadlineAndARN(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn := f.Function(locallambda.Function{Name: "fn", Timeout: 20 * time.Second})
	e := f.echo("hello")
	if e.Text != "hello" || e.ARN != arn || e.Function != "fn" {
		t.Errorf("got %+v", e)
	}
	if e.RemainingMs < 15_000 || e.RemainingMs > 20_000 {
		t.Errorf("%d ms remained of 20 s", e.RemainingMs)
	}
}

func TestAFunctionsEnvironmentHoldsOnlyWhatLambdaSetsAndItsOwn(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Region: "eu-west-1"})
	f.Function(locallambda.Function{Name: "fn", Env: map[string]string{"SETTING": "x"}})
	vars := f.echo("").Environment
	for _, want := range []string{
		"SETTING=x", "AWS_REGION=eu-west-1", "AWS_LAMBDA_FUNCTION_NAME=fn", "_HANDLER=bootstrap", "AWS_ENDPOINT_URL=" + f.URL(), "TZ=:UTC",
	} {
		if !slices.Contains(vars, want) {
			t.Errorf("%s is missing from %q", want, vars)
		}
	}
	for _, v := range vars {
		if strings.HasPrefix(v, "HOME=") || strings.HasPrefix(v, "GOPATH=") || v == "PATH="+os.Getenv("PATH") {
			t.Errorf("%s of the parent was passed on", v)
		}
	}
}

func TestAnIdleEnvironmentIsUsedAgainAndABusyOneIsNot(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.Function(locallambda.Function{Name: "fn", Timeout: 5 * time.Second})
	first, second := f.echo(""), f.echo("")
	if first.PID != second.PID {
		t.Errorf("a second invocation ran in process %d, the first in %d", second.PID, first.PID)
	}

	var busy sync.WaitGroup
	for range 2 {
		busy.Go(func() { f.Lambda.Invoke("fn", []byte(`{"Do":"hang"}`)) })
	}
	_, err := f.WaitEvent(f.Ctx, func(e host.Event) bool {
		started, ok := e.(locallambda.EnvironmentStarted)
		return ok && started.PID != first.PID
	})
	if err != nil {
		t.Error("a second environment:", err)
	}
	f.Lambda.KillEnvironments("fn")
	busy.Wait()
}

func TestAFunctionThatFailsAnswersWithLambdasErrors(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.Function(locallambda.Function{Name: "fn", Timeout: 20 * time.Second})
	f.Function(locallambda.Function{Name: "slow", Timeout: 300 * time.Millisecond})
	f.Function(locallambda.Function{Name: "broken", Env: map[string]string{"EXIT_AT_START": "1"}})
	f.Handler(locallambda.Function{Name: "absent", Binary: filepath.Join(t.TempDir(), "none")})
	for name, c := range map[string]struct {
		function, event, errorType, message string
	}{
		"an error":                            {"fn", `{"Do":"fail","Text":"no luck"}`, "errorString", `^no luck$`},
		"a panic":                             {"fn", `{"Do":"panic","Text":"oh"}`, "string", `^oh$`},
		"an exit":                             {"fn", `{"Do":"exit"}`, "Runtime.ExitError", `^RequestId: \S+ Error: Runtime exited with error: exit status 7$`},
		"an exit without error":               {"fn", `{"Do":"log"}`, "Runtime.ExitError", `Runtime exited without providing a reason$`},
		"a signal":                            {"fn", `{"Do":"kill"}`, "Runtime.ExitError", `Runtime exited with error: signal: killed$`},
		"a timeout":                           {"slow", `{"Do":"hang"}`, "Sandbox.Timedout", `Task timed out after 0.30 seconds$`},
		"an exit before the first invocation": {"broken", `{}`, "Runtime.ExitError", `Runtime exited with error: exit status 3$`},
		"a binary that is not there":          {"absent", `{}`, "Runtime.InvalidEntrypoint", `no such file`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := f.Lambda.Invoke(c.function, []byte(c.event))
			if err != nil {
				t.Fatal(err)
			}
			var failure struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal(result.Payload, &failure); err != nil {
				t.Fatal(err)
			}
			if result.FunctionError != "Unhandled" || failure.ErrorType != c.errorType ||
				!regexp.MustCompile(c.message).MatchString(failure.ErrorMessage) {
				t.Errorf("got %s %s: %s", result.FunctionError, failure.ErrorType, failure.ErrorMessage)
			}
		})
	}
}

func TestAFunctionThatCrashedIsStartedAnew(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.Function(locallambda.Function{Name: "fn"})
	before := f.echo("").PID
	f.Lambda.Invoke("fn", []byte(`{"Do":"exit"}`))
	if after := f.echo("").PID; after == before {
		t.Errorf("process %d answered after its exit", after)
	}
}

func TestLogLinesArriveWholeAndInOrder(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	var logs strings.Builder
	f.Function(locallambda.Function{Name: "fn", Logs: &logs})
	f.Lambda.Invoke("fn", []byte(`{"Do":"log","Text":"a line"}`)) // and exits
	if logs.String() != "a line\nno newline at the end\n" {
		t.Errorf("got %q", logs.String())
	}
}

func TestWhatAFunctionLogsIsThereWhenItsInvocationEnds(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	var logs strings.Builder
	f.Function(locallambda.Function{Name: "fn", Logs: &logs})
	for i := range 50 {
		f.Lambda.Invoke("fn", []byte(`{"Do":"say","Text":"line"}`))
		if got := strings.Count(logs.String(), "line\n"); got != i+1 {
			t.Fatalf("after %d invocations: %d lines", i+1, got)
		}
	}
}

func TestEnvironmentsReportTheirStartAndEnd(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.Function(locallambda.Function{Name: "fn"})
	pid := f.echo("").PID
	f.Lambda.KillEnvironments("fn")
	_, err := f.WaitEvent(f.Ctx, func(e host.Event) bool {
		started, ok := e.(locallambda.EnvironmentStarted)
		return ok && started.PID == pid && started.InitDuration > 0
	})
	if err != nil {
		t.Error("start:", err)
	}
	ended, err := f.WaitEvent(f.Ctx, func(e host.Event) bool {
		ended, ok := e.(locallambda.EnvironmentEnded)
		return ok && ended.PID == pid && ended.Status == "signal: killed"
	})
	if err != nil {
		t.Error("end:", err)
	}
	if rss := ended.(locallambda.EnvironmentEnded).MaxRSS; rss < 1<<20 || rss > 1<<30 {
		t.Errorf("a process that had %d bytes resident", rss)
	}
}

func TestInvokeOverHTTP(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn := f.Function(locallambda.Function{Name: "fn"})
	for _, c := range []struct {
		name, function, kind, event string
		status                      int
		functionError, body         string
	}{
		{"by name", "fn", "RequestResponse", `{"Do":"echo","Text":"hi"}`, 200, "", `"text":"hi"`},
		{"by ARN", arn, "", `{"Do":"echo","Text":"hi"}`, 200, "", `"text":"hi"`},
		{"a function that fails", "fn", "", `{"Do":"fail","Text":"no"}`, 200, "Unhandled", `"errorMessage":"no"`},
		{"an event", "fn", "Event", `{"Do":"echo"}`, 202, "", ""},
		{"a dry run", "fn", "DryRun", `{}`, 204, "", ""},
		{"no such function", "other", "", `{}`, 404, "", `Function not found: arn:aws:lambda:us-east-1:123456789012:function:other`},
		{"not JSON", "fn", "", `{`, 400, "", `Could not parse request body into json`},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body := f.InvokeHTTP(c.function, c.kind, c.event)
			if status != c.status || header.Get("X-Amz-Function-Error") != c.functionError || !strings.Contains(body, c.body) {
				t.Errorf("got %d %q %s", status, header.Get("X-Amz-Function-Error"), body)
			}
		})
	}
}

func TestRequestsThatAWSRefusesOutright(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	const signed = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/x/aws4_request"
	for _, c := range []struct {
		name, target, contentType, authorization, body string
	}{
		{"no signature", "secretsmanager.ListSecrets", "", "", `"MissingAuthenticationTokenException"`},
		{"an operation that is not there", "secretsmanager.NoSuch", "", signed, `"UnknownOperationException"`},
		{"a service that is not there", "DynamoDB_20120810.ListTables", "", signed, `"UnknownOperationException"`},
		{"a query service that is not there", "", "application/x-www-form-urlencoded", signed, `<Code>InvalidAction</Code>`},
		{"not JSON", "secretsmanager.DescribeSecret", "", signed, `"SerializationException"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(f.Ctx, http.MethodPost, f.URL(), strings.NewReader("{"))
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
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), c.body) {
				t.Errorf("got %d %s, want %s", resp.StatusCode, body, c.body)
			}
		})
	}
}

// helperVariable makes the test program the process that TestHelperParent is.
const helperVariable = "LOCALAWS_TEST_HELPER_PARENT"

// TestHelperParent is not a test: it is the process that TestChildrenDieWithAKilledParent kills.
func TestHelperParent(t *testing.T) {
	if os.Getenv(helperVariable) == "" {
		t.Skip("only as a child of TestChildrenDieWithAKilledParent")
	}
	f := start(t, localaws.Options{})
	f.Function(locallambda.Function{Name: "fn"})
	pid := f.echo("").PID
	os.Stderr.WriteString("child " + strconv.Itoa(pid) + "\n")
	select {}
}

func TestRedeliverGivesTheEventThatIsBeingHandledToAnotherEnvironment(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	begun, again := make(chan string, 3), make(chan struct{})
	f.Handler(locallambda.Function{Name: "fn", Timeout: 20 * time.Second, Handler: func(ctx context.Context, payload []byte) ([]byte, error) {
		begun <- string(payload)
		if len(begun) < cap(begun)-1 { // the first one waits for the second
			select {
			case <-again:
			case <-ctx.Done():
			}
		}
		return payload, nil
	}})
	if err := f.Lambda.Redeliver("fn"); err != nil || len(begun) > 0 {
		t.Errorf("an idle function was given %d events: %v", len(begun), err)
	}
	var first sync.WaitGroup
	first.Go(func() { f.Lambda.Invoke("fn", []byte(`"once"`)) })
	begun <- <-begun // the first one has begun, and counts as such
	if err := f.Lambda.Redeliver("fn"); err != nil {
		t.Error(err)
	}
	close(again)
	first.Wait()
	close(begun)
	var got []string
	for payload := range begun {
		got = append(got, payload)
	}
	if !slices.Equal(got, []string{`"once"`, `"once"`}) {
		t.Errorf("got %q", got)
	}
	if err := f.Lambda.Redeliver("none"); err == nil {
		t.Error("a function that is not there: no error")
	}
}
