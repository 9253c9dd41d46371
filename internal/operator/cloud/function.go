package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"mautic-rotation/internal/operator/arn"
	"mautic-rotation/internal/operator/fault"
	"mautic-rotation/rotation/report"
)

// ReadAlias is the function's alias that accepts only actions that change nothing, so that someone can be
// given read access only.
const ReadAlias = "read"

// invokeTime is how long to wait for an answer: Lambda's maximum run time, and a minute more.
const invokeTime = 16 * time.Minute

// firstSchema is the schema of the first release's answers, which lack most fields.
const firstSchema = 1

// An Action is what the function is asked to do.
type Action struct {
	Name    string
	Secret  string // an ARN; "": every secret of the function
	Changes bool   // it changes something: it is sent only once, and not through ReadAlias
}

// Function invokes the rotation function.
type Function struct {
	invoke func(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// NewFunction waits for an answer as long as a function may run.
func NewFunction(c aws.Config) *Function {
	client := lambda.NewFromConfig(c, func(o *lambda.Options) { o.HTTPClient = patient(o.HTTPClient) })
	return &Function{client.Invoke}
}

// patient is a client without a time limit of its own.
func patient(c lambda.HTTPClient) lambda.HTTPClient {
	if client, ok := c.(*awshttp.BuildableClient); ok {
		return client.WithTimeout(0)
	}
	return c
}

// Ask has the function carry out an action, and returns its answer. An answer with an older schema has only
// that schema's fields.
func (f *Function) Ask(ctx context.Context, function string, a Action) (report.Report, error) {
	event := map[string]string{"Action": a.Name}
	if a.Secret != "" {
		event["SecretId"] = a.Secret
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return report.Report{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, invokeTime)
	defer cancel()
	input := &lambda.InvokeInput{FunctionName: &function, Payload: payload}
	if !a.Changes {
		input.Qualifier = aws.String(ReadAlias)
	}
	out, err := f.invoke(ctx, input, func(o *lambda.Options) {
		if a.Changes {
			o.Retryer = aws.NopRetryer{} // it may have been done already
		}
	})
	if isAPI(err, "ResourceNotFoundException") && !a.Changes {
		return report.Report{}, &fault.Error{Code: fault.Unknown, Cause: err, Remedy: deployThis,
			Text: fmt.Sprintf("the function %s has no alias %s: it is from an older release, or was deleted", function, ReadAlias)}
	}
	if err != nil {
		return report.Report{}, Explain(err)
	}
	if aws.ToString(out.FunctionError) != "" {
		return report.Report{}, failed(a, out.Payload)
	}
	return decode(a, out.Payload)
}

const deployThis = "deploy this release (make deploy), or use the program of the release that is deployed"

// failed is the error of an action that failed in the function.
func failed(a Action, payload []byte) error {
	var answer struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	if err := json.Unmarshal(payload, &answer); err != nil || answer.Message == "" {
		return fault.New(fault.Unknown, "the function failed without saying why", "its log has the reason: mautic-rotation logs")
	}
	switch {
	case strings.Contains(answer.Message, "unknown event"):
		return fault.New(fault.Unknown, "the function does not know the action "+a.Name+": it is from an older release", deployThis)
	case strings.Contains(answer.Type, "Timeout") || strings.Contains(answer.Message, "Task timed out"):
		return fault.New(fault.Attention, "the function timed out", "its log (mautic-rotation logs) shows how far it got. If the log is empty, the function cannot reach AWS: fix the routes or VPC endpoints of its subnets. Otherwise raise the stack's parameter Timeout. The next tick continues what it began")
	}
	return fault.New(fault.Attention, answer.Message, "")
}

// decode reads an answer.
func decode(a Action, payload []byte) (answer report.Report, err error) {
	if text := strings.TrimSpace(string(payload)); text == "null" || text == "" {
		return report.Report{}, fault.New(fault.Unknown, "the function's answer is empty: it is from an older release", deployThis)
	}
	if err := json.Unmarshal(payload, &answer); err != nil {
		// Not the error itself: it may quote from the answer.
		return report.Report{}, fault.New(fault.Unknown, "the function's answer is not readable", "does this stack belong to mautic-rotation? If so, "+deployThis)
	}
	switch {
	case answer.Schema > report.Schema:
		return report.Report{}, fault.New(fault.Unknown, fmt.Sprintf("the function answers with schema %d, and this program reads up to %d", answer.Schema, report.Schema),
			"update this program to the release that is deployed (make operator)")
	case answer.Schema < firstSchema:
		return report.Report{}, fault.New(fault.Unknown, "the function's answer has no schema that this program knows", deployThis)
	case answer.Schema == firstSchema && !a.Changes:
		return report.Report{}, fault.New(fault.Unknown, "the function is from an older release and cannot report its status", deployThis)
	}
	for i := range answer.Secrets {
		if s := &answer.Secrets[i]; s.Name == "" {
			s.Name = arn.SecretName(s.ARN)
		}
	}
	return answer, nil
}
