// Package cloudformation stands in for AWS's CloudFormation, of which it has what is read of stacks. They are put there in Go:
//
//	stack, err := srv.CloudFormation.Put(cloudformation.Stack{
//		Name:       "mautic-rotation",
//		Parameters: map[string]string{"FunctionName": "rotate"},
//		Outputs:    map[string]string{"FunctionArn": arn},
//		Resources:  []cloudformation.Resource{{LogicalID: "RotationFunction", PhysicalID: "rotate", Type: "AWS::Lambda::Function"}},
//	})
//
// or are deployed from a template, and updated and deleted, by Deploy and Delete, which are no operations of the wire:
//
//	err := srv.CloudFormation.Deploy(ctx, cloudformation.Deployment{StackName: "mautic-rotation", Template: parsed, Parameters: parameters})
//
// Providers make the resources of their types; of other types there are names alone.
//
// What it does not do: change sets, events, and every operation that creates, changes or deletes a stack. Nothing is checked
// of what a stack says that it has which is put there.
package cloudformation

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Stack is a stack as it is described.
type Stack struct {
	Name        string
	Description string
	Status      string // default CREATE_COMPLETE
	Parameters  map[string]string
	NoEcho      []string // names of parameters whose values are not told
	Outputs     map[string]string
	Tags        map[string]string
	Resources   []Resource

	// ID, Created and Updated are set by Put where they are not given; Updated only when a stack is put again.
	ID               string // ARN
	Created, Updated time.Time

	deployed *deployed // nil: by Put
}

// Resource is one of a stack.
type Resource struct {
	LogicalID  string
	PhysicalID string
	Type       string
	Status     string // default CREATE_COMPLETE
}

const (
	created = "CREATE_COMPLETE"
	deleted = "DELETE_COMPLETE"
)

// StandIn is CloudFormation.
type StandIn struct {
	env host.Env

	deploying sync.Mutex // one operation at a time

	mu        sync.Mutex
	stacks    []*Stack // deleted ones among them, which have their ids alone
	providers map[string]Provider
	names     map[string]bool // taken, by type and name
}

// New makes a stand-in without stacks.
func New(env host.Env) *StandIn {
	return &StandIn{env: env, providers: map[string]Provider{}, names: map[string]bool{}}
}

// Put makes a stack, or puts one in the place of that of its name, which keeps its id and when it was created. One with the
// status DELETE_COMPLETE is found by its id alone from then on. It returns the stack as it is now.
func (s *StandIn) Put(stack Stack) (Stack, error) {
	if stack.Name == "" {
		return Stack{}, fmt.Errorf("localaws: a stack needs a Name")
	}
	now := s.env.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.find(stack.Name)
	if err == nil {
		stack.ID, stack.Created = cmp.Or(stack.ID, old.ID), old.Created
		if stack.Updated.IsZero() {
			stack.Updated = now
		}
		s.stacks = slices.DeleteFunc(s.stacks, func(o *Stack) bool { return o == old })
	}
	if stack.Created.IsZero() {
		stack.Created = now
	}
	stack.ID = cmp.Or(stack.ID, s.env.Account.ARN("cloudformation", "stack/"+stack.Name+"/"+s.env.Random.UUID()))
	stack.Status = cmp.Or(stack.Status, created)
	stack.Parameters, stack.Outputs, stack.Tags = maps.Clone(stack.Parameters), maps.Clone(stack.Outputs), maps.Clone(stack.Tags)
	stack.Resources = slices.Clone(stack.Resources)
	for i := range stack.Resources {
		stack.Resources[i].Status = cmp.Or(stack.Resources[i].Status, created)
	}
	s.stacks = append(s.stacks, &stack)
	return stack, nil
}

