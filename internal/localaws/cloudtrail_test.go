package localaws_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
	"mautic-rotation/internal/localaws/wire"
)

// lookup lists all events with an attribute, over all pages.
func (f *fixture) lookup(key types.LookupAttributeKey, value string, in cloudtrail.LookupEventsInput) (events []types.Event) {
	f.T.Helper()
	in.LookupAttributes = []types.LookupAttribute{{AttributeKey: key, AttributeValue: &value}}
	pages := cloudtrail.NewLookupEventsPaginator(cloudtrail.NewFromConfig(localtest.ClientConfig(f.Server)), &in)
	for pages.HasMorePages() {
		out, err := pages.NextPage(f.Ctx)
		if err != nil {
			f.T.Fatal(err)
		}
		events = append(events, out.Events...)
	}
	return events
}

func names(events []types.Event) (list []string) {
	for _, e := range events {
		list = append(list, *e.EventName)
	}
	return list
}

// whole is an event in JSON.
type whole struct {
	UserIdentity struct {
		Type, ARN, UserName, AccessKeyID string
		SessionContext                   struct{ SessionIssuer struct{ ARN string } }
	}
	EventName, EventSource, EventTime, EventID, SourceIPAddress, UserAgent, RequestID, ErrorCode string
	RequestParameters                                                                            json.RawMessage
	ReadOnly, ManagementEvent                                                                    bool
}

func parse(t *testing.T, e types.Event) (w whole) {
	t.Helper()
	if err := json.Unmarshal([]byte(*e.CloudTrailEvent), &w); err != nil {
		t.Fatal(err)
	}
	if w.EventID != *e.EventId || len(w.EventID) != 36 || w.EventName != *e.EventName {
		t.Errorf("%+v %s", e, *e.CloudTrailEvent)
	}
	return w
}

const secretText = "do not tell"

