package localaws_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"mautic-rotation/internal/localaws"
	"mautic-rotation/internal/localaws/host"
	locallambda "mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/localtest"
)

func (f *fixture) groups() *cloudwatchlogs.Client {
	return cloudwatchlogs.NewFromConfig(localtest.ClientConfig(f.Server))
}

var newYear = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)

// atNewYear is a server with the log group "g", of which each message is a minute later than the one before.
func atNewYear(t *testing.T, o localaws.Options, messages ...string) *fixture {
	t.Helper()
	o.Clock = host.ClockAt(newYear)
	f := start(t, o)
	f.Logs.CreateLogGroup("g")
	for i, m := range messages {
		f.Logs.Put("g", fmt.Sprintf("stream-%d", i%2), newYear.Add(time.Duration(i)*time.Minute), m)
	}
	return f
}

// filter lists all messages that match, over all pages, and how many pages there were.
func (f *fixture) filter(in cloudwatchlogs.FilterLogEventsInput) (messages []string, pages int) {
	f.T.Helper()
	p := cloudwatchlogs.NewFilterLogEventsPaginator(f.groups(), &in)
	for p.HasMorePages() {
		out, err := p.NextPage(f.Ctx)
		if err != nil {
			f.T.Fatal(err)
		}
		pages++
		for _, e := range out.Events {
			messages = append(messages, *e.Message)
		}
	}
	return messages, pages
}

func TestWhatAFunctionWritesIsInItsLogGroup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		group, format string
		wants         []string
	}{
		{"/aws/lambda/fn", "", []string{"START RequestId: ID Version: $LATEST\n", "hello", "END RequestId: ID\n", "REPORT RequestId: ID\tDuration: "}},
		{"/mautic-rotation/stack", "JSON", []string{
			`{"record":{"requestId":"ID","version":"$LATEST"},"time":"2031-01-01T00:0`, "hello", `{"record":{"metrics":{"billedDurationMs":`,
		}},
	} {
		f := start(t, localaws.Options{Clock: host.ClockAt(newYear)})
		fn := locallambda.Function{Name: "fn", Timeout: 20 * time.Second, LogFormat: c.format}
		if c.format != "" {
			fn.LogGroup = c.group
		}
		f.Function(fn)
		result, err := f.Lambda.Invoke("fn", []byte(`{"Do":"say","Text":"hello"}`))
		if err != nil || result.FunctionError != "" {
			t.Fatal(result, err)
		}
		out, err := f.groups().FilterLogEvents(f.Ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &c.group})
		if err != nil || len(out.Events) != len(c.wants) {
			t.Fatalf("%+v, %v", out, err)
		}
		for i, e := range out.Events {
			got := strings.ReplaceAll(*e.Message, result.RequestID, "ID")
			at := time.UnixMilli(*e.Timestamp).UTC()
			if !strings.HasPrefix(got, c.wants[i]) || at.Before(newYear) || at.After(newYear.Add(time.Hour)) ||
				!strings.HasPrefix(*e.LogStreamName, "2031/01/01/[$LATEST]fn-") || len(*e.EventId) != 56 {
				t.Errorf("%s: got %q at %v in %s, want %q", c.group, got, at, *e.LogStreamName, c.wants[i])
			}
		}
	}
}

