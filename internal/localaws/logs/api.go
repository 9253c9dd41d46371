package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// API describes the operations for the wire.
func (s *StandIn) API() *wire.JSONService {
	return &wire.JSONService{
		Name: "logs", Target: "Logs_20140328", MessageMember: "message",
		Telling: []string{"logGroupName", "logGroupNames", "logGroupIdentifier", "filterPattern", "queryString", "queryId"},
		Operations: map[string]wire.Operation{
			"CreateLogGroup":    wire.Handle(s.createGroup),
			"DeleteLogGroup":    wire.Handle(s.deleteGroup),
			"DescribeLogGroups": wire.Handle(s.DescribeLogGroups),
			"FilterLogEvents":   wire.Handle(s.FilterLogEvents),
			"GetQueryResults":   wire.Handle(s.GetQueryResults),
			"StartQuery":        wire.Handle(s.StartQuery),
		},
	}
}

// CreateLogGroupInput is a log group with its tags.
type CreateLogGroupInput struct {
	LogGroupName string
	Tags         map[string]string
}

func (s *StandIn) createGroup(_ context.Context, in CreateLogGroupInput) (none struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.LogGroupName == "" {
		return none, wire.Required("logGroupName")
	}
	if s.groups[in.LogGroupName] != nil {
		return none, &wire.Error{Code: "ResourceAlreadyExistsException", Message: "The specified log group already exists"}
	}
	delete(s.deleted, in.LogGroupName)
	s.group(in.LogGroupName).tags = in.Tags
	return none, nil
}

// DeleteLogGroupInput names a log group.
type DeleteLogGroupInput struct{ LogGroupName string }

func (s *StandIn) deleteGroup(_ context.Context, in DeleteLogGroupInput) (none struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[in.LogGroupName] == nil {
		return none, wire.NotFound("The specified log group does not exist.")
	}
	delete(s.groups, in.LogGroupName)
	s.deleted[in.LogGroupName] = true
	return none, nil
}

// Tags are the tags of the log groups, by their ARNs.
func (s *StandIn) Tags() map[string]map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]map[string]string{}
	for name, g := range s.groups {
		all[s.env.Account.ARN("logs", "log-group:"+name)] = g.tags
	}
	return all
}

// eventID is a number in the form of the ids of messages.
func eventID(n int) string { return fmt.Sprintf("%056d", n) }

// DescribeLogGroupsInput narrows the list down.
type DescribeLogGroupsInput struct {
	LogGroupNamePrefix, LogGroupNamePattern string
	Limit                                   int
	NextToken                               string
}

// DescribeLogGroupsOutput is the answer of DescribeLogGroups.
type DescribeLogGroupsOutput struct {
	LogGroups []LogGroup `json:"logGroups"`
	NextToken string     `json:"nextToken,omitempty"`
}

// LogGroup is a log group as it is described.
type LogGroup struct {
	Name         string `json:"logGroupName"`
	ARN          string `json:"arn"` // with :* at its end
	LogGroupARN  string `json:"logGroupArn"`
	CreationTime int64  `json:"creationTime"` // ms
	StoredBytes  int    `json:"storedBytes"`
	Class        string `json:"logGroupClass"`
}

