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

	"mautic-rotation/internal/localaws/wire"
)

// API describes the operations for the wire.
func (s *StandIn) API() *wire.QueryService {
	api := &wire.QueryService{
		Name:    "iam",
		Version: "2010-05-08",
		Operations: map[string]wire.QueryOperation{
			"GetUser":                  wire.HandleQuery(s.GetUser),
			"ListUserTags":             wire.HandleQuery(s.ListUserTags),
			"ListAttachedUserPolicies": wire.HandleQuery(s.ListAttachedUserPolicies),
			"ListUserPolicies":         wire.HandleQuery(s.ListUserPolicies),
			"ListAccessKeys":           wire.HandleQuery(s.ListAccessKeys),
			"CreateAccessKey":          wire.HandleQuery(s.CreateAccessKey),
			"UpdateAccessKey":          wire.HandleQuery(s.UpdateAccessKey),
			"DeleteAccessKey":          wire.HandleQuery(s.DeleteAccessKey),
			"GetAccessKeyLastUsed":     wire.HandleQuery(s.GetAccessKeyLastUsed),
		},
	}
	maps.Copy(api.Operations, s.roleOperations())
	return api
}

// AccessRules say what IAM is asked about each operation.
func (s *StandIn) AccessRules() wire.Rules {
	user := wire.Rule{Resources: s.userNamed}
	return wire.Rules{
		"iam:CreateAccessKey":          user,
		"iam:DeleteAccessKey":          user,
		"iam:GetAccessKeyLastUsed":     user,
		"iam:GetUser":                  user,
		"iam:ListAccessKeys":           user,
		"iam:ListAttachedUserPolicies": user,
		"iam:ListUserTags":             user,
		"iam:UpdateAccessKey":          user,
	}
}

// userNamed is the user that the request names, or whose key it names. Of a key that nobody has it is *.
func (s *StandIn) userNamed(m wire.Members) []string {
	name := m.First("UserName")
	if name == "" {
		name = s.keyUser(m.First("AccessKeyId"))
	}
	if name == "" {
		return wire.Everything(m)
	}
	return []string{cmp.Or(s.UserARN(name), fmt.Sprintf("arn:aws:iam::%s:user/%s", s.env.Account.ID, name))}
}

