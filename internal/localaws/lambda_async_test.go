package localaws_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
)

// records is a function that keeps what it is invoked with.
type records struct {
	mu   sync.Mutex
	kept []string
}

func (r *records) handle(_ context.Context, payload []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, string(payload))
	return nil, nil
}

// recorded makes the function "fn", which fails while fail is set, with a function as the destination of both kinds of records.
func recorded(t *testing.T, retries *int32) (f *fixture, r *records, fail chan bool) {
	t.Helper()
	f, r, fail = start(t, localaws.Options{Clock: host.ClockAt(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))}), &records{}, make(chan bool, 10)
	f.Handler(locallambda.Function{Name: "fn", Handler: func(context.Context, []byte) ([]byte, error) {
		select {
		case <-fail:
			return nil, errors.New("no luck")
		default:
			return []byte(`{"done":1}`), nil
		}
	}})
	keeper := f.Handler(locallambda.Function{Name: "keeper", Handler: r.handle})
	if _, err := f.Lambda.CreateAlias("fn", "live"); err != nil {
		t.Fatal(err)
	}
	out, err := f.functions().PutFunctionEventInvokeConfig(f.Ctx, &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: aws.String("fn"), Qualifier: aws.String("live"), MaximumRetryAttempts: retries,
		DestinationConfig: &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: &keeper}, OnFailure: &types.OnFailure{Destination: &keeper}},
	})
	if err != nil || !strings.HasSuffix(*out.FunctionArn, ":fn:live") {
		t.Fatal(out, err)
	}
	return f, r, fail
}

func (f *fixture) invokeEvent(name, payload string) {
	f.T.Helper()
	out, err := f.functions().Invoke(f.Ctx, &lambda.InvokeInput{FunctionName: &name, InvocationType: "Event", Payload: []byte(payload)})
	if err != nil || out.StatusCode != http.StatusAccepted {
		f.T.Fatal(out, err)
	}
}

func TestTheRecordOfAnAsynchronousInvocationIsAsAWSDocumentsIt(t *testing.T) {
	t.Parallel()
	f, r, fail := recorded(t, aws.Int32(0))
	f.invokeEvent("fn:live", `{"a":1}`)
	f.AwaitIdle()
	fail <- true
	f.invokeEvent("fn:live", `{"a":2}`)
	f.AwaitIdle()
	f.invokeEvent("fn", `{}`) // has no destination of its own
	f.AwaitIdle()
	if len(r.kept) != 2 {
		t.Fatalf("got %q", r.kept)
	}
	for i, want := range []string{
		`{"version":"1.0","timestamp":"T","requestContext":{"requestId":"R","functionArn":"arn:aws:lambda:us-east-1:123456789012:function:fn:live","condition":"Success","approximateInvokeCount":1},"requestPayload":{"a":1},"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":{"done":1}}`,
		`{"version":"1.0","timestamp":"T","requestContext":{"requestId":"R","functionArn":"arn:aws:lambda:us-east-1:123456789012:function:fn:live","condition":"RetriesExhausted","approximateInvokeCount":1},"requestPayload":{"a":2},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorType":"errorString","errorMessage":"no luck"}}`,
	} {
		var parsed struct {
			Timestamp      time.Time
			RequestContext struct{ RequestID string }
		}
		if err := json.Unmarshal([]byte(r.kept[i]), &parsed); err != nil || len(parsed.RequestContext.RequestID) != 36 || parsed.Timestamp.Format(time.DateOnly) != "2031-01-02" {
			t.Errorf("%v: %+v", err, parsed)
		}
		got := strings.NewReplacer(parsed.RequestContext.RequestID, "R", parsed.Timestamp.Format("2006-01-02T15:04:05.000Z"), "T").Replace(r.kept[i])
		if got != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	}
}

func TestAFailedEventIsTriedAgainByTheClock(t *testing.T) {
	t.Parallel()
	f, r, fail := recorded(t, nil)
	for range 3 {
		fail <- true
	}
	f.invokeEvent("fn:live", `{}`)
	for i, advance := range []time.Duration{59 * time.Second, time.Second, 119 * time.Second} {
		f.AwaitIdle()
		f.Clock().Advance(advance)
		f.AwaitIdle()
		if want := []int{2, 1, 1}[i]; len(fail) != want || len(r.kept) != 0 {
			t.Fatalf("%d: %d failures are left, want %d; %q", i, len(fail), want, r.kept)
		}
	}
	f.Clock().Advance(time.Second)
	f.AwaitIdle()
	if len(r.kept) != 1 || !strings.Contains(r.kept[0], `"condition":"RetriesExhausted","approximateInvokeCount":3`) {
		t.Errorf("got %q", r.kept)
	}
}

func TestAnEventThatIsTooOldIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	f, r, fail := recorded(t, nil)
	age := 100
	config := locallambda.EventInvokeConfig{MaxAge: &age}
	config.Destinations.OnFailure.Destination = "arn:aws:lambda:us-east-1:123456789012:function:keeper"
	if err := f.Lambda.PutEventInvokeConfig("fn:live", config); err != nil {
		t.Fatal(err)
	}
	fail <- true
	fail <- true
	f.invokeEvent("fn:live", `{}`)
	f.AwaitIdle()
	f.Clock().Advance(time.Minute) // the third attempt would be two minutes later
	f.AwaitIdle()
	if len(r.kept) != 1 || !strings.Contains(r.kept[0], `"condition":"EventAgeExceeded","approximateInvokeCount":2`) {
		t.Errorf("got %q", r.kept)
	}
}

func TestAConfigurationOfEventsIsCheckedAndTold(t *testing.T) {
	t.Parallel()
	f, _, _ := recorded(t, aws.Int32(1))
	f.Clock().Advance(time.Hour)
	got, err := f.functions().GetFunctionEventInvokeConfig(f.Ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: aws.String("fn:live")})
	if err != nil || *got.MaximumRetryAttempts != 1 || !strings.HasSuffix(*got.DestinationConfig.OnFailure.Destination, ":keeper") ||
		got.LastModified.Sub(f.Clock().Now()) > -time.Hour {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = f.functions().GetFunctionEventInvokeConfig(f.Ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: aws.String("fn")})
	localtest.WantError(t, err, "ResourceNotFoundException", "function:fn:$LATEST doesn't have an EventInvokeConfig")
	put := &lambda.PutFunctionEventInvokeConfigInput{FunctionName: aws.String("fn"), MaximumRetryAttempts: aws.Int32(3)}
	_, err = f.functions().PutFunctionEventInvokeConfig(f.Ctx, put)
	localtest.WantError(t, err, "ValidationException", "maximumRetryAttempts")
	for _, none := range []string{"arn:aws:sqs:us-east-1:123456789012:queue", "arn:aws:lambda:us-east-1:123456789012:function:none"} {
		put.MaximumRetryAttempts = nil
		put.DestinationConfig = &types.DestinationConfig{OnSuccess: &types.OnSuccess{Destination: &none}}
		_, err = f.functions().PutFunctionEventInvokeConfig(f.Ctx, put)
		localtest.WantError(t, err, "InvalidParameterValueException", none)
	}
}