// Stacks lists the stacks that are not deleted, by their names.
func (s *StandIn) Stacks() []Stack {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Stack
	for _, stack := range s.stacks {
		if stack.Status != deleted {
			list = append(list, *stack)
		}
	}
	slices.SortFunc(list, func(a, b Stack) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Tags are the tags of the stacks that are not deleted, by their ids.
func (s *StandIn) Tags() map[string]map[string]string {
	all := map[string]map[string]string{}
	for _, stack := range s.Stacks() {
		all[stack.ID] = stack.Tags
	}
	return all
}

// find finds a stack by its name, or its id. The caller holds the lock.
func (s *StandIn) find(id string) (*Stack, error) {
	for _, stack := range s.stacks {
		if stack.ID == id || stack.Name == id && stack.Status != deleted {
			return stack, nil
		}
	}
	return nil, invalid("Stack with id %s does not exist", id)
}

func invalid(format string, a ...any) *wire.Error {
	return &wire.Error{Code: "ValidationError", Message: fmt.Sprintf(format, a...)}
}

// API describes the operations for the wire.
func (s *StandIn) API() *wire.QueryService {
	return &wire.QueryService{
		Name: "cloudformation", Version: "2010-05-15",
		Operations: map[string]wire.QueryOperation{
			"DescribeStacks":         wire.HandleQuery(s.DescribeStacks),
			"DescribeStackResources": wire.HandleQuery(s.DescribeStackResources),
			"ListStackResources":     wire.HandleQuery(s.ListStackResources),
		},
	}
}

// DescribeStacksInput names a stack, or none for all.
type DescribeStacksInput struct{ StackName, NextToken string }

// DescribeStacksOutput is the answer of DescribeStacks.
type DescribeStacksOutput struct {
	Stacks    []StackDescription `xml:"Stacks>member"`
	NextToken string             `xml:",omitempty"`
}

// StackDescription is a stack as DescribeStacks tells it.
type StackDescription struct {
	StackID         string `xml:"StackId"`
	StackName       string
	Description     string `xml:",omitempty"`
	StackStatus     string
	CreationTime    string
	LastUpdatedTime string      `xml:",omitempty"`
	Parameters      []parameter `xml:"Parameters>member"`
	Outputs         []output    `xml:"Outputs>member"`
	Tags            []tag       `xml:"Tags>member"`
}

type parameter struct{ ParameterKey, ParameterValue string }
type output struct{ OutputKey, OutputValue string }
type tag struct{ Key, Value string }

// pageSize is the most that a list has in one reply.
const pageSize = 100

// DescribeStacks describes one stack, or a page of all that are not deleted.
func (s *StandIn) DescribeStacks(_ context.Context, in DescribeStacksInput) (out DescribeStacksOutput, err error) {
	if in.StackName != "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		stack, err := s.find(in.StackName)
		if err != nil {
			return out, err
		}
		out.Stacks = []StackDescription{stack.describe()}
		return out, nil
	}
	part, next, err := wire.Page(s.Stacks(), 0, pageSize, in.NextToken)
	if err != nil {
		return out, invalid("NextToken is invalid")
	}
	out.NextToken = next
	for _, stack := range part {
		out.Stacks = append(out.Stacks, stack.describe())
	}
	return out, nil
}

func (s *Stack) describe() StackDescription {
	d := StackDescription{
		StackID: s.ID, StackName: s.Name, Description: s.Description, StackStatus: s.Status, CreationTime: iso8601(s.Created),
	}
	if !s.Updated.IsZero() {
		d.LastUpdatedTime = iso8601(s.Updated)
	}
	for _, key := range slices.Sorted(maps.Keys(s.Parameters)) {
		value := s.Parameters[key]
		if slices.Contains(s.NoEcho, key) {
			value = "****"
		}
		d.Parameters = append(d.Parameters, parameter{key, value})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Outputs)) {
		d.Outputs = append(d.Outputs, output{key, s.Outputs[key]})
	}
	for _, key := range slices.Sorted(maps.Keys(s.Tags)) {
		d.Tags = append(d.Tags, tag{key, s.Tags[key]})
	}
	return d
}

