// Package cloud is how the operator's program reaches AWS: it finds stacks, invokes the
// function, and reads the log and the trail. Each thing that it does is a small type with a few methods;
// what they fail with is explained for people (see [Explain]).
//
// A client of the SDK is kept in no field and handed on as a method's value, so that the linker
// leaves out the hundreds of operations that are not called.
package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/middleware"

	"mautic-rotation/internal/operator/fault"
)

// Load reads credentials, region and endpoint as the AWS CLI does: from the environment,
// profiles, SSO, and the machine's role. A profile or region that is "" is the usual one. The
// clock is that of what answers.
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
		return aws.Config{}, &fault.Error{Code: fault.Unknown, Text: "the AWS configuration cannot be used: " + err.Error(),
			Remedy: "correct ~/.aws/config, or name another --profile", Cause: err}
	}
	if c.Region == "" {
		return aws.Config{}, fault.New(fault.Unknown, "no region is set", "add --region, or set AWS_REGION or the profile's region")
	}
	if c.Credentials == nil {
		return aws.Config{}, fault.New(fault.Unknown, "there are no AWS credentials", noCredentials)
	}
	if _, err := c.Credentials.Retrieve(ctx); err != nil {
		if f := fault.Of(Explain(err)); f.Remedy != "" {
			return aws.Config{}, f
		}
		return aws.Config{}, &fault.Error{Code: fault.Unknown, Text: "there are no AWS credentials", Remedy: noCredentials, Cause: err}
	}
	return c, nil
}
