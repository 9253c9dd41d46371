package lambda

import (
	"encoding/json"
	"fmt"
	"time"

	"mautic-rotation/internal/localaws/wire"
)

// EventInvokeConfig says how asynchronous invocations are handled: what PutFunctionEventInvokeConfig sets.
type EventInvokeConfig struct {
	// Retries is how often an event is given to the function again that failed at it, 0 to 2; nil is 2. Lambda waits one
	// minute before the first and two before the second.
	Retries *int `json:"MaximumRetryAttempts"`

	// MaxAge is for how many seconds an event is kept to be tried again, 60 to 21600; nil is 21600.
	MaxAge *int `json:"MaximumEventAgeInSeconds"`

	Destinations DestinationConfig `json:"DestinationConfig"`
}

// DestinationConfig are the ARNs of where the records of asynchronous invocations go: an event bus, a topic or a function.
type DestinationConfig struct {
	OnSuccess, OnFailure struct {
		Destination string `json:",omitempty"`
	}
}

// eventsConfig is a configuration, and when it was set.
type eventsConfig struct {
	EventInvokeConfig
	changed time.Time
}

// Destinations take the records of asynchronous invocations.
type Destinations interface {
	// CheckDestination returns an error if nothing at an ARN can take a record.
	CheckDestination(arn string) error

	// SendRecord hands a record to a destination. The function's ARN is that of the record. It waits for nothing that the
	// destination sets going.
	SendRecord(destination, function string, record []byte, success bool) error
}

// RecordSent tells that the record of an asynchronous invocation was sent to a destination.
type RecordSent struct {
	At          time.Time
	Function    string // name
	Destination string // ARN
	Condition   string // Success, RetriesExhausted, EventAgeExceeded
	Err         error  // why it could not be delivered
}

// When is the event's time.
func (e RecordSent) When() time.Time { return e.At }