func TestTheCallsOnASecretAreLookedUpWithoutItsValue(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{Clock: host.ClockAt(time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC))})
	arn, first := f.CreateSecret("s", secretText)
	if err := f.Put(localtest.Token("two"), secretText, "AWSPENDING"); err != nil {
		t.Fatal(err)
	}
	if err := f.MoveLabel(arn, "AWSCURRENT", localtest.Token("two"), first); err != nil {
		t.Fatal(err)
	}
	_, err := f.Secrets.TagResource(f.Ctx, &secretsmanager.TagResourceInput{
		SecretId: &arn, Tags: []secretstypes.Tag{{Key: aws.String("team"), Value: aws.String("crm")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Handler(locallambda.Function{Name: "fn", Handler: func(context.Context, []byte) ([]byte, error) { return nil, nil }})
	f.InvokeHTTP("fn", "RequestResponse", "{}")
	for _, name := range []string{"s", arn} {
		f.Secrets.CancelRotateSecret(f.Ctx, &secretsmanager.CancelRotateSecretInput{SecretId: &name}) // rotation is not on: refused
	}
	events := f.lookup(types.LookupAttributeKeyResourceName, arn, cloudtrail.LookupEventsInput{MaxResults: aws.Int32(2)})
	want := []string{"CancelRotateSecret", "CancelRotateSecret", "TagResource", "UpdateSecretVersionStage", "PutSecretValue"}
	if got := names(events); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for i, want := range map[int]string{
		2: `{"secretId":"` + arn + `","tags":[{"key":"team","value":"crm"}]}`,
		3: `{"moveToVersionId":"` + localtest.Token("two") + `","removeFromVersionId":"` + first + `","secretId":"` + arn + `","versionStage":"AWSCURRENT"}`,
		4: `{"clientRequestToken":"` + localtest.Token("two") + `","secretId":"s","versionStages":["AWSPENDING"]}`,
	} {
		w := parse(t, events[i])
		if string(w.RequestParameters) != want || w.UserIdentity.Type != "IAMUser" || w.UserIdentity.UserName != "operator" || *events[i].Username != "operator" ||
			w.EventSource != "secretsmanager.amazonaws.com" || w.SourceIPAddress != "127.0.0.1" || w.RequestID == "" || w.ErrorCode != "" ||
			w.UserIdentity.AccessKeyID == "" || !strings.HasPrefix(w.EventTime, "2031-01-02T03:04:") || w.ReadOnly || !w.ManagementEvent ||
			!strings.Contains(w.UserAgent, "aws-sdk-go") || events[i].EventTime.Format(time.DateOnly) != "2031-01-02" {
			t.Errorf("%s", *events[i].CloudTrailEvent)
		}
	}
	if w := parse(t, events[0]); w.ErrorCode != "InvalidRequestException" {
		t.Errorf("a refused call: %+v", w)
	}
	for _, e := range events {
		if strings.Contains(*e.CloudTrailEvent, secretText) {
			t.Errorf("%s tells the value", *e.EventName)
		}
	}
	if got := f.lookup(types.LookupAttributeKeyEventName, "Invoke", cloudtrail.LookupEventsInput{}); len(got) != 0 {
		t.Errorf("a data event is told: %q", names(got))
	}
	if got := f.lookup(types.LookupAttributeKeyUsername, "operator", cloudtrail.LookupEventsInput{}); len(got) < 7 {
		t.Errorf("the operator's: %q", names(got))
	}
}

func TestEventsAreLookedUpByTime(t *testing.T) {
	t.Parallel()
	begin := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	f := start(t, localaws.Options{Clock: host.ClockAt(begin), CloudTrailDelay: time.Minute})
	f.CreateSecret("one", "{}")
	if got := f.lookup(types.LookupAttributeKeyEventName, "CreateSecret", cloudtrail.LookupEventsInput{}); len(got) != 0 {
		t.Errorf("before the delay: %q", names(got))
	}
	f.Clock().Advance(time.Hour)
	f.CreateSecret("two", "{}")
	f.Clock().Advance(time.Hour)
	for name, c := range map[string]struct {
		in   cloudtrail.LookupEventsInput
		want string
	}{
		"all":   {cloudtrail.LookupEventsInput{}, "two one"},
		"until": {cloudtrail.LookupEventsInput{EndTime: aws.Time(begin.Add(time.Minute))}, "one"},
		"from":  {cloudtrail.LookupEventsInput{StartTime: aws.Time(begin.Add(time.Minute))}, "two"},
	} {
		var got []string
		for _, e := range f.lookup(types.LookupAttributeKeyEventName, "CreateSecret", c.in) {
			var p struct{ Name string }
			if err := json.Unmarshal(parse(t, e).RequestParameters, &p); err != nil {
				t.Fatal(err)
			}
			got = append(got, p.Name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestAFunctionsCallIsItsRolesAndALostOneIsNone(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	arn, _ := f.CreateSecret("s", "{}")
	release := make(chan struct{})
	f.FaultOnce("PutSecretValue", wire.Fault{Late: release})
	f.Handler(locallambda.Function{Name: "fn", Timeout: time.Minute, Handler: func(ctx context.Context, _ []byte) ([]byte, error) {
		cfg := f.HandlerConfig(ctx)
		cfg.RetryMaxAttempts = 1
		_, err := secretsmanager.NewFromConfig(cfg).PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("s"), SecretString: aws.String("x")})
		return nil, err
	}})
	if _, err := f.Lambda.Invoke("fn", nil); err != nil {
		t.Fatal(err)
	}
	if got := f.lookup(types.LookupAttributeKeyEventName, "PutSecretValue", cloudtrail.LookupEventsInput{}); len(got) != 0 {
		t.Errorf("before it arrives: %q", names(got))
	}
	if _, err := f.Lambda.Invoke("fn", nil); err != nil {
		t.Fatal(err)
	}
	events := f.lookup(types.LookupAttributeKeyEventName, "PutSecretValue", cloudtrail.LookupEventsInput{})
	if len(events) != 1 || *events[0].Resources[1].ResourceName != arn {
		t.Fatalf("%+v", events)
	}
	w := parse(t, events[0])
	if w.UserIdentity.Type != "AssumedRole" || w.UserIdentity.ARN != "arn:aws:sts::123456789012:assumed-role/fn/fn" ||
		w.UserIdentity.SessionContext.SessionIssuer.ARN != "arn:aws:iam::123456789012:role/fn" || *events[0].Username != "fn" {
		t.Errorf("%+v", w)
	}
	close(release)
}

func TestAWrongLookupIsRefused(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	client := cloudtrail.NewFromConfig(localtest.ClientConfig(f.Server))
	attribute := types.LookupAttribute{AttributeKey: "EventName", AttributeValue: aws.String("x")}
	for code, in := range map[string]*cloudtrail.LookupEventsInput{
		"InvalidMaxResultsException":       {MaxResults: aws.Int32(51)},
		"InvalidLookupAttributesException": {LookupAttributes: []types.LookupAttribute{attribute, attribute}},
		"InvalidTimeRangeException":        {StartTime: aws.Time(time.Now()), EndTime: aws.Time(time.Now().Add(-time.Hour))},
		"InvalidNextTokenException":        {NextToken: aws.String("!")},
		"InvalidEventCategoryException":    {EventCategory: "insight"},
	} {
		_, err := client.LookupEvents(f.Ctx, in)
		localtest.WantError(t, err, code, "")
	}
	attribute.AttributeKey = "Nothing"
	_, err := client.LookupEvents(f.Ctx, &cloudtrail.LookupEventsInput{LookupAttributes: []types.LookupAttribute{attribute}})
	localtest.WantError(t, err, "InvalidLookupAttributesException", "Nothing")
}