// iso8601 is a time as IAM writes it.
func iso8601(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// requestedUser finds the user that a request is about. IAM takes the caller for it where none is named, but no caller
// of the stand-in is an IAM user. The caller holds the lock.
func (s *StandIn) requestedUser(name string) (*user, error) {
	if name == "" {
		return nil, validationError("Must specify userName when calling with non-User credentials")
	}
	return s.findUser(name)
}

// requestedKey finds the user's key that a request is about. The caller holds the lock.
func (s *StandIn) requestedKey(userName, id string) (*user, *key, error) {
	u, err := s.requestedUser(userName)
	if err != nil {
		return nil, nil, err
	}
	k, err := u.findKey(id)
	return u, k, err
}

// ListInput asks for a page of a list of what a user has.
type ListInput struct {
	UserName string
	Marker   string
	MaxItems *int
}

// Paging tells whether a list goes on.
type Paging struct {
	IsTruncated bool
	Marker      string `xml:",omitempty"`
}

// listOf applies a request for a list of what a user has. The pages may be smaller than it allows, as AWS's may.
func listOf[T any](s *StandIn, in ListInput, of func(*user) []T) (part []T, p Paging, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.requestedUser(in.UserName)
	if err != nil {
		return nil, Paging{}, err
	}
	return page(s.opts.PageSize, of(u), in.Marker, in.MaxItems)
}

// page cuts a page of a list, as long as it was asked for or, if size is not 0, no longer than that.
func page[T any](size int, list []T, marker string, maxItems *int) (part []T, p Paging, err error) {
	most := 100
	if maxItems != nil {
		if most = *maxItems; most < 1 || most > 1000 {
			return nil, Paging{}, validationError(fmt.Sprintf(
				"1 validation error detected: Value '%d' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000", most))
		}
	}
	part, p.Marker, err = wire.Page(list, min(cmp.Or(size, most), most), most, marker)
	if err != nil {
		return nil, Paging{}, validationError("Invalid Marker.")
	}
	p.IsTruncated = p.Marker != ""
	return part, p, nil
}

// Tag is a tag of a user.
type Tag struct{ Key, Value string }

// ListUserTagsOutput is the answer of ListUserTags.
type ListUserTagsOutput struct {
	Tags []Tag `xml:"Tags>member"`
	Paging
}

// ListUserTags lists the tags in the order of their keys.
func (s *StandIn) ListUserTags(_ context.Context, in ListInput) (*ListUserTagsOutput, error) {
	tags, p, err := listOf(s, in, (*user).tagList)
	return &ListUserTagsOutput{tags, p}, err
}

// AttachedPolicy names a managed policy.
type AttachedPolicy struct{ PolicyArn, PolicyName string }

// ListAttachedUserPoliciesOutput is the answer of ListAttachedUserPolicies.
type ListAttachedUserPoliciesOutput struct {
	Policies []AttachedPolicy `xml:"AttachedPolicies>member"`
	Paging
}

// ListAttachedUserPolicies lists the managed policies.
func (s *StandIn) ListAttachedUserPolicies(_ context.Context, in ListInput) (*ListAttachedUserPoliciesOutput, error) {
	policies, p, err := listOf(s, in, func(u *user) (list []AttachedPolicy) {
		for _, arn := range u.Policies {
			list = append(list, AttachedPolicy{arn, arn[strings.LastIndexByte(arn, '/')+1:]})
		}
		return list
	})
	return &ListAttachedUserPoliciesOutput{policies, p}, err
}

// ListUserPoliciesOutput is the answer of ListUserPolicies.
type ListUserPoliciesOutput struct {
	Names []string `xml:"PolicyNames>member"`
	Paging
}

// ListUserPolicies lists the names of the user's own policies.
func (s *StandIn) ListUserPolicies(_ context.Context, in ListInput) (*ListUserPoliciesOutput, error) {
	names, p, err := listOf(s, in, func(u *user) []string { return u.InlinePolicies })
	return &ListUserPoliciesOutput{names, p}, err
}

// KeyMetadata is an access key without its secret.
type KeyMetadata struct {
	UserName    string
	AccessKeyID string `xml:"AccessKeyId"`
	Status      string
	CreateDate  string
}

// ListAccessKeysOutput is the answer of ListAccessKeys.
type ListAccessKeysOutput struct {
	Keys []KeyMetadata `xml:"AccessKeyMetadata>member"`
	Paging
}

// ListAccessKeys lists the keys in the order of their creation.
func (s *StandIn) ListAccessKeys(_ context.Context, in ListInput) (*ListAccessKeysOutput, error) {
	keys, p, err := listOf(s, in, func(u *user) (list []KeyMetadata) {
		for _, k := range u.keys {
			list = append(list, KeyMetadata{k.User, k.ID, k.Status, iso8601(k.Created)})
		}
		return list
	})
	return &ListAccessKeysOutput{keys, p}, err
}

// GetUserInput names a user.
type GetUserInput struct{ UserName string }

// GetUserOutput is the answer of GetUser.
type GetUserOutput struct{ User UserDescription }

// UserDescription is a user as GetUser tells it.
type UserDescription struct {
	Path       string
	UserName   string
	UserID     string `xml:"UserId"`
	ARN        string `xml:"Arn"`
	CreateDate string
	Tags       []Tag `xml:"Tags>member,omitempty"`
}

// GetUser describes a user.
func (s *StandIn) GetUser(_ context.Context, in GetUserInput) (*GetUserOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.requestedUser(in.UserName)
	if err != nil {
		return nil, err
	}
	return &GetUserOutput{UserDescription{u.Path, u.Name, u.id, s.arn(u), iso8601(u.created), u.tagList()}}, nil
}

// CreateAccessKeyInput names the user who gets a key.
type CreateAccessKeyInput struct{ UserName string }

// CreateAccessKeyOutput is the answer of CreateAccessKey.
type CreateAccessKeyOutput struct{ AccessKey CreatedKey }

// CreatedKey is an access key with its secret.
type CreatedKey struct {
	UserName        string
	AccessKeyID     string `xml:"AccessKeyId"`
	Status          string
	SecretAccessKey string
	CreateDate      string
}

// CreateAccessKey answers with the secret, which no other operation does.
func (s *StandIn) CreateAccessKey(_ context.Context, in CreateAccessKeyInput) (*CreateAccessKeyOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, err := s.requestedUser(in.UserName)
	if err != nil {
		return nil, err
	}
	k, err := s.addKey(u)
	if err != nil {
		return nil, err
	}
	s.changeUse(k, true)
	return &CreateAccessKeyOutput{CreatedKey{k.User, k.ID, k.Status, k.Secret, iso8601(k.Created)}}, nil
}

// UpdateAccessKeyInput is a key and its new status.
type UpdateAccessKeyInput struct {
	UserName    string
	AccessKeyID string `query:"AccessKeyId"`
	Status      string
}

// UpdateAccessKey switches a key on or off.
func (s *StandIn) UpdateAccessKey(_ context.Context, in UpdateAccessKeyInput) (none struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.Status != active && in.Status != inactive {
		return none, validationError("1 validation error detected: Value '" + in.Status + "' at 'status' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [Active, Inactive]")
	}
	_, k, err := s.requestedKey(in.UserName, in.AccessKeyID)
	if err != nil {
		return none, err
	}
	k.Status = in.Status
	s.changeUse(k, in.Status == active)
	return none, nil
}

// DeleteAccessKeyInput names a key.
type DeleteAccessKeyInput struct {
	UserName    string
	AccessKeyID string `query:"AccessKeyId"`
}

// DeleteAccessKey takes active keys too.
func (s *StandIn) DeleteAccessKey(_ context.Context, in DeleteAccessKeyInput) (none struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, k, err := s.requestedKey(in.UserName, in.AccessKeyID)
	if err != nil {
		return none, err
	}
	u.keys = slices.DeleteFunc(u.keys, func(other *key) bool { return other == k })
	s.changeUse(k, false)
	return none, nil
}

// GetAccessKeyLastUsedInput names a key.
type GetAccessKeyLastUsedInput struct {
	AccessKeyID string `query:"AccessKeyId"`
}

// GetAccessKeyLastUsedOutput is the answer of GetAccessKeyLastUsed.
type GetAccessKeyLastUsedOutput struct {
	UserName          string
	AccessKeyLastUsed LastUsed
}

// LastUsed tells when, where and for which service a key was used last.
type LastUsed struct {
	LastUsedDate string `xml:",omitempty"`
	Region       string
	ServiceName  string
}

// GetAccessKeyLastUsed takes no user. Of a key that does not exist IAM says no more than of another account's.
func (s *StandIn) GetAccessKeyLastUsed(_ context.Context, in GetAccessKeyLastUsedInput) (*GetAccessKeyLastUsedOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if k, err := u.findKey(in.AccessKeyID); err == nil {
			return &GetAccessKeyLastUsedOutput{u.Name, LastUsed{
				k.lastUsed, cmp.Or(k.lastRegion, "N/A"), cmp.Or(k.lastService, "N/A"),
			}}, nil
		}
	}
	return nil, &wire.Error{
		Code: "AccessDenied",
		Message: fmt.Sprintf("User: arn:aws:iam::%s:root is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key %s",
			s.env.Account.ID, in.AccessKeyID),
		Status: http.StatusForbidden,
	}
}
