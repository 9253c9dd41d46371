package iam

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"mautic-rotation/internal/localaws/host"
	"mautic-rotation/internal/localaws/wire"
)

// Role is a role of IAM. What its policies allow is not asked: see the package's documentation.
type Role struct {
	Name, Path string
	Tags       map[string]string
	Trust      string            // the document that says who may assume it
	Policies   map[string]string // the documents of its inline policies, by name

	id      string
	created time.Time
}

// Roles returns the roles by their names.
func (s *StandIn) Roles() map[string]Role {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Role{}
	for _, r := range s.roles {
		role := *r
		role.Policies = maps.Clone(r.Policies)
		all[r.Name] = role
	}
	return all
}

// roleOperations are the operations on roles, for the wire.
func (s *StandIn) roleOperations() map[string]wire.QueryOperation {
	return map[string]wire.QueryOperation{
		"CreateRole":       wire.HandleQuery(s.CreateRole),
		"DeleteRole":       wire.HandleQuery(s.DeleteRole),
		"DeleteRolePolicy": wire.HandleQuery(s.DeleteRolePolicy),
		"ListRolePolicies": wire.HandleQuery(s.ListRolePolicies),
		"ListRoles":        wire.HandleQuery(s.ListRoles),
		"ListRoleTags":     wire.HandleQuery(s.ListRoleTags),
		"PutRolePolicy":    wire.HandleQuery(s.PutRolePolicy),
	}
}

// findRole finds a role by its name. The caller holds the lock.
func (s *StandIn) findRole(name string) (*Role, error) {
	i := slices.IndexFunc(s.roles, func(r *Role) bool { return strings.EqualFold(r.Name, name) })
	if i < 0 {
		return nil, noSuchEntity("The role with name " + name + " cannot be found.")
	}
	return s.roles[i], nil
}

// RoleDescription is a role as it is described.
type RoleDescription struct {
	Path       string
	RoleName   string
	RoleID     string `xml:"RoleId"`
	ARN        string `xml:"Arn"`
	CreateDate string
}

func (s *StandIn) describeRole(r *Role) RoleDescription {
	arn := "arn:aws:iam::" + s.env.Account.ID + ":role" + r.Path + r.Name
	return RoleDescription{r.Path, r.Name, r.id, arn, iso8601(r.created)}
}

// CreateRoleInput describes a new role, with one tag at most.
type CreateRoleInput struct {
	RoleName, Path, Description string
	AssumeRolePolicyDocument    string
	TagKey                      string `query:"Tags.member.1.Key"`
	TagValue                    string `query:"Tags.member.1.Value"`
}

// CreateRoleOutput is the answer of CreateRole.
type CreateRoleOutput struct{ Role RoleDescription }

// CreateRole makes a role without policies.
func (s *StandIn) CreateRole(_ context.Context, in CreateRoleInput) (*CreateRoleOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.RoleName == "" || len(in.RoleName) > 64 || in.AssumeRolePolicyDocument == "" {
		return nil, validationError("A role needs a name of 1 to 64 characters, and an AssumeRolePolicyDocument.")
	}
	if _, err := s.findRole(in.RoleName); err == nil {
		return nil, &wire.Error{Code: "EntityAlreadyExists", Message: "Role with name " + in.RoleName + " already exists.", Status: http.StatusConflict}
	}
	r := &Role{
		Name: in.RoleName, Path: cmp.Or(in.Path, "/"), Trust: in.AssumeRolePolicyDocument, Policies: map[string]string{},
		id: "AROA" + s.env.Random.Text(17, host.Base32), created: s.now(),
	}
	if in.TagKey != "" {
		r.Tags = map[string]string{in.TagKey: in.TagValue}
	}
	s.roles = append(s.roles, r)
	return &CreateRoleOutput{s.describeRole(r)}, nil
}

// RoleInput names a role.
type RoleInput struct{ RoleName string }

// DeleteRole deletes a role that has no policies any more.
func (s *StandIn) DeleteRole(_ context.Context, in RoleInput) (none struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.findRole(in.RoleName)
	if err != nil {
		return none, err
	}
	if len(r.Policies) > 0 {
		return none, &wire.Error{Code: "DeleteConflict", Message: "Cannot delete entity, must delete policies first.", Status: http.StatusConflict}
	}
	s.roles = slices.DeleteFunc(s.roles, func(other *Role) bool { return other == r })
	return none, nil
}

// RolePolicyInput is an inline policy of a role, with its document where that is to be set.
type RolePolicyInput struct{ RoleName, PolicyName, PolicyDocument string }

// PutRolePolicy sets an inline policy, in place of the one of its name.
func (s *StandIn) PutRolePolicy(_ context.Context, in RolePolicyInput) (none struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.findRole(in.RoleName)
	if err != nil {
		return none, err
	}
	r.Policies[in.PolicyName] = in.PolicyDocument
	return none, nil
}

// DeleteRolePolicyInput names an inline policy of a role.
type DeleteRolePolicyInput struct{ RoleName, PolicyName string }

// DeleteRolePolicy removes an inline policy.
func (s *StandIn) DeleteRolePolicy(_ context.Context, in DeleteRolePolicyInput) (none struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.findRole(in.RoleName)
	if err != nil {
		return none, err
	}
	if _, there := r.Policies[in.PolicyName]; !there {
		return none, noSuchEntity(fmt.Sprintf("The role policy with name %s cannot be found.", in.PolicyName))
	}
	delete(r.Policies, in.PolicyName)
	return none, nil
}

// RoleListInput asks for a page of a list of what a role has.
type RoleListInput struct {
	RoleName, Marker string
	MaxItems         *int
}

// ListRolePoliciesOutput is the answer of ListRolePolicies.
type ListRolePoliciesOutput struct {
	Names []string `xml:"PolicyNames>member"`
	Paging
}

// ListRolePolicies lists the names of a role's inline policies, all on one page.
func (s *StandIn) ListRolePolicies(_ context.Context, in RoleListInput) (*ListRolePoliciesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.findRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	return &ListRolePoliciesOutput{Names: slices.Sorted(maps.Keys(r.Policies))}, nil
}

// ListRoleTagsOutput is the answer of ListRoleTags.
type ListRoleTagsOutput struct {
	Tags []Tag `xml:"Tags>member"`
	Paging
}

// ListRoleTags lists a role's tags, all on one page.
func (s *StandIn) ListRoleTags(_ context.Context, in RoleListInput) (*ListRoleTagsOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.findRole(in.RoleName)
	if err != nil {
		return nil, err
	}
	return &ListRoleTagsOutput{Tags: tagList(r.Tags)}, nil
}

// ListRolesInput asks for a page of the roles below a path.
type ListRolesInput struct {
	PathPrefix, Marker string
	MaxItems           *int
}

// ListRolesOutput is the answer of ListRoles.
type ListRolesOutput struct {
	Roles []RoleDescription `xml:"Roles>member"`
	Paging
}

// ListRoles lists the roles below a path, by name and without their tags, as IAM does.
func (s *StandIn) ListRoles(_ context.Context, in ListRolesInput) (*ListRolesOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []RoleDescription
	for _, r := range s.roles {
		if strings.HasPrefix(r.Path, in.PathPrefix) {
			all = append(all, s.describeRole(r))
		}
	}
	slices.SortFunc(all, func(a, b RoleDescription) int { return strings.Compare(a.RoleName, b.RoleName) })
	part, p, err := page(s.opts.PageSize, all, in.Marker, in.MaxItems)
	return &ListRolesOutput{part, p}, err
}
