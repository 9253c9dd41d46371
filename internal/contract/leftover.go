package contract

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	taggingtypes "github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi/types"
)

// leftAfter is how old what another run has made must be: a younger one may be going on.
const leftAfter = time.Hour

// Leftovers are what earlier runs have left behind that were killed.
type Leftovers []thing

// Names says what they are.
func (l Leftovers) Names() (names []string) {
	for _, t := range l {
		names = append(names, t.kind+" "+t.name)
	}
	return names
}

// Leftovers finds what runs have made that began more than an hour ago, by its tag. A thing counts only if its name is that
// of the run which the tag names.
func (a *Account) Leftovers(ctx context.Context) (Leftovers, error) {
	var found Leftovers
	pages := resourcegroupstaggingapi.NewGetResourcesPaginator(a.tagging, &resourcegroupstaggingapi.GetResourcesInput{
		TagFilters:          []taggingtypes.TagFilter{{Key: aws.String(TagKey)}},
		ResourceTypeFilters: []string{"secretsmanager:secret", "lambda:function", "logs:log-group"},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for what earlier runs have left: %w", err)
		}
		for _, r := range page.ResourceTagMappingList {
			for _, tag := range r.Tags {
				if t := thingOf(*r.ResourceARN); *tag.Key == TagKey && a.isLeft(t, *tag.Value) {
					found = append(found, t)
				}
			}
		}
	}
	roles, err := a.rolesLeft(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for roles that earlier runs have left: %w", err)
	}
	return append(found, roles...), nil
}

// rolesLeft finds roles, which the tagging API does not.
func (a *Account) rolesLeft(ctx context.Context) (found Leftovers, err error) {
	pages := iam.NewListRolesPaginator(a.iam, &iam.ListRolesInput{PathPrefix: aws.String(rolePath)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, role := range page.Roles {
			tags, err := a.iam.ListRoleTags(ctx, &iam.ListRoleTagsInput{RoleName: role.RoleName})
			if err != nil {
				return nil, err
			}
			for _, tag := range tags.Tags {
				if t := (thing{kindRole, *role.RoleName}); *tag.Key == TagKey && a.isLeft(t, *tag.Value) {
					found = append(found, t)
				}
			}
		}
	}
	return found, nil
}

// isLeft tells whether a thing is an earlier run's.
func (a *Account) isLeft(t thing, run string) bool {
	began, err := time.Parse(timeLayout, run[:min(len(run), len(timeLayout))])
	if err != nil || a.place.Now().Sub(began) < leftAfter || run == a.run {
		return false
	}
	name := Prefix + run
	switch t.kind {
	case kindSecret:
		return strings.HasPrefix(t.name, name+"-")
	case kindLogGroup:
		return t.name == "/aws/lambda/"+name
	case kindFunction, kindRole:
		return t.name == name
	}
	return false
}

// thingOf takes a thing from its ARN.
func thingOf(arn string) thing {
	parts := strings.SplitN(arn, ":", 7)
	if len(parts) < 7 {
		return thing{}
	}
	name := parts[6]
	switch parts[2] + ":" + parts[5] {
	case "secretsmanager:secret":
		return thing{kindSecret, name[:max(0, len(name)-7)]} // without the hyphen and six characters
	case "lambda:function":
		return thing{kindFunction, name}
	case "logs:log-group":
		return thing{kindLogGroup, strings.TrimSuffix(name, ":*")}
	}
	return thing{}
}

// Sweep removes what was left, and tells what it could not remove.
func (a *Account) Sweep(ctx context.Context, left Leftovers) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	sweep := &Account{secrets: a.secrets, lambda: a.lambda, iam: a.iam, logs: a.logs, made: slices.Clone(left)}
	return sweep.Clean(ctx)
}
