package eventbridge

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// defaultBus is the bus that AWS's services send their events to.
const defaultBus = "default"

// Topics are what rules publish to.
type Topics interface {
	// Exists returns an error if there is no such topic.
	Exists(arn string) error

	// Publish publishes a message without a subject.
	Publish(arn, message string) error
}

// Rule sends the events that match a pattern to its targets.
type Rule struct {
	Name    string
	Bus     string // default "default"
	Pattern string // JSON; see the package's documentation for what it may have
	Targets []Target
}

// Target is a function or a topic. It gets the event, or what the transformer makes of it.
type Target struct {
	ARN         string
	Transformer *InputTransformer
}

type rule struct {
	Rule
	arn     string
	matches pattern
}

// CreateBus makes an event bus besides the default one, and returns its ARN. One that is there stays as it is.
func (s *StandIn) CreateBus(name string) (arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasBus(name) {
		s.buses = append(s.buses, name)
	}
	return s.busARN(name)
}

func (s *StandIn) busARN(name string) string { return s.host.Account.ARN("events", "event-bus/"+name) }

// hasBus tells whether there is a bus. The caller holds the lock.
func (s *StandIn) hasBus(name string) bool {
	return name == defaultBus || slices.Contains(s.buses, name)
}

// BusNamed is the name of a bus in its ARN, or the name itself. It is an error if there is no such bus.
func (s *StandIn) BusNamed(nameOrARN string) (string, error) {
	name := nameOrARN
	if strings.HasPrefix(nameOrARN, "arn:") {
		name = nameOrARN[strings.LastIndexByte(nameOrARN, '/')+1:]
	}
	name = cmp.Or(name, defaultBus)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasBus(name) || strings.HasPrefix(nameOrARN, "arn:") && nameOrARN != s.busARN(name) {
		return "", wire.NotFound("Event bus %s does not exist.", name)
	}
	return name, nil
}

