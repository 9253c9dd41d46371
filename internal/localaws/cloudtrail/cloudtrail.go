// Package cloudtrail stands in for AWS's CloudTrail, of which it has LookupEvents: the calls that reached the stand-in's services,
// as management events. Data events are not among them: that a function was invoked, a message or an event sent.
//
// What it does not do: trails, events that services report of themselves, such as RotationSucceeded, errorMessage,
// responseElements, and the versions that it has at the end of Lambda's event names.
package cloudtrail

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Options of a StandIn.
type Options struct {
	// Delay is how long after a call its event is found, by the stand-in's clock. At AWS it is about five minutes.
	Delay time.Duration
}

// StandIn is CloudTrail.
type StandIn struct {
	env     host.Env
	opts    Options
	calls   func() []wire.Audited
	secrets func(id string) (arn string, ok bool)
}

// New makes a stand-in that tells of calls. secrets tells the ARN of a secret that a call names.
func New(env host.Env, calls func() []wire.Audited, secrets func(id string) (arn string, ok bool), o Options) *StandIn {
	return &StandIn{env, o, calls, secrets}
}

// API describes the operations for the wire.
func (s *StandIn) API() *wire.JSONService {
	return &wire.JSONService{
		Name: "cloudtrail", Target: "CloudTrail_20131101", MessageMember: "message",
		Operations: map[string]wire.Operation{"LookupEvents": wire.Handle(s.LookupEvents)},
		Telling:    []string{"LookupAttributes", "StartTime", "EndTime"},
	}
}

// LookupEventsInput narrows the events down: to those between two times, in seconds since 1970 and both included, of which one
// attribute has a value.
type LookupEventsInput struct {
	LookupAttributes   []struct{ AttributeKey, AttributeValue string } // one at most
	StartTime, EndTime *float64
	EventCategory      string
	MaxResults         *int // 1 to 50, default 50
	NextToken          string
}

// LookupEventsOutput is the answer of LookupEvents.
type LookupEventsOutput struct {
	Events    []Event
	NextToken string `json:",omitempty"`
}

// Event is a management event. CloudTrailEvent is all of it, in JSON.
type Event struct {
	EventID         string `json:"EventId"`
	EventName       string
	ReadOnly        string
	AccessKeyID     string `json:"AccessKeyId,omitempty"`
	EventTime       wire.Epoch
	EventSource     string
	Username        string
	Resources       []Resource
	CloudTrailEvent string
}

// Resource is one that an event is about.
type Resource struct{ ResourceType, ResourceName string }

// attributes are what an event can be looked up by.
var attributes = map[string]func(Event) []string{
	"EventId":     func(e Event) []string { return []string{e.EventID} },
	"EventName":   func(e Event) []string { return []string{e.EventName} },
	"EventSource": func(e Event) []string { return []string{e.EventSource} },
	"ReadOnly":    func(e Event) []string { return []string{e.ReadOnly} },
	"Username":    func(e Event) []string { return []string{e.Username} },
	"AccessKeyId": func(e Event) []string { return []string{e.AccessKeyID} },
	"ResourceName": func(e Event) (names []string) {
		for _, r := range e.Resources {
			names = append(names, r.ResourceName)
		}
		return names
	},
	"ResourceType": func(e Event) (types []string) {
		for _, r := range e.Resources {
			types = append(types, r.ResourceType)
		}
		return types
	},
}

// dataEvents are the calls that are no management events.
var dataEvents = map[string]bool{"lambda:Invoke": true, "sns:Publish": true, "events:PutEvents": true}

// LookupEvents lists a page of the events that match, the latest first.
func (s *StandIn) LookupEvents(_ context.Context, in LookupEventsInput) (out LookupEventsOutput, err error) {
	size := 50
	if in.MaxResults != nil {
		if size = *in.MaxResults; size < 1 || size > 50 {
			return out, &wire.Error{Code: "InvalidMaxResultsException", Message: "A maximum results value between 1 and 50 must be specified."}
		}
	}
	matches := func(Event) bool { return true }
	switch {
	case len(in.LookupAttributes) > 1:
		return out, &wire.Error{Code: "InvalidLookupAttributesException", Message: "You can specify only one lookup attribute."}
	case len(in.LookupAttributes) == 1:
		wanted := in.LookupAttributes[0]
		values := attributes[wanted.AttributeKey]
		if values == nil {
			return out, &wire.Error{Code: "InvalidLookupAttributesException", Message: "There is no attribute " + wanted.AttributeKey + "."}
		}
		matches = func(e Event) bool { return slices.Contains(values(e), wanted.AttributeValue) }
	}
	from, to := seconds(in.StartTime), seconds(in.EndTime)
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		return out, &wire.Error{Code: "InvalidTimeRangeException", Message: "The start time must be before the end time."}
	}
	if in.EventCategory != "" {
		return out, &wire.Error{Code: "InvalidEventCategoryException", Message: "localaws has management events alone."}
	}
	var found []Event
	now := s.env.Now()
	for _, a := range slices.Backward(s.calls()) {
		at := a.Call.At.Truncate(time.Second)
		if dataEvents[a.Call.Service+":"+a.Call.Operation] || now.Before(a.Call.At.Add(s.opts.Delay)) ||
			!from.IsZero() && at.Before(from) || !to.IsZero() && at.After(to) {
			continue
		}
		if e := s.event(a); matches(e) {
			found = append(found, e)
		}
	}
	out.Events, out.NextToken, err = wire.Page(found, size, size, in.NextToken)
	if err != nil {
		return out, &wire.Error{Code: "InvalidNextTokenException", Message: "The token is not valid."}
	}
	return out, nil
}