// record is the record of an asynchronous invocation, as
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html has it.
type record struct {
	Version        string `json:"version"`
	Timestamp      string `json:"timestamp"`
	RequestContext struct {
		RequestID   string `json:"requestId"`
		FunctionARN string `json:"functionArn"` // with $LATEST, if without another qualifier
		Condition   string `json:"condition"`
		Attempts    int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	RequestPayload  json.RawMessage `json:"requestPayload"`
	ResponseContext struct {
		StatusCode      int    `json:"statusCode"`
		ExecutedVersion string `json:"executedVersion"`
		FunctionError   string `json:"functionError,omitempty"`
	} `json:"responseContext"`
	ResponsePayload json.RawMessage `json:"responsePayload"`
}

// queued is an event on its way to a function.
type queued struct {
	target
	id       string
	at       time.Time
	payload  []byte
	config   EventInvokeConfig
	attempts int
}

// PutEventInvokeConfig sets how the asynchronous invocations of a function, or of its alias if the name or ARN has one, are
// handled from now on.
func (s *StandIn) PutEventInvokeConfig(function string, c EventInvokeConfig) error {
	t, err := s.locate(function, "")
	if err != nil {
		return err
	}
	return s.putEventInvokeConfig(t, c)
}

func (s *StandIn) putEventInvokeConfig(t target, c EventInvokeConfig) error {
	if r := c.Retries; r != nil && (*r < 0 || *r > 2) {
		return wire.Validation(fmt.Sprintf(" '%d'", *r), "maximumRetryAttempts", "have value between 0 and 2")
	}
	if a := c.MaxAge; a != nil && (*a < 60 || *a > 21600) {
		return wire.Validation(fmt.Sprintf(" '%d'", *a), "maximumEventAgeInSeconds", "have value between 60 and 21600")
	}
	for _, destination := range []string{c.Destinations.OnSuccess.Destination, c.Destinations.OnFailure.Destination} {
		if destination == "" {
			continue
		}
		if s.opts.Destinations == nil {
			return invalidParameter("localaws has no destinations")
		}
		if err := s.opts.Destinations.CheckDestination(destination); err != nil {
			return invalidParameter("The destination ARN %s is invalid: %v", destination, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.fn.events[t.qualifier] = eventsConfig{c, s.host.Clock.Now()}
	return nil
}

// eventInvokeConfig is what was set for exactly this function or alias.
func (s *StandIn) eventInvokeConfig(t target) (eventsConfig, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, set := t.fn.events[t.qualifier]
	return c, set
}

// InvokeEvent invokes a function as asynchronous invocations do, waits for the end of the first attempt and returns its
// result. What follows goes on in the background: more attempts, where the function's configuration has them, and the record.
func (s *StandIn) InvokeEvent(function string, payload []byte) (wire.InvokeResult, error) {
	t, err := s.locate(function, "")
	if err != nil {
		return wire.InvokeResult{}, err
	}
	return s.attempt(s.queue(t, payload)), nil
}

func (s *StandIn) queue(t target, payload []byte) *queued {
	none := 0
	q := &queued{target: t, id: s.host.Random.UUID(), at: s.host.Clock.Now(), payload: payload, config: EventInvokeConfig{Retries: &none}}
	if c, set := s.eventInvokeConfig(t); set {
		q.config = c.EventInvokeConfig
	}
	return q
}

// attempt gives an event to its function, and if it fails sets a time for the next attempt or gives up.
func (s *StandIn) attempt(q *queued) wire.InvokeResult {
	result := s.run(q.target, q.id, "", q.payload)
	q.attempts++
	if result.FunctionError == "" {
		s.sendRecord(q, result, "Success")
		return result
	}
	retries, age := 2, 21600
	if q.config.Retries != nil {
		retries = *q.config.Retries
	}
	if q.config.MaxAge != nil {
		age = *q.config.MaxAge
	}
	next := s.host.Clock.Now().Add(time.Duration(q.attempts) * time.Minute)
	switch {
	case q.attempts > retries:
		s.sendRecord(q, result, "RetriesExhausted")
	case next.Sub(q.at) > time.Duration(age)*time.Second:
		s.sendRecord(q, result, "EventAgeExceeded")
	default:
		s.async.At(next, func() { s.attempt(q) })
	}
	return result
}

// sendRecord sends the record of an event that is done with, if somebody is to get it.
func (s *StandIn) sendRecord(q *queued, result wire.InvokeResult, condition string) {
	success := condition == "Success"
	destination := q.config.Destinations.OnFailure.Destination
	if success {
		destination = q.config.Destinations.OnSuccess.Destination
	}
	if destination == "" {
		return
	}
	r := record{Version: "1.0", Timestamp: s.host.Clock.Now().Format(timestamp)}
	r.RequestContext.RequestID = q.id
	r.RequestContext.FunctionARN = q.arn
	if q.qualifier == "" {
		r.RequestContext.FunctionARN += ":" + latest
	}
	r.RequestContext.Condition = condition
	r.RequestContext.Attempts = q.attempts
	r.RequestPayload = jsonOf(q.payload)
	r.ResponseContext.StatusCode = 200
	r.ResponseContext.ExecutedVersion = latest
	r.ResponseContext.FunctionError = result.FunctionError
	r.ResponsePayload = jsonOf(result.Payload)
	body, err := json.Marshal(r)
	if err == nil {
		err = s.opts.Destinations.SendRecord(destination, r.RequestContext.FunctionARN, body, success)
	}
	s.host.Events.Emit(RecordSent{At: s.host.Clock.Now(), Function: q.fn.Name, Destination: destination, Condition: condition, Err: err})
}

// jsonOf is a payload as a part of a record: null if there is none, and as a text if it is no JSON.
func jsonOf(payload []byte) json.RawMessage {
	switch {
	case len(payload) == 0:
		return json.RawMessage("null")
	case json.Valid(payload):
		return payload
	}
	text, err := json.Marshal(string(payload))
	if err != nil {
		panic(err) // a string
	}
	return text
}
