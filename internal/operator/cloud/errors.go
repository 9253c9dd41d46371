package cloud

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"

	"mautic-rotation/internal/operator/fault"
)

// Explain turns the error of an AWS call into a fault that says what to do. It returns nil for nil, and
// a fault unchanged.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	f := &fault.Error{Code: fault.Unknown, Text: plain(err), Cause: err}
	var sso *ssocreds.InvalidTokenError
	if errors.As(err, &sso) {
		f.Text, f.Remedy = "you have no SSO session, or it has expired", "log in with `aws sso login` (add --profile if you use one)"
		return f
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		if strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "refresh cached credentials") {
			f.Text, f.Remedy = "no AWS credentials found", noCredentials
		}
		return f
	}
	switch code := api.ErrorCode(); {
	case strings.Contains(api.ErrorMessage(), "cannot invoke the specified Lambda function"):
		f.Code, f.Text = fault.Attention, "Secrets Manager cannot invoke the function"
		f.Remedy = "its permission was removed, or is for another secret: correct the stack's parameter SecretArn and deploy"
		return f
	case code == "TooManyRequestsException": // which is Lambda's
		f.Text, f.Remedy = plain(err)+" (AWS could not run it now)", "try again; if it persists, raise the account's Lambda concurrency limit, or remove reserved concurrency from the function"
		return f
	}
	switch api.ErrorCode() {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized":
		f.Denied = deniedAction(err, api.ErrorMessage())
		f.Text = "AWS denied " + f.Denied
		f.Remedy = "have one of the stack's policies for operators attached to you (outputs ReadPolicy and RotatePolicy; see docs/security.md), or use another --profile"
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		f.Text, f.Remedy = "your AWS credentials have expired", "log in again (`aws sso login`) or renew them"
	case "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure":
		f.Text, f.Remedy = "AWS does not accept your credentials", noCredentials
	}
	return f
}

const noCredentials = "log in (`aws sso login`), add --profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

// plain is the API's own error message, without the SDK's account of its attempts.
func plain(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return fmt.Sprintf("%s%s: %s", operation(err), api.ErrorCode(), api.ErrorMessage())
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return fmt.Sprintf("calling %s failed: %v", op.Operation(), op.Unwrap())
	}
	return err.Error()
}

func operation(err error) string {
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return op.Operation() + ": "
	}
	return ""
}

var notAuthorized = regexp.MustCompile(`not authorized to perform:? ([a-zA-Z0-9-]+:[A-Za-z0-9]+)`)

// services maps the SDK's names of services to those in IAM actions.
var services = map[string]string{
	"Secrets Manager": "secretsmanager", "CloudWatch Logs": "logs", "CloudTrail": "cloudtrail",
	"Lambda": "lambda", "Resource Groups Tagging API": "tag", "SES": "ses", "STS": "sts",
}

// deniedAction is the action that was denied: from AWS's message, or else from the call.
func deniedAction(err error, message string) string {
	if m := notAuthorized.FindStringSubmatch(message); m != nil {
		return m[1]
	}
	var op *smithy.OperationError
	if !errors.As(err, &op) {
		return "a call"
	}
	name := op.Operation()
	if op.Service() == "Lambda" && name == "Invoke" {
		name = "InvokeFunction"
	}
	if service, ok := services[op.Service()]; ok {
		return service + ":" + name
	}
	return op.Service() + ":" + name
}

// isAPI tells whether an API answered with one of the codes.
func isAPI(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode() == code {
			return true
		}
	}
	return false
}
