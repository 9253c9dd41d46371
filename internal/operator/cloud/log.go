package cloud

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"mautic-rotation/internal/operator/fault"
)

// A Line is a line of the log.
type Line struct {
	ID   string
	At   time.Time // when CloudWatch was told
	Text string
}

// Log is the function's log in CloudWatch.
type Log struct {
	filter  func(context.Context, *cloudwatchlogs.FilterLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error)
	start   func(context.Context, *cloudwatchlogs.StartQueryInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.StartQueryOutput, error)
	results func(context.Context, *cloudwatchlogs.GetQueryResultsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.GetQueryResultsOutput, error)
	pause   func(context.Context, time.Duration) error
}

// NewLog uses pause between polls for a query's results.
func NewLog(c aws.Config, pause func(context.Context, time.Duration) error) *Log {
	client := cloudwatchlogs.NewFromConfig(c)
	return &Log{client.FilterLogEvents, client.StartQuery, client.GetQueryResults, pause}
}

// Filter patterns for CloudWatch Logs; "" matches all lines.
const (
	Errors = `{ $.level = "ERROR" }`
	Holds  = `{ $.audit = "held" }`
)

// Lines returns, in order, the lines since a time that match a pattern, as far as CloudWatch has them.
func (l *Log) Lines(ctx context.Context, group, pattern string, since time.Time) (lines []Line, err error) {
	input := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, StartTime: aws.Int64(since.UnixMilli())}
	if pattern != "" {
		input.FilterPattern = &pattern
	}
	for {
		out, err := l.filter(ctx, input)
		if err != nil {
			return nil, ofGroup(group, err)
		}
		for _, e := range out.Events {
			lines = append(lines, Line{aws.ToString(e.EventId), time.UnixMilli(aws.ToInt64(e.Timestamp)), aws.ToString(e.Message)})
		}
		if aws.ToString(out.NextToken) == "" {
			return lines, nil
		}
		input.NextToken = out.NextToken
	}
}

// historyQuery finds the lines about a change, or about the end of a rotation.
const historyQuery = `fields @timestamp, @message | filter ispresent(audit) or ispresent(notice) | sort @timestamp asc`

// mostRows is the maximum number of rows that a query returns.
const mostRows = 10_000

// queryPause is the time between two polls for a query's results.
const queryPause = time.Second

// Changes returns, in order, the log's lines about changes and ends of rotations in a period. cut means that
// there were more than CloudWatch returns.
func (l *Log) Changes(ctx context.Context, group string, from, to time.Time) (lines []Line, cut bool, err error) {
	query, err := l.start(ctx, &cloudwatchlogs.StartQueryInput{
		LogGroupName: &group, QueryString: aws.String(historyQuery),
		StartTime: aws.Int64(from.Unix()), EndTime: aws.Int64(to.Unix()), Limit: aws.Int32(mostRows),
	})
	if err != nil {
		return nil, false, ofGroup(group, err)
	}
	for {
		out, err := l.results(ctx, &cloudwatchlogs.GetQueryResultsInput{QueryId: query.QueryId})
		if err != nil {
			return nil, false, Explain(err)
		}
		switch out.Status {
		case types.QueryStatusComplete:
			return rows(out.Results), len(out.Results) == mostRows, nil
		case types.QueryStatusFailed, types.QueryStatusCancelled, types.QueryStatusTimeout:
			return nil, false, fault.New(fault.Unknown, "the CloudWatch Logs Insights query did not finish: "+string(out.Status), "choose a shorter --since")
		}
		if err := l.pause(ctx, queryPause); err != nil {
			return nil, false, err
		}
	}
}

// rows are a query's results as lines.
func rows(results [][]types.ResultField) (lines []Line) {
	for _, row := range results {
		var line Line
		for _, field := range row {
			switch value := aws.ToString(field.Value); aws.ToString(field.Field) {
			case "@timestamp":
				if at, err := time.Parse("2006-01-02 15:04:05.000", value); err == nil {
					line.At = at
				}
			case "@message":
				line.Text = value
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func ofGroup(group string, err error) error {
	if isAPI(err, "ResourceNotFoundException") {
		return &fault.Error{Code: fault.Unknown, Text: "there is no log group " + group, Remedy: "either the function has not run yet, or --stack, --region or --profile is wrong", Cause: err}
	}
	return Explain(err)
}