func iso8601(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// DescribeStackResourcesInput names a stack, or one of its resources.
type DescribeStackResourcesInput struct {
	StackName          string
	LogicalResourceID  string `query:"LogicalResourceId"`
	PhysicalResourceID string `query:"PhysicalResourceId"`
}

// DescribeStackResourcesOutput is the answer of DescribeStackResources.
type DescribeStackResourcesOutput struct {
	StackResources []StackResource `xml:"StackResources>member"`
}

// StackResource is a resource as DescribeStackResources tells it.
type StackResource struct {
	StackID            string `xml:"StackId"`
	StackName          string
	LogicalResourceID  string `xml:"LogicalResourceId"`
	PhysicalResourceID string `xml:"PhysicalResourceId"`
	ResourceType       string
	Timestamp          string
	ResourceStatus     string
}

// DescribeStackResources describes the first 100 resources of a stack, as CloudFormation does, or the one that is named.
func (s *StandIn) DescribeStackResources(_ context.Context, in DescribeStackResourcesInput) (out DescribeStackResourcesOutput, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (in.StackName == "") == (in.PhysicalResourceID == "") {
		return out, invalid("Either StackName or PhysicalResourceId must be specified, and not both")
	}
	stack, err := s.holding(in.StackName, in.PhysicalResourceID)
	if err != nil {
		return out, err
	}
	for _, r := range stack.Resources {
		if (in.LogicalResourceID == "" || in.LogicalResourceID == r.LogicalID) && len(out.StackResources) < pageSize {
			out.StackResources = append(out.StackResources, StackResource{
				stack.ID, stack.Name, r.LogicalID, r.PhysicalID, r.Type, iso8601(stack.touched()), r.Status,
			})
		}
	}
	if in.LogicalResourceID != "" && len(out.StackResources) == 0 {
		return out, invalid("Resource %s does not exist for stack %s", in.LogicalResourceID, stack.Name)
	}
	return out, nil
}

// holding finds a stack by its name or id or, without one, by one of its resources. The caller holds the lock.
func (s *StandIn) holding(name, physical string) (*Stack, error) {
	if name != "" {
		return s.find(name)
	}
	for _, stack := range s.stacks {
		if slices.ContainsFunc(stack.Resources, func(r Resource) bool { return r.PhysicalID == physical }) {
			return stack, nil
		}
	}
	return nil, invalid("Stack for %s does not exist", physical)
}

// touched is when the stack was changed last.
func (s *Stack) touched() time.Time {
	if s.Updated.IsZero() {
		return s.Created
	}
	return s.Updated
}

// ListStackResourcesInput names a stack.
type ListStackResourcesInput struct{ StackName, NextToken string }

// ListStackResourcesOutput is the answer of ListStackResources.
type ListStackResourcesOutput struct {
	Summaries []ResourceSummary `xml:"StackResourceSummaries>member"`
	NextToken string            `xml:",omitempty"`
}

// ResourceSummary is a resource as ListStackResources tells it.
type ResourceSummary struct {
	LogicalResourceID    string `xml:"LogicalResourceId"`
	PhysicalResourceID   string `xml:"PhysicalResourceId"`
	ResourceType         string
	LastUpdatedTimestamp string
	ResourceStatus       string
}

// ListStackResources lists a page of a stack's resources.
func (s *StandIn) ListStackResources(_ context.Context, in ListStackResourcesInput) (out ListStackResourcesOutput, err error) {
	if strings.TrimSpace(in.StackName) == "" {
		return out, wire.Validation(" null", "stackName", "not be null")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stack, err := s.find(in.StackName)
	if err != nil {
		return out, err
	}
	part, next, err := wire.Page(stack.Resources, 0, pageSize, in.NextToken)
	if err != nil {
		return out, invalid("NextToken is invalid")
	}
	out.NextToken = next
	for _, r := range part {
		out.Summaries = append(out.Summaries, ResourceSummary{r.LogicalID, r.PhysicalID, r.Type, iso8601(stack.touched()), r.Status})
	}
	return out, nil
}
