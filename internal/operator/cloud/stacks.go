package cloud

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"

	"mautic-rotation/internal/operator/fault"
)

// Tag is the key of the tag by which the functions of this project are found.
const Tag = "mautic-rotation"

// stackTag is the tag that CloudFormation puts on each resource of a stack.
const stackTag = "aws:cloudformation:stack-name"

// A Stack is a deployment of the function.
type Stack struct {
	Name     string
	Function string // its ARN
	LogGroup string
	Secret   string // ARN of the first one; "" where the outputs were not read
}

// Stacks finds stacks, in one account and region.
type Stacks struct {
	region    string
	describe  func(context.Context, *cloudformation.DescribeStacksInput, ...func(*cloudformation.Options)) (*cloudformation.DescribeStacksOutput, error)
	resources func(context.Context, *tagging.GetResourcesInput, ...func(*tagging.Options)) (*tagging.GetResourcesOutput, error)
}

// NewStacks finds them by CloudFormation and by tags.
func NewStacks(c aws.Config) *Stacks {
	return &Stacks{c.Region, cloudformation.NewFromConfig(c).DescribeStacks, tagging.NewFromConfig(c).GetResources}
}

// Find returns the stack with the name; with "", the only one that there is.
func (s *Stacks) Find(ctx context.Context, name string) (Stack, error) {
	if name == "" {
		return s.only(ctx)
	}
	out, err := s.describe(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if isAPI(err, "ValidationError") || err == nil && len(out.Stacks) == 0 {
		text := fmt.Sprintf("there is no stack %s in %s", name, s.region)
		return Stack{}, &fault.Error{Code: fault.Unknown, Text: text, Remedy: s.others(ctx), Cause: err}
	}
	if err != nil {
		return s.tagged(ctx, name, Explain(err))
	}
	found := Stack{Name: name, LogGroup: "/mautic-rotation/" + name}
	for _, o := range out.Stacks[0].Outputs {
		switch value := aws.ToString(o.OutputValue); aws.ToString(o.OutputKey) {
		case "FunctionArn":
			found.Function = value
		case "SecretArn":
			found.Secret = value
		case "LogGroup":
			found.LogGroup = value
		}
	}
	if found.Function == "" {
		return Stack{}, fault.New(fault.Unknown, fmt.Sprintf("the stack %s in %s has no output FunctionArn, so it is no stack of this project, or not yet deployed", name, s.region), s.others(ctx))
	}
	return found, nil
}

// tagged finds a stack by its function's tags where CloudFormation does not tell of it. Where
// that does not find it either, the error is CloudFormation's.
func (s *Stacks) tagged(ctx context.Context, name string, fault error) (Stack, error) {
	all, err := s.All(ctx)
	if at := slices.IndexFunc(all, func(found Stack) bool { return found.Name == name }); err == nil && at >= 0 {
		return all[at], nil
	}
	return Stack{}, fault
}

func (s *Stacks) only(ctx context.Context) (Stack, error) {
	all, err := s.All(ctx)
	switch {
	case err != nil:
		f := *fault.Of(err)
		f.Remedy = "name the stack: --stack, or MAUTIC_ROTATION_STACK"
		return Stack{}, &f
	case len(all) == 0:
		return Stack{}, fault.New(fault.Unknown, "no function in "+s.region+" has the tag "+Tag, "name the --stack, another --region or another --profile")
	case len(all) > 1:
		return Stack{}, fault.New(fault.Usage, fmt.Sprintf("there are %d stacks in %s", len(all), s.region), "name one by --stack: "+names(all))
	default:
		return all[0], nil
	}
}

// others is the remedy where a stack was not found: those that there are.
func (s *Stacks) others(ctx context.Context) string {
	all, err := s.All(ctx)
	switch {
	case err != nil:
		return "correct --stack, --region or --profile (the stacks cannot be listed: " + fault.Of(err).Text + ")"
	case len(all) == 0:
		return "correct --region or --profile: no stack of this project was found there"
	default:
		return "in " + s.region + " there is " + names(all) + "; correct --stack, --region or --profile"
	}
}

func names(all []Stack) string {
	var list []string
	for _, s := range all {
		list = append(list, s.Name)
	}
	return strings.Join(list, ", ")
}

// All returns every function that has the tag, in the order of the stacks' names.
func (s *Stacks) All(ctx context.Context) (all []Stack, err error) {
	input := &tagging.GetResourcesInput{
		ResourceTypeFilters: []string{"lambda:function"},
		TagFilters:          []types.TagFilter{{Key: aws.String(Tag)}},
	}
	for {
		out, err := s.resources(ctx, input)
		if err != nil {
			return nil, Explain(err)
		}
		for _, r := range out.ResourceTagMappingList {
			all = append(all, ofTags(r))
		}
		if aws.ToString(out.PaginationToken) == "" {
			break
		}
		input.PaginationToken = out.PaginationToken
	}
	slices.SortFunc(all, func(a, b Stack) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// ofTags is the stack of a function, by its tags.
func ofTags(r types.ResourceTagMapping) Stack {
	tags := map[string]string{}
	for _, t := range r.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	arn := aws.ToString(r.ResourceARN)
	name := cmp.Or(tags[stackTag], tags[Tag], arn[strings.LastIndexByte(arn, ':')+1:])
	return Stack{Name: name, Function: arn, LogGroup: "/mautic-rotation/" + name}
}
