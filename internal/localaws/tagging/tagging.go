// Package tagging stands in for AWS's Resource Groups Tagging API, of which it has GetResources: functions, secrets, stacks
// and log groups of the stand-in by their tags.
//
// What it does not do: to tag, to list keys and values, and to tell of tag policies. As at AWS a resource that never had a tag is
// not found. One that lost its last tag is not found either; AWS finds it.
package tagging

import (
	"context"
	"maps"
	"slices"
	"strings"

	"mautic-rotation/internal/localaws/wire"
)

// Source tells the tags of resources, by their ARNs.
type Source func() map[string]map[string]string

// StandIn is the Resource Groups Tagging API.
type StandIn struct{ sources []Source }

// New makes a stand-in that finds the resources of the sources.
func New(sources ...Source) *StandIn { return &StandIn{sources} }

// API describes the operations for the wire.
func (s *StandIn) API() *wire.JSONService {
	return &wire.JSONService{
		Name: "tagging", Target: "ResourceGroupsTaggingAPI_20170126", MessageMember: "Message",
		Operations: map[string]wire.Operation{"GetResources": wire.Handle(s.GetResources)},
		Telling:    []string{"ResourceTypeFilters", "TagFilters"},
	}
}

// GetResourcesInput narrows the list down: to resources that have each of the keys, with one of its values if it has some, and
// are of one of the types, such as "lambda" or "lambda:function".
type GetResourcesInput struct {
	TagFilters          []TagFilter
	ResourceTypeFilters []string
	ResourceARNList     []string
	ResourcesPerPage    *int // 1 to 100, default 50
	PaginationToken     string
}

// TagFilter is a key, and the values that it may have; any if there is none.
type TagFilter struct {
	Key    string
	Values []string
}

// GetResourcesOutput is the answer of GetResources. The token of the last page is empty.
type GetResourcesOutput struct {
	Resources       []Resource `json:"ResourceTagMappingList"`
	PaginationToken string
}

// Resource is a resource and its tags.
type Resource struct {
	ResourceARN string
	Tags        []Tag
}

// Tag is a tag.
type Tag struct{ Key, Value string }

func invalid(message string) *wire.Error {
	return &wire.Error{Code: "InvalidParameterException", Message: message}
}

// GetResources lists a page of the resources that match, by their ARNs.
func (s *StandIn) GetResources(_ context.Context, in GetResourcesInput) (out GetResourcesOutput, err error) {
	size := 50
	if in.ResourcesPerPage != nil {
		if size = *in.ResourcesPerPage; size < 1 || size > 100 {
			return out, invalid("ResourcesPerPage must be between 1 and 100")
		}
	}
	if len(in.ResourceARNList) > 0 && (len(in.TagFilters) > 0 || len(in.ResourceTypeFilters) > 0 || in.ResourcesPerPage != nil) {
		return out, invalid("ResourceARNList cannot be combined with filters or ResourcesPerPage")
	}
	if slices.ContainsFunc(in.TagFilters, func(f TagFilter) bool { return f.Key == "" }) {
		return out, invalid("A tag filter needs a Key")
	}
	var found []Resource
	for _, source := range s.sources {
		for arn, tags := range source() {
			if in.matches(arn, tags) {
				found = append(found, describe(arn, tags))
			}
		}
	}
	slices.SortFunc(found, func(a, b Resource) int { return strings.Compare(a.ResourceARN, b.ResourceARN) })
	out.Resources, out.PaginationToken, err = wire.Page(found, size, size, in.PaginationToken)
	if err != nil {
		return out, &wire.Error{Code: "PaginationTokenExpiredException", Message: "The specified PaginationToken has expired."}
	}
	return out, nil
}

func (in *GetResourcesInput) matches(arn string, tags map[string]string) bool {
	if len(tags) == 0 || len(in.ResourceARNList) > 0 && !slices.Contains(in.ResourceARNList, arn) {
		return false
	}
	service, kind := typeOf(arn)
	ofType := func(t string) bool { return t == service || t == service+":"+kind }
	if len(in.ResourceTypeFilters) > 0 && !slices.ContainsFunc(in.ResourceTypeFilters, ofType) {
		return false
	}
	return !slices.ContainsFunc(in.TagFilters, func(f TagFilter) bool {
		value, has := tags[f.Key]
		return !has || len(f.Values) > 0 && !slices.Contains(f.Values, value)
	})
}

// typeOf takes the service and the type of the resource from an ARN.
func typeOf(arn string) (service, kind string) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return "", ""
	}
	return parts[2], parts[5][:max(0, strings.IndexAny(parts[5], ":/"))]
}

func describe(arn string, tags map[string]string) Resource {
	r := Resource{ResourceARN: arn}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		r.Tags = append(r.Tags, Tag{key, tags[key]})
	}
	return r
}
