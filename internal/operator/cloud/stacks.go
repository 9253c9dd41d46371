package cloud

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	tagging "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"

	"mautic-rotation/internal/operator/fault"
)

// Tag is the key of the tag on this project's functions, by which they are found. Its value is the stack's
// name.
const Tag = "mautic-rotation"

// A Stack is a deployment of the function.
type Stack struct {
	Name     string
	Function string // its ARN
	LogGroup string
}

// Stacks finds stacks in one account and region by the tags of their functions, which needs only one
// permission and one call.
type Stacks struct {
	region    string
	resources func(context.Context, *tagging.GetResourcesInput, ...func(*tagging.Options)) (*tagging.GetResourcesOutput, error)
}

// NewStacks uses the configuration's account and region.
func NewStacks(c aws.Config) *Stacks {
	return &Stacks{c.Region, tagging.NewFromConfig(c).GetResources}
}

// Find returns the stack with the name or, for "", the only stack.
func (s *Stacks) Find(ctx context.Context, name string) (Stack, error) {
	if name == "" {
		return s.only(ctx)
	}
	found, err := s.tagged(ctx, name)
	switch {
	case err != nil:
		return Stack{}, err
	case len(found) == 0:
		return Stack{}, fault.New(fault.Unknown, fmt.Sprintf("no stack %s of this project in %s", name, s.region), s.others(ctx))
	}
	return found[0], nil
}

func (s *Stacks) only(ctx context.Context) (Stack, error) {
	all, err := s.All(ctx)
	switch {
	case err != nil:
		f := *fault.Of(err)
		f.Remedy = "name the stack with --stack or MAUTIC_ROTATION_STACK"
		return Stack{}, &f
	case len(all) == 0:
		return Stack{}, fault.New(fault.Unknown, "no function in "+s.region+" has the tag "+Tag, "use another --region or --profile, or name the --stack")
	case len(all) > 1:
		return Stack{}, fault.New(fault.Usage, fmt.Sprintf("there are %d stacks in %s", len(all), s.region), "choose one with --stack: "+names(all))
	default:
		return all[0], nil
	}
}

// others is the remedy when a stack was not found: it lists those that exist.
func (s *Stacks) others(ctx context.Context) string {
	all, err := s.All(ctx)
	switch {
	case err != nil:
		return "correct --stack, --region or --profile (the stacks cannot be listed: " + fault.Of(err).Text + ")"
	case len(all) == 0:
		return "correct --region or --profile: there is no function of this project there. If it was deleted, deploy the stack again. (Functions of older releases do not have the tag: deploy this release)"
	default:
		return "correct --stack, --region or --profile; found here: " + names(all) + ". (Functions of older releases do not have the tag: deploy this release)"
	}
}

func names(all []Stack) string {
	var list []string
	for _, s := range all {
		list = append(list, s.Name)
	}
	return strings.Join(list, ", ")
}

// All returns every function that has the tag, sorted by the stacks' names.
func (s *Stacks) All(ctx context.Context) ([]Stack, error) { return s.tagged(ctx) }

// tagged are the functions with the tag and, if given, one of the values.
func (s *Stacks) tagged(ctx context.Context, values ...string) (all []Stack, err error) {
	input := &tagging.GetResourcesInput{
		ResourceTypeFilters: []string{"lambda:function"},
		TagFilters:          []types.TagFilter{{Key: aws.String(Tag), Values: values}},
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

// ofTags is the stack of a function: the tag's value is its name, and the template names the log group
// after it.
func ofTags(r types.ResourceTagMapping) Stack {
	name := ""
	for _, t := range r.Tags {
		if aws.ToString(t.Key) == Tag {
			name = aws.ToString(t.Value)
		}
	}
	return Stack{Name: name, Function: aws.ToString(r.ResourceARN), LogGroup: "/mautic-rotation/" + name}
}