func seconds(t *float64) time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(*t * 1000)).UTC()
}

// event is a call as CloudTrail tells it.
func (s *StandIn) event(a wire.Audited) Event {
	who := wire.IdentityOf(s.env.Account, a.Call.Caller)
	e := Event{
		EventID: eventID(a), EventName: a.Call.Operation, EventSource: a.Call.Service + ".amazonaws.com", AccessKeyID: a.AccessKeyID,
		EventTime: wire.Epoch(a.Call.At.Truncate(time.Second)), Username: who.Name, ReadOnly: strconv.FormatBool(readOnly(a.Call.Operation)),
		Resources: s.resources(a.Call),
	}
	identity := map[string]any{
		"type": who.Type, "principalId": who.ID, "arn": who.ARN, "accountId": who.AccountID, "accessKeyId": a.AccessKeyID,
	}
	if who.RoleARN == "" {
		identity["userName"] = who.Name
	} else {
		id, _, _ := strings.Cut(who.ID, ":")
		identity["sessionContext"] = map[string]any{"sessionIssuer": map[string]any{
			"type": "Role", "principalId": id, "arn": who.RoleARN, "accountId": who.AccountID, "userName": who.RoleARN[strings.LastIndexByte(who.RoleARN, '/')+1:],
		}}
	}
	whole := map[string]any{
		"eventVersion": "1.11", "userIdentity": identity, "eventTime": a.Call.At.Format("2006-01-02T15:04:05Z"),
		"eventSource": e.EventSource, "eventName": e.EventName, "awsRegion": s.env.Account.Region,
		"sourceIPAddress": cmp.Or(a.Address, "AWS Internal"), "userAgent": cmp.Or(a.UserAgent, "AWS Internal"),
		"requestParameters": lowered(a.Parameters), "responseElements": nil, "requestID": a.RequestID, "eventID": e.EventID,
		"readOnly": readOnly(a.Call.Operation), "eventType": "AwsApiCall", "managementEvent": true,
		"recipientAccountId": s.env.Account.ID, "eventCategory": "Management",
	}
	if a.ErrorCode != "" {
		whole["errorCode"] = a.ErrorCode
	}
	text, err := json.Marshal(whole)
	if err != nil {
		panic(err) // what was JSON, or text
	}
	e.CloudTrailEvent = string(text)
	return e
}

// resources are what a call is about: of Secrets Manager's calls the secret, as the call names it and by its ARN.
func (s *StandIn) resources(c wire.Call) []Resource {
	const secret = "AWS::SecretsManager::Secret"
	list := []Resource{}
	if c.SecretID == "" {
		return list
	}
	list = append(list, Resource{secret, c.SecretID})
	if arn, ok := s.secrets(c.SecretID); ok && arn != c.SecretID {
		list = append(list, Resource{secret, arn})
	}
	return list
}

// eventID makes a UUID of what tells a call from all others.
func eventID(a wire.Audited) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", a.Call.Seq, a.Call.At.UnixMilli(), a.RequestID))
	return fmt.Sprintf("%x-%x-4%03x-8%03x-%x", sum[:4], sum[4:6], binary.BigEndian.Uint16(sum[6:])>>4, binary.BigEndian.Uint16(sum[8:])>>4, sum[10:16])
}

func readOnly(operation string) bool {
	return slices.ContainsFunc([]string{"Get", "Describe", "List", "Filter", "Lookup", "BatchGet"}, func(prefix string) bool {
		return strings.HasPrefix(operation, prefix)
	})
}

// lowered names parameters as CloudTrail does, with a small letter at the beginning.
func lowered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v == nil {
			return nil
		}
		m := map[string]any{}
		for name, item := range v {
			first, size := utf8.DecodeRuneInString(name)
			m[string(unicode.ToLower(first))+name[size:]] = lowered(item)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, item := range v {
			l[i] = lowered(item)
		}
		return l
	}
	return v
}