func TestAHandlerWritesToItsLogGroupToo(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	f.Handler(locallambda.Function{Name: "fn", Handler: func(ctx context.Context, _ []byte) ([]byte, error) {
		locallambda.Log(ctx, `{"notice":"done"}`)
		return nil, nil
	}})
	if _, err := f.Lambda.Invoke("fn", nil); err != nil {
		t.Fatal(err)
	}
	got, _ := f.filter(cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/fn"), FilterPattern: aws.String(`{ $.notice = * }`)})
	if !slices.Equal(got, []string{`{"notice":"done"}`}) {
		t.Errorf("got %q", got)
	}
}

func TestMessagesAreFilteredByTimeStreamAndPattern(t *testing.T) {
	t.Parallel()
	f := atNewYear(t, localaws.Options{}, `{"audit":"promoted"}`, `{"notice":"wait"}`, `plain`, `{"audit":"retired"}`)
	at := func(minute int) *int64 {
		return aws.Int64(newYear.Add(time.Duration(minute) * time.Minute).UnixMilli())
	}
	for name, c := range map[string]struct {
		in   cloudwatchlogs.FilterLogEventsInput
		want string
	}{
		"all":     {cloudwatchlogs.FilterLogEventsInput{}, `{"audit":"promoted"} {"notice":"wait"} plain {"audit":"retired"}`},
		"time":    {cloudwatchlogs.FilterLogEventsInput{StartTime: at(1), EndTime: at(2)}, `{"notice":"wait"} plain`},
		"stream":  {cloudwatchlogs.FilterLogEventsInput{LogStreamNames: []string{"stream-1"}}, `{"notice":"wait"} {"audit":"retired"}`},
		"prefix":  {cloudwatchlogs.FilterLogEventsInput{LogStreamNamePrefix: aws.String("stream-0")}, `{"audit":"promoted"} plain`},
		"pattern": {cloudwatchlogs.FilterLogEventsInput{FilterPattern: aws.String(`{ $.audit = * }`)}, `{"audit":"promoted"} {"audit":"retired"}`},
		"ARN": {
			cloudwatchlogs.FilterLogEventsInput{LogGroupIdentifier: aws.String("arn:aws:logs:us-east-1:123456789012:log-group:g"), FilterPattern: aws.String("plain")}, `plain`,
		},
	} {
		if c.in.LogGroupIdentifier == nil {
			c.in.LogGroupName = aws.String("g")
		}
		if got, _ := f.filter(c.in); strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestAPageMayBeEmptyAndNotTheLast(t *testing.T) {
	t.Parallel()
	f := atNewYear(t, localaws.Options{LogsPageSize: 2}, "a", "b", "c", "d", "e", "wanted")
	got, pages := f.filter(cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g"), FilterPattern: aws.String("wanted")})
	if pages != 3 || !slices.Equal(got, []string{"wanted"}) {
		t.Errorf("%d pages with %q", pages, got)
	}
	_, pages = f.filter(cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g"), Limit: aws.Int32(1)})
	if pages != 6 {
		t.Errorf("%d pages of one", pages)
	}
}

func TestWhatCannotBeFilteredIsRefused(t *testing.T) {
	t.Parallel()
	f := atNewYear(t, localaws.Options{})
	for _, c := range []struct {
		in            cloudwatchlogs.FilterLogEventsInput
		code, message string
	}{
		{cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("none")}, "ResourceNotFoundException", "The specified log group does not exist."},
		{cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g"), FilterPattern: aws.String("?a ?b")}, "InvalidParameterException", "Invalid filter pattern"},
		{cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g"), NextToken: aws.String("!")}, "InvalidParameterException", "nextToken"},
		{cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g"), Limit: aws.Int32(10_001)}, "ValidationException", "limit"},
		{cloudwatchlogs.FilterLogEventsInput{}, "InvalidParameterException", "logGroupName"},
		{cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: aws.String("g"), LogStreamNames: []string{"s"}, LogStreamNamePrefix: aws.String("s"),
		}, "InvalidParameterException", "mutually exclusive"},
	} {
		_, err := f.groups().FilterLogEvents(f.Ctx, &c.in)
		localtest.WantError(t, err, c.code, c.message)
	}
}

func TestLogGroupsAreListedByPrefixAndPattern(t *testing.T) {
	t.Parallel()
	f := atNewYear(t, localaws.Options{}, "1234")
	for _, name := range []string{"/aws/lambda/rotate", "/mautic-rotation/b", "/mautic-rotation/a"} {
		f.Logs.CreateLogGroup(name)
	}
	names := func(in cloudwatchlogs.DescribeLogGroupsInput) string {
		var list []string
		p := cloudwatchlogs.NewDescribeLogGroupsPaginator(f.groups(), &in)
		for p.HasMorePages() {
			out, err := p.NextPage(f.Ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range out.LogGroups {
				list = append(list, *g.LogGroupName)
				if *g.LogGroupName == "g" && (*g.StoredBytes != 4 || *g.CreationTime < newYear.UnixMilli() || *g.Arn != "arn:aws:logs:us-east-1:123456789012:log-group:g:*") {
					t.Errorf("%+v", g)
				}
			}
		}
		return strings.Join(list, " ")
	}
	if got := names(cloudwatchlogs.DescribeLogGroupsInput{Limit: aws.Int32(3)}); got != "/aws/lambda/rotate /mautic-rotation/a /mautic-rotation/b g" {
		t.Error(got)
	}
	if got := names(cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("/mautic")}); got != "/mautic-rotation/a /mautic-rotation/b" {
		t.Error(got)
	}
	if got := names(cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePattern: aws.String("Rotat")}); got != "/aws/lambda/rotate /mautic-rotation/a /mautic-rotation/b" {
		t.Error(got)
	}
}

// start starts a query over the group's first hour.
func (f *fixture) startQuery(text string) (*cloudwatchlogs.StartQueryOutput, error) {
	return f.groups().StartQuery(f.Ctx, &cloudwatchlogs.StartQueryInput{
		LogGroupName: aws.String("g"), QueryString: &text, StartTime: aws.Int64(newYear.Unix()), EndTime: aws.Int64(newYear.Add(time.Hour).Unix()),
	})
}

// ask runs a query and returns its rows, each without its @ptr.
func (f *fixture) ask(text string) (rows []string) {
	f.T.Helper()
	started, err := f.startQuery(text)
	if err != nil {
		f.T.Fatalf("%s: %v", text, err)
	}
	in := &cloudwatchlogs.GetQueryResultsInput{QueryId: started.QueryId}
	out, err := f.groups().GetQueryResults(f.Ctx, in)
	if err != nil || out.Status != types.QueryStatusRunning || len(out.Results) != 0 {
		f.T.Fatal("at once:", out, err)
	}
	if out, err = f.groups().GetQueryResults(f.Ctx, in); err != nil || out.Status != types.QueryStatusComplete {
		f.T.Fatal(out, err)
	}
	for _, r := range out.Results {
		var fields []string
		for _, field := range r[:len(r)-1] {
			fields = append(fields, *field.Field+"="+*field.Value)
		}
		if *r[len(r)-1].Field != "@ptr" {
			f.T.Errorf("the last field is %s", *r[len(r)-1].Field)
		}
		rows = append(rows, strings.Join(fields, " "))
	}
	return rows
}

func TestAQueryOfInsightsFindsWhatItAsksFor(t *testing.T) {
	t.Parallel()
	f := atNewYear(t, localaws.Options{},
		`{"audit":"promoted","kind":"smtp","n":9,"secret":{"name":"mautic"}}`, `plain`, `{"notice":"it's 10","n":10,"emergency":true,"kinds":["api"]}`, `tail {"audit":"retired","n":100}`)
	for query, want := range map[string]string{
		`fields n | filter ispresent(notice) or ispresent(audit) | sort @timestamp asc | limit 2`: "n=9; n=10",
		`fields n | filter ispresent(n)`:                                          "n=100; n=10; n=9", // the latest first
		`fields n | filter n > 9 | sort n asc`:                                    "n=10; n=100",
		`fields n | sort n asc | filter n<=10`:                                    "n=9; n=10",
		`FIELDS kind, n | FILTER audit = "promoted"`:                              "kind=smtp n=9",
		`fields n | filter audit != "promoted"`:                                   "n=100",
		`fields n | filter audit in ["retired", 'x']`:                             "n=100",
		`fields n | filter audit not in ["retired"]`:                              "n=9",
		`fields n | filter audit like "mot"`:                                      "n=9",
		`fields n | filter @message like /(?i)RETIRED/`:                           "n=100",
		`fields n | filter audit not like /ret/`:                                  "n=9",
		`fields n | filter notice = "it's 10"`:                                    "n=10",
		`fields n | filter not ispresent(audit) and ispresent(n)`:                 "n=10",
		`fields n | filter (ispresent(audit) or n = 10) and n < 50 | sort n desc`: "n=10; n=9",
		`fields n | filter n = 9 or ispresent(audit) and n = 100 | sort n asc`:    "n=9; n=100",
		`fields secret.name | filter secret.name = "mautic"`:                      "secret.name=mautic",
		`fields kinds.0, emergency | filter emergency = 1`:                        "kinds.0=api emergency=1",
		`filter @message = "plain"`:                                               "@timestamp=2031-01-01 00:01:00.000 @message=plain",
		`fields @logStream, @log | filter n = 9`:                                  "@logStream=stream-0 @log=123456789012:g",
		"fields @message\n| filter ispresent(none)":                               "",
	} {
		if got := strings.Join(f.ask(query), "; "); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
}

func TestAQueryThatInsightsOrTheStandInDoesNotKnowIsMalformed(t *testing.T) {
	t.Parallel()
	f := atNewYear(t, localaws.Options{}, "a")
	for _, query := range []string{
		``, `fields`, `fields @timestamp, `, `stats count(*) by bin(5m)`, `fields @timestamp | parse @message "x"`, `filter a =~ /b/`, `filter a = b`,
		`filter ispresent(a`, `filter (a = 1`, `filter a in [1`, `filter a like /(/`, `filter a not = 1`, `limit 0`, `limit x`, `limit 10001`, `fields strlen(a)`,
		`fields a as b`, `fields @requestId`, `fields a | `, `fields a ; sort a`, `filter a = "open`,
	} {
		_, err := f.startQuery(query)
		localtest.WantError(t, err, "MalformedQueryException", "")
	}
}

func TestAQueryNeedsALogGroupOfItsTime(t *testing.T) {
	t.Parallel()
	f := atNewYear(t, localaws.Options{}, "a")
	in := &cloudwatchlogs.StartQueryInput{
		LogGroupNames: []string{"g", "none"}, QueryString: aws.String("fields @message"), StartTime: aws.Int64(newYear.Unix()), EndTime: aws.Int64(newYear.Unix()),
	}
	_, err := f.groups().StartQuery(f.Ctx, in)
	localtest.WantError(t, err, "ResourceNotFoundException", "Log group 'none' does not exist for account ID '123456789012'")
	in.LogGroupNames, in.LogGroupName = nil, aws.String("g")
	in.StartTime, in.EndTime = aws.Int64(newYear.Unix()-60), aws.Int64(newYear.Unix()-30)
	_, err = f.groups().StartQuery(f.Ctx, in)
	localtest.WantError(t, err, "MalformedQueryException", "before the log groups creation time")
	in.EndTime = aws.Int64(newYear.Unix() - 90)
	_, err = f.groups().StartQuery(f.Ctx, in)
	localtest.WantError(t, err, "MalformedQueryException", "before the start time")
	_, err = f.groups().GetQueryResults(f.Ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: aws.String("none")})
	localtest.WantError(t, err, "ResourceNotFoundException", "")
}

func TestALogGroupIsMadeWithTagsAndDeletedForGood(t *testing.T) {
	t.Parallel()
	f := start(t, localaws.Options{})
	in := &cloudwatchlogs.CreateLogGroupInput{LogGroupName: aws.String("g"), Tags: map[string]string{"run": "1"}}
	if _, err := f.groups().CreateLogGroup(f.Ctx, in); err != nil {
		t.Fatal(err)
	}
	_, err := f.groups().CreateLogGroup(f.Ctx, in)
	localtest.WantError(t, err, "ResourceAlreadyExistsException", "already exists")
	if tags := f.Logs.Tags()["arn:aws:logs:us-east-1:123456789012:log-group:g"]; tags["run"] != "1" {
		t.Errorf("tags: %v", tags)
	}
	remove := &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: aws.String("g")}
	if _, err := f.groups().DeleteLogGroup(f.Ctx, remove); err != nil {
		t.Fatal(err)
	}
	f.Logs.Put("g", "stream", time.Now(), "late")
	_, err = f.groups().DeleteLogGroup(f.Ctx, remove)
	localtest.WantError(t, err, "ResourceNotFoundException", "does not exist")

	if _, err := f.groups().CreateLogGroup(f.Ctx, in); err != nil {
		t.Fatal(err)
	}
	f.Logs.Put("g", "stream", time.Now(), "anew")
	if m := f.Logs.Messages("g"); len(m) != 1 || m[0].Text != "anew" {
		t.Errorf("%v", m)
	}
}
