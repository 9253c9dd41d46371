package localaws

import (
	"fmt"
	"strings"

	"mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/sns"
	"mautic-rotation/internal/localaws/wire"
)

// eventFunctions are functions that are invoked asynchronously, as EventBridge and SNS invoke them.
type eventFunctions struct{ lambda *lambda.StandIn }

func (f eventFunctions) Exists(function string) error { return f.lambda.Exists(function) }

func (f eventFunctions) Invoke(function string, payload []byte) (wire.InvokeResult, error) {
	return f.lambda.InvokeEvent(function, payload)
}

// eventTopics are topics that messages without a subject are published to.
type eventTopics struct{ sns *sns.StandIn }

func (t eventTopics) Exists(arn string) error { return t.sns.Exists(arn) }

func (t eventTopics) Publish(arn, message string) error {
	_, err := t.sns.Publish(arn, "", message)
	return err
}

// destinations take the records of asynchronous invocations.
type destinations struct{ server *Server }

func (d destinations) CheckDestination(arn string) error {
	switch serviceOf(arn) {
	case "lambda":
		return d.server.Lambda.Exists(arn)
	case "sns":
		return d.server.SNS.Exists(arn)
	case "events":
		_, err := d.server.EventBridge.BusNamed(arn)
		return err
	}
	return fmt.Errorf("localaws has no destinations of this kind")
}

func (d destinations) SendRecord(destination, function string, record []byte, success bool) error {
	if err := d.CheckDestination(destination); err != nil {
		return err
	}
	switch s := d.server; serviceOf(destination) {
	case "lambda":
		s.async.Go(func() { _, _ = s.Lambda.InvokeEvent(destination, record) })
	case "sns":
		_, err := s.SNS.Publish(destination, "", string(record))
		return err
	case "events":
		bus, err := s.EventBridge.BusNamed(destination)
		if err != nil {
			return err
		}
		detailType := "Lambda Function Invocation Result - Failure"
		if success {
			detailType = "Lambda Function Invocation Result - Success"
		}
		s.EventBridge.PublishTo(bus, "lambda", detailType, []string{destination, function}, record)
	}
	return nil
}

// serviceOf is the service that an ARN names.
func serviceOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return ""
	}
	return parts[2]
}
