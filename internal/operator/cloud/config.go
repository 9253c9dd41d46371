// Package cloud is how the operator's program talks to AWS: it finds stacks, invokes the function, and reads
// the log and the trail. Each of these is a small type with a few methods, whose errors say what to do (see
// [Explain]).
//
// The types keep method values of an SDK client, not the client itself, so that the linker can leave out the
// hundreds of operations that are not called.
package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/middleware"

	"mautic-rotation/internal/operator/fault"
)

// Load reads credentials, region and endpoint as the AWS CLI does: from the environment, profiles, SSO and the
// machine's role. A profile or region of "" means the default one. The clock is set from the answers.
func Load(ctx context.Context, profile, region string, clock *Clock) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{config.WithAPIOptions([]func(*middleware.Stack) error{clock.watch})}
	if profile != "" {
		options = append(options, config.WithSharedConfigProfile(profile))
	}
	if region != "" {
		options = append(options, config.WithRegion(region))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, &fault.Error{Code: fault.Unknown, Text: "cannot load the AWS configuration: " + err.Error(),
			Remedy: "fix ~/.aws/config, or use another --profile", Cause: err}
	}
	if c.Region == "" {
		return aws.Config{}, fault.New(fault.Unknown, "no AWS region is set", "add --region, or set AWS_REGION or the profile's region")
	}
	if c.Credentials == nil {
		return aws.Config{}, fault.New(fault.Unknown, "no AWS credentials found", noCredentials)
	}
	if _, err := c.Credentials.Retrieve(ctx); err != nil {
		if f := fault.Of(Explain(err)); f.Remedy != "" {
			return aws.Config{}, f
		}
		return aws.Config{}, &fault.Error{Code: fault.Unknown, Text: "no AWS credentials found", Remedy: noCredentials, Cause: err}
	}
	return c, nil
}