// PutRule makes a rule, or puts one in the place of that of its name and bus, and returns its ARN. The targets have to be there.
func (s *StandIn) PutRule(r Rule) (arn string, err error) {
	if r.Bus, err = s.BusNamed(r.Bus); err != nil {
		return "", err
	}
	matches, err := parsePattern(r.Pattern)
	if err != nil {
		return "", &wire.Error{Code: "InvalidEventPatternException", Message: "Event pattern is not valid. Reason: " + err.Error()}
	}
	for _, t := range r.Targets {
		err := s.functions.Exists(t.ARN)
		if isTopic(t.ARN) {
			err = s.topics.Exists(t.ARN)
		}
		if err != nil {
			return "", err
		}
		if t.Transformer == nil {
			continue
		}
		if err := t.Transformer.check(); err != nil {
			return "", &wire.Error{Code: "ValidationException", Message: fmt.Sprintf("Invalid InputTemplate for target %s : %v.", t.ARN, err)}
		}
	}
	arn = s.host.Account.ARN("events", "rule/"+r.Name)
	if r.Bus != defaultBus {
		arn = s.host.Account.ARN("events", "rule/"+r.Bus+"/"+r.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(arn)
	s.patterns = append(s.patterns, &rule{r, arn, matches})
	return arn, nil
}

// DeleteRule removes a rule by the ARN that PutRule returned. It is no error if there is none.
func (s *StandIn) DeleteRule(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(arn)
}

func (s *StandIn) remove(arn string) {
	s.patterns = slices.DeleteFunc(s.patterns, func(r *rule) bool { return r.arn == arn })
}

func isTopic(arn string) bool {
	return strings.HasPrefix(arn, "arn:") && strings.Contains(arn, ":sns:")
}

// Publish sends an event to the default bus, as AWS's services do. It waits for nothing.
func (s *StandIn) Publish(source, detailType string, resources []string, detail any) {
	text, err := json.Marshal(detail)
	if err != nil {
		panic(err) // of the stand-in's own making
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.patterns) > 0 { // without a rule nobody sees it, and no random bytes are drawn for its id
		s.publish(defaultBus, source, detailType, resources, text, time.Time{})
	}
}

// PublishTo sends an event to a bus, which has to be there, and returns its id. It waits for nothing.
func (s *StandIn) PublishTo(bus, source, detailType string, resources []string, detail json.RawMessage) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publish(bus, source, detailType, resources, detail, time.Time{})
}

// publish sends an event to a bus. Without a time it has that of the clock. The caller holds the lock.
func (s *StandIn) publish(bus, source, detailType string, resources []string, detail json.RawMessage, at time.Time) (id string) {
	ev := Event{Source: source, DetailType: detailType, Time: at}
	if len(resources) > 0 {
		ev.Resource = resources[0]
	}
	var named struct {
		EventName string `json:"eventName"`
	}
	_ = json.Unmarshal(detail, &named) // most have none
	ev.Name = named.EventName
	s.complete(&ev, resources, detail)
	s.match(bus, ev)
	return ev.ID
}

// match sends an event to the targets of the rules of a bus whose patterns it matches. The caller holds the lock.
func (s *StandIn) match(bus string, ev Event) {
	var decoded any
	if err := json.Unmarshal(ev.Payload, &decoded); err != nil {
		return // a schedule's own payload, which no pattern is about
	}
	for _, r := range s.patterns {
		if r.Bus != bus || !r.matches(decoded) {
			continue
		}
		for _, t := range r.Targets {
			to := ev
			to.Rule, to.transformer = r.arn, t.Transformer
			if isTopic(t.ARN) {
				to.Topic = t.ARN
			} else {
				to.Function = t.ARN
			}
			s.enqueue(to)
		}
	}
}

// API describes the operations for the wire.
func (s *StandIn) API() *wire.JSONService {
	return &wire.JSONService{
		Name: "events", Target: "AWSEvents", MessageMember: "message",
		Operations: map[string]wire.Operation{"PutEvents": wire.Handle(s.PutEvents)},
	}
}

// PutEventsInput are events to send.
type PutEventsInput struct{ Entries []Entry }

// Entry is an event to send.
type Entry struct {
	Source, DetailType string
	Detail             string // a JSON object
	Resources          []string
	Time               *float64 // seconds since 1970; default now
	EventBusName       string   // or ARN; default "default"
}

// PutEventsOutput is the answer of PutEvents. Some events may have failed.
type PutEventsOutput struct {
	FailedEntryCount int
	Entries          []EntryResult
}

// EntryResult is the id of an event, or why it was not taken.
type EntryResult struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// PutEvents sends events.
func (s *StandIn) PutEvents(_ context.Context, in PutEventsInput) (out PutEventsOutput, err error) {
	if n := len(in.Entries); n < 1 || n > 10 {
		return out, wire.Validation("", "entries", "have length between 1 and 10")
	}
	for _, e := range in.Entries {
		result := EntryResult{}
		if err := s.put(e, &result); err != nil {
			failed := wire.AsError(err)
			result = EntryResult{ErrorCode: failed.Code, ErrorMessage: failed.Message}
			out.FailedEntryCount++
		}
		out.Entries = append(out.Entries, result)
	}
	return out, nil
}

func (s *StandIn) put(e Entry, result *EntryResult) error {
	for _, required := range []struct{ name, value string }{{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail}} {
		if required.value == "" {
			return &wire.Error{
				Code: "InvalidArgument", Message: fmt.Sprintf("Parameter %s is not valid. Reason: %s is a required argument.", required.name, required.name),
			}
		}
	}
	if strings.HasPrefix(e.Source, "aws.") {
		return &wire.Error{Code: "NotAuthorizedForSourceException", Message: "Not authorized for the source."}
	}
	var object map[string]any
	if json.Unmarshal([]byte(e.Detail), &object) != nil {
		return &wire.Error{Code: "MalformedDetail", Message: "Detail is malformed."}
	}
	bus, err := s.BusNamed(e.EventBusName)
	if err != nil {
		return err
	}
	var at time.Time
	if e.Time != nil {
		at = time.UnixMilli(int64(*e.Time * 1000)).UTC()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	result.EventID = s.publish(bus, e.Source, e.DetailType, e.Resources, json.RawMessage(e.Detail), at)
	return nil
}
