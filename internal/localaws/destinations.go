package localaws

import (
	"fmt"
	"strings"

	"mautic-rotation/internal/localaws/lambda"
	"mautic-rotation/internal/localaws/wire"
)

// eventFunctions are functions that are invoked asynchronously, as EventBridge and SNS invoke them.
type eventFunctions struct{ lambda *lambda.StandIn }

func (f eventFunctions) Exists(function string) error { return f.lambda.Exists(function) }

func (f eventFunctions) Invoke(function string, payload []byte) (wire.InvokeResult, error) {
	return f.lambda.InvokeEvent(function, payload)
}

// destinations take the records of asynchronous invocations.
type destinations struct{ server *Server }

func (d destinations) CheckDestination(arn string) error {
	switch serviceOf(arn) {
	case "lambda":
		return d.server.Lambda.Exists(arn)
	}
	return fmt.Errorf("localaws has no destinations of this kind")
}

func (d destinations) SendRecord(destination, function string, record []byte, success bool) error {
	switch s := d.server; serviceOf(destination) {
	case "lambda":
		if err := s.Lambda.Exists(destination); err != nil {
			return err
		}
		s.async.Go(func() { _, _ = s.Lambda.InvokeEvent(destination, record) })
		return nil
	}
	return d.CheckDestination(destination)
}

// serviceOf is the service that an ARN names.
func serviceOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return ""
	}
	return parts[2]
}