// DescribeLogGroups lists a page of the log groups, by name.
func (s *StandIn) DescribeLogGroups(_ context.Context, in DescribeLogGroupsInput) (out DescribeLogGroupsOutput, err error) {
	if in.LogGroupNamePrefix != "" && in.LogGroupNamePattern != "" {
		return out, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*group
	for name, g := range s.groups {
		if strings.HasPrefix(name, in.LogGroupNamePrefix) && strings.Contains(strings.ToLower(name), strings.ToLower(in.LogGroupNamePattern)) {
			found = append(found, g)
		}
	}
	slices.SortFunc(found, func(a, b *group) int { return cmp.Compare(a.name, b.name) })
	part, next, err := wire.Page(found, in.Limit, 50, in.NextToken)
	if err != nil {
		return out, invalid("The specified nextToken is invalid.")
	}
	out = DescribeLogGroupsOutput{[]LogGroup{}, next}
	for _, g := range part {
		arn := s.env.Account.ARN("logs", "log-group:"+g.name)
		out.LogGroups = append(out.LogGroups, LogGroup{g.name, arn + ":*", arn, g.created.UnixMilli(), g.bytes, "STANDARD"})
	}
	return out, nil
}

// FilterLogEventsInput says what to look for. Times are in ms since 1970, and both are included.
type FilterLogEventsInput struct {
	LogGroupName, LogGroupIdentifier string
	LogStreamNames                   []string
	LogStreamNamePrefix              string
	StartTime, EndTime               *int64
	FilterPattern                    string
	Limit                            int
	NextToken                        string
}

// FilterLogEventsOutput is the answer of FilterLogEvents. There may be more where Events is empty; NextToken tells.
type FilterLogEventsOutput struct {
	Events    []LogEvent `json:"events"`
	Searched  []struct{} `json:"searchedLogStreams"` // AWS does not fill it in any more
	NextToken string     `json:"nextToken,omitempty"`
}

// LogEvent is a message as FilterLogEvents tells it.
type LogEvent struct {
	EventID       string `json:"eventId"`
	LogStreamName string `json:"logStreamName"`
	Timestamp     int64  `json:"timestamp"` // ms
	IngestionTime int64  `json:"ingestionTime"`
	Message       string `json:"message"`
}

// FilterLogEvents looks at the next messages of a log group, in order of time, and answers with those that match.
func (s *StandIn) FilterLogEvents(_ context.Context, in FilterLogEventsInput) (out FilterLogEventsOutput, err error) {
	name := in.LogGroupName
	switch {
	case (name == "") == (in.LogGroupIdentifier == ""):
		return out, invalid("Exactly one of logGroupName and logGroupIdentifier must be specified.")
	case name == "":
		name = nameOf(in.LogGroupIdentifier)
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != "" {
		return out, invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
	}
	if in.Limit < 0 || in.Limit > 10_000 {
		return out, wire.Validation(fmt.Sprintf(" '%d'", in.Limit), "limit", "have value between 1 and 10000")
	}
	pattern, err := ParsePattern(in.FilterPattern)
	if err != nil {
		return out, invalid("Invalid filter pattern: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[name]
	if g == nil {
		return out, wire.NotFound("The specified log group does not exist.")
	}
	var streams []Message
	for _, m := range g.within(millis(in.StartTime), millis(in.EndTime)) {
		if strings.HasPrefix(m.Stream, in.LogStreamNamePrefix) && (len(in.LogStreamNames) == 0 || slices.Contains(in.LogStreamNames, m.Stream)) {
			streams = append(streams, m)
		}
	}
	limit := cmp.Or(in.Limit, 10_000)
	part, next, err := wire.Page(streams, s.opts.PageSize, limit, in.NextToken)
	if err != nil {
		return out, invalid("The specified nextToken is invalid.")
	}
	out = FilterLogEventsOutput{[]LogEvent{}, []struct{}{}, next}
	for _, m := range part {
		if pattern(m.Text) {
			out.Events = append(out.Events, LogEvent{m.ID, m.Stream, m.At.UnixMilli(), m.At.UnixMilli(), m.Text})
		}
	}
	return out, nil
}

// millis is a time that a request may leave out.
func millis(ms *int64) time.Time {
	if ms == nil {
		return time.Time{}
	}
	return time.UnixMilli(*ms)
}

// nameOf is the log group's name in an ARN, or the name itself.
func nameOf(identifier string) string {
	if _, name, isARN := strings.Cut(identifier, ":log-group:"); isARN {
		return strings.TrimSuffix(name, ":*")
	}
	return identifier
}
